"""What moves in the synthetic street: oncoming cars, one that drives ahead, and people who cross.

Everything moves straight on at a steady speed: where it is at any moment can be worked out by hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .camera import Array, transform
from .synthetic_course import LANE_Y_M
from .synthetic_solids import Solid, place, placement
from .synthetic_surfaces import Scene
from .synthetic_texture import LANE_M
from .synthetic_things import Random, car, person

FIRST_ONCOMING_M, ONCOMING_EVERY_M, ONCOMING_MPS = 24.0, 45.0, 10.0
AHEAD_M, FASTER_MPS, FARTHEST_M = 22.0, 1.5, 120.0
WALKING_MPS = 1.4
CROSSINGS_M, CROSSINGS_EVERY_M = (15.0, 44.0), 90.0  # one at once, the others at the zebra crossings
BEFORE_CAR_M = 14.0  # how far before the car with the sensors somebody is in the middle of its lane


@dataclass(frozen=True, slots=True)
class Mover:
    """A thing of convex parts that moves: `start` is its pose (4, 4) at the drive's first frame; it does not turn."""

    parts: tuple[Solid, ...]
    start: Array
    velocity_mps: Array

    def T_world_mover(self, time_s: float) -> Array:
        """Return its pose (4, 4) at a time [s] from the first frame on."""
        T = self.start.copy()
        T[:3, 3] += self.velocity_mps * time_s
        return T

    def holds(self, points: Array, times_s: Array, margin_m: float) -> Array:
        """Return which world points (N, 3), taken at times (N,), lie in its bounding box with a margin (N,) bool."""
        corners = np.concatenate([part.corners for part in self.parts if part.corners is not None])
        local = transform(np.linalg.inv(self.start), points - times_s[:, None] * self.velocity_mps)
        low, high = corners.min(0) - margin_m, corners.max(0) + margin_m
        low[2] = max(low[2], margin_m)  # what is that low is road
        return np.asarray(((local >= low) & (local <= high)).all(1))


def traffic(seed: int, speed_mps: float, seconds: float, end_m: float) -> list[Mover]:
    """Return what moves during a drive of this speed and length, on a street that ends at x = end_m."""
    random = np.random.default_rng((seed, 77))
    return [*oncoming(random, end_m), ahead(random, speed_mps, seconds), *crossing(random, speed_mps, end_m)]


def oncoming(random: Random, end_m: float) -> list[Mover]:
    """Return cars in the other lane that come towards the car with the sensors."""
    velocity = np.array([-ONCOMING_MPS, 0, 0])
    return [Mover(tuple(car(random)), placement(x, LANE_M / 2, np.pi), velocity)
            for x in np.arange(FIRST_ONCOMING_M, end_m, ONCOMING_EVERY_M)]


def ahead(random: Random, speed_mps: float, seconds: float) -> Mover:
    """Return a car in the same lane that drives a little faster, and never gets out of sight."""
    faster = min(FASTER_MPS, (FARTHEST_M - AHEAD_M) / seconds)
    return Mover(tuple(car(random)), placement(AHEAD_M, LANE_Y_M), np.array([speed_mps + faster, 0, 0]))


def crossing(random: Random, speed_mps: float, end_m: float) -> list[Mover]:
    """Return people who cross from the right, each just before the car with the sensors comes."""
    places = (CROSSINGS_M[0], *np.arange(CROSSINGS_M[1], end_m - BEFORE_CAR_M, CROSSINGS_EVERY_M))
    movers = []
    for x in places:
        y = LANE_Y_M - WALKING_MPS * (x - BEFORE_CAR_M) / speed_mps
        movers.append(Mover(tuple(person(random)), placement(x, y, np.pi / 2), np.array([0, WALKING_MPS, 0])))
    return movers


def scene_at(time_s: float, street: Scene, movers: Sequence[Mover]) -> Scene:
    """Return a street with what moves in it, as it is at a time [s] from the first frame on."""
    if not movers:
        return street
    parts = [place(mover.parts, mover.T_world_mover(time_s)) for mover in movers]
    velocities = [np.zeros((len(street.solids), 3))]
    velocities += [np.tile(mover.velocity_mps, (len(mover.parts), 1)) for mover in movers]
    solids = [*street.solids, *(part for thing in parts for part in thing)]
    return Scene.of(solids, street.noise, np.concatenate(velocities))
