"""Light the synthetic street: sun with soft shadows, sky with clouds, dark corners, reflections, haze, exposure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .camera import Array, transform
from .synthetic_rays import Hits, RayGrid, cast
from .synthetic_solids import Material, Solid
from .synthetic_texture import PAINTERS, Noise, Surface

SUN = np.array([-0.46, 0.52, 0.72]) / np.linalg.norm([-0.46, 0.52, 0.72])  # towards the sun: behind, left, high
SUN_COLOUR = np.array([3.3, 3.0, 2.55], np.float32)
SKY_COLOUR = np.array([0.42, 0.52, 0.72], np.float32)
BOUNCE_COLOUR = np.array([0.30, 0.28, 0.25], np.float32)
HORIZON = np.array([1.7, 1.85, 2.0], np.float32)
ZENITH = np.array([0.25, 0.50, 1.10], np.float32)
EXPOSURE = 0.8
HAZE_M = 700.0
GLOSS = {Material.CABIN: 1.0, Material.PAINT: 0.5, Material.FACADE: 1.0, Material.METAL: 0.3}
TONES = 4096


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

    @classmethod
    def of(cls, solids: Sequence[Solid], seed: int) -> Scene:
        """Number the faces of the solids through and collect what belongs to each."""
        counts = [len(solid.materials) for solid in solids]
        normals = [solid.normals if solid.radii is None else np.zeros((1, 3)) for solid in solids]
        planes = np.zeros((len(solids), 6, 4), np.float32)
        for plane, solid in zip(planes, solids, strict=True):
            rows = min(len(solid.normals), 6)
            plane[:rows, :3], plane[:rows, 3] = solid.normals[:rows], solid.offsets[:rows]
        return cls(tuple(solids), Noise(seed), np.repeat(np.arange(len(solids)), counts),
                   np.concatenate(normals).astype(np.float32),
                   np.concatenate([solid.materials for solid in solids]).astype(np.int8), planes,
                   *(np.array(rows, np.float32) for rows in (
                       [solid.T_world_local for solid in solids], [solid.radii or (1, 1, 1) for solid in solids],
                       [solid.colour for solid in solids])))

    def cast(self, grid: RayGrid) -> Hits:
        """Find what the rays of a grid meet first."""
        return cast(self.solids, grid, self.noise.is_leaf)

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


@dataclass(frozen=True, slots=True)
class Lights:
    """Where the sun reaches, and how much of the sky the ground sees, as maps made once for a street."""

    sun: Hits
    sun_grid: RayGrid
    open_sky: Array
    sky_origin: tuple[float, float]
    sky_step_m: float

    @classmethod
    def of(cls, scene: Scene, x_range: tuple[float, float], half_width_m: float = 24.0) -> Lights:
        """Look at the street between two x [m] from the sun and from straight above."""
        sun_grid = far_view(SUN, x_range, half_width_m, 0.06, 12.0)
        step = 0.12
        above = far_view(np.array([0.0, 0.0, 1.0]), x_range, half_width_m, step, 0.0)
        height = 800.0 - 1 / scene.cast(above).inverse
        return cls(scene.cast(sun_grid), sun_grid, openness(height, step), (x_range[0], half_width_m), step)

    def shadow(self, points: Array, normals: Array) -> Array:
        """Return how much sun (N,) reaches points (N, 3), softened over about 10 cm."""
        toward = transform(np.linalg.inv(self.sun_grid.T_world_grid), points + 0.06 * normals).astype(np.float32)
        u, v, depth = toward[:, 0] / toward[:, 2], toward[:, 1] / toward[:, 2], toward[:, 2] - 0.05
        assert self.sun_grid.v is not None
        column, row = (np.float32((len(axis) - 1) / (axis[-1] - axis[0])) * (value - np.float32(axis[0]))
                       for axis, value in ((self.sun_grid.u, u), (self.sun_grid.v, v)))
        height, width = self.sun_grid.shape
        lit = np.zeros(len(points), np.float32)
        for dx, dy in ((-0.7, -0.3), (0.3, -0.7), (0.7, 0.3), (-0.3, 0.7)):
            i = np.clip(np.rint(row + dy), 0, height - 1).astype(np.int32)
            j = np.clip(np.rint(column + dx), 0, width - 1).astype(np.int32)
            lit += self.sun.inverse.ravel()[i * width + j] * depth <= 1
        return lit / 4

    def openness_at(self, points: Array) -> Array:
        """Return how much of the sky (N,) points (N, 3) see: map values on the ground, near 1 above cars."""
        row = (self.sky_origin[1] - points[:, 1]) / np.float32(self.sky_step_m)
        column = (points[:, 0] - self.sky_origin[0]) / np.float32(self.sky_step_m)
        height, width = self.open_sky.shape
        i, j = (np.clip(np.rint(a), 0, n - 1).astype(np.int32) for a, n in ((row, height), (column, width)))
        ground = self.open_sky.ravel()[i * width + j]
        return ground + (1 - ground) * np.clip(points[:, 2] / 1.5, 0, 1) * 0.85


def far_view(toward: Array, x_range: tuple[float, float], half_width_m: float, step_m: float, margin_m: float) -> RayGrid:
    """Return nearly parallel rays from 800 m away that cover the street with one ray per step [m]."""
    middle = np.array([np.mean(x_range), 0.0, 0.0])
    z = -toward
    x = np.array([1.0, 0.0, 0.0]) - z[0] * z
    x /= np.linalg.norm(x)
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = np.stack([x, np.cross(z, x), z], 1), middle + 800.0 * toward
    ends = np.array([[a, b, 0.0] for a in x_range for b in (-half_width_m, half_width_m)])
    seen = transform(np.linalg.inv(T), ends)
    low, high = (seen[:, :2] / seen[:, 2:]).min(0) - margin_m / 800, (seen[:, :2] / seen[:, 2:]).max(0) + margin_m / 800
    count = np.ceil((high - low) * 800 / step_m).astype(int)
    u, v = (np.linspace(low[i], high[i], count[i]) for i in range(2))
    rays = np.stack([*np.meshgrid(u, v), np.ones((count[1], count[0]))]).astype(np.float32)
    return RayGrid(rays, u, v, T)


def openness(height: Array, step_m: float) -> Array:
    """Return how much of the sky the ground sees (H, W), from the heights above it (H, W) [m]."""
    import cv2

    near = cv2.GaussianBlur(((height > 0.25) & (height < 2.5)).astype(np.float32), (0, 0), 0.28 / step_m)
    wide = cv2.GaussianBlur(np.clip(height / 9, 0, 1).astype(np.float32), (0, 0), 2.0 / step_m)
    return np.clip(1.02 - 0.75 * near - 0.6 * wide, 0.12, 1).astype(np.float32)


def sky(directions: Array, noise: Noise) -> Array:
    """Return the sky's radiance (N, 3) in directions (N, 3): a gradient with fair-weather clouds."""
    d = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    up = np.clip(d[:, 2], 0.0, 1.0)
    colour = ZENITH + (HORIZON - ZENITH) * np.exp(-5.5 * up)[:, None]
    x, y = (d[:, i] / (up + 0.09) for i in range(2))
    cover = sum(w * noise(x + 37, y + 11, g) for w, g in ((0.9, 0.9), (0.55, 0.4), (0.33, 0.19), (0.2, 0.09), (0.12, 0.045)))
    cloud = np.clip((cover - 0.15) * 0.75, 0, 1) * np.clip(up * 9, 0, 1)
    bright = 2.6 - 0.7 * np.clip(cover - 0.9, 0, 1)
    return colour + cloud[:, None] * (bright[:, None] * np.float32([1.0, 0.99, 0.97]) - colour)


def surroundings(directions: Array, noise: Noise) -> Array:
    """Return what a glossy surface mirrors (N, 3): sky above, the other side of the street below."""
    up = directions[:, 2]
    seen = sky(directions, noise)
    weight = np.clip((0.45 - up) * 4, 0, 1)[:, None]
    street = np.where((up > -0.05)[:, None], np.float32([0.2, 0.19, 0.17]), np.float32([0.3, 0.29, 0.28]))
    return seen + weight * (street - seen)


def render(scene: Scene, lights: Lights, grid: RayGrid, pixel_rad: float) -> Array:
    """Return the radiance float32 (H, W, 3) along the rays of a grid whose pixels span this angle [rad]."""
    hits = scene.cast(grid)
    image = np.empty((grid.shape[0] * grid.shape[1], 3), np.float32)
    face = hits.face.ravel()
    empty = np.flatnonzero(face < 0)
    image[empty] = sky(grid.directions(empty), scene.noise)
    material = np.where(face >= 0, scene.face_material[face], -1)
    for kind in Material:
        index = np.flatnonzero(material == kind)
        if len(index):
            distance = 1 / hits.inverse.ravel()[index]
            image[index] = shade(scene, lights, face[index], grid.T_world_grid[:3, 3].astype(np.float32),
                                 grid.directions(index), distance, pixel_rad)
    return image.reshape(*grid.shape, 3)


def shade(scene: Scene, lights: Lights, face: Array, origin: Array, rays: Array, distance: Array,
          pixel_rad: float) -> Array:
    """Return the radiance (N, 3) that comes back along rays (N, 3) from faces (N,) of one material at distances (N,)."""
    kind = Material(scene.face_material[face[0]])
    points = origin + rays * distance[:, None]
    view = rays / np.linalg.norm(rays, axis=1, keepdims=True)
    normals = scene.normals(face, points)
    facing = np.clip(-np.einsum('ij,ij->i', view, normals), 0.02, 1)
    surface = scene.surface(face, points, normals, distance * np.float32(pixel_rad) / np.sqrt(facing))
    albedo = PAINTERS[kind](surface, scene.noise)
    if kind == Material.LEAF:
        normals = leaf_normals(scene, face, points, normals)
    sun = np.clip(normals @ SUN.astype(np.float32), 0, 1)
    sun = (0.25 + 0.75 * sun if kind in (Material.LEAF, Material.HEDGE) else sun) * lights.shadow(points, normals)
    up = (0.5 + 0.5 * normals[:, 2:]) * lights.openness_at(points)[:, None]
    radiance = albedo * (sun[:, None] * SUN_COLOUR + up * SKY_COLOUR + (1 - up) * BOUNCE_COLOUR * 0.45)
    if kind in GLOSS:
        radiance += reflections(kind, albedo, view, normals, facing, sun, scene.noise)
    haze = 1 - np.exp(-distance / np.float32(HAZE_M))
    return radiance + haze[:, None] * (HORIZON * 0.6 - radiance)


def leaf_normals(scene: Scene, face: Array, points: Array, normals: Array) -> Array:
    """Return normals (N, 3) of leaves, bent outwards from the middle of their tree."""
    centres = np.array([s.shade_centre or s.T_world_local[:3, 3] for s in scene.solids], np.float32)
    outward = points - centres[scene.face_solid[face]]
    outward /= np.linalg.norm(outward, axis=1, keepdims=True) + 1e-6
    mixed = 0.65 * outward + 0.35 * normals
    return mixed / (np.linalg.norm(mixed, axis=1, keepdims=True) + 1e-6)


def reflections(kind: Material, albedo: Array, view: Array, normals: Array, facing: Array, sun: Array,
                noise: Noise) -> Array:
    """Return what a glossy surface mirrors (N, 3), by Schlick's approximation; on a wall only its panes do."""
    gloss = np.full(len(albedo), GLOSS[kind], np.float32)
    if kind in (Material.FACADE, Material.CABIN):
        gloss *= albedo.max(1) < 0.05
    mirrored = view + 2 * facing[:, None] * normals
    base = 0.06 if kind in (Material.FACADE, Material.CABIN) else 0.04
    strength = gloss * (base + (1 - base) * (1 - facing) ** 5)
    glint = np.clip(mirrored @ SUN.astype(np.float32), 0, 1) ** 80 * (sun > 0) * GLOSS[kind] * 2
    return strength[:, None] * surroundings(mirrored, noise) + glint[:, None]


def exposed(radiance: Array) -> Array:
    """Return radiance (..., 3) as uint8 sRGB: a film's shoulder, a little contrast, gamma."""
    level = 1 - np.exp(-EXPOSURE * np.arange(TONES) * (8.0 / TONES))
    curve = level ** (1 / 2.2)
    curve = np.clip(curve + 0.10 * np.sin(2 * np.pi * (curve - 0.5)) * 0.9, 0, 1)
    table = np.rint(curve * 255).astype(np.uint8)
    return table[np.clip(radiance * (TONES / 8.0), 0, TONES - 1).astype(np.int32)]
