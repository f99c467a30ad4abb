"""How far a rig's disparities are off, measured on pairs that have LiDAR: half a pixel is 10 % of the depth at 60 m.

A rectification is never quite right. KITTI's is off by half a pixel in the middle and more towards the sides, a known
bias (Kreso and Segvic, "Improving the Egomotion Estimation by Correcting the Calibration Bias", VISAPP 2015).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from msg_tools.camera import Array

from .datasets.frame import DatasetError, Frame, truth_map

ROBUST = 0.03  # relative errors of depth beyond count less (Cauchy)
NEAR_M, FAR_M = 3.0, 80.0
ENOUGH = 2000  # pixels with both, of all pairs together


@dataclass(frozen=True, slots=True)
class Offset:
    """What a disparity lacks, in widths of the image, by the column x, -1 left to 1 right: constant + x + x^2 terms."""

    constant: float = 0.0
    linear: float = 0.0
    square: float = 0.0

    def pixels(self, width: int) -> Array:
        """Return what to add to disparities in each column (width,) [px]."""
        x = columns(width)
        return width * (self.constant + self.linear * x + self.square * x**2)

    def mirrored(self) -> Offset:
        """Return the offset of the mirrored image."""
        return Offset(self.constant, -self.linear, self.square)


NONE = Offset()


def columns(width: int) -> Array:
    """Return x of each column (width,), -1 at the left edge to 1 at the right."""
    return (np.arange(width) + 0.5) / width * 2 - 1


def residuals(frame: Frame, depth_m: Array, baseline_m: float) -> Array:
    """Return x, true and stereo's disparity [widths] (N, 3) where a frame has both measured depth and stereo's [m]."""
    truth_m, width = truth_map(frame), frame.camera.size.width
    rows, column = np.nonzero((truth_m > NEAR_M) & (truth_m < FAR_M) & (depth_m > 0))
    scale = frame.camera.fx * abs(baseline_m) / width
    return np.stack([columns(width)[column], scale / truth_m[rows, column], scale / depth_m[rows, column]], -1)


def fit_offset(found: Iterable[Array]) -> Offset:
    """Fit the offset with which stereo's depth is off least, relative to it, in the residuals of some frames.

    Iteratively reweighted least squares, since a point beside an edge is off by any amount; a frame with more points
    weighs as their root. Raises DatasetError for too few.
    """
    parts = [part for part in found if len(part)]
    count = sum(len(part) for part in parts)
    if count < ENOUGH:
        raise DatasetError(f'expected {ENOUGH} pixels with LiDAR and stereo to calibrate on, got {count}; '
                           'name a source whose pairs have LiDAR')
    x, true, matched = np.concatenate(parts).T
    share = np.concatenate([np.full(len(part), len(part) ** -0.25) for part in parts])
    terms = np.stack([np.ones_like(x), x, x**2], -1) / true[:, None]
    error = (true - matched) / true  # of depth, to first order
    weight = share
    for _ in range(30):
        solution = np.linalg.lstsq(terms * weight[:, None], error * weight, rcond=None)[0]
        weight = share / np.sqrt(1 + ((error - terms @ solution) / ROBUST) ** 2)
    return Offset(*(round(float(value), 8) for value in solution))
