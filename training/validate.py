"""Measure a network on validation frames: whole images against their measured depth, mean by drive."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from depth_node.backends.torch_backend import TorchBackend
from depth_node.estimator import DepthEstimator, Limits
from depth_node.model import ModelConfig
from msg_tools.camera import Array, Intrinsics
from msg_tools.cli import progress

from .confidence import kept_abs_rel
from .datasets.frame import Item, truth_map
from .metrics import MAX_DEPTH_M, MIN_DEPTH_M, NAMES, by_drive, comparable, image_errors, mean_errors

Predict = Callable[[Array, Intrinsics], Array]  # rgb uint8 (H, W, 3) and its camera to depth_m (H, W)


@dataclass(frozen=True, slots=True)
class ValFrame:
    """A frame to measure on: image rgb uint8 (H, W, 3), its camera, measured depth (H, W) [m] (0: none)."""

    drive: str
    name: str
    rgb: Array
    camera: Intrinsics
    truth_m: Array


def load_val(items: Iterable[Item]) -> list[ValFrame]:
    """Read the frames that have measured depth (LiDAR, annotated, exact) into memory; the others are left out."""
    return [frame for item in progress(list(items), text='reading') if (frame := val_frame(item)) is not None]


def val_frame(item: Item) -> ValFrame | None:
    """Read one frame to measure on; None where nothing in it was measured."""
    frame = item.read()
    truth_m = truth_map(frame)
    return ValFrame(frame.drive, frame.name, frame.rgb, frame.camera, truth_m) if truth_m.any() else None


def validate(model: nn.Module, config: ModelConfig, frames: Sequence[ValFrame]) -> dict[str, Any]:
    """Measure a network on the frames, Garg crop, no scaling: {'mean': over drives, 'drives': {drive: ...}, 'images'}.

    It runs as users run it, through DepthEstimator, on a copy of the network, on the device where it lies. To the
    metrics comes `kept80_abs_rel`: what abs_rel is without the 20 % least confident pixels of each image.
    """
    device = next(model.parameters()).device.type
    estimator = DepthEstimator(TorchBackend(model, device, threads=0), config)
    estimator.limits = Limits(MIN_DEPTH_M, MAX_DEPTH_M)
    rows = [network_errors(estimator, frame) for frame in progress(frames, text='validating')]
    return summary(frames, rows)


def network_errors(estimator: DepthEstimator, frame: ValFrame) -> dict[str, float]:
    """Return the metrics of an estimator on one frame."""
    result = estimator(frame.rgb, frame.camera)
    valid = comparable(frame.truth_m, result.depth_m)
    pred_m = result.depth_m[valid].clip(MIN_DEPTH_M, MAX_DEPTH_M)
    kept80 = kept_abs_rel(frame.truth_m[valid], pred_m, result.confidence[valid])
    return {**image_errors(frame.truth_m, result.depth_m), 'kept80_abs_rel': kept80}


def measure(
    predict: Predict,
    frames: Sequence[ValFrame],
    crop: str = 'garg',
    min_depth_m: float = MIN_DEPTH_M,
    max_depth_m: float = MAX_DEPTH_M,
    text: str = 'validating',
) -> dict[str, Any]:
    """Return a predictor's metrics as `validate` does, without those of the confidence."""
    return summary(frames, [
        image_errors(frame.truth_m, predict(frame.rgb, frame.camera), crop, min_depth_m, max_depth_m)
        for frame in progress(frames, text=text)
    ])


def summary(frames: Sequence[ValFrame], rows: Sequence[dict[str, float]]) -> dict[str, Any]:
    """Average the metrics of images by drive, then over drives; NaN where not one pixel could be compared."""
    drives = by_drive([frame.drive for frame in frames], rows)
    mean = mean_errors(drives.values()) or dict.fromkeys((*NAMES, 'coverage', 'kept80_abs_rel'), float('nan'))
    return {'mean': mean, 'drives': drives, 'images': len(rows)}
