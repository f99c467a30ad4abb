"""What the peers share: normalised input, outputs like ours, and layers with batch norm."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from depth_node.model import LOG_SCALE_RANGE, START


class Peer(nn.Module):
    """A network with our interface: rgb float (B, 3, h, w) in 0..255 to log_depth, log_scale (B, 1, h/2, w/2).

    mean and std [0..255] are of the paper's normalisation: one number, or one for each channel.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: float | tuple[float, ...], std: float | tuple[float, ...]) -> None:
        super().__init__()
        self.register_buffer('mean', torch.tensor(mean).expand(3).reshape(1, 3, 1, 1).clone())
        self.register_buffer('std', torch.tensor(std).expand(3).reshape(1, 3, 1, 1).clone())

    def normalised(self, rgb: Tensor) -> Tensor:
        """Bring rgb to the values that the paper's first layer gets."""
        return (rgb - self.mean) / self.std

    def outputs(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Split (B, 2, h/2, w/2) into log_depth [ln m] and log_scale, limited as ours."""
        log_depth, log_scale = y.split(1, dim=1)
        return log_depth, log_scale.clamp(*LOG_SCALE_RANGE)


def start_head(head: nn.Module) -> None:
    """Let the last convolution begin as ours does: the depth and error of a street, nearly the same everywhere."""
    assert isinstance(head, nn.Conv2d)
    nn.init.normal_(head.weight, std=0.01)
    head.bias = nn.Parameter(torch.tensor(START))


def conv_norm(
    inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1, bias: bool = False
) -> nn.Sequential:
    """Make a convolution that keeps the size (by stride), and batch norm."""
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=bias)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs))


class Residual(nn.Module):
    """ResNet's basic block (He et al. 2016): two 3x3 convolutions added to their input."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1, relu: bool = True) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            conv_norm(inputs, outputs, 3, stride), nn.ReLU(inplace=True), conv_norm(outputs, outputs, 3)
        )
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if same else conv_norm(inputs, outputs, 1, stride)
        self.last = nn.ReLU(inplace=True) if relu else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.layers(x) + self.shortcut(x))


def keep_fan_out(module: nn.Module) -> None:
    """Initialise a convolution as ResNet's authors do (He et al. 2015, fan out)."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode='fan_out', nonlinearity='relu')
