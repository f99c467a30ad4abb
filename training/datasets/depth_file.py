"""Depth maps of an image in a file of their own: PNG uint16 = m x 256, or NPY float m; checked before they teach."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from msg_tools.camera import Size
from msg_tools.depth_png import STEPS_PER_M, read_depth_steps

from .frame import Array, DatasetError

BEYOND = 65535  # in a PNG: the sky, or what is too far for it. Nothing is measured at 255.996 m
PLAUSIBLE_M = 0.1, 300.0  # of the median: a hand before the lens, a plain seen from a hill


def read_depth(path: Path, size: Size) -> Array:
    """Read the depth float32 (H, W) [m] of an image of this size; 0: none, +Inf: nothing within range.

    In a PNG 65535 is +Inf; in a NPY NaN is none, too. Raises DatasetError where the map is of another size, type or
    unit, or empty, and DepthPngError for a broken PNG.
    """
    depth_m = read_npy(path) if path.suffix == '.npy' else read_png(path)
    check_depth(depth_m, size, path)
    return depth_m


def read_png(path: Path) -> Array:
    """Read a depth PNG as float32 (H, W) [m], 65535 as +Inf."""
    steps = read_depth_steps(path)
    return np.where(steps == BEYOND, np.float32(np.inf), steps / np.float32(STEPS_PER_M))


def read_npy(path: Path) -> Array:
    """Read a depth map float of any width from a NumPy file as float32 (H, W) [m], NaN as 0."""
    try:
        with path.open('rb') as file:  # np.load would take a .npz and a pickle, too
            depth_m = np.lib.format.read_array(file, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise DatasetError(f'{path}: expected a depth map (H, W) [m] in a .npy file, got: {error}') from error
    if depth_m.dtype.kind != 'f':
        raise DatasetError(f'{path}: expected float metres, got {depth_m.dtype}; is it another unit? '
                           '(a PNG is uint16 = m x 256)')
    return np.nan_to_num(depth_m.astype(np.float32), nan=0.0, posinf=np.inf)


def check_depth(depth_m: Array, size: Size, source: object) -> None:
    """Raise DatasetError where a map (H, W) [m] is not of this size, has no depth at all, or cannot be in metres.

    Millimetres in a PNG (REP 118) come out 3.9 times as far, which no look at one map can tell from a wide place.
    """
    if depth_m.shape != size.shape:
        raise DatasetError(f'{source}: expected a depth map of {size} (an array {size.shape}), as its image, got shape '
                           f'{depth_m.shape}')
    if not (depth_m > 0).any():
        raise DatasetError(f'{source}: expected depths > 0, got a map without any; is it empty?')
    check_unit(depth_m, source)


def check_unit(depth_m: Array, source: object) -> None:
    """Raise DatasetError where what is known of a map [m] cannot be in metres; Inf (the sky) says nothing about it."""
    known = depth_m[(depth_m > 0) & (depth_m < np.inf)]
    low, high = PLAUSIBLE_M
    if known.size and not low < np.median(known) < high:
        raise DatasetError(f'{source}: expected metres, got a median of {np.median(known):g}; is it another unit? '
                           '(a PNG is m x 256, a NPY m)')
