"""Measure a network on the validation drives: whole frames against their own LiDAR, mean by drive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from depth_node.model import ModelConfig
from msg_tools.camera import Array, Intrinsics
from msg_tools.cli import progress

from .datasets.kitti import kitti_truth, read_index
from .metrics import MAX_DEPTH_M, MIN_DEPTH_M, by_drive, image_errors, mean_errors
from .predictor import Predict, predict


@dataclass(frozen=True, slots=True)
class ValFrame:
    """A frame to measure on: image rgb uint8 (H, W, 3), its camera, measured depth (H, W) [m] (0: none)."""

    drive: str
    name: str
    rgb: Array
    camera: Intrinsics
    truth_m: Array


def load_val(data: Path, split: str = 'val') -> list[ValFrame]:
    """Read the frames of a split of DATA/kitti/training that have measured depth (LiDAR or annotated)."""
    root = data / 'kitti' / 'training'
    rows = [row for row in read_index(root) if row['split'] == split and row['truth'] in ('lidar', 'annotated')]
    frames = []
    for row in rows:
        rgb, camera, truth_m = kitti_truth(root, row)
        frames.append(ValFrame(row['drive'], f'{row["drive"]}/{row["camera"]}/{row["frame"]}', rgb, camera, truth_m))
    return frames


def measure(
    predict: Predict,
    frames: Sequence[ValFrame],
    crop: str = 'garg',
    min_depth_m: float = MIN_DEPTH_M,
    max_depth_m: float = MAX_DEPTH_M,
    text: str = 'validating',
) -> dict[str, Any]:
    """Return a predictor's metrics: {'mean': over drives, 'drives': {drive: over its images}, 'images': count}."""
    errors = [
        image_errors(frame.truth_m, predict(frame.rgb, frame.camera), crop, min_depth_m, max_depth_m)
        for frame in progress(frames, text=text)
    ]
    drives = by_drive([frame.drive for frame in frames], errors)
    return {'mean': mean_errors(drives.values()), 'drives': drives, 'images': len(errors)}


def validate(model: nn.Module, config: ModelConfig, frames: Sequence[ValFrame]) -> dict[str, Any]:
    """Measure a network on the frames, Garg crop, no scaling of any kind."""
    model.eval()
    return measure(lambda rgb, camera: predict(model, config, rgb, camera)[0], frames)
