"""Where rays meet one convex solid: the inverse distance at which they enter it.

All of it works on inverse distance: for a plane it is linear in the ray, entering a solid is the smallest of the planes
that face the origin, leaving it the largest of the others, and 0 is a miss.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .camera import Array, transform
from .synthetic_solids import Material, Solid

LeafTest = Callable[[Array], Array]  # points (N, 3) [m] to whether there is a leaf (N,) bool


def meet(solid: Solid, rays: Array, T_world_grid: Array, so_far: Array,
         is_leaf: LeafTest | None) -> tuple[Array, Array | int]:
    """Return where rays (3, h, w) first enter a solid: inverse distance (h, w), 0 for a miss, and the solid's face."""
    if solid.radii is None:
        return meet_planes(solid, rays, T_world_grid)
    enter, leave = meet_ellipsoid(solid, rays, T_world_grid)
    if is_leaf is None or solid.materials[0] != Material.LEAF:
        return enter, 0
    return with_gaps(enter, leave, so_far, rays, T_world_grid, T_world_grid[None, :3, 3], is_leaf), 0


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


def with_gaps(enter: Array, leave: Array, so_far: Array, rays: Array, T_world_grid: Array, origins: Array,
              is_leaf: LeafTest) -> Array:
    """Return where rays meet a leaf of a crown: on its near side, or through a gap there on its far side, or 0.

    The rays leave world points (1, 3) or, column by column, (w, 3) [m].
    """
    found = np.zeros_like(enter)
    R, origins = T_world_grid[:3, :3].astype(np.float32), origins.astype(np.float32)
    for inverse in (enter, leave):
        index = np.flatnonzero((found == 0) & (inverse > so_far))
        points = (rays.reshape(3, -1)[:, index] / inverse.ravel()[index]).T @ R.T + origins[index % len(origins)]
        leaf = index[is_leaf(points)]
        found.ravel()[leaf] = inverse.ravel()[leaf]
    return found


def meet_from(origins: Array, solid: Solid, rays: Array, T_world_grid: Array, so_far: Array,
              is_leaf: LeafTest | None) -> tuple[Array, Array | int]:
    """Return what `meet` does for rays (3, h, w) whose columns leave points (3, w) [m] of their own in their frame."""
    if solid.radii is None:
        return meet_planes_from(origins, solid, rays, T_world_grid)
    enter, leave = meet_ellipsoid_from(origins, solid, rays, T_world_grid)
    if is_leaf is None or solid.materials[0] != Material.LEAF:
        return enter, 0
    return with_gaps(enter, leave, so_far, rays, T_world_grid, transform(T_world_grid, origins.T), is_leaf), 0


def meet_planes_from(origins: Array, solid: Solid, rays: Array, T_world_grid: Array) -> tuple[Array, Array]:
    """Return what `meet_planes` does for columns that leave points (3, w); a plane may face some and not others."""
    gap = solid.offsets[:, None] - solid.normals @ transform(T_world_grid, origins.T).T
    gap = np.where(np.abs(gap) < 1e-6, 1e-6, gap)[:, None].astype(np.float32)
    along = (solid.normals @ T_world_grid[:3, :3]).astype(np.float32) @ rays.reshape(3, -1)
    inverse = along.reshape(-1, *rays.shape[1:]) / gap
    entering, leaving = np.where(gap < 0, inverse, np.inf), np.where(gap > 0, inverse, -np.inf)
    enter, face = entering.min(0), entering.argmin(0).astype(np.int32)
    enter[(leaving.max(0) >= enter) | np.isinf(enter)] = 0
    return np.maximum(enter, 0, out=enter), face


def meet_ellipsoid_from(origins: Array, solid: Solid, rays: Array, T_world_grid: Array) -> tuple[Array, Array]:
    """Return what `meet_ellipsoid` does for columns that leave points (3, w)."""
    to_ball = np.linalg.inv(solid.T_world_local) @ T_world_grid
    to_ball = to_ball[:3] / np.asarray(solid.radii)[:, None]
    origin = (to_ball[:, 3:] + to_ball[:, :3] @ origins)[:, None]
    outside = ((origin * origin).sum(0) - 1).astype(np.float32)
    d = (to_ball[:, :3].astype(np.float32) @ rays.reshape(3, -1)).reshape(rays.shape)
    towards = -(origin.astype(np.float32) * d).sum(0)
    root = towards * towards - (d * d).sum(0) * outside
    hit = (root > 0) & (towards > 0) & (outside > 0)
    root = np.sqrt(np.maximum(root, 0))
    enter, leave = (np.where(hit, x / np.maximum(outside, 1e-6), 0) for x in (towards + root, towards - root))
    return enter, leave
