"""KITTI's OXTS records: what the GPS and inertial unit of the car said at a frame, and the poses that follow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from .camera import Array
from .errors import KittiError

EARTH_RADIUS_M = 6378137.0  # as the KITTI raw devkit has it


@dataclass(frozen=True, slots=True)
class OxtsRecord:
    """One record, with KITTI's names and in its order; x, y, z are the car's axes (forward, left, up).

    f, l, u are forward, left and up parallel to the earth's surface. KITTI's dataformat.txt explains each.
    """

    lat: float  # deg
    lon: float  # deg
    alt: float  # m
    roll: float  # rad, positive: left side up
    pitch: float  # rad, positive: front down
    yaw: float  # rad, 0 is east, counter-clockwise
    vn: float  # m/s
    ve: float
    vf: float
    vl: float
    vu: float
    ax: float  # m/s^2, gravity included
    ay: float
    az: float
    af: float
    al: float
    au: float
    wx: float  # rad/s
    wy: float
    wz: float
    wf: float
    wl: float
    wu: float
    pos_accuracy: float  # m
    vel_accuracy: float  # m/s
    navstat: int
    numsats: int
    posmode: int
    velmode: int
    orimode: int

    @classmethod
    def parse(cls, text: str, source: str = 'OXTS record') -> OxtsRecord:
        """Read a record's line of 30 numbers. Raises KittiError, naming `source`, for anything else."""
        try:
            numbers: list[Any] = [float(word) for word in text.split()]
        except ValueError as error:
            raise KittiError(f'{source}: expected 30 numbers, got: {error}') from error
        if len(numbers) != len(fields(cls)):
            raise KittiError(f'{source}: expected 30 numbers, got {len(numbers)}')
        if not np.isfinite(numbers).all():
            raise KittiError(f'{source}: expected finite numbers, got {text.strip()!r}')
        return cls(*numbers[:25], *map(int, numbers[25:]))

    @property
    def has_fix(self) -> bool:
        """Return whether the GPS receiver had a position: modes 0 to 2 are none, search and Doppler."""
        return self.numsats > 0 and self.posmode > 2

    @property
    def velocity_mps(self) -> Array:
        """Return the velocity (3,) [m/s]: forward, left, up, parallel to the earth."""
        return np.array([self.vf, self.vl, self.vu])

    @property
    def acceleration_mps2(self) -> Array:
        """Return the acceleration (3,) [m/s^2] along the car's x, y, z, gravity included, as an IMU measures it."""
        return np.array([self.ax, self.ay, self.az])

    @property
    def angular_rate_radps(self) -> Array:
        """Return the angular rate (3,) [rad/s] about the car's x, y, z."""
        return np.array([self.wx, self.wy, self.wz])

    @property
    def R_world_imu(self) -> Array:
        """Return the attitude (3, 3): car to a world of east, north, up; Rz(yaw) Ry(pitch) Rx(roll)."""
        (sr, sp, sy), (cr, cp, cy) = (f([self.roll, self.pitch, self.yaw]) for f in (np.sin, np.cos))
        return np.array(
            [
                [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
                [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
                [-sp, cp * sr, cp * cr],
            ]
        )

    @property
    def quaternion_xyzw(self) -> Array:
        """Return the attitude `R_world_imu` as a unit quaternion (4,): x, y, z, w."""
        (sr, sp, sy), (cr, cp, cy) = (f(np.array([self.roll, self.pitch, self.yaw]) / 2) for f in (np.sin, np.cos))
        return np.array(
            [
                sr * cp * cy - cr * sp * sy,
                cr * sp * cy + sr * cp * sy,
                cr * cp * sy - sr * sp * cy,
                cr * cp * cy + sr * sp * sy,
            ]
        )


def poses(records: Sequence[OxtsRecord]) -> Array:
    """Return the poses (N, 4, 4) T_first_imu of records: each moves IMU points [m] into the first record's IMU frame.

    Mercator projection with the scale of the first record's latitude, as convertOxtsToPose of KITTI's raw devkit.
    """
    if not records:
        return np.zeros((0, 4, 4))
    T_world_imu = np.tile(np.eye(4), (len(records), 1, 1))
    T_world_imu[:, :3, :3] = [record.R_world_imu for record in records]
    T_world_imu[:, :3, 3] = [mercator(record, records[0].lat) for record in records]
    return np.linalg.inv(T_world_imu[0]) @ T_world_imu


def mercator(record: OxtsRecord, origin_lat: float) -> tuple[float, float, float]:
    """Return east, north, up [m] of a record on a Mercator map with true scale at the latitude origin_lat [deg]."""
    scale = np.cos(np.deg2rad(origin_lat))
    east = scale * np.deg2rad(record.lon) * EARTH_RADIUS_M
    north = scale * EARTH_RADIUS_M * np.log(np.tan(np.deg2rad(90.0 + record.lat) / 2))
    return float(east), float(north), record.alt


def travelled(records: Sequence[OxtsRecord], stamps_ns: Array) -> Array:
    """Return the poses (N, 4, 4) T_start_imu by the records' attitudes and speeds, at their stamps (N,) [ns].

    The start is east, north, up at the first record. Over a second or so this is what the car did: its speed is good to
    2 to 4 cm/s, while the receiver's position wanders, most of all in height, by 0.3 m/s on drive 0005. KITTI's unit
    sits over the rear axle, where a car moves ahead and not to the side: the sideways velocity that the records have
    in a bend (0.16 m/s at 4.4 m/s) is an error of the heading, and was not found in the scans.
    """
    T = np.tile(np.eye(4), (len(records), 1, 1))
    T[:, :3, :3] = [record.R_world_imu for record in records]
    velocity = np.array([[record.vf * np.cos(record.yaw), record.vf * np.sin(record.yaw), record.vu]
                         for record in records])
    steps = (velocity[1:] + velocity[:-1]) / 2 * (np.diff(stamps_ns) * 1e-9)[:, None]
    T[1:, :3, 3] = np.cumsum(steps, 0)
    return T
