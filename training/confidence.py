"""What a stated confidence is worth: the error that is left after the least confident pixels are dropped."""

from __future__ import annotations

import numpy as np

from msg_tools.camera import Array

KEPT = 0.8  # of the pixels: a robot that drops every fifth


def kept_abs_rel(gt_m: Array, pred_m: Array, confidence: Array, part: float = KEPT) -> float:
    """Return the abs_rel of the most confident part of depths (N,) [m]; NaN where there is no pixel.

    >>> kept_abs_rel(np.full(5, 10.0), np.array([11.0, 11.0, 11.0, 11.0, 20.0]), np.array([.9, .9, .9, .9, .1]))
    0.1
    """
    if not gt_m.size:
        return float('nan')
    count = max(1, round(part * gt_m.size))
    kept = np.argpartition(-confidence, count - 1)[:count]
    return float(np.mean(np.abs(pred_m[kept].astype(np.float64) - gt_m[kept]) / gt_m[kept]))
