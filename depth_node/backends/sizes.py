"""What a backend compiles for one input size, kept for the few sizes that a robot's cameras have."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from msg_tools.camera import Size

T = TypeVar('T')
KEPT = 4


class PerSize(Generic[T]):
    """A table that makes what it lacks, and forgets what was used longest ago."""

    def __init__(self, make: Callable[[Size], T]) -> None:
        self.make = make
        self.items: OrderedDict[Size, T] = OrderedDict()

    def __getitem__(self, size: Size) -> T:
        if size not in self.items:
            self.items[size] = self.make(size)
        self.items.move_to_end(size)
        if len(self.items) > KEPT:
            self.items.popitem(last=False)
        return self.items[size]
