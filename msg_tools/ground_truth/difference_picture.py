"""A picture of two depth maps and their difference, with a legend in words."""

from __future__ import annotations

import cv2
import numpy as np

from ..camera import Array
from ..colors import depth_colors, diverging
from ..depth_png import STEPS_PER_M

SPAN = 0.1  # relative difference at the ends of the colours
ONLY_OURS, ONLY_THEIRS = (60, 200, 90), (190, 90, 220)
LINE_PX, DOT = 26, np.ones((2, 2), np.uint8)
WHITE = 236, 240, 245


def difference_picture(ours: Array, theirs: Array) -> Array:
    """Draw two maps uint16 (H, W) [1/256 m] and their signed difference below them, uint8 (3 * (H + 26), W, 3) RGB."""
    marks = ((diverging(np.array([-1.0]))[0].tolist(), f'ours {SPAN:.0%} nearer'),
             (diverging(np.array([0.0]))[0].tolist(), 'same'),
             (diverging(np.array([1.0]))[0].tolist(), f'{SPAN:.0%} farther'),
             (ONLY_OURS, 'only in ours'), (ONLY_THEIRS, 'only in theirs'))
    panels = []
    for title, picture, legend in (('ours', _spread(ours), ()), ('theirs', _spread(theirs), ()),
                                   ('difference', difference_colors(ours, theirs), marks)):
        panels += [_line(picture.shape[1], title, legend), picture]
    return np.vstack(panels)


def difference_colors(ours: Array, theirs: Array) -> Array:
    """Return uint8 (H, W, 3) RGB: blue where ours is nearer than theirs, red where farther; and in one map alone."""
    both = (ours > 0) & (theirs > 0)
    colors = np.zeros((*ours.shape, 3), np.uint8)
    colors[(ours > 0) & ~both], colors[(theirs > 0) & ~both] = ONLY_OURS, ONLY_THEIRS
    reference = theirs[both].astype(np.float64)
    colors[both] = diverging((ours[both] / reference - 1) / SPAN)
    wider = np.asarray(cv2.dilate(colors, DOT))  # a lone pixel is hard to see
    return np.where(colors.any(-1, keepdims=True), colors, wider)


def _spread(steps: Array) -> Array:
    """Draw a sparse map (H, W) in the colours of depth, each pixel two wide, the nearest on top."""
    depth_m = np.where(steps > 0, steps / np.float32(STEPS_PER_M), np.inf).astype(np.float32)
    nearest = np.asarray(cv2.erode(depth_m, DOT, borderValue=float('inf')))
    return depth_colors(np.where(np.isfinite(nearest), nearest, 0))


def _line(width: int, title: str, legend: tuple[tuple[tuple[int, ...] | list[int], str], ...]) -> Array:
    """Return a line of text, with a box of colour before each word of the legend."""
    canvas = np.full((LINE_PX, width, 3), 27, np.uint8)
    x = 8 + _write(canvas, title, 8)
    for color, words in legend:
        cv2.rectangle(canvas, (x + 14, 8), (x + 24, 18), tuple(color), -1)
        x += 30 + _write(canvas, words, x + 30)
    return canvas


def _write(canvas: Array, words: str, x: int) -> int:
    """Write words from x on and return how wide they are [px]."""
    cv2.putText(canvas, words, (x, 18), cv2.FONT_HERSHEY_SIMPLEX, 0.45, WHITE, 1, cv2.LINE_AA)
    return cv2.getTextSize(words, cv2.FONT_HERSHEY_SIMPLEX, 0.45, 1)[0][0]
