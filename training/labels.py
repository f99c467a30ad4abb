"""The labels of a frame, from everywhere: its dataset's own, maps of other makers, and the sky; the most trusted wins.

`labels` of the settings names the kinds that count, the most trusted first, and how much each weighs: where two kinds
fall on a pixel, the earlier one is taken. Maps of other makers lie in a folder for each kind, FOLDER/SOURCE/NAME.npy
[m] over the image's view, as depth_data makes them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from msg_tools.camera import Array, Intrinsics

from .data_maps import map_path
from .datasets.depth_file import check_unit, read_npy
from .datasets.frame import DatasetError, Frame, Item, Points, map_points
from .sky import sky_points

FAR_M = {'teacher': 65.0, 'stereo': 80.0}  # from here on these only say: far. They cannot tell a wall from the sky
STRIDE = {'stereo': 2}  # dense maps whose neighbouring pixels say the same
ENOUGH, MOST = 200, 20_000  # pixels on which a teacher can be compared with something better
APART = 2e-7  # the weights of two kinds differ by this part at least: the gradient loss tells sources by them
CELL = 8  # px, in which a dense map's depths are averaged for that


@dataclass(frozen=True, slots=True)
class Labelled:
    """A frame as it is trained on: image, camera, and pixels uv (N, 2) with depth_m and weight (N,).

    Ordered by rising trust and falling depth: drawn in this order, the most trusted wins, then the nearest.
    """

    drive: str
    name: str
    rgb: Array
    camera: Intrinsics
    uv: Array
    depth_m: Array
    weight: Array


def read_labelled(item: Item, weights: dict[str, float], maps: Mapping[str, str], align: bool = True) -> Labelled:
    """Read a frame and what the maps' folders know of it; kinds without a weight are left out."""
    return ordered(read_every_label(item, maps, align, 'sky' in weights), weights)


def read_every_label(item: Item, maps: Mapping[str, str], align: bool, sky: bool) -> Frame:
    """Read a frame with all that is known of it, apart by kind."""
    frame = item.read()
    found = [points for kind, folder in maps.items() for points in map_labels(item, frame, kind, Path(folder))]
    frame = replace(frame, labels=(*frame.labels, *found))
    frame = aligned(frame) if align else frame
    return with_sky(frame) if sky else frame


def map_labels(item: Item, frame: Frame, kind: str, folder: Path) -> list[Points]:
    """Return the labels of a frame from a folder of maps; none where there is no map of it."""
    path = map_path(folder, item)
    if not path.exists():
        return []
    points = map_points(read_map(path), frame.camera, kind, STRIDE.get(kind, 1))
    far = points.depth_m >= FAR_M.get(kind, np.inf)
    return [replace(points, depth_m=np.where(far, np.float32(np.inf), points.depth_m))]


def require_maps(items: Sequence[Item], maps: Mapping[str, str]) -> None:
    """Raise DatasetError where a folder of maps has none of any of the frames: mistyped, it would teach nothing."""
    for kind, folder in maps.items():
        if items and not any(map_path(Path(folder), item).exists() for item in items):
            raise DatasetError(f'maps.{kind}: expected maps of the frames, such as {map_path(Path(folder), items[0])}, '
                               f'got {"none" if Path(folder).is_dir() else "no such folder"}; was it made of sources '
                               'of the same names?')


def read_map(path: Path) -> Array:
    """Read a depth map float32 (H, W) [m], 0: none, from a .npy file; raises DatasetError for another array or unit."""
    depth_m = read_npy(path)
    if depth_m.ndim != 2:
        raise DatasetError(f'{path}: expected a depth map (H, W) [m], got an array of shape {depth_m.shape}')
    check_unit(depth_m, path)
    return depth_m


def aligned(frame: Frame) -> Frame:
    """Rescale a frame's teacher by the median ratio to what is measured (LiDAR, stereo) where they overlap.

    A teacher knows shapes better than metres: on the images that have both, the measurement sets its scale.
    """
    better = [points for points in frame.labels if points.kind not in ('teacher', 'sky')]
    if not better:
        return frame
    return replace(frame, labels=tuple(
        replace(points, depth_m=points.depth_m * scale_to(points, better, frame.camera)) if points.kind == 'teacher'
        else points for points in frame.labels))


def scale_to(points: Points, better: list[Points], camera: Intrinsics) -> np.float32:
    """Return the median ratio of better labels to a dense map's, compared where the better ones are; 1 for too few."""
    dense = cell_means(points, camera)
    logs = [np.zeros(0)]
    for labels in better:
        near = np.flatnonzero(np.isfinite(labels.depth_m))
        if not near.size:  # stereo of a blank image
            continue
        near = near[:: -(-near.size // MOST)]
        u, v = (((labels.uv[near] + 0.5) / CELL - 0.5).astype(np.float32).T)[..., None]
        there = cv2.remap(dense, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).ravel()
        logs.append(np.log(labels.depth_m[near]) - there)
    ratio = np.concatenate(logs)
    ratio = ratio[np.isfinite(ratio)]
    return np.float32(np.exp(np.median(ratio))) if ratio.size >= ENOUGH else np.float32(1.0)


def cell_means(points: Points, camera: Intrinsics) -> Array:
    """Return the mean ln depth (h, w) float32 of labels in cells of CELL pixels of a camera's image; NaN where none."""
    height, width = camera.size.height // CELL + 1, camera.size.width // CELL + 1
    near = np.isfinite(points.depth_m)
    column, row = (points.uv[near] / CELL).astype(int).T
    index = np.clip(row, 0, height - 1) * width + np.clip(column, 0, width - 1)
    total = np.bincount(index, np.log(points.depth_m[near]), height * width)
    with np.errstate(invalid='ignore'):
        means = total / np.bincount(index, minlength=height * width)
    return means.reshape(height, width).astype(np.float32)


def with_sky(frame: Frame) -> Frame:
    """Add the sky of a frame where a dense map (a teacher's) agrees that nothing near is there."""
    guard = next((points for points in frame.labels if points.kind == 'teacher'), None)
    return frame if guard is None else replace(frame, labels=(*frame.labels, sky_points(frame, guard)))


def shrunk(frame: Labelled, focal_px: float) -> Labelled:
    """Shrink a frame's image to the size at which its focal length is focal_px; leave a smaller one alone."""
    scale = focal_px / frame.camera.focal_px
    if scale >= 1.0:
        return frame
    width, height = (round(length * scale) for length in frame.rgb.shape[1::-1])
    return replace(frame, rgb=cv2.resize(frame.rgb, (width, height), interpolation=cv2.INTER_AREA))


def ordered(frame: Frame, weights: dict[str, float]) -> Labelled:
    """Put a frame's labels in one list, by rising trust and falling depth."""
    chosen = [points for kind in reversed(weights) if weights[kind] > 0
              for points in frame.labels if points.kind == kind]
    told = {kind: weight * (1 + APART * rank) for rank, (kind, weight) in enumerate(weights.items())}
    parts = []
    for points in chosen:
        order = np.argsort(-points.depth_m, kind='stable')
        weight = np.full(order.size, told[points.kind], np.float32)
        parts.append((points.uv[order], points.depth_m[order], weight))
    empty = (np.zeros((0, 2), np.float32), np.zeros(0, np.float32), np.zeros(0, np.float32))
    uv, depth_m, weight = (np.concatenate(columns) for columns in zip(empty, *parts, strict=True))
    return Labelled(frame.drive, frame.name, frame.rgb, frame.camera, uv, depth_m, weight)
