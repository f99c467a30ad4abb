"""Edges become steeper along rows; everything else stays as it is."""

import numpy as np
import pytest

from depth_node.upsampling import sharpened

ROW = np.array([[0.0] * 20 + [1.7] * 20], np.float32)


def test_both_sides_of_an_edge_move_apart():
    """Second pixel right of the edge: the mean of 3 is 1.7, that of 17 with 10 far ones 1.0; 1.7 + (1.7 - 1.0) / 2."""
    steeper = sharpened(ROW)[0]
    assert steeper[[18, 21]] == pytest.approx([-0.35, 2.05], abs=1e-6)
    assert steeper[:12] == pytest.approx(ROW[0, :12], abs=1e-6)  # out of reach
    assert steeper[28:] == pytest.approx(ROW[0, 28:], abs=1e-6)
    assert steeper.mean() == pytest.approx(ROW.mean(), abs=1e-6)


def test_a_slope_stays_as_it_is_between_its_ends():
    slope = np.linspace(2.0, 4.0, 60, dtype=np.float32)[None]
    assert sharpened(slope)[0, 8:-8] == pytest.approx(slope[0, 8:-8], abs=1e-6)


def test_the_ground_is_not_bent():
    """What changes from row to row alone is left as it is, however much."""
    ground = np.repeat(np.log(50.0 / np.arange(1, 31, dtype=np.float32))[:, None], 40, axis=1)
    assert sharpened(ground) == pytest.approx(ground, abs=1e-6)


def test_a_single_pixel_hardly_stands_out_more():
    """Half of 1/9 - 1/51 more: a sharpening that does not look at its neighbours would add half of 16/17."""
    dot = np.zeros((9, 40), np.float32)
    dot[4, 20] = 1.0
    assert sharpened(dot)[4, 20] == pytest.approx(1 + (1 / 9 - 1 / 51) / 2, abs=1e-6)


@pytest.mark.parametrize('bad', [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_does_not_spread(bad):
    row = ROW.copy()
    row[0, 3] = bad
    assert np.array_equal(sharpened(row), row, equal_nan=True)


def test_it_works_on_its_own_copy():
    before = ROW.copy()
    assert sharpened(ROW).dtype == np.float32
    assert np.array_equal(ROW, before)
