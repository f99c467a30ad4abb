"""The network as the backends run it: image bytes in, so that the conversion is part of the compiled graph."""

from __future__ import annotations

from torch import Tensor, nn


class Uint8Input(nn.Module):
    """A depth network whose input is an image as it lies in memory: uint8 (1, h, w, 3)."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.eval()

    def forward(self, rgb: Tensor) -> tuple[Tensor, Tensor]:
        log_depth, log_scale = self.model(rgb.permute(0, 3, 1, 2).float())  # stays channels-last in memory
        return log_depth, log_scale


class CastInput(Uint8Input):
    """The same, but bytes are cast first, as TensorRT wants it; some 3 % slower in OpenVINO."""

    def forward(self, rgb: Tensor) -> tuple[Tensor, Tensor]:
        log_depth, log_scale = self.model(rgb.float().permute(0, 3, 1, 2))
        return log_depth, log_scale
