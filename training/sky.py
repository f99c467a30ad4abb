"""Which pixels are sky, by brightness and colour: LiDAR returns nothing from there, so no scan can teach it.

A rule of thumb for labels, not for inference: it takes smooth parts of the image that reach its top and are overexposed
white or blue. White walls and blue facades pass it too, so a depth that somebody else gives (a teacher) has to agree.
What is missed costs little, a wall called sky much.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from .datasets.frame import Frame, Points, map_points

Array = NDArray[Any]

PALE = 200, 6  # the least blue of a pale or overexposed sky, and by how much red may exceed it
BLUE = 140, 1.12  # the least blue of a blue sky, and its ratio to red
SMOOTH = 12.0  # the largest local range of grey levels, 3x3
HORIZON = 0.45  # the part of the image's height above which a camera that looks ahead sees sky
TOP = 4  # a sky reaches one of the first rows
GUARD_M = 25.0  # where a teacher says nearer, it is a wall
PART_M, FARTHEST = 30.0, 0.7  # least median of a part, in metres and of the farthest part's: a facade is nearer


def sky_mask(rgb: Array) -> Array:
    """Return which pixels (H, W) bool of an image uint8 (H, W, 3) look like sky, its border left out."""
    return sky_parts(rgb) > 0


def sky_parts(rgb: Array) -> Array:
    """Return the connected parts int32 (H, W) of an image uint8 (H, W, 3) that look like sky, numbered; 0: none."""
    red, blue = rgb[..., 0].astype(np.int16), rgb[..., 2].astype(np.int16)
    kernel = np.ones((3, 3), np.uint8)
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    smooth = cv2.morphologyEx(grey, cv2.MORPH_GRADIENT, kernel) <= SMOOTH
    pale = (blue >= PALE[0]) & (blue >= red - PALE[1])
    mask = smooth & (pale | ((blue >= BLUE[0]) & (blue > BLUE[1] * red)))
    mask[round(HORIZON * rgb.shape[0]) :] = False
    opened = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    _, parts = cv2.connectedComponents(opened)
    inner = cv2.erode(opened, kernel) > 0
    return np.where(inner & np.isin(parts, np.unique(parts[:TOP])), parts, 0)


def sky_points(frame: Frame, guard: Points) -> Points:
    """Label a frame's sky as +Inf where the guard (a dense map's points) agrees that nothing near is there.

    A part of the image counts where the guard's median is far, and of it the pixels with no near one around.
    """
    height, width = frame.rgb.shape[:2]
    scale = (width / frame.camera.size.width, height / frame.camera.size.height)
    column, row = ((guard.uv + 0.5) * scale).astype(int).T
    column, row = np.clip(column, 0, width - 1), np.clip(row, 0, height - 1)
    near = np.zeros((height, width), np.uint8)
    near[row, column] = guard.depth_m < GUARD_M
    parts = sky_parts(frame.rgb)
    sky = np.isin(parts, far_parts(parts[row, column], guard.depth_m)) & (cv2.dilate(near, np.ones((9, 9))) == 0)
    return map_points(np.where(sky, np.float32(np.inf), 0), frame.camera, 'sky', stride=2)


def far_parts(parts: Array, depth_m: Array) -> list[int]:
    """Return the numbers of the parts (N,) whose depths (N,) [m], near ones aside, are a sky's; 0: of no part."""
    parts, depth_m = parts[depth_m >= GUARD_M], depth_m[depth_m >= GUARD_M]
    medians = {int(part): float(np.median(depth_m[parts == part])) for part in np.unique(parts) if part}
    least = max(PART_M, FARTHEST * min(max(medians.values(), default=0.0), 80.0))
    return [part for part, median in medians.items() if median >= least]
