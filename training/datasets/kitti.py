"""KITTI frames with LiDAR: a folder with index.csv of images, calibration and the scan's points or depth maps.

`DRIVE/CAMERA/FRAME.jpg`, `DRIVE/calib/FRAME_CAMERA.txt` (P_rect_0x and Tr_velo_to_cam_rect), and by the index's
column `truth`: `DRIVE/velodyne/FRAME[_CAMERA].bin` (lidar), `DRIVE/depth_annotated_0x/FRAME.png` (annotated),
`DRIVE/depth_dense_0x/FRAME.png` (dense: holes filled by somebody, so pixels near edges are left out).
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from msg_tools.camera import MIN_DEPTH_M, Array, Intrinsics, Size, depth_map, project, transform
from msg_tools.depth_png import read_depth_png

from .frame import DatasetError, Frame, Points, kept_small, map_points, read_rgb, without_edges

DENSE_WEIGHT = 0.5  # filled holes beside measured points


def read_index(root: Path) -> list[dict[str, str]]:
    """Read a folder's index.csv as one dict a row; raises DatasetError where there is none."""
    try:
        with (root / 'index.csv').open(newline='') as file:
            return list(csv.DictReader(file))
    except OSError as error:
        raise DatasetError(f'{root}: expected a folder with index.csv, got: {error.strerror}') from error


def kitti_frame(root: Path, row: Mapping[str, str], focal_px: float) -> Frame:
    """Read a row of the index as a Frame whose labels are the points of its truth."""
    drive, frame, camera = row['drive'], row['frame'], row['camera']
    rgb = read_rgb(root / drive / camera / f'{frame}.jpg')
    P, T = read_calibration(root / drive / 'calib' / f'{frame}_{camera}.txt')
    intrinsics = Intrinsics.from_matrix(P, Size(*rgb.shape[:2]))
    truth = row['truth']
    if truth == 'lidar':
        labels = [scan_points(transform(T, read_points(root / drive / 'velodyne', frame, camera)), P, intrinsics.size)]
    elif truth in ('annotated', 'dense'):
        depth_m = read_depth_png(root / drive / f'depth_{truth}_{camera[-2:]}' / f'{frame}.png')
        labels = [map_points(depth_m, intrinsics)]
        if truth == 'dense':
            labels = [map_points(without_edges(depth_m), intrinsics, DENSE_WEIGHT, stride=2)]
    else:
        labels = []
    return Frame(drive, f'{drive}/{camera}/{frame}', kept_small(rgb, intrinsics, focal_px), intrinsics, labels)


def kitti_truth(root: Path, row: Mapping[str, str]) -> tuple[Array, Intrinsics, Array]:
    """Read a row of the index whole, for evaluation: rgb (H, W, 3), camera, and its measured depth (H, W) [m]."""
    drive, frame, camera = row['drive'], row['frame'], row['camera']
    rgb = read_rgb(root / drive / camera / f'{frame}.jpg')
    size = Size(*rgb.shape[:2])
    P, T = read_calibration(root / drive / 'calib' / f'{frame}_{camera}.txt')
    if row['truth'] == 'lidar':
        points_cam = transform(T, read_points(root / drive / 'velodyne', frame, camera))
        return rgb, Intrinsics.from_matrix(P, size), depth_map(points_cam, P, size)
    depth_m = read_depth_png(root / drive / f'depth_{row["truth"]}_{camera[-2:]}' / f'{frame}.png')
    return rgb, Intrinsics.from_matrix(P, size), depth_m


def scan_points(points_cam: Array, P: Array, size: Size, weight: float = 1.0) -> Points:
    """Project rectified camera-frame points (N, 3) [m] by P (3, 4) to labels; those outside the image are left out."""
    points_cam = points_cam[points_cam[:, 2] > MIN_DEPTH_M]
    uv, z = project(points_cam, P)
    inside = (z > MIN_DEPTH_M) & (uv > -0.5).all(1) & (uv < (size.width - 0.5, size.height - 0.5)).all(1)
    return Points(uv[inside].astype(np.float32), z[inside].astype(np.float32), weight)


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
