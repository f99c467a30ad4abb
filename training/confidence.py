"""What a stated confidence is worth: does the error fall as unsure pixels are dropped, and is what it states true?

Sparsification: Ilg et al. 2018 (Uncertainty estimates and multi-hypotheses networks), for one image at a time as Poggi
et al. 2020 do for depth. Reliability: Guo et al. 2017 (On calibration of modern neural networks), where the event is an
error below a factor of 1.25, which is what our confidence is the probability of.
"""

from __future__ import annotations

import numpy as np

from msg_tools.camera import Array

STEPS = 20
DROPPED = np.arange(STEPS) / STEPS  # parts of the pixels: 0, 5 %, ... 95 %
KEPT = 0.8  # of the pixels: a robot that drops every fifth
RELIABILITY_BINS = 10
RIGHT = 1.25  # a depth within this factor is right: delta1


def kept_abs_rel(gt_m: Array, pred_m: Array, confidence: Array, part: float = KEPT) -> float:
    """Return the abs_rel of the most confident part of depths (N,) [m]; NaN where there is no pixel.

    >>> kept_abs_rel(np.full(5, 10.0), np.array([11.0, 11.0, 11.0, 11.0, 20.0]), np.array([.9, .9, .9, .9, .1]))
    0.1
    """
    return float(kept_means(relative_error(gt_m, pred_m), confidence, np.array([part]))[0])


def relative_error(gt_m: Array, pred_m: Array) -> Array:
    """Return |prediction - truth| / truth (N,) float64 of depths (N,) [m]."""
    return np.abs(pred_m.astype(np.float64) - gt_m) / gt_m


def sparsification(error: Array, confidence: Array) -> tuple[Array, Array]:
    """Return the mean error (STEPS,) of what is left after each of DROPPED, by confidence and by the error itself.

    The second is the oracle: the best that any confidence could do. NaN where there is no pixel.
    """
    return kept_means(error, confidence, 1 - DROPPED), kept_means(error, -error, 1 - DROPPED)


def kept_means(error: Array, confidence: Array, parts: Array) -> Array:
    """Return the mean error of the most confident parts; pixels of one confidence are dropped in random order."""
    if not error.size:
        return np.full(parts.shape, np.nan)
    order = np.argsort(-confidence, kind='stable')
    stated = confidence[order]
    group = np.cumsum(np.concatenate([[False], stated[1:] != stated[:-1]]))
    expected = np.bincount(group, error[order]) / np.bincount(group)  # of a pixel drawn at random from its equals
    count = np.maximum(1, np.rint(parts * error.size).astype(int))
    return np.cumsum(expected[group])[count - 1] / count


def area(upper: Array, lower: Array) -> float:
    """Return the area between two curves over DROPPED, by the trapezoidal rule."""
    gap = upper - lower
    return float((gap[1:] + gap[:-1]).sum() / 2 / STEPS)


def curve_scores(curve: Array, oracle: Array) -> dict[str, float]:
    """Return what a sparsification curve is summed up as.

    `ause`: area above the oracle (0 is the best); `aurg`: area below dropping at random (0 is worth nothing);
    `kept80_abs_rel` is what is left after dropping 20 %.
    """
    at = round((1 - KEPT) * STEPS)
    return {'kept80_abs_rel': float(curve[at]), 'ause': area(curve, oracle),
            'aurg': area(np.full(STEPS, curve[0]), curve)}


def reliability(gt_m: Array, pred_m: Array, confidence: Array) -> Array:
    """Return (3, RELIABILITY_BINS) by stated confidence: parts of all pixels, their confidence and their rights summed.

    The second and third divided by the first are what was stated and what came true.
    """
    if not gt_m.size:
        return np.full((3, RELIABILITY_BINS), np.nan)
    right = np.maximum(gt_m / pred_m, pred_m / gt_m) < RIGHT
    index = np.clip((confidence * RELIABILITY_BINS).astype(int), 0, RELIABILITY_BINS - 1)
    sums = [np.bincount(index, weights, RELIABILITY_BINS) for weights in (None, confidence, right)]
    return np.array(sums) / gt_m.size


def calibration_error(table: Array) -> float:
    """Return the expected calibration error of a (mean) table of `reliability`: |stated - true|, weighed by pixels."""
    return float(np.abs(table[1] - table[2]).sum())
