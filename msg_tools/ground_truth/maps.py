"""Make depth maps of a run of frames: motion, projection, accumulation, occlusion, in this order.

A worker makes the maps of some neighbouring frames at a time. With accumulation it also reads the scans before and after
them, each once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..camera import Array
from ..errors import DepthNodeError
from .settings import TruthSettings
from .sources import Entry, Frame, Source
from .trajectory import Trajectory


@dataclass(frozen=True, slots=True)
class Chunk:
    """A run of a source's entries to read, and which of them, from `first` on and before `stop`, to make maps of."""

    entries: Sequence[Entry]
    first: int
    stop: int


@dataclass(slots=True)
class DepthMap:
    """The depth map of a frame, uint16 (H, W) [1/256 m] with 0 for none, and how it came about.

    `facts` are further columns of the manifest: numbers and short texts by name. `T_world_camera` (4, 4) is the pose at
    the exposure where poses are known.
    """

    frame: Frame
    steps: Array
    exposure_ns: int | None = None
    T_world_camera: Array | None = None
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Failure:
    """A frame of which no map could be made, and why."""

    entry: Entry
    reason: str


@dataclass(frozen=True)
class MapMaker:
    """Makes maps of a source's frames; it travels to the worker processes whole."""

    source: Source
    settings: TruthSettings
    scanner: Trajectory | None  # None: the scans are not moved

    def maps(self, chunk: Chunk) -> Iterator[DepthMap | Failure]:
        """Yield the map of each wanted entry of a chunk, in order, or why there is none; nothing is raised."""
        raise NotImplementedError


def chunks(entries: Sequence[Entry], accumulate: int, length: int) -> Iterator[Chunk]:
    """Cut a source's entries into chunks of some length, each with its neighbours' scans where those are needed."""
    for start in range(0, len(entries), length):
        stop = min(start + length, len(entries))
        low, high = max(0, start - accumulate), min(len(entries), stop + accumulate)
        yield Chunk(entries[low:high], start - low, stop - low)


def failure_of(entry: Entry, error: DepthNodeError | OSError) -> Failure:
    """Return what is reported of an error in one line."""
    return Failure(entry, ' '.join(str(error).split()))
