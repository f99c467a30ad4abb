"""The field's depth metrics, computed in metres and never after median scaling, and the two Garg crops."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msg_tools.camera import Size

Array = NDArray[Any]

NAMES = ('abs_rel', 'sq_rel', 'rmse_m', 'rmse_log', 'silog', 'delta1', 'delta2', 'delta3')
MIN_DEPTH_M, MAX_DEPTH_M = 1e-3, 80.0
# (top, bottom, left, right) as parts of the frame: Garg et al. 2016 as monodepth2 uses it, and the same rectangle
# on the bottom-centred 352x1216 crop of the KITTI benchmark, as BTS uses it
GARG = (0.40810811, 0.99189189, 0.03594771, 0.96405229)
KB_CROP = Size(352, 1216)
CROPS = ('none', 'garg', 'garg_kb')


def compute_errors(gt_m: Array, pred_m: Array) -> dict[str, float]:
    """Compare depths (N,) [m], all > 0 and finite: a value for each of NAMES; silog is in percent.

    The formulas are Eigen et al. 2014's, as in monodepth2's evaluate_depth.py; NaN where there is no pixel at all.

    >>> compute_errors(np.array([10.0, 10.0]), np.array([11.0, 9.0]))['abs_rel']
    0.1
    """
    if gt_m.shape != pred_m.shape:
        raise ValueError(f'expected depths of one shape, got truth {gt_m.shape} and prediction {pred_m.shape}')
    if gt_m.size == 0:
        return dict.fromkeys(NAMES, float('nan'))
    gt_m, pred_m = gt_m.astype(np.float64), pred_m.astype(np.float64)
    ratio = np.maximum(gt_m / pred_m, pred_m / gt_m)
    error, log_error = pred_m - gt_m, np.log(pred_m) - np.log(gt_m)
    return {
        'abs_rel': float(np.mean(np.abs(error) / gt_m)),
        'sq_rel': float(np.mean(error**2 / gt_m)),
        'rmse_m': float(np.sqrt(np.mean(error**2))),
        'rmse_log': float(np.sqrt(np.mean(log_error**2))),
        'silog': float(100 * np.std(log_error)),
        **{f'delta{i}': float(np.mean(ratio < 1.25**i)) for i in (1, 2, 3)},
    }


def image_errors(
    gt_m: Array, pred_m: Array, crop: str = 'garg', min_depth_m: float = MIN_DEPTH_M, max_depth_m: float = MAX_DEPTH_M
) -> dict[str, float]:
    """Compare depth maps (H, W) [m] where truth has a depth in range; `coverage` is the part of it that has one too.

    A prediction of +Inf (nothing within range) counts as max_depth_m, others are clamped to the range; a pixel with
    no estimate (NaN or 0) is left out of the errors and lowers the coverage.
    """
    valid = comparable(gt_m, pred_m, crop, min_depth_m, max_depth_m)
    wanted = wanted_pixels(gt_m, crop, min_depth_m, max_depth_m)
    pred_m = np.clip(pred_m[valid], min_depth_m, max_depth_m)
    coverage = float(valid.sum() / wanted.sum()) if wanted.any() else float('nan')
    return {**compute_errors(gt_m[valid], pred_m), 'coverage': coverage}


def wanted_pixels(
    gt_m: Array, crop: str = 'garg', min_depth_m: float = MIN_DEPTH_M, max_depth_m: float = MAX_DEPTH_M
) -> Array:
    """Return the pixels (H, W) bool of a measured map [m] that count: in the crop and between the limits."""
    with np.errstate(invalid='ignore'):
        return (gt_m > min_depth_m) & (gt_m < max_depth_m) & crop_mask(Size(*gt_m.shape), crop)


def comparable(
    gt_m: Array, pred_m: Array, crop: str = 'garg', min_depth_m: float = MIN_DEPTH_M, max_depth_m: float = MAX_DEPTH_M
) -> Array:
    """Return the pixels (H, W) bool that count and have a prediction > 0; raises ValueError where the shapes differ."""
    if gt_m.shape != pred_m.shape:
        raise ValueError(f'expected maps of one shape, got truth {gt_m.shape} and prediction {pred_m.shape}')
    with np.errstate(invalid='ignore'):
        return wanted_pixels(gt_m, crop, min_depth_m, max_depth_m) & (pred_m > 0)


def crop_mask(size: Size, crop: str) -> Array:
    """Return which pixels (H, W) bool of a frame of this size a crop of CROPS keeps."""
    if crop not in CROPS:
        raise ValueError(f'expected a crop out of {", ".join(CROPS)}, got {crop!r}')
    mask = np.ones(size.shape, bool)
    if crop != 'none':
        top, left, within = 0, 0, size
        if crop == 'garg_kb':
            within = Size(min(KB_CROP.height, size.height), min(KB_CROP.width, size.width))
            top, left = size.height - within.height, (size.width - within.width) // 2
        rows = [int(part * within.height) + top for part in GARG[:2]]
        columns = [int(part * within.width) + left for part in GARG[2:]]
        mask[:] = False
        mask[rows[0] : rows[1], columns[0] : columns[1]] = True
    return mask


def mean_errors(errors: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Average each metric over images (or drives), those without a single pixel left out."""
    rows = [row for row in errors if np.isfinite(row['abs_rel'])]
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]} if rows else {}


def by_drive(drives: Iterable[str], errors: Iterable[Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Average each metric within each drive: a long drive counts as much as a short one afterwards."""
    groups: dict[str, list[Mapping[str, float]]] = {}
    for drive, row in zip(drives, errors, strict=True):
        groups.setdefault(drive, []).append(row)
    means = {drive: mean_errors(rows) for drive, rows in sorted(groups.items())}
    return {drive: mean for drive, mean in means.items() if mean}
