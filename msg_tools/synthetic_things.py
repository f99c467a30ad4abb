"""The things along the synthetic street, each around its own origin on the ground: cars, trees, houses, signs."""

from __future__ import annotations

import numpy as np

from .synthetic_solids import (
    RGB,
    Material,
    Solid,
    box,
    ellipsoid,
    frustum,
    half_space,
    place,
    placement,
    prism,
    ring,
)
from .synthetic_texture import KERB_M, ROAD_HALF_M, WHEEL_RADIUS_M, WHEEL_X_M

Random = np.random.Generator

CAR_COLOURS: tuple[RGB, ...] = (
    (0.50, 0.51, 0.52), (0.03, 0.03, 0.035), (0.68, 0.68, 0.66), (0.04, 0.08, 0.22), (0.36, 0.02, 0.02),
    (0.16, 0.17, 0.18), (0.05, 0.12, 0.09), (0.28, 0.30, 0.33), (0.45, 0.10, 0.02),
)
WALL_COLOURS: tuple[RGB, ...] = (
    (0.62, 0.54, 0.40), (0.66, 0.62, 0.54), (0.48, 0.33, 0.22), (0.55, 0.46, 0.36), (0.42, 0.20, 0.13),
    (0.58, 0.57, 0.55), (0.60, 0.48, 0.24), (0.44, 0.47, 0.47),
)
ROOF_COLOURS: tuple[RGB, ...] = ((0.27, 0.09, 0.05), (0.20, 0.08, 0.06), (0.10, 0.10, 0.11), (0.16, 0.11, 0.09))
LEAF_COLOURS: tuple[RGB, ...] = ((0.06, 0.13, 0.025), (0.09, 0.15, 0.03), (0.05, 0.10, 0.03), (0.16, 0.15, 0.03))
STEEL: RGB = (0.30, 0.31, 0.32)

# cabins: rear and front at the body, rear and front of the roof, height [m]
HATCHBACK = ((-1.86, 1.05), (-1.5, 0.55), 1.46)
SALOON = ((-1.55, 1.05), (-0.75, 0.35), 1.42)
ESTATE = ((-1.88, 1.1), (-1.8, 0.4), 1.47)


def ground() -> list[Solid]:
    """Return the road at z = 0 and the raised pavements on both sides of it."""
    up, left, right = (0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (0.0, -1.0, 0.0)
    grey = (0.2, 0.2, 0.2)
    return [
        half_space([(up, 0.0, Material.ROAD)], grey),
        half_space([(up, KERB_M, Material.PAVEMENT), (right, -ROAD_HALF_M, Material.PAVEMENT)], grey),
        half_space([(up, KERB_M, Material.PAVEMENT), (left, -ROAD_HALF_M, Material.PAVEMENT)], grey),
    ]


def car(random: Random) -> list[Solid]:
    """Return a car that faces +x: a body of two convex parts, a glazed cabin, mirrors and four wheels."""
    colour = CAR_COLOURS[random.integers(len(CAR_COLOURS))]
    if random.random() < 0.14:
        return van(colour)
    (rear, front), (roof_rear, roof_front), height = (HATCHBACK, SALOON, ESTATE)[random.integers(3)]
    low = np.array([(-2.12, 0.30), (2.12, 0.30), (2.18, 0.42), (2.14, 0.62), (-2.14, 0.66), (-2.18, 0.42)])
    high = np.array([(-2.14, 0.655), (2.14, 0.615), (2.02, 0.76), (1.1, 0.93), (-1.9, 0.97), (-2.1, 0.86)])
    body = [prism(low, -0.86, 0.86, 'y', Material.PAINT, colour), prism(high, -0.84, 0.84, 'y', Material.PAINT, colour)]
    kinds = (Material.CABIN,) * 4 + (Material.PAINT, Material.CABIN)
    glass = frustum((rear, front, -0.80, 0.80), (roof_rear, roof_front, -0.60, 0.60), 0.92, height, kinds, colour)
    mirrors = [box((0.75, y - 0.08, 0.93), (0.9, y + 0.08, 1.05), Material.PLAIN, colour) for y in (-0.92, 0.92)]
    return [*body, glass, *mirrors, *wheels()]


def van(colour: RGB) -> list[Solid]:
    """Return a delivery van that faces +x."""
    low = np.array([(-2.3, 0.32), (2.3, 0.32), (2.36, 0.5), (2.3, 0.95), (1.75, 1.12), (-2.35, 1.12), (-2.38, 0.5)])
    body = prism(low, -0.93, 0.93, 'y', Material.PAINT, colour)
    kinds = (Material.PLAIN, Material.CABIN, Material.CABIN, Material.CABIN, Material.PLAIN, Material.PLAIN)
    nose = frustum((0.55, 1.75, -0.91, 0.91), (0.55, 1.0, -0.8, 0.8), 1.12, 1.95, kinds, colour)
    load = frustum((-2.33, 0.56, -0.92, 0.92), (-2.25, 0.56, -0.84, 0.84), 1.12, 1.98, Material.PLAIN, colour)
    return [body, nose, load, *wheels()]


def wheels() -> list[Solid]:
    """Return the four wheels of a car."""
    outline = ring(WHEEL_RADIUS_M, 16)
    wheel = prism(outline, -0.1, 0.1, 'y', Material.TYRE, (0.02, 0.02, 0.02))
    places = [(x, y) for x in (-WHEEL_X_M, WHEEL_X_M) for y in (-0.78, 0.78)]
    return [wheel.placed(placement(x, y, z=WHEEL_RADIUS_M)) for x, y in places]


def tree(random: Random, clumps_count: int = 16) -> list[Solid]:
    """Return a broad-leaved tree of 5 to 9 m: a trunk and a crown of overlapping clumps; the fewer, the larger."""
    height, spread = random.uniform(5.5, 9), random.uniform(1.5, 2.3)
    colour = LEAF_COLOURS[random.choice(4, p=(0.35, 0.3, 0.25, 0.1))]
    middle = (0.0, 0.0, height * 0.66)
    trunk = prism(ring(0.08 + 0.022 * height, 10), 0, height * 0.7, 'z', Material.BARK, (0.13, 0.10, 0.07), 0.4)
    clumps = []
    for _ in range(clumps_count):
        direction = random.normal(size=3) * (1, 1, 0.8)
        direction /= np.linalg.norm(direction)
        centre = np.array(middle) + direction * (0.78 * spread, 0.78 * spread, height * 0.25)
        radius = random.uniform(0.36, 0.56) * spread * (16 / clumps_count) ** 0.4
        clumps.append(ellipsoid(centre, (radius, radius, radius * 0.82), Material.LEAF, colour, middle))
    return [trunk, *clumps]


def bush(random: Random, length: float) -> list[Solid]:
    """Return a clipped hedge along x with a rough top."""
    colour = LEAF_COLOURS[random.integers(3)]
    height = random.uniform(0.9, 1.3)
    hedge = frustum((0, length, -0.35, 0.35), (0.05, length - 0.05, -0.28, 0.28), 0, height, Material.HEDGE, colour)
    count = int(length / 0.8)
    tufts = [
        ellipsoid((0.4 + i * 0.8, random.uniform(-0.15, 0.15), height - 0.08), (0.6, 0.38, random.uniform(0.15, 0.24)),
                  Material.LEAF, colour, (i * 0.8, 0.0, 0.3))
        for i in range(count)
    ]
    return [hedge, *tufts]


def house(random: Random, width: float, depth: float) -> list[Solid]:
    """Return a house from x = 0 to width whose front lies at y = 0 and looks to -y: walls, roof, dormers, balconies."""
    floors = int(random.choice([2, 3, 3, 4]))
    wall, roof = WALL_COLOURS[random.integers(len(WALL_COLOURS))], ROOF_COLOURS[random.integers(len(ROOF_COLOURS))]
    top, ridge = floors * 3.0 + 0.3, floors * 3.0 + random.uniform(2.2, 3.4)
    walls = box((0, 0, 0), (width, depth, top), Material.FACADE, wall)
    overhang = 0.35
    eaves = [(-overhang, top - 0.1), (-overhang, top + 0.08), (depth / 2, ridge), (depth + overhang, top + 0.08),
             (depth + overhang, top - 0.1)]
    plain, tiles = Material.PLAIN, Material.ROOF
    kinds = (plain, tiles, tiles, plain, plain, Material.FACADE, Material.FACADE)
    gable = along_x(prism(np.array(eaves), 0, width, 'y', kinds, roof))
    x, y = width * 0.7, depth * 0.4
    parts = [walls, gable, box((x, y, ridge - 1.2), (x + 0.7, y + 0.6, ridge + 0.7), plain, (0.25, 0.12, 0.08))]
    for x in np.arange(1.9, width - 1.9, 3.4):
        if random.random() < 0.55:
            parts.append(box((x, 0.6, top), (x + 1.3, 3.0, top + 1.5), dormer_faces(), wall))
    if random.random() < 0.6:
        x = float(random.integers(1, max(2, int(width / 2.6) - 1))) * 2.6
        parts += [balcony(x, floor * 3.0, wall) for floor in range(1, floors)]
    return parts


def dormer_faces() -> tuple[Material, ...]:
    """Return the materials of a dormer's faces: its front looks to -y."""
    return (Material.PLAIN, Material.PLAIN, Material.CABIN, Material.PLAIN, Material.PLAIN, Material.ROOF)


def balcony(x: float, z: float, wall: RGB) -> Solid:
    """Return a balcony before the front of a house."""
    light = (min(wall[0] * 1.2, 0.75), min(wall[1] * 1.2, 0.75), min(wall[2] * 1.2, 0.75))
    return box((x, -1.1, z - 0.15), (x + 2.6, 0.0, z + 0.85), Material.PLAIN, light)


def along_x(part: Solid) -> Solid:
    """Turn a prism extruded along y with outline (x, z) so that it runs along x with outline (y, z)."""
    T = np.array([[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], float)
    return part.placed(T)


def lamp() -> list[Solid]:
    """Return a street lamp whose arm reaches to -y."""
    pole = prism(ring(0.07, 10), 0, 7.2, 'z', Material.METAL, STEEL, 0.6)
    arm = box((-0.04, -1.5, 7.1), (0.04, 0.05, 7.2), Material.METAL, STEEL)
    head = box((-0.13, -2.1, 7.03), (0.13, -1.45, 7.17), Material.METAL, (0.45, 0.45, 0.45))
    return [pole, arm, head]


def speed_sign() -> list[Solid]:
    """Return a round sign that faces -x on a post."""
    post = prism(ring(0.03, 8), 0, 2.75, 'z', Material.METAL, STEEL)
    disc = disc_along_x(0.3).placed(placement(-0.05, 0, z=2.45))
    return [post, disc]


def disc_along_x(radius: float) -> Solid:
    """Return a thin disc whose axis is x."""
    return along_x(prism(ring(radius, 20), -0.01, 0.01, 'y', Material.SIGN, (0.7, 0.7, 0.7)))


def parking_sign() -> list[Solid]:
    """Return a square blue sign that faces -x on a post."""
    post = prism(ring(0.03, 8), 0, 2.6, 'z', Material.METAL, STEEL)
    strokes = ((0.09, 0.13, 2.1, 2.5), (-0.09, 0.09, 2.46, 2.5), (-0.09, 0.09, 2.29, 2.33), (-0.13, -0.09, 2.29, 2.5))
    letter = [box((-0.062, y0, z0), (-0.06, y1, z1), Material.PLAIN, (0.7, 0.7, 0.7)) for y0, y1, z0, z1 in strokes]
    return [post, box((-0.06, -0.25, 2.0), (-0.04, 0.25, 2.6), Material.PLAIN, (0.02, 0.09, 0.42)), *letter]


def bollard() -> list[Solid]:
    """Return a bollard."""
    return [prism(ring(0.06, 8), 0, 0.9, 'z', Material.METAL, (0.08, 0.08, 0.09))]


def bins(random: Random) -> list[Solid]:
    """Return a few waste bins side by side along x."""
    colours: tuple[RGB, ...] = ((0.03, 0.03, 0.03), (0.02, 0.06, 0.2), (0.25, 0.16, 0.03))
    return [frustum((i * 0.65, i * 0.65 + 0.5, -0.25, 0.25), (i * 0.65 - 0.04, i * 0.65 + 0.56, -0.3, 0.3), 0, 1.05,
                    Material.PLAIN, colours[random.integers(3)]) for i in range(random.integers(1, 4))]


def person(random: Random) -> list[Solid]:
    """Return somebody who stands and faces +x."""
    coat: RGB = tuple(random.uniform(0.02, 0.3) * random.uniform(0.7, 1, 3))
    legs: RGB = (0.03, 0.035, 0.06)
    limbs = [prism(ring(0.085, 8), 0.05, 0.85, 'z', Material.PLAIN, legs, 1.2).placed(placement(x, y))
             for x, y in ((0.12, 0.1), (-0.12, -0.1))]
    arms = [ellipsoid((x, y, 1.15), (0.08, 0.07, 0.33), Material.PLAIN, coat)
            for x, y in ((-0.05, 0.27), (0.05, -0.27))]
    return [*limbs, ellipsoid((0, 0, 1.15), (0.17, 0.23, 0.42), Material.PLAIN, coat), *arms,
            ellipsoid((0.02, 0, 1.66), (0.10, 0.09, 0.13), Material.PLAIN, (0.42, 0.27, 0.19)),
            ellipsoid((-0.02, 0, 1.71), (0.11, 0.10, 0.11), Material.PLAIN, (0.05, 0.03, 0.02))]


def put(parts: list[Solid], x: float, y: float, yaw: float = 0.0, z: float = KERB_M) -> list[Solid]:
    """Place a thing on the street; by default on the pavement."""
    return place(parts, placement(x, y, yaw, z))
