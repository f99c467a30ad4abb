"""Smooth noise in the plane and in space, the grain of the synthetic street's surfaces."""

from __future__ import annotations

import cv2
import numpy as np

from .camera import Array

ROW = 4096
TILE = 512


class Noise:
    """Smooth value noise of 1 m grain that repeats every 512 m, drawn from a seed."""

    def __init__(self, seed: int) -> None:
        random = np.random.default_rng(seed)
        self.lattice = tile(random, (1.0, 0.6))
        self.leaves = tile(random, (1.0, 0.6), (0.9, 2.0))

    def __call__(self, x: Array, y: Array, grain_m: float, footprint_m: Array | None = None,
                 lattice: Array | None = None) -> Array:
        """Return noise (N,) of unit variance at (N,) positions [m], fading where a pixel spans a grain."""
        count = len(x)
        rows = count // ROW + 1  # OpenCV maps at most 32767 columns
        at = np.zeros((2, rows * (count // rows + 1)), np.float32)
        at[0, :count], at[1, :count] = x, y
        at *= np.float32(1 / grain_m)
        at -= np.floor(at * np.float32(1 / TILE)) * TILE
        u, v = at.reshape(2, rows, -1)
        value = cv2.remap(self.lattice if lattice is None else lattice, u, v, cv2.INTER_LINEAR).ravel()[:count]
        if footprint_m is not None:
            value *= np.clip(1.5 - footprint_m / np.float32(grain_m), 0, 1)
        return value

    def solid(self, points: Array, grain_m: float, footprint_m: Array | None = None,
              lattice: Array | None = None) -> Array:
        """Return noise (N,) of about unit variance at points (N, 3) [m] in space, made of slices of the plane noise."""
        level = points[:, 2] * np.float32(1 / grain_m)
        below = np.floor(level)
        part = level - below
        x, y = points[:, 0], points[:, 1]
        shift_x, shift_y = np.float32(37.31 * grain_m), np.float32(91.73 * grain_m)
        low, high = (self(x + k * shift_x, y + k * shift_y, grain_m, footprint_m, lattice) for k in (below, below + 1))
        return (low + part * (high - low)) * np.float32(1.2)

    def is_leaf(self, points: Array) -> Array:
        """Return whether there is a leaf at points (N, 3) of a crown's shell: single leaves and clusters, cut off."""
        return self.solid(points, 0.09, lattice=self.leaves) > -0.1


def tile(random: np.random.Generator, *octaves: tuple[float, float]) -> Array:
    """Return a noise tile (TILE + 1, TILE + 1) of unit variance whose ends meet: weight and blur of each octave."""
    total = np.zeros((TILE, TILE), np.float32)
    for weight, blur in octaves:
        lattice = np.pad(random.normal(size=(TILE, TILE)).astype(np.float32), 8, mode='wrap')
        smooth = cv2.GaussianBlur(lattice, (0, 0), blur)[8:-8, 8:-8]
        total += weight * smooth / smooth.std()
    return np.pad(total / total.std(), ((0, 1), (0, 1)), mode='wrap')


def chance(*cells: Array) -> Array:
    """Return a number (N,) in 0 to 1 that depends on whole cell numbers (N,) only."""
    mixed: Array = np.zeros(())
    for factor, cell in zip((12.9898, 78.233, 37.719), cells, strict=False):
        mixed = mixed + np.rint(cell).astype(np.float64) * factor
    return np.asarray(np.modf(np.abs(np.sin(mixed) * 43758.5453))[0], np.float32)
