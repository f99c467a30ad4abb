"""Tiny datasets in each layout that training reads; imported by the tests that need one."""

import csv
from pathlib import Path

import cv2
import numpy as np

from msg_tools.depth_png import write_depth_png

FOCAL = 70.0
SHAPE = 64, 128
P = f'{FOCAL} 0 63.5 0 0 {FOCAL} 31.5 0 0 0 1 0'
TR = '0 -1 0 0 0 0 -1 0 1 0 0 0'  # forward (x of the Velodyne) is z of the camera, left (y) is -x, up (z) is -y


def ground_m() -> np.ndarray:
    """Return the depth (64, 128) [m] of a flat ground 1.65 m below the camera, and 30 m above the horizon."""
    rows = np.arange(SHAPE[0])
    depth_m = np.where(rows > 34, FOCAL * 1.65 / np.maximum(rows - 31.5, 1), 30.0)
    return np.repeat(depth_m[:, None], SHAPE[1], 1).astype(np.float32)


def write_image(path: Path, seed: int = 0, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    """Write an image of noise and return what was written, RGB; a JPEG changes it."""
    rgb = np.random.default_rng(seed).integers(0, 256, (*shape, 3), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), rgb[..., ::-1])
    return rgb


def write_index(folder: Path, rows: list[dict]) -> None:
    """Write index.csv with the columns of all rows."""
    with (folder / 'index.csv').open('w', newline='') as file:
        writer = csv.DictWriter(file, list(dict.fromkeys(key for row in rows for key in row)))
        writer.writeheader()
        writer.writerows(rows)


def write_kitti_frame(root: Path, drive: str, frame: str, truth: str, split: str = 'train',
                      camera: str = 'image_02') -> dict[str, str]:
    """Write a frame of the layout `kitti` with a scan or map of the ground, and return its row of the index."""
    write_image(root / drive / camera / f'{frame}.jpg')
    calib = root / drive / 'calib' / f'{frame}_{camera}.txt'
    calib.parent.mkdir(parents=True, exist_ok=True)
    calib.write_text(f'P_rect_{camera[-2:]}: {P}\nTr_velo_to_cam_rect: {TR}\n')
    if truth == 'lidar':
        scan = root / drive / 'velodyne' / f'{frame}.bin'
        scan.parent.mkdir(parents=True, exist_ok=True)
        ground_scan().tofile(scan)
    elif truth != 'none':
        folder = root / drive / f'depth_{truth}_{camera[-2:]}'
        folder.mkdir(parents=True, exist_ok=True)
        write_depth_png(folder / f'{frame}.png', ground_m())
    return {'split': split, 'drive': drive, 'frame': frame, 'camera': camera, 'truth': truth}


def ground_scan() -> np.ndarray:
    """Return points float32 (390, 4) of the ground that fall on the centres of every second pixel of rows 36 to 60."""
    v, u = np.mgrid[36:62:2, 4:124:4]
    z = ground_m()[v, u]
    x, y = (u - 63.5) * z / FOCAL, (v - 31.5) * z / FOCAL
    return np.stack([z, -x, -y, np.zeros_like(z)], -1).reshape(-1, 4).astype(np.float32)
