"""Pictures of a validation: what a person looks at while a network learns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from torch import nn

from depth_node.model import ModelConfig
from msg_tools.camera import Array
from msg_tools.colors import depth_colors, overlay

from .validate import ValFrame, estimator_of

WIDTH = 640


def val_pictures(model: nn.Module, config: ModelConfig, frames: Sequence[ValFrame], count: int = 4
                 ) -> Iterator[tuple[str, Array]]:
    """Yield name and picture uint8 (H, W, 3) of some frames, one a drive: image with its truth, depth, confidence."""
    estimator = estimator_of(model, config)
    for frame in {frame.drive: frame for frame in frames}.values():
        if (count := count - 1) < 0:
            return
        result = estimator(frame.rgb, frame.camera)
        confidence = np.repeat((255 * result.confidence).astype(np.uint8)[..., None], 3, 2)
        rows = overlay(frame.rgb, frame.truth_m), depth_colors(result.depth_m), confidence
        height = round(frame.rgb.shape[0] * WIDTH / frame.rgb.shape[1])
        yield frame.name, np.vstack([cv2.resize(row, (WIDTH, height), interpolation=cv2.INTER_AREA) for row in rows])
