"""Pictures of a report of depth maps: depth over the image, and depth edges where they are and where they fit best."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from ..camera import Array, Size
from ..colors import overlay
from ..page_pictures import jpeg, smaller
from .calibration_check import CalibrationCheck
from .edge_alignment import AlignedFrame
from .truth_set import TruthEntry

MOST_WIDTH = 1280
DARK = 40
CROP_PARTS = 3  # of the width: what a close-up shows
CROP_ASPECT, CROP_WIDTH = 0.55, 720
GIVEN, BEST = (255, 64, 64), (64, 255, 128)


def frame_pictures(entry: TruthEntry) -> Iterator[tuple[str, str]]:
    """Yield captions and data URIs of a frame: its depth over the image, and the image alone. Raises as reading does.
    """
    depth_m = entry.depth_m()
    height, width = depth_m.shape
    rgb = entry.rgb(Size(height, width))
    canvas = np.full((height, width, 3), DARK, np.uint8) if rgb is None else rgb
    yield ('depth' if rgb is None else 'depth over the image'), jpeg(fitted(overlay(canvas, depth_m)))
    if rgb is not None:
        yield 'image', jpeg(fitted(rgb))


def fitted(picture: Array) -> Array:
    """Make a picture (H, W, 3) smaller where it is wider than MOST_WIDTH."""
    height, width = picture.shape[:2]
    return picture if width <= MOST_WIDTH else smaller(picture, (round(height * MOST_WIDTH / width), MOST_WIDTH))


def edge_pictures(entry: TruthEntry, check: CalibrationCheck) -> Iterator[tuple[str, str]]:
    """Yield captions and data URIs of a close-up with the depth edges as given and, where they do not fit, at best.

    Raises as reading does.
    """
    depth_m = entry.depth_m()
    size = Size(*depth_m.shape)
    rgb, camera = entry.rgb(size), entry.camera(size)
    if rgb is None or camera is None:
        return
    frame = AlignedFrame.of(entry.name, rgb, depth_m, camera)
    if not len(frame.edges):
        return
    window = _busiest(frame, size)
    yield 'depth edges as the set has them', jpeg(_drawn(frame, rgb, np.zeros(3), GIVEN, window))
    if check.verdict == 'misfit':
        yield 'the same edges where they fit best', jpeg(_drawn(frame, rgb, check.turn_deg, BEST, window))


def _busiest(frame: AlignedFrame, size: Size) -> tuple[slice, slice]:
    """Return rows and columns of the window with the most edges."""
    width = max(size.width // CROP_PARTS, 1)
    height = min(size.height, max(round(width * CROP_ASPECT), 1))
    counts = np.zeros(size.shape, np.float32)
    np.add.at(counts, (np.rint(frame.edges.v).astype(int), np.rint(frame.edges.u).astype(int)), 1)
    sums = cv2.integral(counts)
    inside = sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]
    top, left = np.unravel_index(int(inside.argmax()), inside.shape)
    return slice(int(top), int(top) + height), slice(int(left), int(left) + width)


def _drawn(frame: AlignedFrame, rgb: Array, turn_deg: Array, color: tuple[int, int, int],
           window: tuple[slice, slice]) -> Array:
    """Draw a window of the image in grey, larger, with the edges of the map turned back by an angle (3,) [deg]."""
    rows, columns = window
    grey = cv2.cvtColor(np.ascontiguousarray(rgb[window]), cv2.COLOR_RGB2GRAY)
    scale = CROP_WIDTH / grey.shape[1]
    canvas = cv2.resize(cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB), None, fx=scale, fy=scale,
                        interpolation=cv2.INTER_LINEAR)
    u, v = (pixels[:, 0] for pixels in frame.moved(turn_deg[None]))
    for x, y in zip((u - columns.start + 0.5) * scale, (v - rows.start + 0.5) * scale, strict=True):
        cv2.circle(canvas, (round(float(x)), round(float(y))), 2, color, -1, cv2.LINE_AA)
    return canvas
