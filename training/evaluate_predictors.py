"""What depth_eval measures: a network, or a folder of maps that anything made; and the trivial baselines beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from depth_node.estimator import DepthEstimator, Limits
from msg_tools import cli
from msg_tools.camera import Array, Intrinsics, Size
from msg_tools.depth_png import read_depth_png
from msg_tools.errors import ConfigError, ImageError

from .baselines import OtherRows, RowMean, fitted, flat_ground, truth_sums
from .evaluate_data import Data, Frame, Measured
from .metrics import Protocol

ENOUGH_FRAMES = 300  # for a row mean, spread over what there is
PLAUSIBLE_M = (0.2, 500.0)  # median depth of a map in metres


class Prediction(NamedTuple):
    """Depth (H, W) [m] (NaN or 0: no estimate, +Inf: nothing within range) and, where known, confidence (H, W) 0..1."""

    depth_m: Array
    confidence: Array | None = None


Predictor = Callable[[Measured], 'Prediction | None']  # None: it has nothing to say of this frame


def network(estimator: DepthEstimator, protocol: Protocol) -> Predictor:
    """Return what an estimator says; the metrics' limits take the place of its own."""
    estimator.limits = Limits(protocol.min_depth_m, protocol.max_depth_m)

    def predict(frame: Measured) -> Prediction:
        if frame.rgb is None:
            raise ConfigError(f'{frame.name}: expected an image to run the network on, got none')
        result = estimator(frame.rgb, frame.camera)
        return Prediction(result.depth_m, result.confidence)

    return predict


def load_estimator(checkpoint: str, device: str, backend: str | None, precision: str = 'auto') -> DepthEstimator:
    """Load a checkpoint ('default': the one that ships) or an exported network."""
    path = None if checkpoint == 'default' else Path(checkpoint)
    ours = path is None or path.suffix == '.safetensors'
    return DepthEstimator.from_checkpoint(path, device, backend or ('torch' if ours else 'auto'), precision=precision)


class Folder:
    """Maps by name: FOLDER/NAME.png (uint16 m x 256, 0: no estimate) or FOLDER/NAME.npy (float m, NaN: no estimate)."""

    def __init__(self, folder: Path, resize: bool = False) -> None:
        self.folder = folder
        self.resize = resize

    def missing(self, frames: Sequence[Frame]) -> list[str]:
        """Return the frames without a map; raises ConfigError where that is all of them."""
        names = [frame.name for frame in frames if self.path(frame.name) is None]
        if len(names) == len(frames):
            raise ConfigError(f'{self.folder}: expected {frames[0].name}.png or .npy and so on, '
                              f'got none of {len(frames)} names')
        return names

    def path(self, name: str) -> Path | None:
        """Return the file of a frame's map, .png before .npy; None where there is neither."""
        candidates = (self.folder / f'{name}{suffix}' for suffix in ('.png', '.npy'))
        return next((path for path in candidates if path.exists()), None)

    def __call__(self, frame: Measured) -> Prediction | None:
        path = self.path(frame.name)
        return Prediction(read_map(path, Size(*frame.truth_m.shape), self.resize)) if path else None


def read_map(path: Path, size: Size, resize: bool = False) -> Array:
    """Read a predicted map float32 (H, W) [m] of this size; raises ImageError where it is none, or not in metres."""
    try:
        depth_m = read_depth_png(path) if path.suffix == '.png' else np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ImageError(f'{path}: expected a map of depth (H, W) [m], got: {error}') from error
    if not isinstance(depth_m, np.ndarray):
        raise ImageError(f'{path}: expected one array, got an archive of several (.npz)')
    if depth_m.ndim != 2 or depth_m.dtype.kind != 'f' or not depth_m.size:
        raise ImageError(f'{path}: expected a map of floats (H, W) [m], got {depth_m.dtype} {depth_m.shape}; '
                         'integers are another unit: save metres')
    depth_m = depth_m.astype(np.float32)
    known = depth_m[np.isfinite(depth_m) & (depth_m > 0)]
    if known.size and not PLAUSIBLE_M[0] < np.median(known) < PLAUSIBLE_M[1]:
        raise ImageError(f"{path}: expected metres, got a median of {np.median(known):g}; is it another unit? (a KITTI "
                         "PNG's values are metres x 256, those of a 16UC1 image millimetres)")
    if depth_m.shape != size.shape and not resize:
        raise ImageError(f'{path}: expected {size} as in --gt, got an array of shape {depth_m.shape}; '
                         '--resize stretches it over the view')
    return stretched(depth_m, size)


def stretched(depth_m: Array, size: Size) -> Array:
    """Resize a map over the view, bilinearly where all four neighbours are estimates, else to the nearest."""
    if depth_m.shape == size.shape:
        return depth_m
    holes = np.where(np.isfinite(depth_m) & (depth_m > 0), depth_m, np.float32(np.nan))
    smooth, nearest = (cv2.resize(image, (size.width, size.height), interpolation=method)
                       for image, method in ((holes, cv2.INTER_LINEAR), (depth_m, cv2.INTER_NEAREST_EXACT)))
    return np.where(np.isfinite(smooth), smooth, nearest)


def trivial_baselines(data: Data) -> dict[str, Predictor]:
    """Return the row mean and the flat ground for these frames."""
    return {'row_mean': row_mean_predictor(data), 'flat_ground': flat_ground_predictor}


def flat_ground_predictor(frame: Measured) -> Prediction | None:
    """Return the flat ground of a frame's camera; None where that is unknown."""
    return None if frame.camera is None else Prediction(flat_ground()(np.zeros(0), frame.camera))


def row_mean_predictor(data: Data) -> Predictor:
    """Return the row mean of the frames to fit on, or else of the other drives (of one drive: the other frames)."""
    sums = fit_sums(data.fit)
    if sums:
        model = fitted(np.sum([part for _, _, part in sums], axis=0))
        return lambda frame: rows_of(model, frame)
    stride = -(-len(data.frames) // ENOUGH_FRAMES)
    sums = fit_sums(data.frames[::stride])
    by_drive = len({drive for drive, _, _ in sums}) > 1
    others = OtherRows([drive if by_drive else name for drive, name, _ in sums], [part for _, _, part in sums])
    return lambda frame: rows_of(others.without(frame.drive if by_drive else frame.name), frame)


def fit_sums(frames: Sequence[Frame]) -> list[tuple[str, str, Array]]:
    """Return drive, name and row sums of each frame that has measured depth; names of several sources may be equal."""
    found = (frame.read() for frame in cli.progress(frames, text='row mean'))
    return [(frame.drive, frame.name, truth_sums(frame.truth_m, camera_for_rows(frame))) for frame in found if frame]


def rows_of(model: RowMean | None, frame: Measured) -> Prediction | None:
    """Return the row mean as a map for a frame; None where there is no row mean."""
    return None if model is None else Prediction(model(np.zeros(0), camera_for_rows(frame)))


def camera_for_rows(frame: Measured) -> Intrinsics:
    """Return the frame's camera, or one that tells its rows apart where none is known."""
    size = Size(*frame.truth_m.shape)
    return frame.camera or Intrinsics(size.width, size.height, size.width / 2, size.height / 2, size)
