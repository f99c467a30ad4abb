"""Drop the points that the scanner sees and the camera does not: background seen through the edges of what is nearer.

The scanner sits beside or above the camera and looks past an edge at what the camera has behind it. In the image such
points lie among those of the nearer surface. So a point goes if nearer ones lie on both of its sides, within the
distance at which a scan's points lie from each other; background beside an edge has them on one side only, and stays.

How far apart points lie, and how fast a floor recedes, is taken from the map itself: nothing has to be known of the
scanner or of the camera's height.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..camera import Array
from .pixels import gaps, seen_through
from .settings import Step

SAMPLES, ROWS_APART = 2000, 7  # a prime: no beam's rows are always left out
FLOOR_FACTOR = 1.65  # slopes up to this many times the usual floor's are floor: ramps, kerbs, the far edge of a road
MOST_PX = 24  # half a window; coarser scans leave holes that nothing in the image can judge


@dataclass(frozen=True, slots=True)
class Spacing:
    """How far apart the points of a map lie [px], and how the floor's inverse depth grows per row [1/m/px]."""

    rows: float
    columns: float
    floor_slope: float


UNKNOWN = Spacing(1.0, 1.0, 0.0)  # where nothing asks for it


def spacing_of(steps: Array) -> Spacing:
    """Measure a depth map uint16 (H, W) on some thousands of its points."""
    count = int(np.count_nonzero(steps))
    rows_apart = ROWS_APART if count > ROWS_APART * SAMPLES else 1
    below, right, slope = gaps(steps, rows_apart, max(1, count // (rows_apart * SAMPLES)))
    rising = slope[(below > 0) & (slope > 0)]
    return Spacing(_median(below[below > 0]), _median(right[right > 0]), _median(rising, 0.0))


def without_occluded(steps: Array, step: Step, spacing: Spacing) -> tuple[Array, int]:
    """Return a depth map uint16 (H, W) [1/256 m] without what is seen through something nearer, and how many that was.

    `step` says how much nearer it must be.
    """
    if step.is_off:
        return steps, 0
    rows, columns = (int(np.clip(np.ceil(0.55 * gap), 1, MOST_PX)) for gap in (spacing.rows, 1.8 * spacing.columns))
    hidden = seen_through(steps, nearest_around(steps, rows, columns), rows, columns, step.metres, step.share,
                          FLOOR_FACTOR * spacing.floor_slope)
    result = steps.copy()
    result.flat[hidden] = 0
    return result, len(hidden)


def nearest_around(steps: Array, rows: int, columns: int) -> Array:
    """Return the least depth of a window around each pixel of a map uint16 (H, W), less one; 65535 where none is."""
    window = np.ones((2 * rows + 1, 2 * columns + 1), np.uint8)
    return np.asarray(cv2.erode(steps - np.uint16(1), window))  # no depth, 0, becomes the farthest


def _median(values: Array, default: float = 1.0) -> float:
    return float(np.median(values)) if len(values) else default
