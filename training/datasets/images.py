"""Images without LiDAR: a folder with index.csv (file, drive, fx, fy, cx, cy, pair) whose labels are maps elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from msg_tools.camera import Intrinsics, Size

from .frame import DatasetError, Frame, Points, beyond, kept_small, map_points, read_rgb


def image_frame(root: Path, row: Mapping[str, str], focal_px: float) -> Frame:
    """Read a row of the index as a Frame without labels."""
    rgb = read_rgb(root / row['file'])
    fx, fy, cx, cy = (float(row[name]) for name in ('fx', 'fy', 'cx', 'cy'))
    camera = Intrinsics(fx, fy, cx, cy, Size(*rgb.shape[:2]))
    return Frame(row['drive'], Path(row['file']).stem, kept_small(rgb, camera, focal_px), camera)


def folder_labels(folder: Path, frame: Frame, weight: float, far_m: float, stride: int = 1) -> list[Points]:
    """Return the labels of a frame out of a folder of maps NAME.npy [m] over the frame's view; none where none is.

    Depths from far_m on become +Inf, nothing within range; 0 and NaN are no label.
    """
    path = folder / f'{frame.name}.npy'
    if not path.exists():
        return []
    try:
        depth_m = np.load(path, allow_pickle=False).astype(np.float32)
    except (OSError, ValueError) as error:
        raise DatasetError(f'{path}: expected a depth map (H, W) [m], got: {error}') from error
    if depth_m.ndim != 2:
        raise DatasetError(f'{path}: expected a depth map (H, W) [m], got an array of shape {depth_m.shape}')
    known = depth_m[depth_m > 0]
    if known.size and not 0.5 < np.median(known) < 500:
        raise DatasetError(f'{path}: expected metres, got a median depth of {np.median(known):g}; is it another unit?')
    points = map_points(depth_m, frame.camera, weight, stride)
    return [Points(points.uv, beyond(points.depth_m, far_m), weight)]
