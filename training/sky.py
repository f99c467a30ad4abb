"""Which pixels are sky, by brightness and colour: LiDAR returns nothing from there, so no scan can teach it.

A rule of thumb for labels, not for inference: it takes overexposed white and smooth blue in the upper part of the
image. White walls and blue facades pass it too, so a depth that somebody else gives (a teacher) has to agree.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from .datasets.frame import Frame, Points, map_points

Array = NDArray[Any]

WHITE = 235  # the darkest channel of an overexposed sky
BLUE = 140, 1.12  # the least blue of a blue sky, and its ratio to red
SMOOTH = 12.0  # the largest local range of grey levels, 3x3
TOP = 4  # a sky reaches one of the first rows
GUARD_M = 20.0  # where a teacher says nearer, it is a wall


def sky_mask(rgb: Array) -> Array:
    """Return which pixels (H, W) bool of an image uint8 (H, W, 3) look like sky, its border left out."""
    red, blue = rgb[..., 0].astype(np.float32), rgb[..., 2].astype(np.float32)
    kernel = np.ones((3, 3), np.uint8)
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    smooth = cv2.morphologyEx(grey, cv2.MORPH_GRADIENT, kernel) <= SMOOTH
    mask = smooth & ((rgb.min(-1) >= WHITE) | ((blue >= BLUE[0]) & (blue > BLUE[1] * red)))
    mask[rgb.shape[0] * 45 // 100 :] = False  # below the horizon of a camera that looks ahead
    opened = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    _, parts = cv2.connectedComponents(opened)
    return np.isin(parts, np.unique(parts[:TOP])) & (cv2.erode(opened, kernel) > 0)


def sky_points(frame: Frame, guard: Points) -> Points:
    """Label a frame's sky as +Inf where the guard (a dense map's points) has no pixel nearer than GUARD_M around it."""
    height, width = frame.rgb.shape[:2]
    scale = (width / frame.camera.size.width, height / frame.camera.size.height)
    column, row = ((guard.uv + 0.5) * scale).astype(int).T
    near = np.zeros((height, width), np.uint8)
    near[np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)] = guard.depth_m < GUARD_M
    sky = sky_mask(frame.rgb) & (cv2.dilate(near, np.ones((9, 9), np.uint8)) == 0)
    return map_points(np.where(sky, np.float32(np.inf), 0), frame.camera, 'sky', stride=2)
