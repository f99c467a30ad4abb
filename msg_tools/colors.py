"""Depth as colors for people: near is warm, far is cool, equal ratios of depth are equal steps of color."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

NEAR_M, FAR_M = 2.0, 80.0
NONE_RGB = (0, 0, 0)
SKY_RGB = (176, 196, 222)
_NONE, _SKY = 0, 255  # palette entries; those between go from near to far


def depth_colors(depth_m: Array, near_m: float = NEAR_M, far_m: float = FAR_M) -> Array:
    """Return depth (H, W) [m] as uint8 (H, W, 3) RGB: red at `near_m` and nearer, blue at `far_m` and farther.

    NaN, 0 and below are black (no depth), +Inf is light grey-blue (nothing within range).
    """
    bits = np.ascontiguousarray(depth_m, np.float32).view(np.uint32)
    index = _index_by_bits(near_m, far_m).take(bits >> np.uint32(16), mode='clip')  # all are in: saves the check
    return cv2.applyColorMap(index, _palette())


def overlay(rgb: Array, sparse_depth_m: Array, radius: int = 1, near_m: float = NEAR_M, far_m: float = FAR_M) -> Array:
    """Draw sparse depth (H, W) [m] as colored dots of this radius [px] on a darkened image uint8 (H, W, 3) RGB.

    0 and what is not finite is no depth; where dots overlap the nearest wins.
    """
    depth_m = np.where(np.isfinite(sparse_depth_m) & (sparse_depth_m > 0), sparse_depth_m, np.inf).astype(np.float32)
    dot = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    depth_m = np.asarray(cv2.erode(depth_m, dot, borderValue=float('inf')))
    drawn = np.isfinite(depth_m)[..., None]
    return np.where(drawn, depth_colors(depth_m, near_m, far_m), rgb // 2)


def diverging(value: Array) -> Array:
    """Return colours uint8 (N, 3) from blue at -1 over white at 0 to red at 1."""
    stops = np.array([[30, 90, 255], [120, 190, 255], [245, 245, 240], [255, 160, 90], [235, 30, 30]], np.float32)
    at = (np.clip(value, -1, 1) + 1) * 2
    return np.stack([np.interp(at, np.arange(5), stops[:, i]) for i in range(3)], -1).astype(np.uint8)


@lru_cache(maxsize=8)
def _index_by_bits(near_m: float, far_m: float) -> Array:
    """Return the palette entry of every float32 by its upper 16 bits: sign, exponent, 7 bits of mantissa.

    One look-up instead of logarithm, clipping and masks; the step of under 0.8 % is finer than the palette's.
    """
    depth_m = (np.arange(1 << 16, dtype=np.uint32) << np.uint32(16)).view(np.float32)
    valid = depth_m > 0  # False for NaN
    ratio = np.log(np.where(valid, depth_m, 1.0) / near_m) / np.log(far_m / near_m)
    index = np.rint(1 + 253 * np.clip(ratio, 0.0, 1.0)).astype(np.uint8)
    index[~valid] = _NONE
    index[np.isposinf(depth_m)] = _SKY
    return index


@lru_cache(maxsize=1)
def _palette() -> Array:
    """Return 256 colors (256, 1, 3) RGB: OpenCV's Turbo from red to blue without its dark ends, and the special two."""
    bright = np.linspace(240, 20, 256).astype(np.uint8).reshape(256, 1)
    turbo = cv2.applyColorMap(bright, cv2.COLORMAP_TURBO)[..., ::-1].copy()
    turbo[_NONE, 0], turbo[_SKY, 0] = NONE_RGB, SKY_RGB
    return turbo
