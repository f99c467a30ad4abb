"""The synthetic scene as its solids and, for every face of theirs, what a ray that hits it needs to know."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from .camera import Array
from .synthetic_noise import Noise
from .synthetic_rays import Hits, RayGrid, cast
from .synthetic_solids import Material, Solid
from .synthetic_texture import Surface


@dataclass(frozen=True, slots=True)
class Scene:
    """Solids with the tables that turn a hit's face into its surface; build it with `Scene.of`."""

    solids: tuple[Solid, ...]
    noise: Noise
    face_solid: Array
    face_normal: Array
    face_material: Array
    planes: Array  # (S, 6, 4): normal and offset of the first six faces of a solid
    frames: Array  # (S, 4, 4): T_world_local
    radii: Array  # (S, 3) of ellipsoids, 1 for others
    colours: Array  # (S, 3)
    velocities: Array  # (S, 3) [m/s]; the solids are where they are at time 0

    @classmethod
    def of(cls, solids: Sequence[Solid], noise: Noise, velocities: Array | None = None) -> Scene:
        """Number the faces of the solids through and collect what belongs to each; without velocities all stand."""
        counts = [len(solid.materials) for solid in solids]
        normals = [solid.normals if solid.radii is None else np.zeros((1, 3)) for solid in solids]
        planes = np.zeros((len(solids), 6, 4), np.float32)
        for plane, solid in zip(planes, solids, strict=True):
            rows = min(len(solid.normals), 6)
            plane[:rows, :3], plane[:rows, 3] = solid.normals[:rows], solid.offsets[:rows]
        frames, radii, colours = (np.array(rows, np.float32) for rows in (
            [solid.T_world_local for solid in solids], [solid.radii or (1, 1, 1) for solid in solids],
            [solid.colour for solid in solids]))
        return cls(tuple(solids), noise, np.repeat(np.arange(len(solids)), counts),
                   np.concatenate(normals).astype(np.float32),
                   np.concatenate([solid.materials for solid in solids]).astype(np.int8), planes,
                   frames, radii, colours, np.zeros((len(solids), 3)) if velocities is None else velocities)

    def cast(self, grid: RayGrid) -> Hits:
        """Find what the rays of a grid meet first, all of them at time 0."""
        return cast(self.solids, grid, self.noise.is_leaf)

    def cast_in_time(self, grid: RayGrid, times_s: Array) -> Hits:
        """Find what the rays of a grid meet first, where those of column j leave at times_s[j] of (W,) [s].

        Exact: a ray that leaves a point at time t meets a moving solid as one that leaves the point less velocity x t
        meets the solid where it is at time 0.
        """
        origins = np.zeros((3, len(times_s))) if grid.origins is None else grid.origins
        hits = Hits.sky(grid.shape)
        for first, last, first_face in self.moving_together():
            way = grid.T_world_grid[:3, :3].T @ self.velocities[first]
            seen_from = replace(grid, origins=origins - way[:, None] * times_s)
            found = cast(self.solids[first:last], seen_from, self.noise.is_leaf)
            hits.keep_nearer((slice(None), slice(None)), found.inverse, found.face + np.int32(first_face))
        return hits

    def moving_together(self) -> Iterator[tuple[int, int, int]]:
        """Yield each run of solids that move alike: its first, the one after its last, and the first one's face."""
        changes = (np.flatnonzero(np.any(np.diff(self.velocities, axis=0), axis=1)) + 1).tolist()
        for first, last in zip([0, *changes], [*changes, len(self.solids)], strict=True):
            yield first, last, int(np.searchsorted(self.face_solid, first))

    def normals(self, face: Array, points: Array) -> Array:
        """Return the outward world normals (N, 3) of faces (N,) at points (N, 3)."""
        normals = self.face_normal[face]
        curved = np.flatnonzero(normals[:, 2] + normals[:, 0] + normals[:, 1] == 0)
        curved = curved[np.abs(normals[curved]).sum(1) == 0]
        owner = self.face_solid[face[curved]]
        outward = (points[curved] - self.frames[owner, :3, 3]) / self.radii[owner] ** 2
        normals[curved] = outward / np.maximum(np.linalg.norm(outward, axis=1, keepdims=True), 1e-9)
        return normals

    def surface(self, face: Array, points: Array, normals: Array, footprint_m: Array) -> Surface:
        """Collect what the painters need to know of hits on faces (N,) at points (N, 3) [m]."""
        owner = self.face_solid[face]
        frames = self.frames[owner]
        local = np.einsum('nij,ni->nj', frames[:, :3, :3], points - frames[:, :3, 3])
        local_normals = np.einsum('nij,ni->nj', frames[:, :3, :3], normals)
        edge = self.edge_distance(owner, points) if self.face_material[face[0]] == Material.CABIN else footprint_m
        return Surface(points, local, normals, local_normals, self.colours[owner], footprint_m, edge)

    def edge_distance(self, solid: Array, points: Array) -> Array:
        """Return how far points (N, 3) on solids (N,) of six faces are from the nearest other face (N,) [m]."""
        planes = self.planes[solid]
        distance = planes[..., 3] - np.einsum('nkj,nj->nk', planes[..., :3], points)
        return np.partition(distance, 1, axis=1)[:, 1]
