"""Cast grids of rays that leave one point through convex solids: inverse distances, the nearest surface wins.

All of it works on inverse distance: for a plane it is linear in the ray, entering a solid is the smallest of the planes
that face the origin, leaving it the largest of the others, and 0 is the sky.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from .camera import Array, Intrinsics, transform
from .synthetic_solids import Material, Solid

NEAR_M = 0.05
BEAMS = 64
SECTORS = 4

LeafTest = Callable[[Array], Array]  # points (N, 3) [m] to whether there is a leaf (N,) bool


@dataclass(frozen=True, slots=True)
class RayGrid:
    """Rays (3, H, W) in a frame x right, y down, z forward; column j has x/z = u[j], row i y/z = v[i] where v is given.

    Distances are measured in lengths of the ray: depth for rays with z = 1, range for unit rays.
    """

    rays: Array
    u: Array
    v: Array | None
    T_world_grid: Array

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
    sides = [(seen[:, 0], grid.u)] + ([] if grid.v is None else [(seen[:, 1], grid.v)])
    for across, axis in sides:
        for sign, limit in ((1, axis[-1]), (-1, axis[0])):
            possible &= np.minimum.reduceat(sign * (across - limit * seen[:, 2]), starts[:-1]) <= 0
    return possible


def window_of(corners: Array, grid: RayGrid) -> Window | None:
    """Return the rows and columns whose rays may meet the hull of corners (M, 3) in the grid's frame, or None."""
    corners = in_front(corners)
    if len(corners) == 0:
        return None
    rows = slice(None) if grid.v is None else span(grid.v, corners[:, 1] / corners[:, 2])
    columns = span(grid.u, corners[:, 0] / corners[:, 2])
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


def span(positions: Array, values: Array) -> slice:
    """Return the slice of sorted positions that covers the values."""
    first, last = np.searchsorted(positions, (values.min(), values.max()))
    return slice(max(int(first) - 1, 0), int(last) + 1)


@dataclass(frozen=True, slots=True)
class Hits:
    """What each ray meets first: inverse distance float32 (H, W), 0 for the sky, and face int32, -1 for none."""

    inverse: Array
    face: Array


def cast(solids: Sequence[Solid], grid: RayGrid, is_leaf: LeafTest | None = None) -> Hits:
    """Find the first surface that each ray meets; faces are numbered through, solid after solid."""
    hits = Hits(np.zeros(grid.shape, np.float32), np.full(grid.shape, -1, np.int32))
    first_face = np.cumsum([0, *(len(solid.materials) for solid in solids)])
    for depth, i, window in windows(solids, grid):
        so_far = hits.inverse[window]
        if so_far.min() * depth < 1:  # else all of it is hidden
            rays = np.ascontiguousarray(grid.rays[(slice(None), *window)])
            nearer(hits, window, *meet(solids[i], rays, grid.T_world_grid, so_far, is_leaf), int(first_face[i]))
    return hits


def nearer(hits: Hits, window: tuple[slice, slice], inverse: Array, face: Array | int, first_face: int) -> None:
    """Keep what is nearer than the hits so far in a window of the grid."""
    closer = inverse > hits.inverse[window]
    np.copyto(hits.inverse[window], inverse, where=closer)
    np.copyto(hits.face[window], np.int32(first_face) + face, where=closer, casting='same_kind')


def meet(solid: Solid, rays: Array, T_world_grid: Array, so_far: Array,
         is_leaf: LeafTest | None) -> tuple[Array, Array | int]:
    """Return where rays (3, h, w) first enter a solid: inverse distance (h, w), 0 for a miss, and the solid's face."""
    if solid.radii is None:
        return meet_planes(solid, rays, T_world_grid)
    enter, leave = meet_ellipsoid(solid, rays, T_world_grid)
    if is_leaf is None or solid.materials[0] != Material.LEAF:
        return enter, 0
    return with_gaps(enter, leave, so_far, rays, T_world_grid, is_leaf), 0


def meet_planes(solid: Solid, rays: Array, T_world_grid: Array) -> tuple[Array, Array | int]:
    """Return the inverse distance (h, w) at which rays enter a solid of planes, 0 for a miss, and by which face."""
    gap = solid.offsets - solid.normals @ T_world_grid[:3, 3]
    gap = np.where(np.abs(gap) < 1e-6, 1e-6, gap)
    per_ray = (solid.normals @ T_world_grid[:3, :3] / gap[:, None]).astype(np.float32)
    facing, others = np.flatnonzero(gap < 0), np.flatnonzero(gap > 0)
    if len(facing) == 0:
        return np.zeros(rays.shape[1:], np.float32), 0
    inverse = (per_ray @ rays.reshape(3, -1)).reshape(-1, *rays.shape[1:])
    enter, face = inverse[facing[0]].copy(), np.full(rays.shape[1:], facing[0], np.int32)
    for k in facing[1:]:
        np.copyto(face, np.int32(k), where=inverse[k] < enter)
        np.minimum(enter, inverse[k], out=enter)
    for k in others:
        enter[inverse[k] >= enter] = 0
    return np.maximum(enter, 0, out=enter), face


def meet_ellipsoid(solid: Solid, rays: Array, T_world_grid: Array) -> tuple[Array, Array]:
    """Return the inverse distances (h, w) at which rays enter and leave an ellipsoid; 0 for a miss."""
    to_ball = np.linalg.inv(solid.T_world_local) @ T_world_grid
    to_ball = to_ball[:3] / np.asarray(solid.radii)[:, None]
    origin, d = to_ball[:, 3], (to_ball[:, :3].astype(np.float32) @ rays.reshape(3, -1))
    outside = float(origin @ origin) - 1
    if outside <= 0:
        return (np.zeros(rays.shape[1:], np.float32),) * 2
    towards = -(origin.astype(np.float32) @ d)
    root = towards * towards - np.einsum('ij,ij->j', d, d) * np.float32(outside)
    hit = (root > 0) & (towards > 0)
    root = np.sqrt(np.maximum(root, 0))
    enter, leave = (np.where(hit, x / np.float32(outside), 0).reshape(rays.shape[1:])
                    for x in (towards + root, towards - root))
    return enter, leave


def with_gaps(enter: Array, leave: Array, so_far: Array, rays: Array, T_world_grid: Array, is_leaf: LeafTest) -> Array:
    """Return where rays meet a leaf of a crown: on its near side, or through a gap there on its far side, or 0."""
    found = np.zeros_like(enter)
    R, origin = T_world_grid[:3, :3].astype(np.float32), T_world_grid[:3, 3].astype(np.float32)
    for inverse in (enter, leave):
        index = np.flatnonzero((found == 0) & (inverse > so_far))
        points = (rays.reshape(3, -1)[:, index] / inverse.ravel()[index]).T @ R.T + origin
        leaf = index[is_leaf(points)]
        found.ravel()[leaf] = inverse.ravel()[leaf]
    return found
