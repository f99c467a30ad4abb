"""Means by drive, and their intervals."""

import numpy as np
import pytest

from depth_node_training.bootstrap import drive_mean, finite_mean, intervals

NAN = np.nan


def test_each_drive_counts_once_by_hand():
    values = np.array([[1.0, NAN], [3.0, 4.0], [10.0, 8.0]])
    assert drive_mean(values, ['a', 'a', 'b']).tolist() == [6.0, 6.0]


def test_curves_too():
    values = np.arange(12.0).reshape(3, 2, 2)
    assert drive_mean(values, ['a', 'a', 'a']).tolist() == [[4.0, 5.0], [6.0, 7.0]]


def test_nothing_known_is_no_number():
    assert np.isnan(finite_mean(np.array([[NAN, 1.0]]))).tolist() == [True, False]
    assert np.isnan(intervals(np.array([[NAN], [NAN]]), ['a', 'b'])).all()


def test_the_same_everywhere_has_no_width():
    assert intervals(np.full((6, 1), 0.25), ['a', 'a', 'b', 'b', 'c', 'c']).T.tolist() == [[0.25, 0.25]]


def test_one_image_says_nothing_of_others():
    assert np.isnan(intervals(np.array([[1.0]]), ['a'])).all()


def test_two_drives_by_hand():
    """Two drives of one image, at 0 and 1: means 0, 1/2 and 1 in a quarter, a half and a quarter of the draws."""
    low, high = intervals(np.array([[0.0], [1.0]]), ['a', 'b'])[:, 0]
    assert (low, high) == (0.0, 1.0)


def test_same_seed_same_interval():
    values = np.random.default_rng(1).random((12, 2))
    drives = list('aaabbbcccddd')
    np.testing.assert_array_equal(intervals(values, drives, seed=4), intervals(values, drives, seed=4))
    assert (intervals(values, drives, seed=4) != intervals(values, drives, seed=5)).any()


def test_images_of_one_drive_are_worth_less_than_of_many():
    """Drives differ, images of a drive do not: to draw images alone would promise six times too much."""
    values = np.repeat(np.arange(6.0), 36)[:, None]
    drives = np.repeat(list('abcdef'), 36).tolist()
    by_drive, by_image = (np.ptp(intervals(values, names)) for names in (drives, ['all'] * len(drives)))
    assert by_drive > 3 * by_image


def test_the_truth_lies_within_about_as_often_as_promised():
    """Drives' means are drawn around 0: of 200 intervals of 95 % at least 160 hold it (of few drives somewhat less)."""
    rng = np.random.default_rng(0)
    drives = np.repeat(np.arange(12), 4).astype(str).tolist()
    inside = 0
    for seed in range(200):
        values = np.repeat(rng.normal(size=12), 4) + 0.3 * rng.normal(size=48)
        low, high = intervals(values[:, None], drives, draws=300, seed=seed)[:, 0]
        inside += low <= 0.0 <= high
    assert 160 <= inside <= 199


def test_a_metric_that_some_images_lack():
    low, high = intervals(np.array([[1.0], [NAN], [2.0]]), ['a', 'a', 'b'])[:, 0]
    assert (low, high) == pytest.approx((1.0, 2.0))
