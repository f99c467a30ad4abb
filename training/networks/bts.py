"""BTS (Lee et al. 2019, "From big to small"): dense atrous pyramid and local planar guidance on our MobileNetV2.

The encoder is MobileNetV2 up to its 1280-wide last layer, as in the authors' variant of that name; the same ImageNet
weights as ours fit. The paper predicts depth at full size; here the same full-size result has two channels (log depth
and log scale, no sigmoid) and is averaged over 2x2 pixels.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from depth_node.model import ConvSame, Encoder, ModelConfig

from .peer import Peer, start_head

WIDTH = 512  # the paper's number of features at 1/16
RATES = (3, 6, 12, 18, 24)  # dilations of the pyramid


class BTS(Peer):
    """BTS: at 1/8, 1/4 and 1/2 each pixel predicts a plane, drawn at full size for the last convolutions."""

    def __init__(self, config: ModelConfig, width: int = WIDTH) -> None:
        super().__init__(128.0, 128.0)  # of the encoder's ImageNet weights
        self.encoder = WideEncoder()
        half, quarter, eighth, sixteenth, top = self.encoder.channels
        w16, w8, w4, w2, w1 = width, width // 2, width // 4, width // 8, width // 16
        self.up16, self.mix16 = UpConv(top, w16), conv_elu(w16 + sixteenth, w16)
        self.up8, self.mix8 = UpConv(w16, w8), conv_elu(w8 + eighth, w8)
        self.norm8 = nn.BatchNorm2d(w8, momentum=0.01)
        self.pyramid = AtrousPyramid(w8, w8 + eighth, w4)
        self.plane8 = PlanarGuidance(w4, w4, 8)
        self.up4, self.mix4 = UpConv(w4, w4), conv_elu(w4 + quarter + 1, w4)
        self.plane4 = PlanarGuidance(w4, w2, 4)
        self.up2, self.mix2 = UpConv(w4, w2), conv_elu(w2 + half + 1, w2)
        self.plane2 = PlanarGuidance(w2, w1, 2)
        self.up1, self.mix1 = UpConv(w2, w1, norm=False), conv_elu(w1 + 4, w1)
        self.part1 = nn.Sequential(*narrowing(w1, w1 // 2, 1), nn.Sigmoid())
        self.apply(xavier)
        self.head = nn.Conv2d(w1, 2, 3, padding=1)
        start_head(self.head)

    def forward(self, rgb: Tensor) -> tuple[Tensor, Tensor]:
        half, quarter, eighth, sixteenth, top = self.encoder(self.normalised(rgb))
        x = self.mix16(torch.cat([self.up16(F.relu(top)), sixteenth], dim=1))
        joined = torch.cat([self.up8(x), eighth], dim=1)
        x = self.pyramid(self.norm8(self.mix8(joined)), joined)
        part8 = self.plane8(x)
        x = self.mix4(torch.cat([self.up4(x), quarter, part8[..., ::4, ::4]], dim=1))
        part4 = self.plane4(x)
        x = self.mix2(torch.cat([self.up2(x), half, part4[..., ::2, ::2]], dim=1))
        part2 = self.plane2(x)
        x = self.up1(x)
        x = self.mix1(torch.cat([x, self.part1(x), part2, part4, part8], dim=1))
        return self.outputs(F.avg_pool2d(self.head(x), 2))


class WideEncoder(Encoder):
    """Our MobileNetV2 with its last layer: features at 1/2, 1/4, 1/8, 1/16 and 1/32, as BTS takes them."""

    def __init__(self) -> None:
        super().__init__()
        self.taps = (0, 2, 5, 9, 16)
        self.channels = (16, 24, 32, 64, 1280)
        self.last = ConvSame(320, self.channels[-1], 1)

    def forward(self, x: Tensor) -> list[Tensor]:
        *features, x = super().forward(x)
        return [*features, self.last(x)]


class UpConv(nn.Module):
    """Nearest upsampling by 2, a 3x3 convolution and ELU, then batch norm."""

    def __init__(self, inputs: int, outputs: int, norm: bool = True) -> None:
        super().__init__()
        self.layers = conv_elu(inputs, outputs)
        self.norm = nn.BatchNorm2d(outputs, momentum=0.01) if norm else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.layers(F.interpolate(x, scale_factor=2.0, mode='nearest')))


class AtrousPyramid(nn.Module):
    """Dilated convolutions, each of which sees the results of those before (Yang et al. 2018, DenseASPP)."""

    def __init__(self, inputs: int, joined: int, width: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            dilated(joined + i * width if i else inputs, width, rate, norm=i > 0) for i, rate in enumerate(RATES)
        )
        self.mix = conv_elu(inputs + len(RATES) * width, width)

    def forward(self, x: Tensor, joined: Tensor) -> Tensor:
        results = [x]
        for layer in self.layers:
            results.append(layer(joined if len(results) > 1 else x))
            joined = torch.cat([joined, results[-1]], dim=1)
        return self.mix(torch.cat(results, dim=1))


class PlanarGuidance(nn.Module):
    """Predict a plane per pixel and draw it over factor x factor pixels, as part of the greatest depth (B, 1, H, W)."""

    rows: Tensor
    columns: Tensor

    def __init__(self, inputs: int, width: int, factor: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(*narrowing(inputs, width, 3))
        self.draw = nn.PixelShuffle(factor)
        offset = (torch.arange(factor) - (factor - 1) / 2) / factor  # of pixels from the middle of their patch
        v, u = torch.meshgrid(offset, offset, indexing='ij')
        self.register_buffer('rows', v.reshape(1, -1, 1, 1).clone(), persistent=False)
        self.register_buffer('columns', u.reshape(1, -1, 1, 1).clone(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        polar, azimuth, distance = torch.sigmoid(self.layers(x).float()).split(1, dim=1)  # bf16 is too coarse
        polar, azimuth = polar * (math.pi / 3), azimuth * (2 * math.pi)
        nx, ny, nz = polar.sin() * azimuth.cos(), polar.sin() * azimuth.sin(), polar.cos()
        return self.draw(distance / (nx * self.columns + ny * self.rows + nz))


def narrowing(inputs: int, width: int, outputs: int) -> list[nn.Module]:
    """Make 1x1 convolutions that halve the width down to 8 and end in `outputs` channels."""
    layers: list[nn.Module] = []
    while width >= 8:
        layers += [nn.Conv2d(inputs, width, 1, bias=False), nn.ELU(inplace=True)]
        inputs, width = width, width // 2
    return [*layers, nn.Conv2d(inputs, outputs, 1, bias=False)]


def conv_elu(inputs: int, outputs: int) -> nn.Module:
    """Make a 3x3 convolution and an ELU."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.ELU())


def dilated(inputs: int, outputs: int, rate: int, norm: bool) -> nn.Module:
    """Make one layer of the pyramid: 1x1, then 3x3 with holes."""
    return nn.Sequential(
        nn.BatchNorm2d(inputs, momentum=0.01) if norm else nn.Identity(), nn.ReLU(),
        nn.Conv2d(inputs, 2 * outputs, 1, bias=False), nn.BatchNorm2d(2 * outputs, momentum=0.01), nn.ReLU(),
        nn.Conv2d(2 * outputs, outputs, 3, padding=rate, dilation=rate, bias=False),
    )


def xavier(module: nn.Module) -> None:
    """Initialise a convolution as the paper's code does (Glorot & Bengio 2010)."""
    if isinstance(module, nn.Conv2d):
        nn.init.xavier_uniform_(module.weight)
