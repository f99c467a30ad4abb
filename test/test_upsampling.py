"""Edges become steeper along rows; everything else stays as it is."""

import numpy as np
import pytest

from depth_node.upsampling import REACH, sharpened

ROW = np.array([[0.0] * 20 + [1.7] * 20], np.float32)


def test_both_sides_of_an_edge_move_apart():
    """Right of the edge the mean of 17 pixels has 9 far ones: 1.7 + (1.7 - 0.9) / 2 = 2.1."""
    steeper = sharpened(ROW)[0]
    assert steeper[19:21] == pytest.approx([-0.4, 2.1], abs=1e-6)
    assert np.array_equal(steeper[: 20 - REACH], ROW[0, : 20 - REACH])  # out of reach
    assert steeper.mean() == pytest.approx(ROW.mean(), abs=1e-6)


def test_a_slope_stays_as_it_is_between_its_ends():
    slope = np.linspace(2.0, 4.0, 60, dtype=np.float32)[None]
    assert sharpened(slope)[0, REACH:-REACH] == pytest.approx(slope[0, REACH:-REACH], abs=1e-6)


def test_rows_do_not_know_of_each_other():
    """The ground: what changes from row to row alone is left as it is, however much."""
    ground = np.repeat(np.log(50.0 / np.arange(1, 31, dtype=np.float32))[:, None], 40, axis=1)
    assert sharpened(ground) == pytest.approx(ground, abs=1e-6)


@pytest.mark.parametrize('bad', [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_does_not_spread(bad):
    row = ROW.copy()
    row[0, 3] = bad
    assert np.array_equal(sharpened(row), row, equal_nan=True)


def test_it_works_on_its_own_copy():
    before = ROW.copy()
    assert sharpened(ROW).dtype == np.float32
    assert np.array_equal(ROW, before)
