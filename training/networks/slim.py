"""MobileNetV2 encoders with less in them, which keep what ImageNet taught the rest.

Batch norm is folded and residual widths stay, so that a block's hidden channels can go one by one: those go whose
weights have the smallest product of norms (of expansion, filter and projection; Li et al. 2017 took one norm). A block
that is added to its input can go as a whole.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from depth_node.model import ConvSame, Encoder

EARLY = range(1, 4)  # blocks that work at 1/2 and 1/4 of the input: half of the encoder's time


class SlimEncoder(Encoder):
    """MobileNetV2 1.0 with parts of its hidden channels, down to 1/32 of the input or to 1/16 only.

    early, late: the part that is kept in the blocks 1 to 3, and in those after them; without: blocks left out.
    """

    def __init__(self, early: float = 1.0, late: float = 1.0, without: tuple[int, ...] = (), down_to: int = 32) -> None:
        super().__init__(whole=False)
        if down_to == 16:
            self.taps, self.channels = self.taps[:-1], self.channels[:-1]  # type: ignore[assignment]
            self.blocks = self.blocks[: self.taps[-1] + 1]
        for i, block in enumerate(self.blocks):
            if i in without:
                self.blocks[i] = left_out(block)
            elif i > 0:  # the first has no expansion
                narrow(block, early if i in EARLY else late)

    @torch.no_grad()
    def prune(self, whole: Encoder) -> None:
        """Take the weights of a whole encoder, of its hidden channels the strongest."""
        self.stem.load_state_dict(whole.stem.state_dict())
        for mine, theirs in zip(self.blocks, whole.blocks, strict=False):
            if isinstance(mine, nn.Identity):
                continue
            layers = convolutions(mine)
            state = theirs.state_dict()
            if len(layers) == 3:
                state = pruned(state, strongest(theirs, layers[0].out_channels))
            mine.load_state_dict(state)


def left_out(block: nn.Module) -> nn.Module:
    """Return what takes the place of a block that is left out: its input; only one that is added to it can go."""
    if not block.residual:
        raise ValueError('expected to leave out blocks that are added to their input alone')
    return nn.Identity()


def narrow(block: nn.Module, part: float) -> None:
    """Give a block a part of its hidden channels, a multiple of 8 of them; weights at random."""
    expand, depthwise, project = convolutions(block)
    hidden = max(8, 8 * round(part * expand.out_channels / 8))
    if hidden < expand.out_channels:
        block.layers = nn.Sequential(
            ConvSame(expand.in_channels, hidden, 1), ConvSame(hidden, hidden, 3, depthwise.stride[0], groups=hidden),
            ConvSame(hidden, project.out_channels, 1, relu=False))


def convolutions(block: nn.Module) -> list[nn.Conv2d]:
    """Return a block's convolutions in their order."""
    return [module for module in block.modules() if isinstance(module, nn.Conv2d)]


def strongest(block: nn.Module, count: int) -> Tensor:
    """Return the indices (count,), rising, of the hidden channels with the largest product of norms."""
    expand, depthwise, project = (layer.weight for layer in convolutions(block))
    norms = expand.flatten(1).norm(dim=1) * depthwise.flatten(1).norm(dim=1) * project.flatten(1).norm(dim=0)
    return norms.topk(count).indices.sort().values


def pruned(state: dict[str, Tensor], kept: Tensor) -> dict[str, Tensor]:
    """Return a block's weights by name, with these hidden channels alone: all but its last layer's have them first."""
    *_, weight, bias = state
    return {name: tensor[:, kept] if name == weight else tensor if name == bias else tensor[kept]
            for name, tensor in state.items()}
