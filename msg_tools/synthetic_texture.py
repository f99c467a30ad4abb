"""The colours of the synthetic street's surfaces, painted by position: asphalt, markings, windows, leaves, car bodies.

Every painter takes a Surface of N points and returns linear albedo (N, 3); noise fades where a pixel spans its grain.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from .camera import Array
from .synthetic_noise import Noise, chance
from .synthetic_solids import Material

ROAD_HALF_M = 6.1
LANE_M = 3.6
PAVEMENT_END_M = 9.0
KERB_M = 0.12
FLOOR_M = 3.0
WHEEL_X_M, WHEEL_RADIUS_M = 1.32, 0.33
GLASS = np.array([0.02, 0.025, 0.03], np.float32)
DIGITS = cv2.putText(np.zeros((64, 64), np.uint8), '30', (9, 43), cv2.FONT_HERSHEY_SIMPLEX, 1.1, 1, 5)


@dataclass(frozen=True, slots=True)
class Surface:
    """What N rays of one material hit: points and normals in the world and the solid's own frame, its colour.

    footprint_m (N,) is what one pixel spans there; edge_m (N,) the distance to the solid's nearest other face.
    """

    points: Array
    local: Array
    normals: Array
    local_normals: Array
    colour: Array
    footprint_m: Array
    edge_m: Array


def grey(value: Array) -> Array:
    """Return a grey of this albedo (N,) as (N, 3)."""
    return np.repeat(np.asarray(value, np.float32)[:, None], 3, 1)


def put(albedo: Array, where: Array, colour: Array | tuple[float, float, float]) -> None:
    """Paint a colour (3,) or colours (N, 3) over albedo (N, 3) where a mask (N,) or its strength 0 to 1 says so."""
    weight = np.asarray(where, np.float32)[:, None]
    albedo += weight * (np.asarray(colour, np.float32) - albedo)


def stripe(value: Array, width: float, soft: Array) -> Array:
    """Return how much (0 to 1) a pixel of size `soft` (N,) lies within a stripe of a width around 0."""
    return np.clip((width / 2 - np.abs(value)) / np.maximum(soft, 1e-4) + 0.5, 0, 1) * np.minimum(1, width / soft)


def nearest(value: Array, period: float) -> Array:
    """Return the offset of a value from the nearest multiple of a period."""
    return value - np.rint(value / np.float32(period)) * np.float32(period)


def road(surface: Surface, noise: Noise) -> Array:
    """Paint asphalt with tracks and patches, a dashed centre line, parking bays, a zebra crossing and manholes."""
    x, y, _ = surface.points.T
    foot = surface.footprint_m
    grain = 0.16 * noise(x, y, 0.012, foot) + 0.10 * noise(y, x, 0.035, foot) + 0.03 * noise(x, y, 0.3, foot)
    patches = 0.035 * noise(x, y, 2.5) + 0.05 * noise(y, x, 11.0)
    wear = 0.08 * np.cos((np.abs(np.abs(y) - LANE_M / 2) - 0.75) * 2.6)
    albedo = grey(0.15 * np.clip(1 + grain + patches + wear, 0.2, 2))
    put(albedo, (chance(np.floor(x / 9), np.floor(y / 1.7)) > 0.93) * 0.35, (0.07, 0.07, 0.075))
    put(albedo, 0.6 * stripe(nearest(y + 0.15 * noise(x, 0 * x, 3.0) - 0.9, 4.7), 0.03, foot), (0.04, 0.04, 0.04))
    worn = np.clip(0.9 + 0.25 * noise(x, y, 0.12, foot) + 0.15 * noise(x, y, 1.1), 0.3, 1)
    put(albedo, worn * markings(x, y, foot), (0.62, 0.62, 0.6))
    manhole = np.hypot(nearest(x - 7, 31), y + 0.9)
    put(albedo, 0.8 * (manhole < 0.33), (0.07, 0.065, 0.06))
    put(albedo, 0.8 * stripe(manhole - 0.33, 0.05, foot), (0.04, 0.04, 0.04))
    put(albedo, 0.5 * stripe(np.abs(y) - ROAD_HALF_M, 0.5, foot), (0.09, 0.08, 0.07))
    return albedo


def markings(x: Array, y: Array, foot: Array) -> Array:
    """Return how much (N,) of each point of the road is painted."""
    dash = stripe(y, 0.14, foot) * stripe(nearest(x, 9.0), 3.4, foot)
    side = np.abs(y)
    edge = stripe(side - LANE_M, 0.12, foot)
    bay = stripe(nearest(x - 2.6, 6.0), 0.1, foot) * ((side > LANE_M) & (side < ROAD_HALF_M - 0.1))
    crossing = np.abs(nearest(x - 44, 90)) < 1.8
    zebra = stripe(nearest(y, 1.0), 0.5, foot) * (side < ROAD_HALF_M - 0.3)
    return np.where(crossing, zebra, np.maximum(np.maximum(dash, edge), bay))


def pavement(surface: Surface, noise: Noise) -> Array:
    """Paint the kerb, concrete slabs and, beyond them, grass."""
    x, y, _ = surface.points.T
    side, foot = np.abs(y), surface.footprint_m
    tone = 1 + 0.08 * noise(x, y, 0.03, foot) + 0.07 * noise(x, y, 0.6, foot) + 0.1 * noise(y, x, 5.0)
    slab = 0.16 * (chance(np.floor(x / 0.5), np.floor(y / 0.5)) - 0.5)
    albedo = grey(0.26 * np.clip(tone + slab, 0.3, 2)) * np.array([1.05, 1.0, 0.93], np.float32)
    joints = np.maximum(stripe(nearest(x, 0.5), 0.02, foot), stripe(nearest(y, 0.5), 0.02, foot))
    put(albedo, 0.5 * joints, (0.1, 0.1, 0.09))
    kerb = side < ROAD_HALF_M + 0.16
    put(albedo, kerb, grey(0.34 * np.clip(tone, 0.4, 2)))
    put(albedo, kerb * stripe(nearest(x, 1.0), 0.03, foot), (0.12, 0.12, 0.12))
    blades = 1 + 0.28 * noise(x, y, 0.05, foot) + 0.22 * noise(y, x, 0.3, foot) + 0.15 * noise(x, y, 2.5)
    put(albedo, side > PAVEMENT_END_M, np.clip(blades, 0.3, 2)[:, None] * np.array([0.075, 0.135, 0.03], np.float32))
    return albedo


def facade(surface: Surface, noise: Noise) -> Array:
    """Paint plaster with rows of framed windows, a plinth and, here and there, a door."""
    along = np.where(np.abs(surface.local_normals[:, 1]) > 0.5, surface.local[:, 0], surface.local[:, 1])
    z, foot = surface.local[:, 2], surface.footprint_m
    tone = 1 + 0.06 * noise(along, z, 0.06, foot) + 0.07 * noise(along, z, 0.8) + 0.06 * noise(along * 4, z, 3.0)
    albedo = surface.colour * np.clip(tone, 0.5, 1.5)[:, None]
    pitch = 2.6
    cell, floor = np.floor(along / pitch), np.floor(z / FLOOR_M)
    luck = chance(cell, floor, surface.colour[:, 0] * 997)
    door = (floor == 0) & (luck > 0.8)
    a = np.abs(along - (cell + 0.5) * pitch) - np.where(door, 0.55, 0.62)
    low, high = np.where(door, 0.05, 0.85), np.where(door, 2.25, 2.35)
    height = z - floor * FLOOR_M
    inside = np.minimum(-a, np.minimum(height - low, high - height))
    put(albedo, inside > -0.12, np.clip(surface.colour * 1.35, 0, 0.8))
    pane = glass_pane(along, height, luck, foot, noise)
    put(albedo, inside > 0, np.where(door[:, None], np.array([0.09, 0.05, 0.03], np.float32), pane))
    bars = np.minimum(inside, np.abs(along - (cell + 0.5) * pitch))
    put(albedo, (inside > 0) * np.clip((0.06 - bars) / foot + 0.5, 0, 1), (0.62, 0.62, 0.6))
    put(albedo, 0.8 * ((z < 0.55) & ~(door & (inside > 0))), (0.16, 0.15, 0.14))
    put(albedo, 0.5 * stripe(height - 0.02, 0.1, foot) * (floor > 0), np.clip(surface.colour * 1.4, 0, 0.8))
    return albedo


def glass_pane(along: Array, height: Array, luck: Array, foot: Array, noise: Noise) -> Array:
    """Paint a window pane: dark, with a curtain or a half-drawn blind behind some."""
    pane = np.repeat(GLASS[None], len(luck), 0)
    folds = 0.3 + 0.08 * np.sin(along * 40) * np.clip(1.5 - foot / 0.08, 0, 1)
    curtain = (luck > 0.3) & (luck < 0.55) & (np.modf(np.abs(along) / 2.6)[0] > 0.55)
    put(pane, curtain * 0.6, grey(folds))
    put(pane, ((luck < 0.22) & (height > 1.7)) * 0.8, (0.42, 0.4, 0.36))
    pane *= np.clip(1 + 0.2 * noise(along, height, 0.5), 0.5, 2)[:, None]
    return pane


def roof(surface: Surface, noise: Noise) -> Array:
    """Paint rows of tiles."""
    x, _, z = surface.local.T
    foot = surface.footprint_m
    tone = 1 + 0.15 * noise(x, z, 0.3, foot) + 0.12 * noise(x, z, 2.0)
    rows = 1 - 0.35 * np.clip(1.5 - foot / 0.2, 0, 1) * (np.modf(np.abs(z) / 0.22)[0] < 0.2)
    return surface.colour * np.clip(tone * rows, 0.2, 2)[:, None]


def paint(surface: Surface, noise: Noise) -> Array:
    """Paint a car body: wheel arches, sill, door gaps, lamps and number plates."""
    x, y, z = surface.local.T
    nx, ny, _ = surface.local_normals.T
    foot = surface.footprint_m
    albedo = surface.colour.copy()
    side = np.abs(ny) > 0.7
    arch = np.hypot(np.abs(x) - WHEEL_X_M, z - WHEEL_RADIUS_M)
    put(albedo, side * np.clip((WHEEL_RADIUS_M + 0.07 - arch) / foot + 0.5, 0, 1), (0.008, 0.008, 0.008))
    put(albedo, z < 0.33, (0.02, 0.02, 0.02))
    for gap in (-0.85, 0.12, 0.98):
        put(albedo, 0.8 * side * stripe(x - gap, 0.014, foot), (0.01, 0.01, 0.01))
    put(albedo, side * (np.abs(z - 0.76) < 0.015) * (np.abs(nearest(x + 0.6, 0.97)) < 0.09), (0.01, 0.01, 0.01))
    end, across = np.abs(nx) > 0.6, np.abs(y)
    lamp = end & (across > 0.5) & (across < 0.8) & (z > 0.62) & (z < 0.8)
    put(albedo, lamp & (nx > 0), (0.7, 0.7, 0.68))
    put(albedo, lamp & (nx < 0), (0.35, 0.01, 0.01))
    put(albedo, end & (nx > 0) & (across < 0.45) & (z > 0.6) & (z < 0.74), (0.015, 0.015, 0.015))
    put(albedo, end & (across < 0.26) & (z > 0.44) & (z < 0.555), (0.7, 0.7, 0.66))
    put(albedo, end & (z < 0.42), (0.03, 0.03, 0.03))
    return albedo


def cabin(surface: Surface, noise: Noise) -> Array:
    """Paint the windows of a car, framed by its body."""
    albedo = np.repeat(GLASS[None], len(surface.points), 0)
    roofed = np.abs(surface.local_normals[:, 2]) > 0.9
    frame = np.clip((0.055 - surface.edge_m) / surface.footprint_m + 0.5, 0, 1)
    pillar = stripe(surface.local[:, 0] + 0.28, 0.09, surface.footprint_m) * (np.abs(surface.local_normals[:, 1]) > 0.7)
    put(albedo, np.maximum(np.maximum(frame, pillar), roofed), surface.colour)
    return albedo


def tyre(surface: Surface, noise: Noise) -> Array:
    """Paint a wheel: rubber, and a rim with spokes."""
    x, _, z = surface.local.T
    radius, angle = np.hypot(x, z), np.arctan2(z, x)
    albedo = grey(np.full(len(x), 0.018))
    spokes = np.where(radius < 0.06, 1, np.cos(angle * 5) > -0.25)
    put(albedo, (radius < 0.22) & (np.abs(surface.local_normals[:, 1]) > 0.7), grey(0.06 + 0.3 * spokes))
    return albedo


def bark(surface: Surface, noise: Noise) -> Array:
    """Paint bark with furrows along the trunk."""
    angle = np.arctan2(surface.local[:, 1], surface.local[:, 0])
    tone = 1 + 0.3 * noise(angle * 1.2, surface.points[:, 2] * 0.25, 0.08, surface.footprint_m)
    return surface.colour * np.clip(tone, 0.3, 2)[:, None]


def leaf(surface: Surface, noise: Noise) -> Array:
    """Paint leaves: light and dark clusters, some yellow."""
    points, foot = surface.points, surface.footprint_m
    fine, coarse = noise.solid(points, 0.05, foot), noise.solid(points, 0.22, foot)
    tone = 1 + 0.35 * fine + 0.3 * coarse + 0.15 * noise(points[:, 0], points[:, 2], 0.9)
    albedo = surface.colour * np.clip(tone, 0.2, 2.2)[:, None]
    put(albedo, np.clip(fine - 1.2, 0, 0.5), (0.16, 0.16, 0.05))
    return albedo


def sign(surface: Surface, noise: Noise) -> Array:
    """Paint a round sign, which lies in its own x and z: 30 in a red rim."""
    x, z = surface.local[:, 0], surface.local[:, 2]
    albedo = surface.colour.copy()
    put(albedo, np.hypot(x, z) > 0.22, (0.5, 0.015, 0.02))
    row, column = (np.clip(a * 130 + 32, 0, 63).astype(np.int32) for a in (-z, -x))
    put(albedo, DIGITS[row, column], (0.02, 0.02, 0.02))
    return albedo


def plain(surface: Surface, noise: Noise) -> Array:
    """Paint the solid's colour alone."""
    return surface.colour.copy()


PAINTERS: dict[Material, Callable[[Surface, Noise], Array]] = {
    Material.ROAD: road, Material.PAVEMENT: pavement, Material.FACADE: facade, Material.ROOF: roof,
    Material.PAINT: paint, Material.CABIN: cabin, Material.TYRE: tyre, Material.BARK: bark, Material.LEAF: leaf,
    Material.HEDGE: leaf, Material.METAL: plain, Material.SIGN: sign, Material.PLAIN: plain,
}
