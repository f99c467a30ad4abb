"""KITTI frames with LiDAR: a folder with index.csv of images, calibration and the scan's points or depth maps.

`DRIVE/CAMERA/FRAME.jpg`, `DRIVE/calib/FRAME_CAMERA.txt` (P_rect_0x and Tr_velo_to_cam_rect), and by the index's
column `truth`: `DRIVE/velodyne/FRAME[_CAMERA].bin` (lidar), `DRIVE/depth_annotated_0x/FRAME.png` (annotated),
`DRIVE/depth_dense_0x/FRAME.png` (dense: holes filled by somebody, so pixels near edges are left out), or none.
The other columns are `split`, `drive`, `frame` and `camera`. Source: kitti:FOLDER#SPLIT,SPLIT.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np

from msg_tools.camera import Array, Intrinsics, Size
from msg_tools.image_file import read_rgb
from msg_tools.kitti import read_scan

from .camera_check import camera_of
from .depth_file import read_depth
from .frame import DatasetError, Frame, Item, Points, dataset_errors, map_points, read_right, without_edges
from .index_file import in_split, read_index
from .scan import scan_points

BASELINE_M = 0.5327  # of KITTI's colour cameras
COLUMNS = ('split', 'drive', 'frame', 'camera', 'truth')
DENSE_STRIDE = 2  # neighbours in a filled map say the same


def kitti_items(root: Path, split: str = '') -> list[Item]:
    """List the frames of a folder; those whose right image is there too know of it."""
    return [kitti_item(root, row) for row in in_split(read_index(root, COLUMNS), split, root)]


def kitti_item(root: Path, row: Mapping[str, str]) -> Item:
    """Return what a row of the index names."""
    drive, frame, camera = row['drive'], row['frame'], row['camera']
    right = root / drive / 'image_03' / f'{frame}.jpg'
    paired = camera == 'image_02' and right.exists()
    return Item(root.name, drive, f'{drive}/{camera}/{frame}', partial(kitti_frame, root, row),
                partial(read_right, right) if paired else None, BASELINE_M if paired else 0.0,
                root / drive / camera / f'{frame}.jpg')


@dataset_errors
def kitti_frame(root: Path, row: Mapping[str, str]) -> Frame:
    """Read a row of the index as a Frame whose labels are the points of its truth."""
    drive, frame, camera = row['drive'], row['frame'], row['camera']
    rgb = read_rgb(root / drive / camera / f'{frame}.jpg')
    calibration = root / drive / 'calib' / f'{frame}_{camera}.txt'
    P, T = read_calibration(calibration)
    intrinsics = camera_of(P, Size(*rgb.shape[:2]), calibration)
    return Frame(drive, f'{drive}/{camera}/{frame}', rgb, intrinsics, kitti_labels(root, row, intrinsics, P @ T))


def kitti_labels(root: Path, row: Mapping[str, str], camera: Intrinsics, P_velo_to_image: Array) -> tuple[Points, ...]:
    """Read the labels of a row; raises DatasetError where its truth is of no kind that KITTI has."""
    truth, folder, frame = row['truth'], root / row['drive'], row['frame']
    if truth == 'lidar':
        path = folder / 'velodyne' / f'{frame}_{row["camera"]}.bin'  # one camera's, or everybody's
        path = path if path.exists() else folder / 'velodyne' / f'{frame}.bin'
        return (scan_points(read_scan(path), P_velo_to_image, camera, path),)
    if truth in ('annotated', 'dense'):
        depth_m = read_depth(folder / f'depth_{truth}_{row["camera"][-2:]}' / f'{frame}.png', camera.size)
        if truth == 'dense':
            return (map_points(without_edges(depth_m), camera, truth, DENSE_STRIDE),)
        return (map_points(depth_m, camera, truth),)
    if truth != 'none':
        raise DatasetError(f'{root / "index.csv"}: expected truth lidar, annotated, dense or none, got {truth!r}')
    return ()


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
