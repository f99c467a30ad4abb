"""Edges become steeper along rows; everything else stays as it is."""

import numpy as np
import pytest

from depth_node.upsampling import sharpened

ROW = np.array([[0.0] * 18 + [0.4, 0.8, 1.2, 1.6] + [2.0] * 18], np.float32)  # a blurred edge


def test_an_edge_becomes_steeper_and_nothing_leaves_the_range_that_was_there():
    """At 0.8 the mean of 3 is 0.8, that of 17 (7 of 0, the 4 of the edge, 6 of 2) 16 / 17: 0.8 + 0.8 - 0.94 = 0.66."""
    steeper = sharpened(ROW)[0]
    assert steeper[19] == pytest.approx(1.6 - 16 / 17, abs=1e-6)
    assert steeper[20] - steeper[19] >= ROW[0, 20] - ROW[0, 19]
    assert steeper.min() == 0.0
    assert steeper.max() == 2.0
    assert steeper[:18] == pytest.approx(0.0, abs=1e-6)
    assert steeper[22:] == pytest.approx(2.0, abs=1e-6)


def test_a_slope_stays_as_it_is_between_its_ends():
    slope = np.linspace(2.0, 4.0, 60, dtype=np.float32)[None]
    assert sharpened(slope)[0, 8:-8] == pytest.approx(slope[0, 8:-8], abs=1e-6)


def test_the_ground_is_not_bent():
    """What changes from row to row alone is left as it is, however much."""
    ground = np.repeat(np.log(50.0 / np.arange(1, 31, dtype=np.float32))[:, None], 40, axis=1)
    assert sharpened(ground) == pytest.approx(ground, abs=1e-6)


def test_a_single_pixel_does_not_stand_out_more():
    dot = np.zeros((9, 40), np.float32)
    dot[4, 20] = 1.0
    assert sharpened(dot)[4, 20] == 1.0
    assert sharpened(dot).min() == 0.0


@pytest.mark.parametrize('bad', [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_does_not_spread(bad):
    row = ROW.copy()
    row[0, 3] = bad
    assert np.array_equal(sharpened(row), row, equal_nan=True)


def test_it_works_on_its_own_copy():
    before = ROW.copy()
    assert sharpened(ROW).dtype == np.float32
    assert np.array_equal(ROW, before)
