"""A synthetic scan as the common LiDAR drivers publish theirs: each has its own fields and its own way to tell time.

>>> cloud = as_driver(points, offsets_s, stamp_ns, 'ouster')  # doctest: +SKIP
>>> fill_cloud_fields(msg, cloud.points)  # msg_tools.cloud; the header's stamp is cloud.stamp_ns  # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .camera import Array
from .errors import CloudError
from .synthetic_rays import BEAMS, scanner_grids

SPACE = [('x', '<f4'), ('y', '<f4'), ('z', '<f4'), ('intensity', '<f4')]
VELODYNE = np.dtype([*SPACE, ('ring', '<u2'), ('time', '<f4')])
HESAI = np.dtype([*SPACE, ('ring', '<u2'), ('timestamp', '<f8')])  # Robosense's, too
LIVOX = np.dtype([*SPACE, ('tag', 'u1'), ('line', 'u1'), ('offset_time', '<u4')])
OUSTER = np.dtype({  # padded as the driver's struct is
    'names': ['x', 'y', 'z', 'intensity', 't', 'reflectivity', 'ring', 'ambient', 'range'],
    'formats': ['<f4', '<f4', '<f4', '<f4', '<u4', '<u2', '<u2', '<u2', '<u4'],
    'offsets': [0, 4, 8, 16, 20, 24, 26, 28, 32], 'itemsize': 48,
})


@dataclass(frozen=True, slots=True)
class DriverCloud:
    """The points of a driver's message, structured (N,) or organised (H, W), and the stamp of its header [ns]."""

    points: Array
    stamp_ns: int


def as_driver(points: Array, offsets_s: Array, stamp_ns: int, driver: str) -> DriverCloud:
    """Return a turning scan (N, 4), its shots so many seconds (N,) after its stamp, as a driver publishes it.

    velodyne: `time` float32 [s] after the header's stamp, which is that of the first point.
    ouster: organised (64, columns), `t` uint32 [ns] after the header's stamp, zeros where nothing returned.
    livox: `offset_time` uint32 [ns] after the header's stamp.
    hesai, robosense: `timestamp` float64 [s], absolute, to 0.2 us; the header's stamp is the first point's.
    Raises CloudError for another driver, and for a scan that does not have a time for each point.
    """
    if driver not in DRIVERS:
        raise CloudError(f'expected one of the drivers {", ".join(DRIVERS)}, got {driver!r}')
    if len(points) == 0 or len(points) != len(offsets_s):
        raise CloudError(f'expected a time for each point of a scan, got {len(points)} points, {len(offsets_s)} times')
    after_stamp_ns = np.rint(offsets_s.astype(np.float64) * 1e9).astype(np.int64)
    first_ns = int(after_stamp_ns.min())
    return DriverCloud(DRIVERS[driver](points, after_stamp_ns - first_ns, stamp_ns + first_ns), stamp_ns + first_ns)


def ring_of(points: Array) -> Array:
    """Return which beam shot points (N, 3), 0 for the highest, from their elevation."""
    rays = scanner_grids(np.eye(4), 8)[0].rays[:, :, 0]
    elevation = np.arcsin(-rays[1])  # falls from beam to beam
    seen = np.arctan2(points[:, 2], np.hypot(points[:, 0], points[:, 1]))
    return BEAMS - 1 - np.searchsorted((elevation[:0:-1] + elevation[-2::-1]) / 2, seen)


def velodyne(points: Array, t_ns: Array, first_ns: int) -> Array:
    """Return points with `ring` and `time` [s] in the order of their times, as they arrive."""
    cloud = filled(VELODYNE, points)
    cloud['ring'], cloud['time'] = ring_of(points), t_ns * 1e-9
    return cloud[np.argsort(t_ns, kind='stable')]


def livox(points: Array, t_ns: Array, first_ns: int) -> Array:
    """Return points with `tag`, `line` and `offset_time` [ns] in the order of their times."""
    cloud = filled(LIVOX, points)
    cloud['line'], cloud['offset_time'], cloud['tag'] = ring_of(points), t_ns, 0x10
    return cloud[np.argsort(t_ns, kind='stable')]


def hesai(points: Array, t_ns: Array, first_ns: int) -> Array:
    """Return points with `ring` and `timestamp` [s] since 1970 in the order of their times."""
    cloud = filled(HESAI, points)
    cloud['ring'], cloud['timestamp'] = ring_of(points), (first_ns + t_ns) * 1e-9
    return cloud[np.argsort(t_ns, kind='stable')]


def ouster(points: Array, t_ns: Array, first_ns: int) -> Array:
    """Return an organised cloud (64, columns) with a column for each time; its `t` stands in empty places, too."""
    times, column = np.unique(t_ns, return_inverse=True)
    ring = ring_of(points)
    cloud = np.zeros((BEAMS, len(times)), OUSTER)
    cloud['t'], cloud['ring'] = times, np.arange(BEAMS)[:, None]
    for name, values in zip('xyz', points.T[:3], strict=True):
        cloud[name][ring, column] = values
    cloud['intensity'][ring, column] = points[:, 3] * 255
    cloud['range'][ring, column] = np.rint(np.linalg.norm(points[:, :3], axis=1) * 1000)
    return cloud


def filled(dtype: np.dtype, points: Array) -> Array:
    """Return a structured array (N,) with x, y, z [m] and the intensity (0 to 255) of points (N, 4)."""
    cloud = np.zeros(len(points), dtype)
    for name, values in zip('xyz', points.T[:3], strict=True):
        cloud[name] = values
    cloud['intensity'] = points[:, 3] * 255
    return cloud


DRIVERS: dict[str, Callable[[Array, Array, int], Array]] = {
    'velodyne': velodyne, 'ouster': ouster, 'livox': livox, 'hesai': hesai, 'robosense': hesai,
}
