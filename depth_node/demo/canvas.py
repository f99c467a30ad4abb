"""What pictures are put together from: a dark canvas, smooth text, titled panels, the colour bar of depth in metres."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from msg_tools.camera import Array
from msg_tools.colors import FAR_M, NEAR_M, depth_colors

RGB = tuple[int, int, int]

BACKGROUND: RGB = (17, 20, 26)
PANEL: RGB = (27, 31, 39)
LINE: RGB = (74, 82, 96)
WHITE: RGB = (236, 240, 245)
GREY: RGB = (158, 168, 182)
LIDAR: RGB = (64, 224, 255)
FINE = 4  # text is drawn this much larger and averaged down
FONT = cv2.FONT_HERSHEY_SIMPLEX
FONT_PX = 22.0  # the height of a capital at scale 1
TICKS_M = (2, 3, 5, 10, 20, 40, 80)


def blank(height: int, width: int) -> Array:
    """Return an empty canvas uint8 (H, W, 3)."""
    return np.full((height, width, 3), BACKGROUND, np.uint8)


def text_size(text: str, height_px: float) -> tuple[int, int]:
    """Return the width [px] of a text, and how far it reaches below its base line, by the height of its capitals."""
    (width, _), below = cv2.getTextSize(text, FONT, height_px / FONT_PX * FINE, stroke(height_px))
    return round(width / FINE), round(below / FINE) + 1


def stroke(height_px: float) -> int:
    """Return the width of the pen, on the enlarged grid, for capitals of this height [px]."""
    return max(2, round(height_px * FINE * 0.105))


def write(
    canvas: Array, text: str, at: tuple[int, int], height_px: float, color: RGB = WHITE, anchor: str = 'left',
    edge: RGB | None = None,
) -> None:
    """Write a text on a canvas: `at` is (x, y) of its base line's left end, middle or right end by `anchor`.

    An `edge` around the letters, of another colour, makes them readable on a picture.
    """
    width, below = text_size(text, height_px)
    above = round(height_px * 1.15) + 1
    mask = np.zeros(((above + below) * FINE, (width + 2) * FINE), np.uint8)
    cv2.putText(mask, text, (FINE, above * FINE), FONT, height_px / FONT_PX * FINE, 255, stroke(height_px), cv2.LINE_AA)
    smooth = cv2.resize(mask, None, fx=1 / FINE, fy=1 / FINE, interpolation=cv2.INTER_AREA)
    shift = {'left': 0, 'middle': width // 2, 'right': width}[anchor]
    if edge:
        around = max(1, round(height_px / 5))
        wide = cv2.dilate(np.pad(smooth, around),
                          cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * around + 1,) * 2))
        blend(canvas, wide, at[0] - shift - around, at[1] - above - around, edge)
    blend(canvas, smooth, at[0] - shift, at[1] - above, color)


def blend(canvas: Array, mask: Array, x: int, y: int, color: RGB) -> None:
    """Paint a colour through a mask uint8 (h, w) whose corner lies at (x, y); what is outside the canvas is cut off."""
    left, top = max(0, -x), max(0, -y)
    part = canvas[max(y, 0) : max(y + mask.shape[0], 0), max(x, 0) : max(x + mask.shape[1], 0)]
    weight = mask[top : top + part.shape[0], left : left + part.shape[1], None].astype(np.float32) / 255
    part[:] = np.rint(part + weight * (np.array(color, np.float32) - part)).astype(np.uint8)


def paste(canvas: Array, picture: Array, x: int, y: int) -> None:
    """Put a picture on a canvas with its corner at (x, y)."""
    canvas[y : y + picture.shape[0], x : x + picture.shape[1]] = picture


def fitted(picture: Array, width: int) -> Array:
    """Return a picture resized to a width, in proportion."""
    height = round(picture.shape[0] * width / picture.shape[1])
    shrink = width < picture.shape[1]
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA if shrink else cv2.INTER_CUBIC)


def titled(picture: Array, title: str, note: str = '', height_px: float = 14.0) -> Array:
    """Return a picture with a title above it on the left and a note on the right."""
    head = blank(round(height_px * 2.3), picture.shape[1])
    base = round(height_px * 1.6)
    write(head, title, (0, base), height_px)
    if note:
        write(head, note, (picture.shape[1] - 2, base), height_px * 0.85, GREY, 'right')
    return np.vstack([head, picture])


def color_bar(width: int, height: int, near_m: float = NEAR_M, far_m: float = FAR_M) -> Array:
    """Return the scale of depth_colors as a bar with metres written below it, uint8 (height, width, 3)."""
    canvas = blank(height, width)
    text_px = height * 0.36
    bar, margin = round(height * 0.42), round(text_px * 2)
    depth = near_m * (far_m / near_m) ** np.linspace(0, 1, width - 2 * margin)
    paste(canvas, np.repeat(depth_colors(depth[None].astype(np.float32), near_m, far_m), bar, 0), margin, 0)
    for tick_m in (tick for tick in TICKS_M if near_m <= tick <= far_m):
        x = margin + round(np.log(tick_m / near_m) / np.log(far_m / near_m) * (width - 2 * margin - 1))
        cv2.line(canvas, (x, bar - 3), (x, bar + 2), WHITE, 1)
        write(canvas, f'{tick_m} m', (x, height - 2), text_px, GREY, 'middle')
    return canvas


def stacked(pictures: Sequence[Array], gap: int) -> Array:
    """Return pictures of one width one below the other."""
    between = blank(gap, pictures[0].shape[1])
    rows = [row for picture in pictures for row in (picture, between)]
    return np.vstack(rows[:-1])


def table(rows: Sequence[Sequence[str]], width: int, height_px: float) -> Array:
    """Return rows of cells as a picture; the first row is the header, the first column is wider and aligned left."""
    pitch = round(height_px * 2.1)
    canvas = blank(pitch * len(rows), width)
    first = max(text_size(row[0], height_px)[0] for row in rows) + round(height_px * 1.5)
    step = (width - first) / max(1, len(rows[0]) - 1)
    for i, row in enumerate(rows):
        base = round(pitch * (i + 0.7))
        write(canvas, row[0], (0, base), height_px, GREY if i == 0 else WHITE)
        for j, cell in enumerate(row[1:], 1):
            at = (round(first + step * j) - 2, base)
            write(canvas, cell, at, height_px, GREY if i == 0 else WHITE, 'right')
    cv2.line(canvas, (0, pitch - 3), (width, pitch - 3), LINE, 1)
    return canvas
