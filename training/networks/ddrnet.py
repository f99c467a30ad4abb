"""DDRNet-23-slim (Hong et al. 2021): two branches, one that keeps 1/8 of the size and one that goes down to 1/64."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .peer import Residual, conv_norm, keep_fan_out


class DDRNetSlim(nn.Module):
    """Image (B, 3, h, w) to features (B, outputs, h/8, w/8); fuses its branches twice, pools over five scales."""

    def __init__(self, outputs: int, width: int = 32, pooled: int = 128, head: int = 64) -> None:
        super().__init__()
        w, relu = width, nn.ReLU(inplace=True)
        self.stem = nn.Sequential(conv_norm(3, w, 3, 2, bias=True), relu, conv_norm(w, w, 3, 2, bias=True), relu)
        self.quarter, self.eighth = pair(w, w), pair(w, 2 * w, 2)
        self.low3, self.low4 = pair(2 * w, 4 * w, 2), pair(4 * w, 8 * w, 2)
        self.up3, self.up4 = conv_norm(4 * w, 2 * w, 1), conv_norm(8 * w, 2 * w, 1)
        self.down3 = conv_norm(2 * w, 4 * w, 3, 2)
        self.down4 = nn.Sequential(conv_norm(2 * w, 4 * w, 3, 2), relu, conv_norm(4 * w, 8 * w, 3, 2))
        self.high3, self.high4 = pair(2 * w, 2 * w), pair(2 * w, 2 * w)
        self.high5, self.low5 = Bottleneck(2 * w, 2 * w), Bottleneck(8 * w, 8 * w, 2)
        self.pyramid = PyramidPooling(16 * w, pooled, 4 * w)
        self.last = nn.Sequential(norm_conv(4 * w, head, 3), norm_conv(head, outputs, 1, bias=True))
        self.apply(keep_fan_out)

    def forward(self, x: Tensor) -> Tensor:
        shared = F.relu(self.eighth(F.relu(self.quarter(self.stem(x)))))
        low, high = self.low3(shared), self.high3(shared)
        low, high = low + self.down3(F.relu(high)), high + enlarged(self.up3(F.relu(low)), high)
        low, high = self.low4(F.relu(low)), self.high4(F.relu(high))
        low, high = low + self.down4(F.relu(high)), high + enlarged(self.up4(F.relu(low)), high)
        low, high = self.low5(F.relu(low)), self.high5(F.relu(high))
        return self.last(enlarged(self.pyramid(low), high) + high)


class Bottleneck(nn.Module):
    """ResNet's bottleneck block, twice as wide at its end and with no ReLU after the sum."""

    def __init__(self, inputs: int, width: int, stride: int = 1) -> None:
        super().__init__()
        relu = nn.ReLU(inplace=True)
        self.layers = nn.Sequential(
            conv_norm(inputs, width, 1), relu, conv_norm(width, width, 3, stride), relu, conv_norm(width, 2 * width, 1)
        )
        self.shortcut = conv_norm(inputs, 2 * width, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x) + self.shortcut(x)


class PyramidPooling(nn.Module):
    """DDRNet's DAPPM: means over ever larger windows, each scale added to the next finer result."""

    def __init__(self, inputs: int, width: int, outputs: int) -> None:
        super().__init__()
        pools = [nn.AvgPool2d(2**n + 1, 2 ** (n - 1), 2 ** (n - 1)) for n in (2, 3, 4)]
        self.scales = nn.ModuleList(
            nn.Sequential(pool, norm_conv(inputs, width, 1))
            for pool in (nn.Identity(), *pools, nn.AdaptiveAvgPool2d(1))
        )
        self.mixes = nn.ModuleList(norm_conv(width, width, 3) for _ in range(4))
        self.compress = norm_conv(5 * width, outputs, 1)
        self.shortcut = norm_conv(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        results = [self.scales[0](x)]
        for scale, mix in zip(self.scales[1:], self.mixes, strict=True):
            results.append(mix(enlarged(scale(x), x) + results[-1]))
        return self.compress(torch.cat(results, dim=1)) + self.shortcut(x)


def pair(inputs: int, outputs: int, stride: int = 1) -> nn.Module:
    """Make a stage of two residual blocks; its end is left without ReLU, so that branches are summed before it."""
    return nn.Sequential(Residual(inputs, outputs, stride), Residual(outputs, outputs, relu=False))


def norm_conv(inputs: int, outputs: int, kernel: int, bias: bool = False) -> nn.Module:
    """Make batch norm, ReLU and a convolution, in this order."""
    conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=bias)
    return nn.Sequential(nn.BatchNorm2d(inputs), nn.ReLU(inplace=True), conv)


def enlarged(x: Tensor, like: Tensor) -> Tensor:
    """Resize x bilinearly to the height and width of `like`."""
    return F.interpolate(x, size=like.shape[-2:], mode='bilinear')
