"""Cast grids of rays through convex solids: inverse distances, the nearest surface wins, and 0 is the sky.

A camera's rays leave one point; those of a scanner that turns while the car drives leave a point for each column.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .camera import Array, Intrinsics, transform
from .synthetic_meet import LeafTest, meet, meet_from
from .synthetic_solids import Solid

NEAR_M = 0.05
BEAMS = 64
SECTORS = 4


@dataclass(frozen=True, slots=True)
class RayGrid:
    """Rays (3, H, W) in a frame x right, y down, z forward; column j has x/z = u[j], row i y/z = v[i] where v is given.

    Distances are measured in lengths of the ray: depth for rays with z = 1, range for unit rays. With `origins` (3, W)
    [m], in the grid's frame, each column's rays leave a point of their own; these points lie nearly on a line. With
    `u_last` (W,) a column is not straight: its x/z go from u[j] to u_last[j]. Both grow from column to column.
    """

    rays: Array
    u: Array
    v: Array | None
    T_world_grid: Array
    origins: Array | None = None
    u_last: Array | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Return (H, W)."""
        return self.rays.shape[1], self.rays.shape[2]

    def directions(self, index: Array) -> Array:
        """Return the world directions (N, 3) of rays by flat index (N,)."""
        return self.rays.reshape(3, -1)[:, index].T @ self.T_world_grid[:3, :3].T.astype(np.float32)


def camera_grid(camera: Intrinsics, T_world_cam: Array) -> RayGrid:
    """Return the rays of a camera's pixel centres, of length 1 along the optical axis."""
    rays = np.ascontiguousarray(camera.rays().transpose(2, 0, 1))
    return RayGrid(rays, rays[0, 0], rays[1, :, 0], T_world_cam)


def scanner_grids(T_world_velo: Array, azimuths: int) -> list[RayGrid]:
    """Return the rays of one turn of a 64-beam Velodyne HDL-64E as four sectors: front, left, rear, right."""
    elevation = np.deg2rad(np.concatenate([np.linspace(2, -8.33, BEAMS // 2), np.linspace(-8.83, -24.8, BEAMS // 2)]))
    steps = azimuths // SECTORS
    azimuth = ((np.arange(steps) + 0.5) / steps - 0.5) * (2 * np.pi / SECTORS)
    flat = np.stack([np.sin(azimuth), 0 * azimuth, np.cos(azimuth)])[:, None] * np.cos(elevation)[:, None]
    flat[1] -= np.sin(elevation)[:, None]
    return [RayGrid(flat.astype(np.float32), np.tan(azimuth), None, T_world_velo @ sector_pose(i))
            for i in range(SECTORS)]


def moving_grid(rays: Array, T_world_columns: Array) -> RayGrid:
    """Return the rays (3, H, W) of a sector as one grid, where each column is taken from a pose of its own (W, 4, 4).

    The grid's frame is that of the middle column. The poses may differ by a few degrees and metres.
    """
    middle = T_world_columns[len(T_world_columns) // 2]
    T = np.linalg.inv(middle) @ T_world_columns
    turned = np.einsum('jkl,lhj->khj', T[:, :3, :3], rays)
    u = turned[0] / turned[2]
    return RayGrid(turned.astype(np.float32), u.min(0), None, middle, T[:, :3, 3].T, u.max(0))


def sector_pose(index: int) -> Array:
    """Return T_velo_sector (4, 4): the sector's z axis points at azimuth 90 degrees x index, its y axis down."""
    c, s = np.cos(index * np.pi / 2), np.sin(index * np.pi / 2)
    return np.array([[s, 0, c, 0], [-c, 0, s, 0], [0, -1, 0, 0], [0, 0, 0, 1]])


Window = tuple[slice, slice]


def windows(solids: Sequence[Solid], grid: RayGrid) -> list[tuple[float, int, Window]]:
    """Return (nearest depth [m], index, rows and columns) of each solid that rays of a grid may meet, nearest first."""
    everywhere = [(0.0, i, (slice(None), slice(None))) for i, solid in enumerate(solids) if solid.corners is None]
    bounded = [(i, solid.corners) for i, solid in enumerate(solids) if solid.corners is not None]
    if not bounded:
        return everywhere
    starts = np.cumsum([0, *(len(corners) for _, corners in bounded)])
    seen = transform(np.linalg.inv(grid.T_world_grid), np.concatenate([corners for _, corners in bounded]))
    if grid.origins is not None:  # as the first and the last column see them: what is between lies in their hull
        seen = np.stack([seen - grid.origins[:, 0], seen - grid.origins[:, -1]], 1).reshape(-1, 3)
        starts = starts * 2
    nearest, farthest = (pick.reduceat(seen[:, 2], starts[:-1]) for pick in (np.minimum, np.maximum))
    found = []
    for k in np.flatnonzero(maybe_seen(seen, starts, grid) & (farthest > NEAR_M)):
        window = window_of(seen[starts[k] : starts[k + 1]], grid)
        if window is not None:
            found.append((max(float(nearest[k]), NEAR_M), bounded[k][0], window))
    return everywhere + sorted(found, key=lambda item: item[0])


def maybe_seen(seen: Array, starts: Array, grid: RayGrid) -> Array:
    """Return which groups of corners (G,) are not wholly beyond one of the grid's four sides."""
    possible = np.ones(len(starts) - 1, bool)
    sides = [(seen[:, 0], grid.u[0], last_of(grid)[-1])]
    sides += [] if grid.v is None else [(seen[:, 1], grid.v[0], grid.v[-1])]
    for across, low, high in sides:
        for sign, limit in ((1, high), (-1, low)):
            possible &= np.minimum.reduceat(sign * (across - limit * seen[:, 2]), starts[:-1]) <= 0
    return possible


def last_of(grid: RayGrid) -> Array:
    """Return the largest x/z (W,) of each column of a grid."""
    return grid.u if grid.u_last is None else grid.u_last


def window_of(corners: Array, grid: RayGrid) -> Window | None:
    """Return the rows and columns whose rays may meet the hull of corners (M, 3) in the grid's frame, or None."""
    corners = in_front(corners)
    if len(corners) == 0:
        return None
    rows = slice(None) if grid.v is None else span(grid.v, grid.v, corners[:, 1] / corners[:, 2])
    columns = span(grid.u, last_of(grid), corners[:, 0] / corners[:, 2])
    empty = columns.start >= columns.stop or (grid.v is not None and rows.start >= rows.stop)
    return None if empty else (rows, columns)


def in_front(corners: Array) -> Array:
    """Return the corners (M, 3) in front of the near plane, with where the lines to those behind cross it."""
    front = corners[:, 2] > NEAR_M
    if front.all():
        return corners
    ahead, behind = corners[front], corners[~front]
    if len(ahead) == 0:
        return ahead
    part = (ahead[:, None, 2] - NEAR_M) / (ahead[:, None, 2] - behind[None, :, 2])
    crossing = ahead[:, None] + part[..., None] * (behind[None] - ahead[:, None])
    return np.concatenate([ahead, crossing.reshape(-1, 3)])


def span(lows: Array, highs: Array, values: Array) -> slice:
    """Return the slice of places, each from a low to a high, both sorted, that covers the values."""
    first, last = np.searchsorted(highs, values.min()), np.searchsorted(lows, values.max())
    return slice(max(int(first) - 1, 0), int(last) + 1)


@dataclass(frozen=True, slots=True)
class Hits:
    """What each ray meets first: inverse distance float32 (H, W), 0 for the sky, and face int32, -1 for none."""

    inverse: Array
    face: Array

    @classmethod
    def sky(cls, shape: tuple[int, int]) -> Hits:
        """Return hits where no ray has met anything yet."""
        return cls(np.zeros(shape, np.float32), np.full(shape, -1, np.int32))

    @property
    def distance(self) -> Array:
        """Return the distances, float32 (H, W) in lengths of the rays; +Inf is the sky."""
        with np.errstate(divide='ignore'):
            return 1 / self.inverse

    def keep_nearer(self, window: Window, inverse: Array, face: Array | np.signedinteger[Any]) -> None:
        """Put inverse distances and faces in a window of the grid where they are nearer than what is there."""
        closer = inverse > self.inverse[window]
        np.copyto(self.inverse[window], inverse, where=closer)
        np.copyto(self.face[window], face, where=closer, casting='same_kind')


def cast(solids: Sequence[Solid], grid: RayGrid, is_leaf: LeafTest | None = None) -> Hits:
    """Find the first surface that each ray meets; faces are numbered through, solid after solid."""
    hits = Hits.sky(grid.shape)
    first_face = np.cumsum([0, *(len(solid.materials) for solid in solids)])
    for depth, i, window in windows(solids, grid):
        so_far = hits.inverse[window]
        if so_far.min() * depth < 1:  # else all of it is hidden
            rays = np.ascontiguousarray(grid.rays[(slice(None), *window)])
            if grid.origins is None:
                inverse, face = meet(solids[i], rays, grid.T_world_grid, so_far, is_leaf)
            else:
                origins = grid.origins[:, window[1]]
                inverse, face = meet_from(origins, solids[i], rays, grid.T_world_grid, so_far, is_leaf)
            hits.keep_nearer(window, inverse, np.int32(first_face[i]) + face)
    return hits
