"""What the synthetic drive's Velodyne measures: a scan at one moment, or one that turns while the car drives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from .camera import Array, transform
from .synthetic_rays import BEAMS, RayGrid, moving_grid, scanner_grids, sector_pose
from .synthetic_rig import PERIOD_NS
from .synthetic_solids import REFLECTANCE
from .synthetic_surfaces import Scene

RANGE_M, RANGE_NOISE_M = 120.0, 0.02
FAINTEST = 0.004  # the least share of a pulse that the scanner still hears, at 60 m and full reflectance
TURN_S = PERIOD_NS * 1e-9

Random = np.random.Generator


def scan_at_once(scene: Scene, T_world_velo: Array, azimuths: int, random: Random) -> Array:
    """Return the points (N, 4) of a turn that takes no time: x, y, z [m] in the scanner's frame, and reflectance."""
    grids = scanner_grids(T_world_velo, azimuths)
    return np.concatenate([sector_at_once(scene, grid, T_world_velo, random) for grid in grids])


def sector_at_once(scene: Scene, grid: RayGrid, T_world_velo: Array, random: Random) -> Array:
    """Return the points (N, 4) of a quarter of a turn."""
    hits = scene.cast(grid)
    index = np.flatnonzero(hits.inverse > 1 / RANGE_M)
    range_m, face = 1 / hits.inverse.ravel()[index], hits.face.ravel()[index]
    rays = grid.directions(index)
    origin = grid.T_world_grid[:3, 3].astype(np.float32)
    noisy, reflectance, heard = echoes(scene, face, rays, origin + rays * range_m[:, None], range_m, random)
    points = (rays * noisy[:, None]) @ T_world_velo[:3, :3].astype(np.float32)
    return np.column_stack([points, np.clip(reflectance, 0, 1)])[heard].astype(np.float32)


def scan_in_turn(scene: Scene, T_world_velo_at: Callable[[float], Array], azimuths: int, random: Random,
                 stagger_deg: float = 0.0) -> tuple[Array, Array]:
    """Return the points (N, 4) of a scanner that turns clockwise from the rear to the rear, and their times (N,) [s].

    Each shot is taken at its own time, 0 where the scanner faces forward, from the pose that the function returns for
    that time; its point is in the scanner's frame of that moment, as in a scan that nobody has compensated. `scene` is
    as it is at time 0. The beams of one shot look up to `stagger_deg` to its left and right.
    """
    grids = [staggered(grid, stagger_deg) for grid in scanner_grids(np.eye(4), azimuths)]
    sectors = [sector_in_turn(scene, i, grid, T_world_velo_at, random) for i, grid in enumerate(grids)]
    points, times_s = (np.concatenate(parts) for parts in zip(*sectors, strict=True))
    return points, times_s


def staggered(sector: RayGrid, stagger_deg: float) -> RayGrid:
    """Return a sector whose beams look aside by eight even steps from -stagger to stagger [deg]; right is positive.

    An HDL-64E's do by up to 9 degrees: the azimuth of a point then tells its time to 2.5 ms only.
    """
    aside = np.deg2rad(stagger_deg) * (np.arange(BEAMS) * 5 % 8 / 3.5 - 1)[:, None]
    x, y, z = sector.rays
    turned = np.stack([np.cos(aside) * x + np.sin(aside) * z, y, np.cos(aside) * z - np.sin(aside) * x])
    return replace(sector, rays=turned.astype(np.float32)) if stagger_deg else sector


def sector_in_turn(scene: Scene, number: int, sector: RayGrid, T_world_velo_at: Callable[[float], Array],
                   random: Random) -> tuple[Array, Array]:
    """Return the points (N, 4) of a quarter of a turn, whose rays are in a sector's frame, and their times (N,) [s]."""
    times_s = column_times_s(number, sector)
    T_world_velo = np.array([T_world_velo_at(time_s) for time_s in times_s])
    inverse, face = first_hits(scene, sector.rays, T_world_velo @ sector_pose(number), times_s)
    index = np.flatnonzero(inverse > 1 / RANGE_M)
    range_m, face, column = 1 / inverse.ravel()[index], face.ravel()[index], index % len(times_s)
    exact = sector.directions(index) * range_m[:, None]
    rays = np.einsum('nij,nj->ni', T_world_velo[column, :3, :3], sector.directions(index)).astype(np.float32)
    met = rays * range_m[:, None] + T_world_velo[column, :3, 3]
    at_time_0 = met - scene.velocities[scene.face_solid[face]] * times_s[column, None]
    noisy, reflectance, heard = echoes(scene, face, rays, at_time_0.astype(np.float32), range_m, random)
    points = exact * (noisy / range_m)[:, None]
    scan = np.column_stack([points, np.clip(reflectance, 0, 1)])[heard].astype(np.float32)
    return scan, times_s[column][heard].astype(np.float32)


def column_times_s(number: int, sector: RayGrid) -> Array:
    """Return when the columns (W,) of a sector are shot [s]: clockwise, from half a turn before 0 to half a turn after.

    A time is -azimuth / 360 degrees x the turn; the azimuth lies above -180 degrees and up to 180, where a turn starts.
    """
    azimuth = number * np.pi / 2 - np.arctan(sector.u)
    return (np.mod(np.pi - azimuth, 2 * np.pi) - np.pi) / (2 * np.pi) * TURN_S


def first_hits(scene: Scene, rays: Array, T_world_columns: Array, times_s: Array) -> tuple[Array, Array]:
    """Return inverse range and face (H, W) each of what rays (3, H, W) meet, column by column from poses (W, 4, 4)."""
    found, middle = [], len(times_s) // 2  # the rear sector's is where the turn starts, and ends before it
    for columns in (slice(0, middle), slice(middle, None)):
        grid = moving_grid(rays[:, :, columns], T_world_columns[columns])
        found.append(scene.cast_in_time(grid, times_s[columns]))
    return np.hstack([hits.inverse for hits in found]), np.hstack([hits.face for hits in found])


def echoes(scene: Scene, face: Array, rays: Array, points: Array, range_m: Array,
           random: Random) -> tuple[Array, Array, Array]:
    """Return noisy ranges [m], reflectances, and which are near, bright and square-on enough to be heard (N,) each."""
    facing = np.abs(np.einsum('ij,ij->i', rays, scene.normals(face, points)))
    reflectance = REFLECTANCE[scene.face_material[face]] * random.uniform(0.75, 1.25, len(face))
    heard = reflectance * facing * (60 / range_m) ** 2 > FAINTEST * random.uniform(0.5, 2.0, len(face))
    noisy = range_m + random.standard_normal(len(face), np.float32) * np.float32(RANGE_NOISE_M)
    return noisy, reflectance, heard


def moved_to(T_world_velo: Array, T_world_velo_at: Callable[[float], Array], points: Array, times_s: Array) -> Array:
    """Return points (N, 3) of a turning scan, taken at times (N,) [s], in the frame of the scanner at one pose (4, 4).

    What stands still is then where it is; what moves is where it was when it was hit.
    """
    distinct, which = np.unique(times_s, return_inverse=True)
    T = np.linalg.inv(T_world_velo) @ np.array([T_world_velo_at(float(time_s)) for time_s in distinct])
    result = np.empty((len(points), 3))
    order = np.argsort(which, kind='stable')
    for k, rows in enumerate(np.split(order, np.cumsum(np.bincount(which))[:-1])):
        result[rows] = transform(T[k], points[rows, :3])
    return result
