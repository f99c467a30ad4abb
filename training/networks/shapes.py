"""Our own network in other shapes, to measure what each of its choices is worth in accuracy and time.

`Shape()` is the network that ships, with its names of weights and its results; every other shape changes one thing,
`fast` and `accurate` several. docs/speed-network.md has what came of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

from depth_node.model import DepthNet, ModelConfig, Separable, keep_variance, start_heads

from .slim import SlimEncoder

TIMES = {32: 2, 16: 2, 8: 1, 4: 1}  # filters one after the other at each part of the input's size


@dataclass(frozen=True, slots=True)
class Shape:
    """What makes up a network like ours."""

    widths: tuple[int, ...] = (160, 96, 64, 48)  # the decoder's channels at 1/32, 1/16, 1/8, 1/4
    kernel: int = 5  # of the decoder's depthwise filters
    full: bool = False  # 3x3 convolutions over all channels in the decoder, instead of depthwise and pointwise ones
    fine: bool = True  # the encoder's features at twice the decoder's finest size join it
    finest: int = 4  # the decoder filters down to this part of the input's size
    output: int = 2  # of the input's size, predicted; 4 is then brought to 2 bilinearly
    down_to: int = 32  # the encoder's coarsest part of the input's size
    early: float = 1.0  # hidden channels that the encoder's blocks 1 to 3 keep
    late: float = 1.0  # and those after them
    without: tuple[int, ...] = ()  # the encoder's blocks that are left out


class ShapedNet(DepthNet):
    """Our network in a shape."""

    encoder: SlimEncoder

    def __init__(self, config: ModelConfig, shape: Shape) -> None:
        super().__init__(config)
        self.encoder = SlimEncoder(shape.early, shape.late, shape.without, shape.down_to)
        self.decoder = ShapedDecoder(self.encoder.channels, shape)  # type: ignore[assignment]
        self.apply(keep_variance)
        start_heads(self.decoder.depth, self.decoder.scale)

    def take(self, other: DepthNet) -> None:
        """Begin with the weights of a whole network whose decoder is like this one: of its encoder with a part."""
        self.encoder.prune(other.encoder)
        self.decoder.load_state_dict(other.decoder.state_dict())


class ShapedDecoder(nn.Module):
    """Our decoder (depth_node.model.Decoder) in a shape; encoder: channels at 1/2, 1/4 and so on."""

    def __init__(self, encoder: tuple[int, ...], shape: Shape) -> None:
        super().__init__()
        sizes = [size for size in TIMES if shape.finest <= size <= shape.down_to]
        widths = [shape.widths[list(TIMES).index(size)] for size in sizes]
        channels = dict(zip((2, 4, 8, 16, 32), encoder, strict=False))
        filters = [filters_of(width, TIMES[size], shape) for size, width in zip(sizes, widths, strict=True)]
        self.top = nn.Sequential(nn.Conv2d(channels[sizes[0]], widths[0], 1), *filters[0])
        self.reduce = nn.ModuleList(nn.Conv2d(a, b, 1) for a, b in pairwise(widths))
        self.skips = nn.ModuleList(nn.Conv2d(channels[size], width, 1)
                                   for size, width in zip(sizes[1:], widths[1:], strict=True))
        self.filters = nn.ModuleList(nn.Sequential(*layers) for layers in filters[1:])
        self.fine = nn.Conv2d(channels[shape.finest // 2], widths[-1], 2, stride=2) if shape.fine else None
        self.factor = shape.finest // shape.output
        self.enlarge = shape.output // 2
        self.depth, self.scale = (nn.Conv2d(widths[-1], self.factor**2, 1) for _ in range(2))

    def forward(self, features: list[Tensor]) -> tuple[Tensor, Tensor]:
        x = self.top(features[-1])
        skips = features[-2 : -2 - len(self.skips) : -1]
        for i, (reduce, skip, layers) in enumerate(zip(self.reduce, self.skips, self.filters, strict=True)):
            x = F.interpolate(reduce(x), scale_factor=2.0, mode='nearest') + skip(skips[i])
            if self.fine is not None and i == len(skips) - 1:
                x = x + self.fine(features[-3 - i])
            x = layers(F.relu(x))
        return self.drawn(self.depth(x)), self.drawn(self.scale(x))

    def drawn(self, x: Tensor) -> Tensor:
        """Turn the channels of a head into pixels (B, 1, h/2, w/2)."""
        x = F.pixel_shuffle(x, self.factor)
        return F.interpolate(x, scale_factor=float(self.enlarge), mode='bilinear') if self.enlarge > 1 else x


def filters_of(width: int, times: int, shape: Shape) -> list[nn.Module]:
    """Make filters one after the other."""
    if shape.full:
        return [nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.ReLU(inplace=True)) for _ in range(times)]
    return [Separable(width, width, shape.kernel) for _ in range(times)]


SHAPED: dict[str, Shape] = {
    'light_narrow': Shape(widths=(80, 48, 32, 24)),
    'light_wide': Shape(widths=(240, 144, 96, 72)),
    'light_full3': Shape(full=True),
    'light_kernel3': Shape(kernel=3),
    'light_no_fine': Shape(fine=False),
    'light_output4': Shape(output=4),
    'light_finest8': Shape(finest=8),
    'light_down_to16': Shape(down_to=16),
    'light_without2': Shape(without=(2,)),
    'light_shallow': Shape(without=(8, 9, 12)),
    'light_early50': Shape(early=0.5),
    'light_slim75': Shape(early=0.75, late=0.75),
    'light_slim50': Shape(early=0.5, late=0.5),
}
SHAPES: dict[str, Callable[[ModelConfig], nn.Module]] = {
    name: partial(ShapedNet, shape=shape) for name, shape in SHAPED.items()
}
