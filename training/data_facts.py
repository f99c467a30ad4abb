"""What there is to know of a frame without looking at it: sizes, counts, depths, and what its image looks like."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from msg_tools.camera import Array, Size

from .datasets.frame import Frame, Item, Points
from .labels import read_every_label

CELL, ENOUGH = 8, 20  # pixels; cells that two kinds of label must share to be compared
LOOK = 16  # rows and columns of the picture that two images are compared by


@dataclass(frozen=True, slots=True)
class LabelFacts:
    """The labels of one kind in one frame: how many, and their median depth [m], NaN where none is within range."""

    count: int
    outside: int  # not on the image
    median_m: float


@dataclass(frozen=True, slots=True)
class Facts:
    """What a frame is, or why it could not be read."""

    source: str  # as it was named on the command line or in the settings
    item: Item
    error: str = ''
    size: str = ''
    focal: float = 0.0  # focal length in widths of the image: the same for a resized image
    labels: Mapping[str, LabelFacts] | None = None
    ratios: Mapping[str, float] | None = None  # kind of dense map to the median of measured depth over it
    digest: str = ''
    look: Array | None = None  # bool (LOOK * LOOK,): where the image gets brighter to the right

    @property
    def name(self) -> str:
        """Return the frame's name with its folder's."""
        return f'{self.item.source}/{self.item.name}'


def read_facts(source: str, item: Item, maps: Mapping[str, str], sky: bool) -> Facts:
    """Read a frame and all its labels. Raises DatasetError where that fails."""
    frame = read_every_label(item, maps, align=False, sky=sky)
    kinds = {points.kind: label_facts(points, frame) for points in frame.labels}
    camera = frame.camera
    return Facts(source, item, '', str(camera.size), camera.focal_px / camera.size.width, kinds, map_ratios(frame),
                 hashlib.sha256(frame.rgb.tobytes()).hexdigest(), look_of(frame.rgb))


def label_facts(points: Points, frame: Frame) -> LabelFacts:
    """Count the labels of a kind."""
    depth_m = points.depth_m[np.isfinite(points.depth_m)]
    inside, _ = frame.camera.size.flat_index(points.uv)
    return LabelFacts(points.depth_m.size, int((~inside).sum()),
                      float(np.median(depth_m)) if depth_m.size else float('nan'))


def map_ratios(frame: Frame) -> dict[str, float]:
    """Return for each dense kind the median ratio of what is measured better to it; a kind without is left out."""
    order = ('exact', 'annotated', 'lidar', 'stereo', 'teacher')
    means = {points.kind: cell_means(points, frame) for points in frame.labels if points.kind in order}
    kinds = sorted(means, key=order.index)
    ratios: dict[str, float] = {}
    for kind in ('stereo', 'teacher'):
        if kind in means and kinds[0] != kind:
            log_ratio = means[kinds[0]] - means[kind]
            if np.isfinite(log_ratio).sum() >= ENOUGH:
                ratios[kind] = float(np.exp(np.nanmedian(log_ratio)))
    return ratios


def cell_means(points: Points, frame: Frame) -> Array:
    """Return the mean log depth of labels within range in each cell of CELL x CELL pixels (n,); NaN where none is."""
    size = frame.camera.size
    cells = Size(-(-size.height // CELL), -(-size.width // CELL))
    near = np.isfinite(points.depth_m)
    inside, index = cells.flat_index((points.uv[near] + 0.5) / CELL - 0.5)
    total = np.bincount(index, np.log(points.depth_m[near][inside]), cells.pixels)
    with np.errstate(invalid='ignore'):
        return total / np.bincount(index, minlength=cells.pixels)


def look_of(rgb: Array) -> Array:
    """Return where an image gets brighter to the right, bool (LOOK * LOOK,): nearly the same after a resize or JPEG.

    The difference hash of N. Krawetz (2013).
    """
    grey = cv2.resize(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), (LOOK + 1, LOOK), interpolation=cv2.INTER_AREA)
    return (np.diff(grey.astype(np.int16), axis=1) > 0).ravel()
