"""FastDepth (Wofk et al. 2019): MobileNet and a depthwise separable decoder with added skips, unpruned.

Its last 1x1 convolution comes after a nearest upsampling to full size, with which it commutes: at 1/2 it gives the same
values once instead of four times. The batch norm and ReLU after it give way to log depth and log scale.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

from depth_node.model import ModelConfig

from .peer import Peer, conv_norm, start_head

STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)  # of MobileNet's blocks (Howard et al. 2017, table 1)
CHANNELS = (32, 64, 128, 128, 256, 256, *[512] * 6, 1024, 1024)
SKIPS = (0, 2, 4)  # blocks whose results the decoder adds at 1/2, 1/4, 1/8
DECODER = (1024, 512, 256, 128, 64, 32)


class FastDepth(Peer):
    """FastDepth's MobileNet-NNConv5 with depthwise separable layers and additive skips."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(0.0, 255.0)
        self.encoder = MobileNet()
        self.decoder = nn.ModuleList(separable(a, b, 5, relu=nn.ReLU) for a, b in pairwise(DECODER))
        self.apply(keep_gaussian)
        self.head = nn.Conv2d(DECODER[-1], 2, 1)
        start_head(self.head)

    def forward(self, rgb: Tensor) -> tuple[Tensor, Tensor]:
        x, half, quarter, eighth = self.encoder(self.normalised(rgb))
        for layer, skip in zip(self.decoder, (None, eighth, quarter, half), strict=False):
            x = F.interpolate(layer(x), scale_factor=2.0, mode='nearest')
            x = x if skip is None else x + skip
        return self.outputs(self.head(self.decoder[-1](x)))


class MobileNet(nn.Module):
    """MobileNet 1.0 (Howard et al. 2017): features at 1/32, then those at 1/2, 1/4 and 1/8."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(conv_norm(3, CHANNELS[0], 3, 2), nn.ReLU6(inplace=True))
        self.blocks = nn.ModuleList(
            separable(a, b, 3, stride) for (a, b), stride in zip(pairwise(CHANNELS), STRIDES, strict=True)
        )

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        x, skips = self.stem(x), []
        for i, block in enumerate(self.blocks):
            x = block(x)
            if i in SKIPS:
                skips.append(x)
        return x, *skips


def separable(inputs: int, outputs: int, kernel: int, stride: int = 1, relu: type[nn.Module] = nn.ReLU6) -> nn.Module:
    """Make a depthwise and a pointwise convolution, batch norm and a ReLU after each."""
    return nn.Sequential(
        conv_norm(inputs, inputs, kernel, stride, groups=inputs), relu(inplace=True),
        conv_norm(inputs, outputs, 1), relu(inplace=True),
    )


def keep_gaussian(module: nn.Module) -> None:
    """Initialise a convolution as the paper's code does: normal, variance 2 / (kernel area * outputs)."""
    if isinstance(module, nn.Conv2d):
        area = module.kernel_size[0] * module.kernel_size[1]
        nn.init.normal_(module.weight, std=(2.0 / (area * module.out_channels)) ** 0.5)
