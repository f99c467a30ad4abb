"""monodepth2's depth network (Godard et al. 2019): ResNet-18 and a U-Net decoder with reflection padding and ELU.

It predicts sigmoid disparity at four scales, 1/1 to 1/8. Here its 1/2 scale is the only one: the decoder's last stage
(16 channels at full size, 7,089 weights) has nothing to predict and is left out. Reflection needs two pixels at 1/32:
inputs of at least 64x64.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from depth_node.model import ModelConfig

from .peer import Peer, Residual, conv_norm, keep_fan_out, start_head

WIDTHS = (256, 128, 64, 32)  # of the decoder at 1/16, 1/8, 1/4, 1/2


class ResNet18UNet(Peer):
    """monodepth2's ResNet-18 depth network, log depth instead of disparity, finest scale 1/2."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(0.45 * 255, 0.225 * 255)
        self.encoder = ResNet18()
        inputs = (self.encoder.channels[-1], *WIDTHS)
        self.before = nn.ModuleList(reflected(a, b) for a, b in zip(inputs, WIDTHS, strict=False))
        self.after = nn.ModuleList(
            reflected(width + skip, width) for width, skip in zip(WIDTHS, self.encoder.channels[-2::-1], strict=True)
        )
        self.head = nn.Conv2d(WIDTHS[-1], 2, 3, padding=1, padding_mode='reflect')
        start_head(self.head)

    def forward(self, rgb: Tensor) -> tuple[Tensor, Tensor]:
        *skips, x = self.encoder(self.normalised(rgb))
        for before, after, skip in zip(self.before, self.after, reversed(skips), strict=True):
            x = after(torch.cat([F.interpolate(before(x), scale_factor=2.0, mode='nearest'), skip], dim=1))
        return self.outputs(self.head(x))


class ResNet18(nn.Module):
    """ResNet-18 (He et al. 2016) without its classifier: features at 1/2, 1/4, 1/8, 1/16 and 1/32."""

    channels = (64, 64, 128, 256, 512)

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(conv_norm(3, 64, 7, stride=2), nn.ReLU(inplace=True))
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        inputs = (64, 64, 128, 256)
        self.stages = nn.ModuleList(
            nn.Sequential(Residual(a, b, stride=1 if a == b else 2), Residual(b, b))
            for a, b in zip(inputs, self.channels[1:], strict=True)
        )
        self.apply(keep_fan_out)

    def forward(self, x: Tensor) -> list[Tensor]:
        features = [self.stem(x)]
        x = self.pool(features[0])
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features


def reflected(inputs: int, outputs: int) -> nn.Module:
    """Make a 3x3 convolution that mirrors the image at its edge, and an ELU."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1, padding_mode='reflect'), nn.ELU(inplace=True))
