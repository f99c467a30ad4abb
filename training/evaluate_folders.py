"""The part of depth_eval that measures a folder of predicted maps against a folder of measured ones."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from msg_tools import cli
from msg_tools.calibration_file import read_calibration
from msg_tools.camera import Array, Intrinsics, Size
from msg_tools.depth_png import read_depth_png
from msg_tools.errors import ConfigError, ImageError

from .baselines import flat_ground
from .metrics import MAX_DEPTH_M, image_errors, mean_errors

Rows = Callable[[Path, Size], 'Array | None']  # a depth per row (H,) for a map of this name and size


def evaluate_folders(args: argparse.Namespace) -> dict[str, Any]:
    """Measure a folder of maps against another by name: mean over images.

    Baselines: the row mean of the *other* images of --gt (a hard one, it knows the street), and the flat ground where
    the camera is given.
    """
    names = sorted(path.relative_to(args.gt).with_suffix('') for path in args.gt.rglob('*.png'))
    if not names:
        raise ConfigError(f'{args.gt}: expected depth PNGs, got none')
    pairs = [(name, prediction_path(args.pred, name)) for name in names]
    missing = [str(name) for name, path in pairs if path is None]
    if len(missing) == len(names):
        raise ConfigError(f'{args.pred}: expected {names[0]}.png or .npy and so on, got none of {len(names)} names')
    if missing:
        text = f'{len(missing)} of {len(names)} maps of --gt have no prediction, the first is {missing[0]}'
        cli.warn('depth_eval', text)
    truths = {name: read_depth_png(args.gt / f'{name}.png') for name, path in pairs if path}
    options = (args.crop, args.min_depth, args.max_depth)
    maps = {name: read_map(path, Size(*truths[name].shape)) for name, path in pairs if path}
    found = [image_errors(truths[name], maps[name], *options) for name in truths]
    baselines = {
        'row_mean': mean_of(truths, other_rows(truths), options),
        'flat_ground': mean_of(truths, ground_rows(args), options),
    }
    return {**mean_errors(found), 'images': len(found), 'missing': len(missing), 'baselines': baselines}


def prediction_path(folder: Path, name: Path) -> Path | None:
    """Return the file of a prediction, .png before .npy; None where there is neither."""
    candidates = (folder / f'{name}{suffix}' for suffix in ('.png', '.npy'))
    return next((path for path in candidates if path.exists()), None)


def read_map(path: Path, size: Size) -> Array:
    """Read a predicted map (H, W) [m]: a KITTI depth PNG, or an .npy of metres (NaN: no estimate, +Inf: far)."""
    try:
        depth_m = read_depth_png(path) if path.suffix == '.png' else np.load(path, allow_pickle=False).astype('f4')
    except (OSError, ValueError) as error:
        raise ImageError(f'{path}: expected a map of depth (H, W) [m], got: {error}') from error
    if depth_m.shape != size.shape:
        raise ImageError(f'{path}: expected {size} as in --gt, got an array of shape {depth_m.shape}')
    return depth_m


def mean_of(truths: dict[Path, Array], rows: Rows, options: Sequence[Any]) -> dict[str, float] | None:
    """Measure a baseline that gives one depth per row (H,); None where it has none to give."""
    errors = []
    for name, truth_m in truths.items():
        depths = rows(name, Size(*truth_m.shape))
        if depths is None:
            return None
        errors.append(image_errors(truth_m, np.repeat(depths[:, None], truth_m.shape[1], 1), *options))
    return mean_errors(errors)


def other_rows(truths: dict[Path, Array]) -> Rows:
    """Return the mean measured depth per row of all truths but the one asked for."""
    def one(truth_m: Array) -> tuple[Array, Array]:
        near = np.where((truth_m > 0) & (truth_m <= MAX_DEPTH_M), truth_m, 0).astype(np.float64)
        return near.sum(1), (near > 0).sum(1)

    sums = {name: one(truth_m) for name, truth_m in truths.items()}

    def rows(name: Path, size: Size) -> Array | None:
        others = [pair for other, pair in sums.items() if other != name and len(pair[0]) == size.height]
        if not others:
            return None
        total, count = (np.sum(column, axis=0) for column in zip(*others, strict=True))
        known = np.flatnonzero(count)
        if not known.size:
            return None
        return np.interp(np.arange(size.height), known, total[known] / count[known]).astype(np.float32)

    return rows


def ground_rows(args: argparse.Namespace) -> Rows:
    """Return the depth per row of a flat ground seen by the camera of the options; None where none is given."""
    given = fx, fy, cx, cy = args.fx, args.fy, args.cx, args.cy
    calibration = read_calibration(args.calib, args.camera) if args.calib else None
    if any(value is not None for value in given) and None in given:
        raise ConfigError('expected all of --fx --fy --cx --cy, or none')

    def rows(name: Path, size: Size) -> Array | None:
        if calibration is None and None in given:
            return None
        camera = calibration.intrinsics(size) if calibration else Intrinsics(fx, fy, cx, cy, size)
        return flat_ground()(np.zeros(0), camera)[:, 0]

    return rows
