"""A tiny drive in KITTI's raw layout, and its fixture: 96x32 images, rings of points on the walls of a round room."""

from pathlib import Path

import cv2
import numpy as np
import pytest

START_NS = 1_317_042_272_283_701_593  # 2011-09-26 13:04:32.283701593
PERIOD_NS = 103_300_001
CAMERA_DELAY_NS = 61_000_007  # the camera fires when the Velodyne faces forward, or 10 ms later
CAM_TO_CAM = """calib_time: 09-Jan-2012 13:57:47
corner_dist: 9.950000e-02
""" + ''.join(
    f"""S_0{n}: 1.000000e+02 4.000000e+01
K_0{n}: 6.6e+01 0 5.0e+01 0 6.5e+01 2.0e+01 0 0 1
D_0{n}: -3.7e-01 2.0e-01 2.2e-03 1.3e-03 -7.2e-02
R_0{n}: 1 0 0 0 1 0 0 0 1
T_0{n}: {x} 0 0
S_rect_0{n}: 9.600000e+01 3.200000e+01
R_rect_0{n}: 1 0 0 0 1 0 0 0 1
P_rect_0{n}: 5.0e+01 0 4.75e+01 {50 * x} 0 5.0e+01 1.55e+01 0 0 0 1 {z}
"""
    for n, x, z in ((0, 0, 0), (1, -0.54, 0), (2, 0.06, 0.0025), (3, -0.47, 0.0025))
)
VELO_TO_CAM = """calib_time: 15-Mar-2012 11:37:16
R: 0 -1 0 0 0 -1 1 0 0
T: 0 -8.0e-02 -2.7e-01
delta_f: 0 0
delta_c: 0 0
"""
IMU_TO_VELO = """calib_time: 25-May-2012 16:47:16
R: 1 0 0 0 1 0 0 0 1
T: -8.1e-01 3.2e-01 -8.0e-01
"""


def write_tiny_drive(folder: Path, frames: int = 3, first: int = 0) -> Path:
    """Write a drive of `frames` frames numbered from `first`, with calibration beside it; return the drive's folder."""
    date = folder / '2011_09_26'
    drive = date / '2011_09_26_drive_0001_sync'
    drive.mkdir(parents=True)
    for name, text in (('cam_to_cam', CAM_TO_CAM), ('velo_to_cam', VELO_TO_CAM), ('imu_to_velo', IMU_TO_VELO)):
        (date / f'calib_{name}.txt').write_text(text)
    numbers = range(first, first + frames)
    for name in ('image_02', 'image_03'):
        _write(drive / name, numbers, CAMERA_DELAY_NS + int(name[-1]), '.png', _image)
    _write(drive / 'oxts', numbers, 55_000_003, '.txt', _oxts)
    _write(drive / 'velodyne_points', numbers, 51_600_000, '.bin', lambda frame: tiny_scan(frame).tobytes())
    for name, delay_ns in (('start', 0), ('end', PERIOD_NS)):
        (drive / f'velodyne_points/timestamps_{name}.txt').write_text(_stamps(numbers, delay_ns))
    return drive


def tiny_scan(frame: int = 0) -> np.ndarray:
    """Return 16 rings of 720 points, float32 (N, 4), on a round wall 8 m away, one metre nearer to the left."""
    elevation, azimuth = np.meshgrid(np.deg2rad(np.linspace(2, -24, 16)), -np.arange(720) * np.pi / 360, indexing='ij')
    distance = 8.0 - (np.sin(azimuth) > 0.1) + 0.1 * frame
    x, y, z = distance * np.cos(azimuth), distance * np.sin(azimuth), distance * np.tan(elevation)
    return np.stack([x, y, z, np.full_like(x, 0.25)], -1).reshape(-1, 4).astype(np.float32)


def _write(folder: Path, frames: range, delay_ns: int, suffix: str, content) -> None:
    (folder / 'data').mkdir(parents=True)
    (folder / 'timestamps.txt').write_text(_stamps(frames, delay_ns))
    for frame in frames:
        (folder / f'data/{frame:010d}{suffix}').write_bytes(content(frame))


def _stamps(frames: range, delay_ns: int) -> str:
    """Return a line for every frame from 0 on, as KITTI's files have it."""
    stamps = START_NS + delay_ns + PERIOD_NS * np.arange(frames.stop)
    return ''.join(f'{np.datetime64(int(stamp), "ns")}\n'.replace('T', ' ') for stamp in stamps)


def _image(frame: int) -> bytes:
    return cv2.imencode('.png', np.random.default_rng(frame).integers(0, 256, (32, 96, 3), np.uint8))[1].tobytes()


def _oxts(frame: int) -> bytes:
    """Return a record of a car that drives east at about 10 m/s from 49 degrees north, 8 degrees east."""
    lon = 8.0 + np.rad2deg(frame * 1.033 / (6378137.0 * np.cos(np.deg2rad(49.0))))
    motion = [0, 0, 0, 0.0, 10.0, 10.0, 0, 0, 0, 0, 9.81, 0, 0, 9.81, 0, 0, 0, 0, 0, 0]
    return ' '.join(map(str, [49.0, repr(float(lon)), 112.0, *motion, 0.5, 0.02, 4, 9, 4, 4, 0])).encode()


@pytest.fixture
def tiny_drive(tmp_path: Path) -> Path:
    """Return a drive of three frames, 0 to 2, of colour cameras 2 and 3, whole scans, OXTS and calibration."""
    return write_tiny_drive(tmp_path)
