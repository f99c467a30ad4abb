"""The input sizes of a network as commands take them: HxW, multiples of 32 px."""

from __future__ import annotations

from depth_node.model import STRIDE
from msg_tools.camera import Size
from msg_tools.errors import ConfigError


def parse_size(text: str) -> Size:
    """Read a size written as HxW; raises ConfigError where it is none or no multiple of 32 px."""
    try:
        height, width = (int(length) for length in text.split('x'))
    except ValueError as error:
        raise ConfigError(f'expected a size as HxW, e.g. 192x640, got {text!r}') from error
    if height < STRIDE or width < STRIDE or height % STRIDE or width % STRIDE:
        raise ConfigError(f'expected a size of multiples of {STRIDE} px, got {text!r}')
    return Size(height, width)


def size_text(size: Size) -> str:
    """Write a size as HxW."""
    return f'{size.height}x{size.width}'
