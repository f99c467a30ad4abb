"""Make depth maps of a run of frames: motion, projection, accumulation, occlusion, in this order.

A worker makes the maps of some neighbouring frames at a time. With accumulation it also reads the scans before and
after them, each once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..camera import Array
from ..errors import CloudError, DepthNodeError
from .kernels import draw, within
from .motion import compensated, offsets_of
from .settings import TruthSettings
from .sources import Entry, Frame, Source, View
from .trajectory import Trajectory

MARGIN_M = 2.0  # how far outside the view a point may be before the motion of the scan is undone


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
    """A frame of which no map could be made, and why; `skipped` where none was to be made."""

    entry: Entry
    reason: str
    skipped: bool = False


@dataclass(frozen=True)
class MapMaker:
    """Makes maps of a source's frames; it travels to the worker processes whole."""

    source: Source
    settings: TruthSettings
    scanner: Trajectory | None  # None: the scans are not moved

    def maps(self, chunk: Chunk) -> Iterator[DepthMap | Failure]:
        """Yield the map of each wanted entry of a chunk, in order, or why there is none; nothing is raised."""
        for frame in self.source.read(chunk.entries[chunk.first : chunk.stop]):
            yield self._map(frame)

    def _map(self, frame: Frame) -> DepthMap | Failure:
        if frame.entry.skip:
            return Failure(frame.entry, frame.entry.skip, skipped=True)
        try:
            return self._single(frame)
        except (DepthNodeError, OSError) as error:
            return failure_of(frame.entry, error)

    def _single(self, frame: Frame) -> DepthMap:
        """Draw one scan."""
        if frame.error or frame.points is None:
            raise frame.error or CloudError('expected a scan, got none')
        view = self.source.view(frame.entry)
        chosen = within(frame.points, planes_of(view), MARGIN_M)
        points = frame.points[chosen]
        if self.scanner is not None and frame.entry.cloud_stamp_ns is not None:
            stamp = frame.entry.cloud_stamp_ns
            points = compensated(points, offsets_of(frame, points, chosen), stamp, stamp, self.scanner)
        steps = np.zeros(view.lens.size.shape, np.uint16)
        draw(points, view.T_cam_scanner[:3], view.lens.numbers, view.lens.model, steps)
        if not steps.any():
            raise CloudError(f'expected points on the image, got none of {len(frame.points)}; '
                             'are the scan and the transform to the camera right?')
        return DepthMap(frame, steps, facts={'points': len(frame.points)})


def planes_of(view: View) -> Array:
    """Return the sides of a pinhole's view and the plane of the camera (5, 4) in the scanner's frame."""
    camera = view.lens.camera
    height, width = camera.size.shape
    a, b, c = camera.K @ view.T_cam_scanner[:3]
    planes = np.stack([a + c, (width + 1) * c - a, b + c, (height + 1) * c - b, c])  # one pixel more on each side
    result: Array = planes / np.linalg.norm(planes[:, :3], axis=1, keepdims=True)
    return result


def chunks(entries: Sequence[Entry], accumulate: int, length: int) -> Iterator[Chunk]:
    """Cut a source's entries into chunks of some length, each with its neighbours' scans where those are needed."""
    for start in range(0, len(entries), length):
        stop = min(start + length, len(entries))
        low, high = max(0, start - accumulate), min(len(entries), stop + accumulate)
        yield Chunk(entries[low:high], start - low, stop - low)


def failure_of(entry: Entry, error: DepthNodeError | OSError) -> Failure:
    """Return what is reported of an error in one line."""
    return Failure(entry, ' '.join(str(error).split()))
