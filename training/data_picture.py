"""Pictures of a frame's labels: each kind drawn over its image in colors by depth, with a line of text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from msg_tools.camera import Array, Size
from msg_tools.colors import depth_colors

from .augment import Sample
from .datasets.frame import Frame, Points

SPARSE = 0.15  # less of a panel than this covered: each label becomes a dot that an eye finds
TEXT_PX = 22
FONT = cv2.FONT_HERSHEY_SIMPLEX


@dataclass(frozen=True, slots=True)
class Panel:
    """A picture uint8 (h, w, 3) RGB and what it shows."""

    title: str
    rgb: Array


def panels(frame: Frame, width: int, sample: Sample | None = None) -> list[Panel]:
    """Return the image, a panel for each kind of label, and of a training sample its input and target."""
    size = Size(max(1, round(frame.camera.size.height * width / frame.camera.size.width)), width)
    image = fitted(frame.rgb, size)
    result = [Panel('image', image)]
    for points in frame.labels:
        drawn = draw(points, frame.camera.size, size)
        result.append(Panel(f'{points.kind}: {points.depth_m.size}', over(image, drawn)))
    if sample is not None:
        result += [Panel('input', fitted(sample.rgb, size)), Panel('target', target_picture(sample, size))]
    return result


def draw(points: Points, source: Size, size: Size) -> Array:
    """Draw labels of a camera of a size at another one, float32 (h, w) [m], nearest wins; 0: none, +Inf: beyond."""
    scale = np.array([size.width / source.width, size.height / source.height])
    order = np.argsort(-points.depth_m, kind='stable')
    inside, index = size.flat_index((points.uv[order] + 0.5) * scale - 0.5)
    depth_m = np.zeros(size.pixels, np.float32)
    depth_m[index] = points.depth_m[order][inside]
    return depth_m.reshape(size.shape)


def over(image: Array, depth_m: Array) -> Array:
    """Lay depth (h, w) [m] over a darkened image; where there is little of it, as dots."""
    if 0 < np.count_nonzero(depth_m) < SPARSE * depth_m.size:
        nearest = cv2.erode(np.where(depth_m > 0, depth_m, np.float32(1e9)), np.ones((2, 2), np.uint8))
        depth_m = np.where(nearest < 1e9, nearest, depth_m)
    return np.where((depth_m > 0)[..., None], depth_colors(depth_m), image // 4)


def target_picture(sample: Sample, size: Size) -> Array:
    """Return a sample's target in colors; a pixel of less weight is darker, one without is black."""
    strongest = max(float(sample.weight.max()), 1e-6)
    shade = np.where(sample.weight > 0, 0.4 + 0.6 * sample.weight / strongest, 0.0)[..., None]
    return fitted((depth_colors(sample.target) * shade).astype(np.uint8), size, cv2.INTER_NEAREST)


def fitted(rgb: Array, size: Size, how: int = cv2.INTER_AREA) -> Array:
    """Shrink or grow a picture into a size, its aspect ratio kept, black beside it."""
    scale = min(size.height / rgb.shape[0], size.width / rgb.shape[1])
    height, width = (max(1, round(length * scale)) for length in rgb.shape[:2])
    result = np.zeros((*size.shape, 3), np.uint8)
    top, left = (size.height - height) // 2, (size.width - width) // 2
    result[top : top + height, left : left + width] = cv2.resize(rgb, (width, height), interpolation=how)
    return result


def row_picture(text: str, items: Sequence[Panel], columns: int) -> Array:
    """Return a frame's panels beside each other, `columns` of them in a line, below a line of text."""
    cells = [titled(panel) for panel in items]
    blank = np.zeros_like(cells[0])
    lines = [cells[i : i + columns] for i in range(0, len(cells), columns)]
    rows = [np.hstack([*line, *[blank] * (columns - len(line))]) for line in lines]
    head = np.full((TEXT_PX, rows[0].shape[1], 3), 40, np.uint8)
    write(head, text, 15)
    return np.vstack([head, *rows])


def titled(panel: Panel) -> Array:
    """Write a panel's title into its corner."""
    picture = panel.rgb.copy()
    cv2.rectangle(picture, (0, 0), (8 * len(panel.title) + 6, 15), (0, 0, 0), -1)
    write(picture, panel.title, 12)
    return picture


def write(picture: Array, text: str, y: int) -> None:
    """Write text into a picture in place."""
    cv2.putText(picture, text, (4, y), FONT, 0.42, (255, 255, 255), 1, cv2.LINE_AA)


def stacked(pictures: Sequence[Array]) -> Array:
    """Put pictures (h, w, 3) of any size below each other."""
    width = max(picture.shape[1] for picture in pictures)
    return np.vstack([cv2.copyMakeBorder(picture, 0, 0, 0, width - picture.shape[1], cv2.BORDER_CONSTANT)
                      for picture in pictures])
