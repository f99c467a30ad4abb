"""Lay out the synthetic street: what stands where, drawn from a seed.

The road runs along x with its middle at y = 0; the car drives in the right lane, at y = -1.75 m.
"""

from __future__ import annotations

import numpy as np

from .synthetic_noise import Noise
from .synthetic_solids import Material, Solid, box
from .synthetic_surfaces import Scene
from .synthetic_texture import PAVEMENT_END_M
from .synthetic_things import (
    Random,
    bins,
    bollard,
    bush,
    car,
    ground,
    house,
    lamp,
    parking_sign,
    person,
    put,
    speed_sign,
    tree,
)

BEHIND_M, AHEAD_M = 30.0, 170.0  # how much street there is behind the first and ahead of the last camera
FRONT_M = 11.5  # from the middle of the road to the houses


def street(seed: int, drive_m: float, waiting: bool = True) -> Scene:
    """Return a street for a drive of this length [m]; the same seed gives the same street.

    Without `waiting` there are no cars in the lanes, for streets where others drive.
    """
    random = np.random.default_rng(seed)
    end = drive_m + AHEAD_M
    solids = ground()
    for side in (1, -1):
        solids += houses(random, side, end) + trees(random, side, end) + furniture(random, side, end)
        solids += parked_cars(random, side, end)
    cars = waiting_cars(random, end)  # drawn in any case: what is drawn after them stays the same
    return Scene.of(solids + (cars if waiting else []) + far_end(random, end), Noise(seed))


def houses(random: Random, side: int, end: float) -> list[Solid]:
    """Return the row of houses on the left (1) or right (-1), with gaps and hedges."""
    parts: list[Solid] = []
    x = -BEHIND_M + random.uniform(0, 6)
    while x < end:
        width = 2.6 * random.integers(4, 8)
        front = FRONT_M + random.uniform(0, 1.5)
        parts += facing_street(house(random, width, random.uniform(8, 11)), x, side, front, width)
        if random.random() < 0.5:
            parts += put(bush(random, width * 0.4), x + 0.3, side * (PAVEMENT_END_M + 0.5))
        x += width + random.choice([0.0, 0.0, 4.0, 9.0])
    return parts


def facing_street(parts: list[Solid], x: float, side: int, front: float, width: float) -> list[Solid]:
    """Place a house from x to x + width with its front towards the road."""
    return put(parts, x, front, z=0) if side > 0 else put(parts, x + width, -front, np.pi, z=0)


def trees(random: Random, side: int, end: float) -> list[Solid]:
    """Return street trees on the pavement and some in the gardens."""
    parts: list[Solid] = []
    for x in np.arange(-BEHIND_M + 6.5, end, 13.0):
        if random.random() < 0.72:
            clumps = 16 if x < end - AHEAD_M + 45 else 6
            parts += put(tree(random, clumps), x + random.uniform(-1, 1), side * 8.4, random.uniform(0, 6))
    return parts


def furniture(random: Random, side: int, end: float) -> list[Solid]:
    """Return lamps, signs, bollards, bins and people on the pavement."""
    parts: list[Solid] = []
    inward = 0.0 if side > 0 else np.pi
    for x in np.arange(-BEHIND_M + (5 if side > 0 else 19), end, 28.0):
        parts += put(lamp(), x, side * 6.55, inward)
    for x in np.arange(12.0 if side < 0 else 30.0, end, 47.0):
        parts += put(speed_sign() if random.random() < 0.5 else parking_sign(), x, side * 6.5)
    for x in np.arange(-BEHIND_M + 3, end, 21.0):
        if random.random() < 0.4:
            parts += put(bins(random), x + random.uniform(0, 8), side * 8.6)
    for x in (38.5, 40.5, 47.5, 49.5):
        parts += put(bollard(), x, side * 6.4)
    for x in random.uniform(10, end - 60, int(end / 28)):
        yaw = random.choice([0, np.pi]) + random.normal() * 0.2
        parts += put(person(random), x, side * random.uniform(7.0, 7.8), yaw)
    return parts


def parked_cars(random: Random, side: int, end: float) -> list[Solid]:
    """Return cars in the parking bays, most facing the way of their lane; none near the zebra crossings."""
    parts: list[Solid] = []
    for x in np.arange(-BEHIND_M - 0.4, end - 10, 6.0):
        if random.random() < 0.7 and abs((x - 44 + 45) % 90 - 45) > 5:
            yaw = (0.0 if side < 0 else np.pi) + random.normal() * 0.015 + (np.pi if random.random() < 0.1 else 0)
            parts += put(car(random), x + random.normal() * 0.3, side * (4.95 + random.normal() * 0.07), yaw, z=0)
    return parts


def waiting_cars(random: Random, end: float) -> list[Solid]:
    """Return cars that wait in both lanes far ahead."""
    ahead = [put(car(random), end - AHEAD_M + d, -1.75, z=0) for d in (38.0, 70.0)]
    oncoming = [put(car(random), x, 1.8, np.pi, z=0) for x in (26.0, 52.0, end - 90)]
    return [part for parts in ahead + oncoming for part in parts]


def far_end(random: Random, end: float) -> list[Solid]:
    """Return the houses and trees across the end of the street, and a wood behind them that hides the horizon."""
    parts = [box((end + 40, -80, 0), (end + 41, 80, 7), Material.HEDGE, (0.05, 0.09, 0.03))]
    for y in (-26.0, -9.0, 8.0):
        parts += put(house(random, 15.6, 10), end + 8, y + 15.6, -np.pi / 2, z=0)
    for y in (-6.5, -2.0, 3.0, 6.8):
        parts += put(tree(random, 6), end + 3, y)
    return parts
