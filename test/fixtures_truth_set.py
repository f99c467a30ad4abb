"""A street of boxes for tests of ground truth: images and sparse depth that fit, or are turned against each other."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from msg_tools.camera import Intrinsics, Size, depth_map, unproject
from msg_tools.depth_png import write_depth_png
from msg_tools.image_file import encode_rgb

CAMERA = Intrinsics(fx=720.0, fy=720.0, cx=319.5, cy=99.5, size=Size(200, 640))
WALL_M = 30.0
EVERY_ROW, EVERY_COLUMN = 6, 3  # where the scanner's points are


@dataclass(frozen=True)
class BoxFrame:
    """A frame of the street: image (H, W, 3), exact depth (H, W) [m]."""

    rgb: np.ndarray
    depth_m: np.ndarray

    def sparse(self, turn_deg: tuple[float, float, float] = (0, 0, 0)) -> np.ndarray:
        """Return the sparse depth (H, W) [m] of a LiDAR that is off by yaw, pitch and roll."""
        v, u = (grid.ravel() for grid in np.mgrid[3:200:EVERY_ROW, 1:640:EVERY_COLUMN])
        points = unproject(np.stack([u, v], 1).astype(float), self.depth_m[v, u].astype(float), CAMERA)
        return depth_map(points @ rotation(*turn_deg).T, CAMERA.P, CAMERA.size)


def rotation(yaw_deg: float, pitch_deg: float, roll_deg: float) -> np.ndarray:
    """Return the matrix (3, 3) that moves points right, up and clockwise, as the camera sees them."""
    yaw, pitch, roll = np.deg2rad([yaw_deg, pitch_deg, roll_deg])
    right = [[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]]
    up = [[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]]
    clockwise = [[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]]
    return np.array(right) @ np.array(up) @ np.array(clockwise)


def box_frame(seed: int) -> BoxFrame:
    """Return boxes of any grey, 6 to 20 m away, in front of a grey wall."""
    rng = np.random.default_rng(seed)
    depth_m, grey = np.full(CAMERA.size.shape, WALL_M), np.full(CAMERA.size.shape, 120.0)
    for distance_m in np.sort(rng.uniform(6, 20, 14))[::-1]:
        left, top = rng.integers(-20, 600), rng.integers(-20, 160)
        box = slice(max(top, 0), top + rng.integers(30, 110)), slice(max(left, 0), left + rng.integers(25, 90))
        depth_m[box], grey[box] = distance_m, rng.choice([rng.uniform(10, 80), rng.uniform(160, 250)])
    noisy = np.clip(grey + rng.normal(0, 4, grey.shape), 0, 255).astype(np.uint8)
    return BoxFrame(cv2.cvtColor(noisy, cv2.COLOR_GRAY2RGB), depth_m)


def write_truth_set(folder: Path, frames: int = 6, turn_deg: tuple[float, float, float] = (0, 0, 0)) -> Path:
    """Write a set of box frames as velodyne_to_depth would, with a manifest of a clock that is 10.5 ms off."""
    for name in ('depth', 'image'):
        (folder / name).mkdir(parents=True)
    lines = ['name,image_stamp_ns,cloud_stamp_ns,points,pixels,coverage,status,reason']
    for number in range(frames):
        frame = box_frame(number)
        sparse = frame.sparse(turn_deg)
        write_depth_png(folder / f'depth/{number:010d}.png', sparse)
        (folder / f'image/{number:010d}.png').write_bytes(encode_rgb(frame.rgb))
        stamp_ns, pixels = 10**18 + number * 10**8, np.count_nonzero(sparse)
        lines.append(f'{number:010d},{stamp_ns + 10_500_000},{stamp_ns},7000,{pixels},{pixels / sparse.size:.5f},ok,')
    (folder / 'manifest.csv').write_text('\n'.join(lines) + '\n')
    K = CAMERA
    (folder / 'intrinsics.txt').write_text(f'{K.fx} 0 {K.cx} 0 {K.fy} {K.cy} 0 0 1\n')
    return folder
