"""The scans of a run of frames, each read once and moved to its own exposure, as a window slides over them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..camera import Array
from ..errors import CloudError, DepthNodeError, PosesError
from ..rotation import inverse
from .kernels import within
from .lens import PINHOLE
from .motion import compensated, offsets_of
from .sources import Entry, Frame, Source, View
from .trajectory import Trajectory

MARGIN_M = 2.0  # how far outside the view a point may be before the motion of its scan is undone
LONGEST_PERIOD_S = 0.25  # of a scanner; scans that are farther apart have a gap between them


@dataclass(slots=True)
class Scan:
    """A scan at the exposure of its frame: the points (n, 3 or more) [m] that may be seen, in the scanner's frame then.

    `count` is how many points there were. `T_world_scanner` (4, 4) is None where no poses are known, `error` says why
    there are no points.
    """

    frame: Frame
    points: Array = field(default_factory=lambda: np.zeros((0, 3), np.float32))
    count: int = 0
    exposure_ns: int | None = None
    T_world_scanner: Array | None = None
    error: DepthNodeError | OSError | None = None


@dataclass(frozen=True)
class Exposures:
    """When the frames of a source were exposed, and where its scanner was then."""

    source: Source
    scanner: Trajectory | None
    whose: str  # 'auto', 'image' or 'cloud'
    undo_motion: bool = True  # or take a scan as if it were of its stamp

    def of(self, entry: Entry) -> int | None:
        """Return the exposure of a frame [ns]; None where it has no stamps, or not the one that was asked for."""
        whose = self.source.exposure if self.whose == 'auto' else self.whose
        stamps = entry.image_stamp_ns, entry.cloud_stamp_ns
        first, second = stamps if whose == 'image' else stamps[::-1]
        return second if first is None and self.whose == 'auto' else first

    def scan(self, frame: Frame, travel: Array | None = None) -> Scan:
        """Cut a frame's points to those that may be seen, and move them to its exposure.

        `travel` (M, 4, 4) are the poses of the cameras that may see them beside its own.
        """
        exposure_ns, stamp_ns = self.of(frame.entry), frame.entry.cloud_stamp_ns
        if frame.error is not None or frame.points is None:
            return Scan(frame, error=frame.error or CloudError('expected a scan, got none'))
        try:
            view = self.source.view(frame.entry)
            if exposure_ns is None and self.whose != 'auto' and self.scanner is not None:
                raise PosesError(f'expected the stamp of the {self.whose} for --exposure {self.whose}, got '
                                 'a frame without')
            if self.scanner is None or exposure_ns is None or stamp_ns is None:
                return Scan(frame, frame.points, len(frame.points), exposure_ns)
            T_world_scanner = self.scanner.at(np.array([exposure_ns]))[0]
            shift_m, turn_rad = (0.0, 0.0) if travel is None else farthest(T_world_scanner, travel)
            chosen = within(frame.points, planes_of(view), MARGIN_M + shift_m, turn_rad)
            points = frame.points.take(chosen, 0)
            offsets_s = offsets_of(frame, points, chosen) if self.undo_motion else None
            points = compensated(points, offsets_s, stamp_ns, exposure_ns, self.scanner)
            return Scan(frame, points, len(frame.points), exposure_ns, T_world_scanner)
        except DepthNodeError as error:
            return Scan(frame, error=error)


class Scans:
    """Reads the scans of a chunk's entries in order and keeps those of a window, which only moves on."""

    def __init__(self, exposures: Exposures, entries: Sequence[Entry], reach: int) -> None:
        self._exposures, self._entries, self._reach = exposures, entries, reach
        self._frames: Iterator[Frame] = exposures.source.read(entries)
        self._kept: dict[int, Scan] = {}
        self._next = 0

    def window(self, center: int) -> tuple[Scan, list[Scan]]:
        """Return the scan of an entry, and those up to `reach` before and after it, in order.

        Where frames are missing, those beyond the gap are left out: the world has moved on.
        """
        low, high = max(0, center - self._reach), min(len(self._entries), center + self._reach + 1)
        while self._next < high:
            self._kept[self._next] = self._exposures.scan(next(self._frames), self._travel(self._next))
            self._next += 1
        self._kept = {index: scan for index, scan in self._kept.items() if index >= low}
        others = [self._kept[index] for index in range(low, high) if index != center and self._is_near(index, center)]
        return self._kept[center], others

    def _is_near(self, index: int, center: int) -> bool:
        stamps_ns = self._exposures.of(self._entries[index]), self._exposures.of(self._entries[center])
        if stamps_ns[0] is None or stamps_ns[1] is None:
            return False
        return abs(stamps_ns[0] - stamps_ns[1]) <= self._reach * LONGEST_PERIOD_S * 1e9

    def _travel(self, index: int) -> Array | None:
        """Return where the scanner was at the exposures around an entry; those that are not known count for nothing."""
        if not self._reach or self._exposures.scanner is None:
            return None
        around = self._entries[max(0, index - self._reach) : index + self._reach + 1]
        stamps_ns = np.array([stamp for entry in around if (stamp := self._exposures.of(entry)) is not None])
        try:
            return self._exposures.scanner.at(stamps_ns)
        except DepthNodeError:  # one of them at least: those that are known
            known = [T for stamp in stamps_ns if (T := self._pose(stamp)) is not None]
            return np.concatenate(known) if known else None

    def _pose(self, stamp_ns: int) -> Array | None:
        try:
            return None if self._exposures.scanner is None else self._exposures.scanner.at(np.array([stamp_ns]))
        except DepthNodeError:
            return None


def farthest(T_world_scanner: Array, others: Array) -> tuple[float, float]:
    """Return how far other poses (M, 4, 4) are from a pose (4, 4) at most [m], and by how much turned [rad]."""
    between = inverse(T_world_scanner) @ others
    angle = np.arccos(np.clip((np.trace(between[:, :3, :3], axis1=1, axis2=2) - 1) / 2, -1, 1))
    return float(np.max(np.linalg.norm(between[:, :3, 3], axis=1))), float(np.max(angle))


def planes_of(view: View) -> Array:
    """Return the sides of a camera's view and its own plane (5, 4) in the scanner's frame; distances to the inside [m].

    A lens with distortion sees more than its pinhole: only the plane counts there, since nothing behind it is drawn.
    """
    camera = view.lens.camera
    height, width = camera.size.shape
    a, b, c = camera.K @ view.T_cam_scanner[:3]
    sides = [a + c, (width + 1) * c - a, b + c, (height + 1) * c - b]  # one pixel more on each side
    planes = np.stack([*sides, c] if view.lens.model == PINHOLE else [c])
    result: Array = planes / np.linalg.norm(planes[:, :3], axis=1, keepdims=True)
    return result
