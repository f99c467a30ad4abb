"""What a stated confidence is worth."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from depth_node_training.confidence import (
    STEPS,
    area,
    calibration_error,
    curve_scores,
    kept_abs_rel,
    reliability,
    sparsification,
)

ERROR = np.arange(1.0, 21.0)  # 1, 2, ... 20: their mean is 10.5


def test_dropping_the_worst_first_by_hand():
    """Each step drops the largest: the mean of 1..20 is 10.5, of 1..16 8.5, of 1 alone 1."""
    curve, oracle = sparsification(ERROR, 1 / ERROR)
    assert (curve[0], curve[4], curve[-1]) == (10.5, 8.5, 1.0)
    np.testing.assert_allclose(curve, oracle)
    assert curve_scores(curve, oracle)['ause'] == pytest.approx(0.0)
    assert curve_scores(curve, oracle)['kept80_abs_rel'] == pytest.approx(8.5)


def test_dropping_the_best_first_is_worse_than_at_random():
    curve, oracle = sparsification(ERROR, ERROR)
    assert curve[-1] == 20.0
    assert curve_scores(curve, oracle)['aurg'] < 0


def test_one_confidence_for_all_gains_nothing():
    """Whatever the order of the pixels in memory: all that are equal are dropped at random."""
    curve, _ = sparsification(ERROR, np.full(20, 0.7))
    np.testing.assert_allclose(curve, 10.5)


def test_equals_are_averaged_by_hand():
    """Two sure pixels of errors 1 and 3, two unsure ones of 10: without half of them 2, and so without 3 of 4."""
    error, confidence = np.array([1.0, 10.0, 3.0, 10.0]), np.array([0.9, 0.1, 0.9, 0.1])
    assert sparsification(error, confidence)[0][[0, 10, 15]].tolist() == [6.0, 2.0, 2.0]


def test_area_by_hand():
    """Between 1 and 0 over 19 of 20 steps."""
    assert area(np.ones(STEPS), np.zeros(STEPS)) == pytest.approx(19 / 20)


def test_kept_by_hand():
    gt_m, pred_m = np.full(5, 10.0), np.array([11.0, 20.0, 11.0, 11.0, 11.0])
    assert kept_abs_rel(gt_m, pred_m, np.array([0.9, 0.1, 0.8, 0.7, 0.6])) == pytest.approx(0.1)
    assert math.isnan(kept_abs_rel(np.zeros(0), np.zeros(0), np.zeros(0)))


def test_nothing_to_compare_is_no_number():
    curve, oracle = sparsification(np.zeros(0), np.zeros(0))
    assert np.isnan(curve).all()
    assert np.isnan(oracle).all()
    assert np.isnan(reliability(np.zeros(0), np.zeros(0), np.zeros(0))).all()


@given(arrays(np.float64, st.integers(1, 60), elements=st.floats(0, 10)), st.integers(0, 2**32 - 1))
def test_no_confidence_beats_the_oracle(error, seed):
    confidence = np.random.default_rng(seed).random(error.size).round(1)
    curve, oracle = sparsification(error, confidence)
    assert (curve >= oracle - 1e-9).all()
    assert curve[0] == pytest.approx(error.mean())


def test_reliability_by_hand():
    """Of four pixels stated at 0.95 three are right (11 of 10 m), one is twice too far: 0.75 instead of 0.95."""
    table = reliability(np.full(4, 10.0), np.array([11.0, 11.0, 11.0, 20.0]), np.full(4, 0.95))
    assert table[0].tolist() == [0.0] * 9 + [1.0]
    assert table[2, 9] == 0.75
    assert calibration_error(table) == pytest.approx(0.2)


def test_certain_pixels_fall_into_the_last_bin():
    table = reliability(np.full(2, 10.0), np.full(2, 10.0), np.array([1.0, 0.0]))
    assert (table[0, 9], table[0, 0]) == (0.5, 0.5)


def test_what_a_laplace_error_states_comes_true():
    """Errors drawn as the network states them: calibrated to a percent; stated twice as small, far from it."""
    rng = np.random.default_rng(3)
    scale = rng.uniform(0.02, 1.0, 200_000)
    gt_m = np.full(scale.size, 20.0)
    pred_m = gt_m * np.exp(rng.laplace(0, scale))

    def stated(b):
        return 1 - np.exp(-np.log(1.25) / b)

    assert calibration_error(reliability(gt_m, pred_m, stated(scale))) < 0.01
    assert calibration_error(reliability(gt_m, pred_m, stated(scale / 2))) > 0.1
