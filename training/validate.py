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
from .datasets.frame import TRUTH, DatasetError, Item, truth_map
from .metrics import NAMES, Protocol, by_drive, image_errors, mean_errors

Predict = Callable[[Array, Intrinsics], Array]  # rgb uint8 (H, W, 3) and its camera to depth_m (H, W)
PROTOCOL = Protocol()  # Garg crop, to 80 m


@dataclass(frozen=True, slots=True)
class ValFrame:
    """A frame to measure on: image rgb uint8 (H, W, 3), its camera, measured depth (H, W) [m] (0: none)."""

    drive: str
    name: str
    rgb: Array
    camera: Intrinsics
    truth_m: Array


def load_val(items: Iterable[Item]) -> list[ValFrame]:
    """Read the frames that have measured depth (LiDAR, annotated, exact) into memory; the others are left out.

    Raises DatasetError where that is all of them: a run that should be validated would not be.
    """
    items = list(items)
    found = [frame for item in progress(items, text='reading') if (frame := val_frame(item)) is not None]
    if items and not found:
        raise DatasetError(f'val: expected images with measured depth ({", ".join(TRUTH)}), got {len(items)} without, '
                           f'such as {items[0].source}/{items[0].name}; val=[] trains without a validation')
    return found


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
    estimator = estimator_of(model, config)
    rows = [network_errors(estimator, frame) for frame in progress(frames, text='validating')]
    return summary(frames, rows)


def estimator_of(model: nn.Module, config: ModelConfig) -> DepthEstimator:
    """Return what runs a network in training as users run it, with the limits of the metrics."""
    estimator = DepthEstimator(TorchBackend(model, next(model.parameters()).device.type, threads=0), config)
    estimator.limits = Limits(PROTOCOL.min_depth_m, PROTOCOL.max_depth_m)
    return estimator


def network_errors(estimator: DepthEstimator, frame: ValFrame, protocol: Protocol = PROTOCOL) -> dict[str, float]:
    """Return the metrics of an estimator on one frame."""
    result = estimator(frame.rgb, frame.camera)
    valid, pred_m = protocol.compared(frame.truth_m, result.depth_m)
    kept80 = kept_abs_rel(frame.truth_m[valid], pred_m[valid], result.confidence[valid])
    return {**image_errors(frame.truth_m, result.depth_m, protocol), 'kept80_abs_rel': kept80}


def summary(frames: Sequence[ValFrame], rows: Sequence[dict[str, float]]) -> dict[str, Any]:
    """Average the metrics of images by drive, then over drives; NaN where not one pixel could be compared."""
    drives = by_drive([frame.drive for frame in frames], rows)
    mean = mean_errors(drives.values()) or dict.fromkeys((*NAMES, 'coverage', 'kept80_abs_rel'), float('nan'))
    return {'mean': mean, 'drives': drives, 'images': len(rows)}
