"""What every dataset yields: an image, its camera, and labels as points, so that depth is never interpolated.

Whatever a label comes from (a scan, a map of another network, stereo), it is a list of pixels with a depth. An image
that is scaled or cropped moves the pixels; the depths stay what they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from msg_tools.camera import Intrinsics, Size
from msg_tools.errors import DepthNodeError

Array = NDArray[Any]


class DatasetError(DepthNodeError, ValueError):
    """A training image, label or index that is missing or malformed."""


@dataclass(frozen=True, slots=True)
class Points:
    """Labels of one source: pixels uv (N, 2), depths (N,) [m] (+Inf: nothing within range), and their weight."""

    uv: Array
    depth_m: Array
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Frame:
    """One image rgb uint8 (H, W, 3), the camera that the labels' pixels belong to, labels by falling trust.

    The image may be kept smaller than the camera's size; it is resized on the way to the network anyway.
    """

    drive: str
    name: str
    rgb: Array
    camera: Intrinsics
    labels: Sequence[Points] = ()


def read_rgb(path: str | Path) -> Array:
    """Read an image file as uint8 (H, W, 3) RGB; raises DatasetError where it is missing or no image."""
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        found = 'a file that does not decode' if Path(path).exists() else 'no file'
        raise DatasetError(f'{path}: expected an image, got {found}')
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def kept_small(rgb: Array, camera: Intrinsics, focal_px: float) -> Array:
    """Shrink an image to the size at which its focal length is focal_px; leave one alone that is smaller already."""
    scale = focal_px / camera.focal_px
    if scale >= 1.0:
        return rgb
    size = Size(round(rgb.shape[0] * scale), round(rgb.shape[1] * scale))
    return cv2.resize(rgb, (size.width, size.height), interpolation=cv2.INTER_AREA)


def map_points(depth_m: Array, camera: Intrinsics, weight: float = 1.0, stride: int = 1) -> Points:
    """Turn a depth map [m] of any size over the camera's view (0 or NaN: none) into points; keep every n-th pixel."""
    scale = np.array([camera.size.width / depth_m.shape[1], camera.size.height / depth_m.shape[0]])
    v, u = np.mgrid[: depth_m.shape[0] : stride, : depth_m.shape[1] : stride]
    depth_m = depth_m[::stride, ::stride]
    valid = depth_m > 0
    uv = (np.stack([u[valid], v[valid]], -1) + 0.5) * scale - 0.5
    return Points(uv.astype(np.float32), depth_m[valid].astype(np.float32), weight)


def without_edges(depth_m: Array, ratio: float = 1.1, radius: int = 2) -> Array:
    """Blank (0) the pixels of a dense map (H, W) near a jump in depth, where filled or matched depth smears."""
    kernel = np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)
    far = cv2.dilate(depth_m.astype(np.float32), kernel)
    near = cv2.erode(np.where(depth_m > 0, depth_m, np.float32(1e6)).astype(np.float32), kernel)
    return np.where((depth_m > 0) & (far < ratio * near), depth_m, 0.0).astype(np.float32)


def beyond(depth_m: Array, far_m: float) -> Array:
    """Turn depths (N,) from far_m on into +Inf: whoever said them cannot tell a far wall from the sky."""
    return np.where(depth_m >= far_m, np.float32(np.inf), depth_m).astype(np.float32)
