"""What every dataset yields: an image, its camera, and labels as points, so that depth is never interpolated.

Whatever a label comes from (a scan, a map of another network, stereo), it is a list of pixels with a depth. An image
that is scaled or cropped moves the pixels; the depths stay what they are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from msg_tools.camera import Intrinsics
from msg_tools.errors import DepthNodeError
from msg_tools.image_file import read_rgb

Array = NDArray[Any]
Arguments = ParamSpec('Arguments')
Result = TypeVar('Result')

TRUTH = ('annotated', 'exact', 'lidar')  # kinds of label that an evaluation may call truth, the best first
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
    """One image rgb uint8 (H, W, 3), its camera, and labels of any kinds in its pixels."""

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
    stereo pair, baseline_m to the right of this one (< 0: to the left); both raise DatasetError. `file` is where the
    image is kept.
    """

    source: str
    drive: str
    name: str
    read: Callable[[], Frame]
    read_right: Callable[[], Array] | None = None
    baseline_m: float = 0.0
    file: Path | None = None


def dataset_errors(read: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Make a function raise DatasetError for what other readers of ours raise, so that a run can skip a bad file."""

    @wraps(read)
    def wrapped(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        try:
            return read(*args, **kwargs)
        except DatasetError:
            raise
        except (DepthNodeError, OSError) as error:
            raise DatasetError(str(error)) from error

    return wrapped


@dataset_errors
def read_right(path: Path) -> Array:
    """Read the right image of a stereo pair, uint8 (H, W, 3) RGB."""
    return read_rgb(path)


def truth_map(frame: Frame, kinds: tuple[str, ...] = TRUTH) -> Array:
    """Draw a frame's measured labels as a map float32 (H, W) [m] of its camera; 0: none.

    Where several fall on a pixel, the first of `kinds` wins, then the nearest.
    """
    depth_m = np.zeros(frame.camera.size.pixels, np.float32)
    for points in (points for kind in reversed(kinds) for points in frame.labels if points.kind == kind):
        inside, index = frame.camera.size.flat_index(points.uv)
        depth_m[index] = np.inf
        np.minimum.at(depth_m, index, points.depth_m[inside])
    return np.where(np.isinf(depth_m), np.float32(0), depth_m).reshape(frame.camera.size.shape)


def map_points(depth_m: Array, camera: Intrinsics, kind: str, stride: int = 1) -> Points:
    """Turn a depth map [m] of any size over the camera's view (0 or NaN: none) into points; keep every n-th pixel."""
    scale = np.array([camera.size.width / depth_m.shape[1], camera.size.height / depth_m.shape[0]])
    depth_m = np.ascontiguousarray(depth_m[::stride, ::stride])
    index = np.flatnonzero(depth_m > 0)
    v, u = np.divmod(index, depth_m.shape[1])
    uv = (np.stack([u, v], -1) * stride + 0.5) * scale - 0.5
    return Points(kind, uv.astype(np.float32), depth_m.ravel()[index].astype(np.float32))


def without_edges(depth_m: Array, ratio: float = 1.1, radius: int = 2) -> Array:
    """Blank (0) the pixels of a dense map (H, W) near a jump in depth, where filled or matched depth smears."""
    kernel = np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)
    border = cv2.BORDER_REPLICATE  # OpenCV's own is a large number, but smaller than the sky's
    far = cv2.dilate(depth_m.astype(np.float32), kernel, borderType=border)
    near = cv2.erode(np.where(depth_m > 0, depth_m, np.float32(1e6)).astype(np.float32), kernel, borderType=border)
    return np.where((depth_m > 0) & (far <= ratio * near), depth_m, 0.0).astype(np.float32)  # Inf <= Inf: sky stays
