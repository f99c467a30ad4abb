"""Convex solids and ellipsoids: what the synthetic street is built of.

Frames: world and local x forward along the street, y left, z up, in metres.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np

from .camera import Array, transform

RGB = tuple[float, float, float]  # linear albedo, 0 to 1


class Material(IntEnum):
    """What a surface is made of: decides its texture, its gloss and how much of a laser pulse it returns."""

    ROAD = 0
    PAVEMENT = 1
    FACADE = 2
    ROOF = 3
    PAINT = 4
    CABIN = 5
    TYRE = 6
    BARK = 7
    LEAF = 8
    HEDGE = 9
    METAL = 10
    SIGN = 11
    PLAIN = 12


REFLECTANCE = np.array([0.22, 0.3, 0.42, 0.3, 0.45, 0.12, 0.06, 0.25, 0.4, 0.38, 0.5, 0.95, 0.4], np.float32)


@dataclass(frozen=True, slots=True)
class Solid:
    """A convex solid, the points p with normals @ p <= offsets, or with `radii` the ellipsoid that fills it.

    normals (K, 3), offsets (K,) and corners (M, 3) are in the world; no corners: it has no end. An ellipsoid has one
    face and no planes; its corners bound it.
    """

    normals: Array
    offsets: Array
    corners: Array | None
    materials: tuple[Material, ...]
    colour: RGB
    T_world_local: Array
    radii: tuple[float, float, float] | None = None
    shade_centre: tuple[float, float, float] | None = None  # leaves are shaded as if they sat on a ball around it

    def placed(self, T: Array) -> Solid:
        """Return this solid moved by the rigid transform T (4, 4)."""
        normals = self.normals @ T[:3, :3].T
        return replace(
            self,
            normals=normals,
            offsets=self.offsets + normals @ T[:3, 3],
            corners=None if self.corners is None else transform(T, self.corners),
            T_world_local=T @ self.T_world_local,
            shade_centre=None if self.shade_centre is None else tuple(transform(T, np.array([self.shade_centre]))[0]),
        )


def placement(x: float, y: float, yaw: float = 0.0, z: float = 0.0) -> Array:
    """Return the transform (4, 4) to a position [m] and heading [rad] on the street."""
    c, s = np.cos(yaw), np.sin(yaw)
    return np.array([[c, -s, 0, x], [s, c, 0, y], [0, 0, 1, z], [0, 0, 0, 1]], float)


def place(parts: Sequence[Solid], T: Array) -> list[Solid]:
    """Move every part by the rigid transform T (4, 4)."""
    return [part.placed(T) for part in parts]


def half_space(planes: Sequence[tuple[RGB, float, Material]], colour: RGB) -> Solid:
    """Return an unbounded solid below planes given as (normal, offset, material)."""
    normals, offsets, materials = zip(*planes, strict=True)
    return Solid(np.array(normals, float), np.array(offsets, float), None, materials, colour, np.eye(4))


def hexahedron(corners: Array, materials: Material | Sequence[Material], colour: RGB) -> Solid:
    """Return the solid of 8 corners, index 4 * (x high) + 2 * (y high) + (z high); faces -x, +x, -y, +y, -z, +z."""
    faces = ((0, 2, 3), (4, 6, 7), (0, 1, 5), (2, 3, 7), (0, 2, 6), (1, 3, 7))
    return of_faces(np.asarray(corners, float), faces, materials, colour)


def box(low: RGB, high: RGB, materials: Material | Sequence[Material], colour: RGB) -> Solid:
    """Return an upright box between two corners [m]."""
    return frustum((low[0], high[0], low[1], high[1]), (low[0], high[0], low[1], high[1]), low[2], high[2],
                   materials, colour)


def frustum(
    bottom: tuple[float, float, float, float], top: tuple[float, float, float, float], z0: float, z1: float,
    materials: Material | Sequence[Material], colour: RGB,
) -> Solid:
    """Return the solid between a rectangle (x0, x1, y0, y1) at z0 and one at z1 [m]."""
    pick = ((x, y) for x in (0, 1) for y in (2, 3))
    corners = [(side[x], side[y], z) for x, y in pick for side, z in ((bottom, z0), (top, z1))]
    return hexahedron(np.array(corners), materials, colour)


def prism(
    outline: Array, low: float, high: float, axis: str, materials: Material | Sequence[Material], colour: RGB,
    top_scale: float = 1.0,
) -> Solid:
    """Return a convex outline (M, 2) [m] extruded along axis 'y' (outline x, z) or 'z' (outline x, y); M + 2 faces.

    The far end is the outline times `top_scale`; the last two faces are the ends, low and high.
    """
    outline, count = np.asarray(outline, float), len(outline)
    ends = np.concatenate([outline, outline * top_scale])
    along = np.repeat([low, high], count)[:, None]
    columns = (ends, along) if axis == 'z' else (ends[:, :1], along, ends[:, 1:])
    sides = [(i, (i + 1) % count, count + i) for i in range(count)]
    faces = [*sides, (0, 1, 2), (count, count + 1, count + 2)]
    return of_faces(np.hstack(columns), faces, materials, colour)


def of_faces(corners: Array, faces: Sequence[Sequence[int]], materials: Material | Sequence[Material],
             colour: RGB) -> Solid:
    """Return the convex solid of corners (M, 3) whose faces are given by three corners each."""
    a, b, c = (corners[[face[i] for face in faces]] for i in range(3))
    normals = np.cross(b - a, c - a)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    outward = np.sign(np.einsum('ij,ij->i', normals, a - corners.mean(0)))[:, None]
    normals *= outward
    kinds = (materials,) * len(faces) if isinstance(materials, Material) else tuple(materials)
    return Solid(normals, np.einsum('ij,ij->i', normals, a), corners, kinds, colour, np.eye(4))


def ellipsoid(centre: Sequence[float] | Array, radii: RGB, material: Material, colour: RGB,
              shade_centre: RGB | None = None) -> Solid:
    """Return an ellipsoid with its axes along the frame's [m]."""
    signs = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], float)
    T = np.eye(4)
    T[:3, 3] = centre
    corners = signs * radii + np.asarray(centre, float)
    return Solid(np.zeros((0, 3)), np.zeros(0), corners, (material,), colour, T, radii, shade_centre)


def ring(radius: float, count: int) -> Array:
    """Return a regular polygon (count, 2) of a circle."""
    angle = np.arange(count) * (2 * np.pi / count)
    return np.stack([np.cos(angle), np.sin(angle)], 1) * radius
