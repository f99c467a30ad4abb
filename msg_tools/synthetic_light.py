"""Light the synthetic street: sun with soft shadows, sky with clouds, dark corners, reflections, haze, exposure."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .camera import Array, transform
from .synthetic_noise import Noise
from .synthetic_rays import Hits, RayGrid
from .synthetic_solids import Material
from .synthetic_surfaces import Scene
from .synthetic_texture import PAINTERS

SUN = np.array([-0.46, 0.52, 0.72]) / np.linalg.norm([-0.46, 0.52, 0.72])  # towards the sun: behind, left, high
SUN_COLOUR = np.array([3.3, 3.0, 2.55], np.float32)
SKY_COLOUR = np.array([0.42, 0.52, 0.72], np.float32)
BOUNCE_COLOUR = np.array([0.30, 0.28, 0.25], np.float32)
HORIZON = np.array([1.7, 1.85, 2.0], np.float32)
ZENITH = np.array([0.25, 0.50, 1.10], np.float32)
FACADES, PAVING = (np.array(colour, np.float32) for colour in ((0.2, 0.19, 0.17), (0.3, 0.29, 0.28)))
EXPOSURE = 0.8
HAZE_M = 700.0
HALF_WIDTH_M = 24.0  # of the street that the sun and the sky are worked out for
GLOSS = {Material.CABIN: 1.0, Material.PAINT: 0.5, Material.FACADE: 1.0, Material.METAL: 0.3}
TONES = 4096
BLOCK = 16384  # pixels shaded at a time: their arrays fit the processor's cache


@dataclass(frozen=True, slots=True)
class Lights:
    """Where the sun reaches, and how much of the sky the ground sees, as maps made once for a street."""

    sun: Hits
    sun_grid: RayGrid
    T_sun_world: Array
    open_sky: Array
    sky_origin: tuple[float, float]
    sky_step_m: float

    @classmethod
    def of(cls, scene: Scene, x_range: tuple[float, float], step_m: float = 0.06) -> Lights:
        """Look at the street between two x [m] from the sun, a ray per step [m], and from straight above."""
        sun_grid, step = far_view(SUN, x_range, step_m, 12.0), 2 * step_m
        above = far_view(np.array([0.0, 0.0, 1.0]), x_range, step, 0.0)
        height = 800.0 - 1 / scene.cast(above).inverse
        T_sun_world = np.linalg.inv(sun_grid.T_world_grid).astype(np.float32)
        corner = (x_range[0], HALF_WIDTH_M)
        return cls(scene.cast(sun_grid), sun_grid, T_sun_world, openness(height, step), corner, step)

    def shadow(self, points: Array, normals: Array) -> Array:
        """Return how much sun (N,) reaches points (N, 3), softened over about 10 cm."""
        toward = transform(self.T_sun_world, points + np.float32(0.06) * normals)
        u, v, depth = toward[:, 0] / toward[:, 2], toward[:, 1] / toward[:, 2], toward[:, 2] - 0.05
        column, row = steps_along(self.sun_grid.u, u), steps_along(self.sun_grid.rays[1, :, 0], v)
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


def steps_along(axis: Array, values: Array) -> Array:
    """Return where values (N,) lie on an axis of even steps, counted in them from its start."""
    return np.float32((len(axis) - 1) / (axis[-1] - axis[0])) * (values - np.float32(axis[0]))


def far_view(toward: Array, x_range: tuple[float, float], step_m: float, margin_m: float) -> RayGrid:
    """Return nearly parallel rays from 800 m away that cover the street with one ray per step [m]."""
    middle = np.array([np.mean(x_range), 0.0, 0.0])
    z = -toward
    x = np.array([1.0, 0.0, 0.0]) - z[0] * z
    x /= np.linalg.norm(x)
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = np.stack([x, np.cross(z, x), z], 1), middle + 800.0 * toward
    ends = np.array([[a, b, 0.0] for a in x_range for b in (-HALF_WIDTH_M, HALF_WIDTH_M)])
    seen = transform(np.linalg.inv(T), ends)
    across, margin = seen[:, :2] / seen[:, 2:], margin_m / 800
    low, high = across.min(0) - margin, across.max(0) + margin
    count = np.ceil((high - low) * 800 / step_m).astype(int)
    u, v = (np.linspace(low[i], high[i], count[i]) for i in range(2))
    rays = np.stack([*np.meshgrid(u, v), np.ones((count[1], count[0]))]).astype(np.float32)
    return RayGrid(rays, u, v, T)


def openness(height: Array, step_m: float) -> Array:
    """Return how much of the sky the ground sees (H, W), from the heights above it (H, W) [m]."""
    near = cv2.GaussianBlur(((height > 0.25) & (height < 2.5)).astype(np.float32), (0, 0), 0.28 / step_m)
    wide = cv2.GaussianBlur(np.clip(height / 9, 0, 1).astype(np.float32), (0, 0), 2.0 / step_m)
    return np.clip(1.02 - 0.75 * near - 0.6 * wide, 0.12, 1).astype(np.float32)


def sky(directions: Array, noise: Noise) -> Array:
    """Return the sky's radiance (N, 3) in directions (N, 3): a gradient with fair-weather clouds."""
    d = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    up = np.clip(d[:, 2], 0.0, 1.0)
    colour = ZENITH + (HORIZON - ZENITH) * np.exp(-5.5 * up)[:, None]
    x, y = (d[:, i] / (up + 0.09) for i in range(2))
    cover = np.zeros(len(d), np.float32)
    for weight, grain in ((0.9, 0.9), (0.55, 0.4), (0.33, 0.19), (0.2, 0.09), (0.12, 0.045)):
        cover += weight * noise(x + 37, y + 11, grain)
    cloud = np.clip((cover - 0.15) * 0.75, 0, 1) * np.clip(up * 9, 0, 1)
    bright = 2.6 - 0.7 * np.clip(cover - 0.9, 0, 1)
    return colour + cloud[:, None] * (bright[:, None] * np.array([1.0, 0.99, 0.97], np.float32) - colour)


def surroundings(directions: Array, noise: Noise) -> Array:
    """Return what a glossy surface mirrors (N, 3): sky above, the other side of the street below."""
    up = directions[:, 2]
    seen = sky(directions, noise)
    weight = np.clip((0.45 - up) * 4, 0, 1)[:, None]
    street = np.where((up > -0.05)[:, None], FACADES, PAVING)
    return seen + weight * (street - seen)


def render(scene: Scene, lights: Lights, grid: RayGrid, pixel_rad: float) -> Array:
    """Return the radiance float32 (H, W, 3) along the rays of a grid whose pixels span this angle [rad]."""
    hits = scene.cast(grid)
    image = np.empty((grid.shape[0] * grid.shape[1], 3), np.float32)
    face = hits.face.ravel()
    empty = np.flatnonzero(face < 0)
    image[empty] = sky(grid.directions(empty), scene.noise)
    material = np.where(face >= 0, scene.face_material[face], -1)
    origin = grid.T_world_grid[:3, 3].astype(np.float32)
    for kind in Material:
        index = np.flatnonzero(material == kind)
        for block in np.array_split(index, len(index) // BLOCK + 1) if len(index) else ():
            distance = 1 / hits.inverse.ravel()[block]
            image[block] = shade(scene, lights, face[block], origin, grid.directions(block), distance, pixel_rad)
    return image.reshape(*grid.shape, 3)


def shade(scene: Scene, lights: Lights, face: Array, origin: Array, rays: Array, distance: Array,
          pixel_rad: float) -> Array:
    """Return the radiance (N, 3) that comes back along rays (N, 3) from faces (N,) of one material."""
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
    paned = kind in (Material.FACADE, Material.CABIN)
    glossy = np.flatnonzero(albedo.max(1) < 0.05) if paned else slice(None)
    facing = facing[glossy]
    mirrored = view[glossy] + 2 * facing[:, None] * normals[glossy]
    base = 0.06 if paned else 0.04
    strength = GLOSS[kind] * (base + (1 - base) * (1 - facing) ** 5)
    glint = np.clip(mirrored @ SUN.astype(np.float32), 0, 1) ** 80 * (sun[glossy] > 0) * (2 * GLOSS[kind])
    result = np.zeros_like(albedo)
    result[glossy] = strength[:, None] * surroundings(mirrored, noise) + glint[:, None]
    return result


def exposed(radiance: Array) -> Array:
    """Return radiance (..., 3) as uint8 sRGB: a film's shoulder, a little contrast, gamma."""
    level = 1 - np.exp(-EXPOSURE * np.arange(TONES) * (8.0 / TONES))
    curve = level ** (1 / 2.2)
    curve = np.clip(curve + 0.10 * np.sin(2 * np.pi * (curve - 0.5)) * 0.9, 0, 1)
    table = np.rint(curve * 255).astype(np.uint8)
    return table[np.clip(radiance * (TONES / 8.0), 0, TONES - 1).astype(np.int32)]
