"""GuideDepth and GuideDepth-S (Rudolph et al. 2022): DDRNet-23-slim, then upsampling that the image guides.

The paper predicts depth at full size; here the same full-size result has two channels and is averaged over 2x2 pixels.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from depth_node.model import ModelConfig

from .ddrnet import DDRNetSlim
from .peer import Peer, conv_norm, start_head


class GuideDepth(Peer):
    """GuideDepth with its three guided upsampling blocks, from 1/8 to full size."""

    widths: tuple[int, ...] = (64, 32, 16)

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(0.0, 255.0)
        self.encoder = DDRNetSlim(self.widths[0])
        self.blocks = nn.ModuleList(GuidedBlock(a, b) for a, b in pairwise((*self.widths, 2)))
        start_head(self.get_submodule(f'blocks.{len(self.widths) - 1}.reduce'))

    def forward(self, rgb: Tensor) -> tuple[Tensor, Tensor]:
        image = self.normalised(rgb)
        x = self.encoder(image)
        for block, stride in zip(self.blocks, (4, 2, 1), strict=True):
            x = F.interpolate(x, scale_factor=2.0, mode='bilinear')
            x = block(x, image[..., ::stride, ::stride])
        return self.outputs(F.avg_pool2d(x, 2))


class GuideDepthS(GuideDepth):
    """GuideDepth's smaller variant: the same encoder, fewer channels after it."""

    widths = (32, 8, 4)


class GuidedBlock(nn.Module):
    """Filter features and image apart, weigh their channels, mix them, and add that to the features."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        half = inputs // 2
        self.features, self.guide = filters(inputs, inputs, half), filters(3, inputs, half)
        self.mix = filters(2 * half, inputs, inputs)
        self.reduce = nn.Conv2d(inputs, outputs, 1)
        self.weights = nn.Sequential(  # squeeze and excitation (Hu et al. 2018), nothing squeezed
            nn.Linear(2 * half, 2 * half, bias=False), nn.ReLU(inplace=True),
            nn.Linear(2 * half, 2 * half, bias=False), nn.Sigmoid(),
        )

    def forward(self, x: Tensor, image: Tensor) -> Tensor:
        both = torch.cat([self.features(x), self.guide(image)], dim=1)
        both = both * self.weights(both.mean(dim=(2, 3)))[..., None, None]
        return self.reduce(x + self.mix(both))


def filters(inputs: int, width: int, outputs: int) -> nn.Module:
    """Make a 3x3 and a 1x1 convolution, batch norm and ReLU after each."""
    return nn.Sequential(
        conv_norm(inputs, width, 3, bias=True), nn.ReLU(inplace=True),
        conv_norm(width, outputs, 1, bias=True), nn.ReLU(inplace=True),
    )
