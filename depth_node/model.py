"""The network: a MobileNetV2 encoder and a light decoder that gives log depth and the scale of its own error.

The encoder has no batch norm: its layers are the folded ones of TensorFlow Lite's MobileNetV2, padding included, so
that those ImageNet weights fit (see training/pretrained.py). Everything is a convolution, a ReLU or a nearest
upsampling (and one pixel shuffle), which every exporter and runtime knows.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from msg_tools.errors import CheckpointError

from .model_config import LOG_SCALE_RANGE as LOG_SCALE_RANGE
from .model_config import STRIDE as STRIDE
from .model_config import ModelConfig as ModelConfig

# MobileNetV2's table 2: expansion, channels, repeats, stride of the first
ENCODER = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
START = (math.log(15.0), math.log(0.3))  # log depth and log scale that a street has: where training begins


class ConvSame(nn.Sequential):
    """A convolution with TensorFlow's SAME padding, then ReLU6 if asked; stride 2 pads right and below only."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1, relu: bool = True
    ) -> None:
        layers: list[nn.Module] = [nn.ZeroPad2d((0, 1, 0, 1))] if stride == 2 else []
        padding = 0 if stride == 2 else kernel // 2
        layers.append(nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups))
        super().__init__(*layers, *([nn.ReLU6(inplace=True)] if relu else []))


class InvertedResidual(nn.Module):
    """MobileNetV2's block: expand, filter each channel, project; added to the input where the shapes agree."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        expand = [ConvSame(inputs, hidden, 1)] if expansion > 1 else []
        self.layers = nn.Sequential(
            *expand, ConvSame(hidden, hidden, 3, stride, groups=hidden), ConvSame(hidden, outputs, 1, relu=False)
        )
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x) if self.residual else self.layers(x)


class Encoder(nn.Module):
    """MobileNetV2 1.0 up to its last block: image (B, 3, h, w) to features at 1/2, 1/4, 1/8, 1/16 and 1/32.

    Without the last block (whole=False) the features at 1/32 have 160 channels: a twentieth of the time saved.
    """

    def __init__(self, whole: bool = True) -> None:
        super().__init__()
        self.taps = (0, 2, 5, 12, 16 if whole else 15)  # the last block of each resolution
        self.channels = (16, 24, 32, 96, 320 if whole else 160)
        self.stem = ConvSame(3, 32, 3, stride=2)
        blocks, inputs = [], 32
        for expansion, outputs, repeats, stride in ENCODER:
            for i in range(repeats):
                blocks.append(InvertedResidual(inputs, outputs, stride if i == 0 else 1, expansion))
                inputs = outputs
        self.blocks = nn.ModuleList(blocks[: self.taps[-1] + 1])

    def forward(self, x: Tensor) -> list[Tensor]:
        features = []
        x = self.stem(x)
        for i, block in enumerate(self.blocks):
            x = block(x)
            if i in self.taps:
                features.append(x)
        return features


class Separable(nn.Sequential):
    """A depthwise 5x5 and a pointwise convolution: a wide view for little work."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 5) -> None:
        super().__init__(
            nn.Conv2d(inputs, inputs, kernel, padding=kernel // 2, groups=inputs),
            nn.Conv2d(inputs, outputs, 1),
            nn.ReLU(inplace=True),
        )


class Decoder(nn.Module):
    """Bring features from 1/32 to 1/4 of the input, and from there say four half-resolution pixels at once.

    Filters at 1/2 cost most of a decoder's time, those at 1/32 and 1/16 nearly none: so there are two of each of these,
    which see far. The encoder's features at 1/2 join at 1/4 through a 2x2 convolution of stride 2, and the channels of
    the two heads become pixels (Shi et al. 2016): each is a pixel of its own.
    """

    def __init__(self, encoder: tuple[int, ...], widths: tuple[int, ...]) -> None:
        super().__init__()
        self.top = nn.Sequential(nn.Conv2d(encoder[4], widths[0], 1), *filters_of(widths[0], 2))
        self.reduce = nn.ModuleList(nn.Conv2d(a, b, 1) for a, b in pairwise(widths))
        self.skips = nn.ModuleList(nn.Conv2d(a, b, 1) for a, b in zip(encoder[3:0:-1], widths[1:], strict=True))
        self.filters = nn.ModuleList(nn.Sequential(*filters_of(width, times))
                                     for width, times in zip(widths[1:], (2, 1, 1), strict=True))
        self.fine = nn.Conv2d(encoder[0], widths[-1], 2, stride=2)
        self.depth, self.scale = (nn.Conv2d(widths[-1], 4, 1) for _ in range(2))

    def forward(self, features: list[Tensor]) -> tuple[Tensor, Tensor]:
        half, *coarser = features
        x = self.top(coarser.pop())
        for reduce, skip, layers in zip(self.reduce, self.skips, self.filters, strict=True):
            x = F.interpolate(reduce(x), scale_factor=2.0, mode='nearest') + skip(coarser.pop())
            x = layers(F.relu(x if coarser else x + self.fine(half)))
        return F.pixel_shuffle(self.depth(x), 2), F.pixel_shuffle(self.scale(x), 2)


def filters_of(width: int, times: int) -> list[Separable]:
    """Make filters one after the other."""
    return [Separable(width, width) for _ in range(times)]


class DepthNet(nn.Module):
    """Depth from one image: rgb float (B, 3, h, w) in 0..255 to log_depth and log_scale (B, 1, h/2, w/2) each.

    log_depth is the natural logarithm of metres at the canonical focal length; log_scale that of the scale b of a
    Laplace error of log_depth. Height and width must be multiples of 32.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.register_buffer('mean', torch.full((1, 3, 1, 1), 128.0))
        self.register_buffer('std', torch.full((1, 3, 1, 1), 128.0))
        self.encoder = Encoder(whole=False)
        self.decoder = Decoder(self.encoder.channels, config.decoder)
        self.apply(keep_variance)
        start_heads(self.decoder.depth, self.decoder.scale)

    def forward(self, rgb: Tensor) -> tuple[Tensor, Tensor]:
        log_depth, log_scale = self.decoder(self.encoder((rgb - self.mean) / self.std))
        return log_depth, log_scale.clamp(*LOG_SCALE_RANGE)


def start_heads(depth: nn.Conv2d, scale: nn.Conv2d) -> None:
    """Let the heads of depth and scale begin at a depth and an error that a street has."""
    for head, start in ((depth, START[0]), (scale, START[1])):
        nn.init.normal_(head.weight, std=0.01)
        head.bias = nn.Parameter(torch.full((head.out_channels,), start))


def start_head(head: nn.Conv2d) -> None:
    """Let a head of 2 channels (or of 2 times as many) begin at a depth and an error that a street has."""
    nn.init.normal_(head.weight, std=0.01)
    head.bias = nn.Parameter(torch.tensor(START).repeat_interleave(head.out_channels // 2))


def keep_variance(module: nn.Module) -> None:
    """Initialise a convolution after He et al. 2015: PyTorch's default fades out over 50 layers without batch norm."""
    if isinstance(module, nn.Conv2d) and module.bias is not None:
        nn.init.kaiming_normal_(module.weight, nonlinearity='relu')
        nn.init.zeros_(module.bias)


NETWORKS: dict[str, Callable[[ModelConfig], nn.Module]] = {
    'mobilenet_v2_light': DepthNet,
}


def build_model(config: ModelConfig) -> nn.Module:
    """Make the network that the config names, weights at random; raises CheckpointError for an unknown name."""
    if config.name not in NETWORKS:
        raise CheckpointError(f'expected a network out of {", ".join(NETWORKS)}, got {config.name!r}; '
                              'was the checkpoint made by a newer version?')
    return NETWORKS[config.name](config)
