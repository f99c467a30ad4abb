"""KITTI frames with LiDAR: a folder with index.csv of images, calibration and the scan's points or depth maps.

`DRIVE/CAMERA/FRAME.jpg`, `DRIVE/calib/FRAME_CAMERA.txt` (P_rect_0x and Tr_velo_to_cam_rect), and by the index's
column `truth`: `DRIVE/velodyne/FRAME[_CAMERA].bin` (lidar), `DRIVE/depth_annotated_0x/FRAME.png` (annotated),
`DRIVE/depth_dense_0x/FRAME.png` (dense: holes filled by somebody, so pixels near edges are left out).
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np

from msg_tools.camera import MIN_DEPTH_M, Array, Intrinsics, Size, project, transform
from msg_tools.depth_png import read_depth_png

from .frame import DatasetError, Frame, Item, Points, check_size, map_points, read_rgb, without_edges

BASELINE_M = 0.5327  # of KITTI's colour cameras


def read_index(root: Path) -> list[dict[str, str]]:
    """Read a folder's index.csv as one dict a row; raises DatasetError where there is none."""
    try:
        with (root / 'index.csv').open(newline='') as file:
            return list(csv.DictReader(file))
    except OSError as error:
        raise DatasetError(f'{root}: expected a folder with index.csv, got: {error.strerror}') from error


def kitti_items(root: Path, split: str = '') -> list[Item]:
    """List the frames of a folder; those whose right image is there too know of it."""
    return [kitti_item(root, row) for row in read_index(root) if split in ('', row['split'])]


def kitti_item(root: Path, row: Mapping[str, str]) -> Item:
    """Return what a row of the index names."""
    drive, frame, camera = row['drive'], row['frame'], row['camera']
    right = root / drive / 'image_03' / f'{frame}.jpg'
    paired = camera == 'image_02' and right.exists()
    return Item(root.name, drive, f'{drive}/{camera}/{frame}', partial(kitti_frame, root, row),
                partial(read_rgb, right) if paired else None, BASELINE_M if paired else 0.0)


def kitti_frame(root: Path, row: Mapping[str, str]) -> Frame:
    """Read a row of the index as a Frame whose labels are the points of its truth."""
    drive, frame, camera, truth = row['drive'], row['frame'], row['camera'], row['truth']
    rgb = read_rgb(root / drive / camera / f'{frame}.jpg')
    size = Size(*rgb.shape[:2])
    P, T = read_calibration(root / drive / 'calib' / f'{frame}_{camera}.txt')
    intrinsics = Intrinsics.from_matrix(P, size)
    labels: tuple[Points, ...] = ()
    if truth == 'lidar':
        labels = (scan_points(transform(T, read_points(root / drive / 'velodyne', frame, camera)), P, size),)
    elif truth in ('annotated', 'dense'):
        path = root / drive / f'depth_{truth}_{camera[-2:]}' / f'{frame}.png'
        depth_m = check_size(read_depth_png(path), size, path)
        dense = truth == 'dense'
        labels = (map_points(without_edges(depth_m) if dense else depth_m, intrinsics, truth, 2 if dense else 1),)
    return Frame(drive, f'{drive}/{camera}/{frame}', rgb, intrinsics, labels)


def scan_points(points_cam: Array, P: Array, size: Size) -> Points:
    """Project rectified camera-frame points (N, 3) [m] by P (3, 4) to labels; those outside the image are left out."""
    points_cam = points_cam[points_cam[:, 2] > MIN_DEPTH_M]
    uv, z = project(points_cam, P)
    inside = (z > MIN_DEPTH_M) & (uv > -0.5).all(1) & (uv < (size.width - 0.5, size.height - 0.5)).all(1)
    return Points('lidar', uv[inside].astype(np.float32), z[inside].astype(np.float32))


def read_points(folder: Path, frame: str, camera: str) -> Array:
    """Read the points (N, 3) [m] of a scan, the camera's own file where the scan is one camera's."""
    path = folder / f'{frame}_{camera}.bin'
    path = path if path.exists() else folder / f'{frame}.bin'
    try:
        return np.fromfile(path, np.float32).reshape(-1, 4)[:, :3].astype(np.float64)
    except (OSError, ValueError) as error:
        raise DatasetError(f'{path}: expected a scan of float32 x y z reflectance, got: {error}') from error


def read_calibration(path: Path) -> tuple[Array, Array]:
    """Read the camera's P (3, 4) and T_cam0_velo (4, 4), rectification included."""
    try:
        values = dict(line.split(':', 1) for line in path.read_text().splitlines() if ':' in line)
        P = next(np.array(text.split(), float).reshape(3, 4) for key, text in values.items() if key[:6] == 'P_rect')
        T = np.array(values['Tr_velo_to_cam_rect'].split(), float).reshape(3, 4)
    except (OSError, KeyError, ValueError, StopIteration) as error:
        raise DatasetError(f'{path}: expected lines P_rect_0x and Tr_velo_to_cam_rect of 12 numbers, '
                           f'got: {error!r}') from error
    return P, np.vstack([T, [0.0, 0.0, 0.0, 1.0]])
