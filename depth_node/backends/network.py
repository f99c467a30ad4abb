"""A network that may not have to be built: its weights' digest says whether a converted form of it is at hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, slots=True)
class Network:
    """How to build a network (which imports torch), and the SHA-256 of the file that it comes from; '': of none."""

    build: Callable[[], nn.Module]
    digest: str = ''
