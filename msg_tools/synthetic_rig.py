"""The sensors of the synthetic drive and how they move: calibration files, poses, time stamps and OXTS records.

The numbers are round where KITTI's are measured; the traps are KITTI's own: images are rectified while K and D tell of
the raw camera, R_rect_00 and T_cam0_velo each hold a small rotation, and camera 2 sits beside camera 0.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np

from .camera import Array, Size
from .kitti_calibration import CAMERAS, IMU, VELODYNE
from .oxts import EARTH_RADIUS_M, OxtsRecord
from .synthetic_course import Course

SWAYING = Course()
PERIOD_NS = 100_000_000
FIRST_STAMP = np.datetime64('2011-09-26T14:00:00.123456789', 'ns').astype(np.int64)
START = (49.0, 8.4, 110.0)  # latitude, longitude [deg], altitude [m] of the world's origin
FOCAL_PX, CX_PX, CY_PX = 720.0, 610.0, 173.0
SIZE = Size(375, 1242)
CAMERA_HEIGHT_M = 1.65
CAMERA_X_M = {0: 0.0, 1: -0.54, 2: 0.06, 3: -0.48}  # P_rect's shift: the second eye sits 0.54 m to the right
T_IMU_CAM0 = np.array([[0, 0, 1, 1.08], [-1, 0, 0, -0.32], [0, -1, 0, 0.72], [0, 0, 0, 1]], float)  # rectified camera 0
IMU_HEIGHT_M = CAMERA_HEIGHT_M - T_IMU_CAM0[2, 3]

DATAFORMAT = """lat:   latitude of the oxts-unit (deg)
lon:   longitude of the oxts-unit (deg)
alt:   altitude of the oxts-unit (m)
roll:  roll angle (rad), pitch: positive = front down, yaw: 0 = east, positive = counter clockwise
vn ve vf vl vu:       velocity north, east, forward, left, up (m/s)
ax ay az af al au:    acceleration in the car's axes, and parallel to the earth (m/s^2)
wx wy wz wf wl wu:    angular rate (rad/s)
pos_accuracy vel_accuracy navstat numsats posmode velmode orimode
"""


def rotation(x_deg: float, y_deg: float, z_deg: float) -> Array:
    """Return the rotation (3, 3) about x, then y, then z [deg]."""
    (sx, sy, sz), (cx, cy, cz) = (f(np.deg2rad([x_deg, y_deg, z_deg])) for f in (np.sin, np.cos))
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


R_RECT = rotation(0.25, -0.4, 0.5)
T_VELO_IMU = np.eye(4)
T_VELO_IMU[:3, :3], T_VELO_IMU[:3, 3] = rotation(-0.2, 0.3, 0.4), (-0.81, 0.32, -0.80)


def T_cam0_velo() -> Array:
    """Return the (4, 4) transform from the Velodyne to the raw camera 0; the rectified one looks straight on."""
    unrectify = np.eye(4)
    unrectify[:3, :3] = R_RECT.T
    return unrectify @ np.linalg.inv(T_VELO_IMU @ T_IMU_CAM0)


def write_calibration(folder: Path, scale: float = 1.0) -> None:
    """Write calib_cam_to_cam, calib_velo_to_cam and calib_imu_to_velo.txt for images of SIZE times `scale`."""
    lines = ['calib_time: 26-Sep-2011 12:00:00', 'corner_dist: 9.950000e-02']
    for number, shift_m in CAMERA_X_M.items():
        lines += camera_lines(number, shift_m, scale)
    (folder / CAMERAS).write_text('\n'.join(lines) + '\n')
    for name, T in ((VELODYNE, T_cam0_velo()), (IMU, T_VELO_IMU)):
        rows = ['calib_time: 26-Sep-2011 12:00:00', f'R: {words(T[:3, :3])}', f'T: {words(T[:3, 3])}']
        rows += ['delta_f: 0.000000e+00 0.000000e+00', 'delta_c: 0.000000e+00 0.000000e+00'] if name == VELODYNE else []
        (folder / name).write_text('\n'.join(rows) + '\n')


def camera_lines(number: int, shift_m: float, scale: float) -> list[str]:
    """Return the lines of one camera in calib_cam_to_cam.txt."""
    fx, fy, cx, cy = (scale * value for value in (FOCAL_PX, FOCAL_PX, CX_PX, CY_PX))
    size = scaled_size(scale)
    values = {
        'S': (1392.0, 512.0),
        'K': (960.0, 0, 696.0, 0, 960.0, 224.0, 0, 0, 1),  # of the raw camera: a third longer than P's
        'D': (-0.37, 0.2, 0.001, 0.001, -0.07),
        'R': np.eye(3),
        'T': (shift_m, 0, 0),
        'S_rect': (size.width, size.height),
        'R_rect': R_RECT,
        'P_rect': (fx, 0, cx, fx * shift_m, 0, fy, cy, 0, 0, 0, 1, 0),
    }
    return [f'{name}_{number:02d}: {words(value)}' for name, value in values.items()]


def scaled_size(scale: float) -> Size:
    """Return the size of the images at a scale of the full one."""
    return Size(round(SIZE.height * scale), round(SIZE.width * scale))


def words(values: object) -> str:
    """Return numbers as KITTI writes them, with more digits, so that what is read back is what was meant."""
    return ' '.join(f'{value:.12e}' for value in np.ravel(np.asarray(values, float)))


def time_of(frame: int) -> float:
    """Return when a frame is taken [s], from the first one on."""
    return frame * PERIOD_NS * 1e-9


def T_world_imu(time_s: float, course: Course = SWAYING) -> Array:
    """Return the (4, 4) pose of the IMU at a time: world x along the street, y left, z up from the road."""
    x, y, yaw = course.position(time_s)
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = rotation(0, 0, np.rad2deg(yaw)), (x, y, IMU_HEIGHT_M)
    return T


def oxts_record(frame: int, course: Course = SWAYING) -> OxtsRecord:
    """Return the OXTS record at a frame: street x is east, y north."""
    x, y, yaw = course.position(time_of(frame))
    speed_x, speed_y, turn = course.motion(time_of(frame))
    speed, forward = float(np.hypot(speed_x, speed_y)), course.acceleration_mps2(time_of(frame))
    lat, lon = unproject_mercator(x, y)
    sideways = speed * turn
    return OxtsRecord(
        lat, lon, START[2] + IMU_HEIGHT_M, 0.0, 0.0, yaw, speed_y, speed_x, speed, 0.0, 0.0,
        forward, sideways, 9.81, forward, sideways, 9.81, 0.0, 0.0, turn, 0.0, 0.0, turn, 0.05, 0.02, 4, 9, 5, 5, 6,
    )  # fmt: skip


def unproject_mercator(east_m: float, north_m: float) -> tuple[float, float]:
    """Return latitude and longitude [deg] of a point of the street; undoes oxts.mercator from START on."""
    scale = np.cos(np.deg2rad(START[0])) * EARTH_RADIUS_M
    lon = START[1] + np.rad2deg(east_m / scale)
    stretched = np.log(np.tan(np.deg2rad(90 + START[0]) / 2)) + north_m / scale
    return float(2 * np.rad2deg(np.arctan(np.exp(stretched))) - 90), float(lon)


def write_oxts(folder: Path, frames: int, course: Course = SWAYING) -> None:
    """Write the OXTS records of a drive into its folder `oxts`."""
    (folder / 'data').mkdir(parents=True, exist_ok=True)
    (folder / 'dataformat.txt').write_text(DATAFORMAT)
    for frame in range(frames):
        numbers = asdict(oxts_record(frame, course)).values()
        (folder / 'data' / f'{frame:010d}.txt').write_text(' '.join(f'{number:.16g}' for number in numbers) + '\n')


def write_stamps(path: Path, frames: int, offset_ns: int = 0) -> None:
    """Write a timestamps file: a stamp for each frame, so much later than the moment at which it is taken."""
    stamps = (FIRST_STAMP + offset_ns + PERIOD_NS * np.arange(frames)).astype('datetime64[ns]')
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(''.join(str(stamp).replace('T', ' ') + '\n' for stamp in stamps))
