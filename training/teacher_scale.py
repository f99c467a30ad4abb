"""By which number a teacher's depth is off on the whole, measured on frames that have LiDAR or another depth."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from msg_tools import cli
from msg_tools.camera import Array

from .datasets.frame import TRUTH, DatasetError, Frame, Item, truth_map

Teacher = Callable[[Array, Array], Array]  # rgb uint8 (H, W, 3) and K (3, 3) to depth_m (h, w)
MEASURED = (*TRUTH, 'dense')
FRAMES, FAR_M, ENOUGH = 60, 80.0, 50  # frames of all drives; metres; pixels of a frame


def scale_of(teacher: Teacher, items: Sequence[Item], count: int = FRAMES) -> float:
    """Return the median ratio of measured depth to a teacher's: over drives of that over some of a drive's frames.

    One number, from drives that are trained on, is not a rescaling of each image by its truth: that would make any
    teacher look good. Raises DatasetError where no frame has enough measured depth.
    """
    drives: dict[str, list[Item]] = {}
    for item in items:
        drives.setdefault(item.drive, []).append(item)
    share = max(1, count // len(drives)) if drives else 0
    ratios: dict[str, list[float]] = {}
    chosen = [item for own in drives.values() for item in own[:: -(-len(own) // share)]]
    for item in cli.progress(chosen, text='calibrating'):
        frame = item.read()
        ratio = ratio_of(teacher(frame.rgb, frame.camera.K), frame)
        if np.isfinite(ratio):
            ratios.setdefault(item.drive, []).append(ratio)
    if not ratios:
        raise DatasetError('expected frames with LiDAR or another depth to calibrate on, got none')
    return round(float(np.median([np.median(own) for own in ratios.values()])), 4)


def ratio_of(depth_m: Array, frame: Frame) -> float:
    """Return the median of a frame's measured depth over a map (h, w) [m] of it; NaN for too few pixels with both."""
    size = frame.camera.size
    truth_m = truth_map(frame, MEASURED)
    whole = cv2.resize(depth_m, (size.width, size.height), interpolation=cv2.INTER_NEAREST)
    both = (truth_m > 0) & (truth_m < FAR_M) & (whole > 0) & np.isfinite(whole)
    return float(np.median(truth_m[both] / whole[both])) if both.sum() >= ENOUGH else float('nan')
