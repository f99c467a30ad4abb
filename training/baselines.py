"""The two trivial baselines that a network has to beat: mean depth per row, and a flat ground under a camera."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from msg_tools.camera import Array, Intrinsics

from .validate import Predict

CAMERA_HEIGHT_M = 1.65  # KITTI's colour cameras above the ground
FAR_M = 80.0
BINS, SPAN = 512, 0.7  # of the slope of a row's rays, up and down


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
    return fitted(sum((row_sums(*sample) for sample in samples), np.zeros((3, BINS))))


def truth_sums(truth_m: Array, camera: Intrinsics) -> Array:
    """Return the row_sums of a measured map (H, W) [m], 0: none."""
    rows, columns = np.nonzero(truth_m)
    return row_sums(row_slopes(camera)[rows], truth_m[rows, columns])


def row_sums(slopes: Array, depth_m: Array) -> Array:
    """Return (3, BINS) by slope: weights, slopes and depths of an image's pixels summed; the weights sum to 1."""
    near = (depth_m > 0) & (depth_m <= FAR_M)
    slopes, depth_m = slopes[near], depth_m[near].astype(np.float64)
    index = np.clip(((slopes + SPAN) / (2 * SPAN) * BINS).astype(int), 0, BINS - 1)
    sums = [np.bincount(index, weights, BINS) for weights in (None, slopes, depth_m)]
    return np.array(sums) / max(depth_m.size, 1)


def fitted(sums: Array) -> RowMean:
    """Return the row mean of summed row_sums; raises ValueError where they are of no pixel at all."""
    weights, slopes, depths = sums[:, sums[0] > 1e-9]  # a difference of sums is not exactly 0
    if not weights.size:
        raise ValueError('expected measured depth to fit the row mean on, got none')
    return RowMean(slopes / weights, depths / weights)


class OtherRows:
    """The row mean of what a frame is not of: of the other drives, or of the other frames where there is one drive.

    The latter is a hard one: it knows the street.
    """

    def __init__(self, names: Sequence[str], sums: Sequence[Array]) -> None:
        self.groups: dict[str, Array] = {}
        for name, part in zip(names, sums, strict=True):
            self.groups[name] = self.groups.get(name, 0) + part
        self.total = sum(self.groups.values(), np.zeros((3, BINS)))

    def without(self, name: str) -> RowMean | None:
        """Return the row mean without a drive (or frame); None where nothing is left."""
        left = self.total - self.groups.get(name, 0)
        return fitted(left) if (left[0] > 1e-9).any() else None


def flat_ground(height_m: float = CAMERA_HEIGHT_M, far_m: float = FAR_M) -> Predict:
    """Return a predictor of a level ground height_m [m] below a level camera; from the horizon up it says far_m."""

    def predict(rgb: Array, camera: Intrinsics) -> Array:
        slopes = row_slopes(camera)
        rows = np.where(slopes > height_m / far_m, height_m / np.maximum(slopes, 1e-6), far_m)
        return np.repeat(rows[:, None], camera.size.width, 1).astype(np.float32)

    return predict
