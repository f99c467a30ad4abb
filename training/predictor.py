"""A network's depth for a whole image, in plain torch: what the training loop measures itself with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from depth_node.model import STRIDE, ModelConfig
from msg_tools.camera import Intrinsics, Size

Array = NDArray[Any]
Predict = Callable[[Array, Intrinsics], Array]  # rgb uint8 (H, W, 3) and its camera to depth_m (H, W)


def input_size(camera: Intrinsics, focal_px: float) -> Size:
    """Return the multiples of 32 px nearest to the size at which the camera's focal length is focal_px."""
    height, width = camera.size.height * focal_px / camera.fy, camera.size.width * focal_px / camera.fx
    return Size(*(max(STRIDE, round(length / STRIDE) * STRIDE) for length in (height, width)))


@torch.inference_mode()
def predict(model: nn.Module, config: ModelConfig, rgb: Array, camera: Intrinsics) -> tuple[Array, Array]:
    """Return depth_m and the scale b of its Laplace log error, float32 (H, W) each, of an image uint8 (H, W, 3)."""
    size = input_size(camera, config.focal_px)
    small = cv2.resize(rgb, (size.width, size.height), interpolation=cv2.INTER_AREA)
    log_depth, log_scale = model(torch.from_numpy(small).permute(2, 0, 1)[None].float())
    ratio = camera.resized(size).focal_px / config.focal_px
    whole = (camera.size.width, camera.size.height)
    depth_m, scale = (
        np.exp(cv2.resize(item[0, 0].numpy(), whole, interpolation=cv2.INTER_LINEAR)) for item in (log_depth, log_scale)
    )
    return depth_m * np.float32(ratio), scale
