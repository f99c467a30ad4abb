"""What every dataset yields: an image, its camera, and labels as points, so that depth is never interpolated.

Whatever a label comes from (a scan, a map of another network, stereo), it is a list of pixels with a depth. An image
that is scaled or cropped moves the pixels; the depths stay what they are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from msg_tools.camera import Intrinsics, Size
from msg_tools.errors import DepthNodeError

Array = NDArray[Any]

TRUTH = ('annotated', 'exact', 'lidar')  # kinds of label that an evaluation may call truth
KINDS = (*TRUTH, 'dense', 'sky', 'stereo', 'teacher')


class DatasetError(DepthNodeError, ValueError):
    """A training image, label or index that is missing or malformed."""


@dataclass(frozen=True, slots=True)
class Points:
    """Labels of one of KINDS: pixels uv (N, 2) float32 and depths (N,) float32 [m]; +Inf: nothing within range."""

    kind: str
    uv: Array
    depth_m: Array


@dataclass(frozen=True, slots=True)
class Frame:
    """One image rgb uint8 (H, W, 3), the camera that the labels' pixels belong to, and labels of any kinds.

    The image may be kept smaller than the camera's size; it is resized on the way to the network anyway.
    """

    drive: str
    name: str
    rgb: Array
    camera: Intrinsics
    labels: tuple[Points, ...] = ()


@dataclass(frozen=True, slots=True)
class Item:
    """A frame that can be read when it is wanted, as a dataset lists it.

    `source` is the dataset's folder or file name and `name` unique in it: SOURCE/NAME.npy is where maps of other
    makers (stereo, teacher) lie. `read` returns the frame at full size; `read_right` the other image of a rectified
    stereo pair, baseline_m to the right of this one.
    """

    source: str
    drive: str
    name: str
    read: Callable[[], Frame]
    read_right: Callable[[], Array] | None = None
    baseline_m: float = 0.0


def truth_map(frame: Frame, kinds: tuple[str, ...] = TRUTH) -> Array:
    """Draw a frame's measured labels as a map float32 (H, W) [m] of its camera; 0: none, nearest wins."""
    depth_m = np.full(frame.camera.size.pixels, np.inf, np.float32)
    for points in frame.labels:
        if points.kind in kinds:
            inside, index = frame.camera.size.flat_index(points.uv)
            np.minimum.at(depth_m, index, points.depth_m[inside])
    return np.where(np.isinf(depth_m), np.float32(0), depth_m).reshape(frame.camera.size.shape)


def read_rgb(path: str | Path) -> Array:
    """Read an image file as uint8 (H, W, 3) RGB; raises DatasetError where it is missing or no image."""
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        found = 'a file that does not decode' if Path(path).exists() else 'no file'
        raise DatasetError(f'{path}: expected an image, got {found}')
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def kept_small(frame: Frame, focal_px: float) -> Frame:
    """Shrink a frame's image to the size at which its focal length is focal_px; leave a smaller one alone."""
    scale = focal_px / frame.camera.focal_px
    if scale >= 1.0:
        return frame
    width, height = (round(length * scale) for length in frame.rgb.shape[1::-1])
    return replace(frame, rgb=cv2.resize(frame.rgb, (width, height), interpolation=cv2.INTER_AREA))


def map_points(depth_m: Array, camera: Intrinsics, kind: str, stride: int = 1) -> Points:
    """Turn a depth map [m] of any size over the camera's view (0 or NaN: none) into points; keep every n-th pixel."""
    scale = np.array([camera.size.width / depth_m.shape[1], camera.size.height / depth_m.shape[0]])
    v, u = np.mgrid[: depth_m.shape[0] : stride, : depth_m.shape[1] : stride]
    depth_m = depth_m[::stride, ::stride]
    valid = depth_m > 0
    uv = (np.stack([u[valid], v[valid]], -1) + 0.5) * scale - 0.5
    return Points(kind, uv.astype(np.float32), depth_m[valid].astype(np.float32))


def without_edges(depth_m: Array, ratio: float = 1.1, radius: int = 2) -> Array:
    """Blank (0) the pixels of a dense map (H, W) near a jump in depth, where filled or matched depth smears."""
    kernel = np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)
    far = cv2.dilate(depth_m.astype(np.float32), kernel)
    near = cv2.erode(np.where(depth_m > 0, depth_m, np.float32(1e6)).astype(np.float32), kernel)
    return np.where((depth_m > 0) & (far < ratio * near), depth_m, 0.0).astype(np.float32)


def check_size(depth_m: Array, size: Size, path: Path) -> Array:
    """Return a depth map (H, W); raises DatasetError where its size is not the image's or it has no depth at all."""
    if depth_m.shape != size.shape:
        raise DatasetError(f'{path}: expected a depth map of {size}, as its image, got shape {depth_m.shape}')
    if not (depth_m > 0).any():
        raise DatasetError(f'{path}: expected depths > 0, got a map without any; is it empty, or of another unit?')
    return depth_m
