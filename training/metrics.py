"""The field's depth metrics, computed in metres and never after median scaling, and the two Garg crops."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msg_tools.camera import Size

Array = NDArray[Any]

NAMES = ('abs_rel', 'sq_rel', 'rmse_m', 'rmse_log', 'silog', 'delta1', 'delta2', 'delta3')
MIN_DEPTH_M, MAX_DEPTH_M = 1e-3, 80.0
# (top, bottom, left, right) as parts of the frame: Garg et al. 2016 as monodepth2's evaluate_depth.py and BTS's
# bts_eval.py use it, on the whole frame; and the same parts of the bottom-centred 352x1216 crop of the KITTI benchmark,
# as BTS does where it measures while it trains (bts_main.py: there the loader has cropped the truth already)
GARG = (0.40810811, 0.99189189, 0.03594771, 0.96405229)
KB_CROP = Size(352, 1216)
CROPS = ('none', 'garg', 'garg_kb')
BINS = ((0, 10), (10, 20), (20, 40), (40, 80))  # of measured distance [m]
BIN_NAMES = ('abs_rel', 'rmse_m', 'delta1')


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


@dataclass(frozen=True, slots=True)
class Protocol:
    """Which pixels count: those in a crop of CROPS whose measured depth is greater than min and less than max."""

    crop: str = 'garg'
    min_depth_m: float = MIN_DEPTH_M
    max_depth_m: float = MAX_DEPTH_M

    def wanted(self, gt_m: Array) -> Array:
        """Return the pixels (H, W) bool of a measured map [m] that count."""
        with np.errstate(invalid='ignore'):
            return (gt_m > self.min_depth_m) & (gt_m < self.max_depth_m) & crop_mask(Size(*gt_m.shape), self.crop)

    def compared(self, gt_m: Array, pred_m: Array) -> tuple[Array, Array]:
        """Return which pixels (H, W) bool count and have an estimate (> 0), and the prediction clamped to the range.

        +Inf (nothing within range) becomes max_depth_m. Raises ValueError where the shapes differ.
        """
        if gt_m.shape != pred_m.shape:
            raise ValueError(f'expected maps of one shape, got truth {gt_m.shape} and prediction {pred_m.shape}')
        with np.errstate(invalid='ignore'):
            return self.wanted(gt_m) & (pred_m > 0), np.clip(pred_m, self.min_depth_m, self.max_depth_m)


def image_errors(gt_m: Array, pred_m: Array, protocol: Protocol = Protocol()) -> dict[str, float]:
    """Compare depth maps (H, W) [m] where truth counts; `coverage` is the part of it that has an estimate.

    A pixel with no estimate (NaN or 0) is left out of the errors and lowers the coverage; see Protocol for the others.
    """
    valid, pred_m = protocol.compared(gt_m, pred_m)
    wanted = protocol.wanted(gt_m).sum()
    coverage = float(valid.sum() / wanted) if wanted else float('nan')
    return {**compute_errors(gt_m[valid], pred_m[valid]), 'coverage': coverage}


def bin_errors(gt_m: Array, pred_m: Array) -> dict[str, float]:
    """Return BIN_NAMES of depths (N,) [m] in each of BINS of measured distance as `abs_rel 0-10`, and its `share`."""
    found = {}
    for low, high in BINS:
        inside = (gt_m > low) & (gt_m <= high)
        errors = compute_errors(gt_m[inside], pred_m[inside])
        found.update({f'{name} {low}-{high}': errors[name] for name in BIN_NAMES})
        found[f'share {low}-{high}'] = float(inside.mean()) if inside.size else float('nan')
    return found


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
    """Average each metric over the images (or drives) that have it; {} where none has a single pixel to compare."""
    rows = list(errors)
    if not any(np.isfinite(row['abs_rel']) for row in rows):
        return {}
    table = np.array([list(row.values()) for row in rows], np.float64)
    known = np.isfinite(table)
    means = np.where(known, table, 0).sum(0) / np.where(known.any(0), known.sum(0), np.nan)
    return dict(zip(rows[0], means.tolist(), strict=True))


def by_drive(drives: Iterable[str], errors: Iterable[Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Average each metric within each drive: a long drive counts as much as a short one afterwards."""
    groups: dict[str, list[Mapping[str, float]]] = {}
    for drive, row in zip(drives, errors, strict=True):
        groups.setdefault(drive, []).append(row)
    means = {drive: mean_errors(rows) for drive, rows in sorted(groups.items())}
    return {drive: mean for drive, mean in means.items() if mean}
