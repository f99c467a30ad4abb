"""From a Frame to the network's input and target: scale, crop, flip and colour, with the focal length followed.

The network knows one camera: at the canonical focal length its output is metres. An input scaled up by s looks like
one taken with a focal length s times longer, in which everything seems s times nearer; so the target is
`depth * focal_canonical / focal_at_input`, and a crop changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from msg_tools.camera import Intrinsics, Size

from .datasets.frame import Frame, Points

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class View:
    """How the network looks at a frame: resized, from there a window of `size` at (top, left), and mirrored."""

    resized: Size
    top: int
    left: int
    size: Size
    flip: bool = False


@dataclass(frozen=True, slots=True)
class Sample:
    """rgb uint8 (h, w, 3), target (h/2, w/2) [m, canonical; 0 none, +Inf beyond range], weight (h/2, w/2)."""

    rgb: Array
    target: Array
    weight: Array


def random_view(camera: Intrinsics, size: Size, focal_px: float, max_zoom: float, rng: np.random.Generator) -> View:
    """Draw a view of this size [px]: half of them the plain one, others zoomed in by up to max_zoom."""
    zoom = 1.0 if rng.random() < 0.5 else float(np.exp(rng.uniform(0.0, np.log(max_zoom))))
    resized = resized_to(camera, focal_px * zoom, size)
    top = int(rng.integers(resized.height - size.height + 1))
    left = int(rng.integers(resized.width - size.width + 1))
    return View(resized, top, left, size, flip=bool(rng.random() < 0.5))


def resized_to(camera: Intrinsics, focal_px: float, at_least: Size) -> Size:
    """Return the size at which the camera's focal length is focal_px, no smaller than `at_least`."""
    height, width = camera.size.height * focal_px / camera.fy, camera.size.width * focal_px / camera.fx
    grow = max(1.0, at_least.height / height, at_least.width / width)
    return Size(max(at_least.height, round(height * grow)), max(at_least.width, round(width * grow)))


def sample(frame: Frame, view: View, focal_px: float) -> Sample:
    """Make input and target of a frame as seen in a view, for a network whose canonical focal length is focal_px."""
    size = (view.resized.width, view.resized.height)
    shrinks = view.resized.width < frame.rgb.shape[1]
    rgb = cv2.resize(frame.rgb, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    rgb = rgb[view.top : view.top + view.size.height, view.left : view.left + view.size.width]
    seen = frame.camera.resized(view.resized)  # a crop leaves the focal length as it is
    target, weight = draw(frame.labels, frame.camera.size, view)
    target = target * np.float32(focal_px / seen.focal_px)
    if view.flip:
        rgb, target, weight = rgb[:, ::-1], target[:, ::-1], weight[:, ::-1]
    return Sample(np.ascontiguousarray(rgb), np.ascontiguousarray(target), np.ascontiguousarray(weight))


def draw(labels: Sequence[Points], source: Size, view: View) -> tuple[Array, Array]:
    """Draw labels at half the view's resolution: depth [m] and weight; the first source wins, then the nearest."""
    size = Size(view.size.height // 2, view.size.width // 2)
    scale = np.array([view.resized.width / source.width, view.resized.height / source.height], np.float32)
    target, weight = np.zeros(size.pixels, np.float32), np.zeros(size.pixels, np.float32)
    for points in labels:
        uv = (points.uv + 0.5) * scale - (view.left, view.top)  # edges of pixels, not centres, in the window
        inside, index = size.flat_index(uv / 2 - 0.5)
        nearest = np.full(size.pixels, np.nan, np.float32)
        np.fmin.at(nearest, index, points.depth_m[inside])
        new = (weight == 0) & ~np.isnan(nearest)
        target[new], weight[new] = nearest[new], points.weight
    return target.reshape(size.shape), weight.reshape(size.shape)


def jitter(rgb: Array, rng: np.random.Generator, strength: float = 0.3) -> Array:
    """Change brightness, contrast, gamma and the balance of the colours of an image uint8 (H, W, 3) at random."""
    gain, gamma, contrast = np.exp(rng.uniform(-strength, strength, 3))
    balance = np.exp(rng.uniform(-strength / 3, strength / 3, 3))
    levels = np.arange(256, dtype=np.float32)[:, None] / 255
    table = np.power(np.clip(levels * gain * balance, 0, 1), gamma)
    table = np.clip((table - 0.5) * contrast + 0.5, 0, 1)
    result = cv2.LUT(rgb, np.rint(table * 255).astype(np.uint8)[None].reshape(256, 1, 3))
    if rng.random() < 0.1:  # grey cameras exist
        result = cv2.cvtColor(cv2.cvtColor(result, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return result
