"""The two trivial baselines that a network has to beat: mean depth per row, and a flat ground under a camera."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from msg_tools.camera import Array, Intrinsics

from .validate import Predict

CAMERA_HEIGHT_M = 1.65  # KITTI's colour cameras above the ground
FAR_M = 80.0
BINS = 256  # of the slope of a row's rays


@dataclass(frozen=True, slots=True)
class RowMean:
    """Mean depth [m] by the slope (v - cy) / fy of a row's rays: a row of every camera that looks ahead."""

    slopes: Array  # (N,) ascending
    depth_m: Array  # (N,)

    def __call__(self, rgb: Array, camera: Intrinsics) -> Array:
        """Return depth_m (H, W) of an image of this camera; the image itself is not looked at."""
        rows = np.interp(row_slopes(camera), self.slopes, self.depth_m)
        return np.repeat(rows[:, None], camera.size.width, 1).astype(np.float32)


def row_slopes(camera: Intrinsics) -> Array:
    """Return (v - cy) / fy of each row (H,): how far its rays fall per metre ahead."""
    return (np.arange(camera.size.height) - camera.cy) / camera.fy


def row_mean(samples: Iterable[tuple[Array, Array]]) -> RowMean:
    """Fit from samples of slopes (N,) and depths (N,) [m] up to FAR_M, each sample (an image) weighing the same."""
    edges = np.linspace(-0.35, 0.35, BINS + 1)
    total, count = np.zeros(BINS), np.zeros(BINS)
    for slopes, depth_m in samples:
        near = (depth_m > 0) & (depth_m <= FAR_M)
        bins = np.clip(np.digitize(slopes[near], edges) - 1, 0, BINS - 1)
        total += np.bincount(bins, depth_m[near], BINS) / max(near.sum(), 1)
        count += np.bincount(bins, minlength=BINS) / max(near.sum(), 1)
    known = count > 0
    centres = (edges[1:] + edges[:-1]) / 2
    return RowMean(centres[known], total[known] / count[known])


def flat_ground(height_m: float = CAMERA_HEIGHT_M, far_m: float = FAR_M) -> Predict:
    """Return a predictor of a level ground height_m [m] below a level camera; from the horizon up it says far_m."""

    def predict(rgb: Array, camera: Intrinsics) -> Array:
        slopes = row_slopes(camera)
        rows = np.where(slopes > height_m / far_m, height_m / np.maximum(slopes, 1e-6), far_m)
        return np.repeat(rows[:, None], camera.size.width, 1).astype(np.float32)

    return predict
