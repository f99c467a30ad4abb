"""Make depth maps of a run of frames: motion, projection, accumulation, occlusion, in this order.

A worker makes the maps of some neighbouring frames at a time. With accumulation it also reads the scans before and
after them, each once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..camera import Array, Size
from ..errors import CloudError, ConfigError, DepthNodeError, ImageError
from ..rotation import inverse
from .accumulation import add, disagreement_m
from .agreement import scan_evidence, stereo_evidence
from .kernels import draw, on_image
from .occlusion import UNKNOWN, Spacing, spacing_of, without_occluded
from .pixels import merged
from .projector import ScanProjector
from .scans import Exposures, Scan, Scans
from .settings import Step, TruthSettings
from .sources import Entry, Frame, Source, View, rgb_of
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
    """A frame of which no map could be made, and why; `skipped` where none was to be made."""

    entry: Entry
    reason: str
    skipped: bool = False


@dataclass(frozen=True)
class MapMaker:
    """Makes maps of a source's frames; it travels to the worker processes whole.

    Raises ConfigError where scans are to be accumulated without poses.
    """

    source: Source
    settings: TruthSettings
    scanner: Trajectory | None  # None: the scans are not moved

    def __post_init__(self) -> None:
        if self.settings.accumulate and self.scanner is None:
            raise ConfigError(f'{self.source.path}: expected poses to accumulate scans with, got none; name some with '
                              '--poses')

    def maps(self, chunk: Chunk) -> Iterator[DepthMap | Failure]:
        """Yield the map of each wanted entry of a chunk, in order, or why there is none; nothing is raised."""
        reach = self.settings.accumulate
        low = max(0, chunk.first - reach)  # what lies before is of no use, and may be broken
        exposures = Exposures(self.source, self.scanner, self.settings.exposure, self.settings.motion != 'off')
        scans = Scans(exposures, chunk.entries[low:], reach)
        for index in range(chunk.first, chunk.stop):
            yield self._map(*scans.window(index - low))

    def _map(self, scan: Scan, others: list[Scan]) -> DepthMap | Failure:
        if scan.frame.entry.skip:
            return Failure(scan.frame.entry, scan.frame.entry.skip, skipped=True)
        try:
            return self._drawn(scan, others)
        except (DepthNodeError, OSError) as error:
            return failure_of(scan.frame.entry, error)

    def _drawn(self, scan: Scan, others: list[Scan]) -> DepthMap:
        """Draw a scan, drop what the camera does not see, and add of the other scans what agrees."""
        view, step = self.source.view(scan.frame.entry), Step.parse(self.settings.occlusion)
        drawn = self._alone(scan, view)
        spacing = UNKNOWN if step.is_off and not others else spacing_of(drawn)
        steps, hidden = without_occluded(drawn, step, spacing)
        facts: dict[str, Any] = {'points': scan.count, 'hidden': hidden}
        if others:
            added = add(scan, others, view, self._evidence(scan.frame, steps, view, spacing))
            together, differences = merged(steps, added.steps)
            median_m, p95_m = disagreement_m(differences)
            steps, more = without_occluded(together, step, spacing_of(together))
            facts |= {'hidden': hidden + more, 'scans': added.scans + 1, 'added_points': added.points,
                      'agreed_points': added.agreed,
                      'dropped_disagreeing': share(added.points - added.agreed, added.points),
                      'disagreement_m': median_m, 'disagreement_p95_m': p95_m}
        facts['dropped_hidden'] = share(facts['hidden'], facts['hidden'] + np.count_nonzero(steps))
        return DepthMap(scan.frame, steps, scan.exposure_ns, T_world_camera(scan, view), facts)

    def _alone(self, scan: Scan, view: View) -> Array:
        """Draw a scan alone, in the mode and with the faults asked for.

        Raises its error, or CloudError where no point falls on the image.
        """
        if scan.error is not None:
            raise scan.error
        settings, projector = self.settings, ScanProjector(view.P_scanner_to_image, view.lens.size)
        if settings.mode == 'monodepth2':
            points = np.zeros((0, 3)) if scan.frame.points is None else scan.frame.points
            steps = projector.monodepth2(points, settings.mixed_edges, settings.vel_depth)
        elif settings.mixed_edges or settings.vel_depth:
            steps = projector.nearest_with(scan.points, settings.mixed_edges, settings.vel_depth)
        else:
            steps = draw_scan(scan, view)
        if not np.count_nonzero(steps):  # three times as fast as any()
            raise CloudError(f'expected points on the image, got none of {scan.count}; '
                             'are the scan and the transform to the camera right?')
        return steps

    def _evidence(self, frame: Frame, steps: Array, view: View, spacing: Spacing) -> list[Array]:
        """Return what points of other scans must agree with. Raises ImageError where there is no stereo pair."""
        result = []
        if self.settings.agree in ('scan', 'either'):
            result.append(scan_evidence(steps, spacing, self.settings.tolerance))
        if self.settings.agree in ('stereo', 'either'):
            result.append(stereo_evidence(*stereo_pair(frame), view.lens.camera.fx, baseline_of(view)))
        return result


def stereo_pair(frame: Frame) -> tuple[Array, Array]:
    """Return the images uint8 (H, W, 3) of both cameras. Raises ImageError where there are no two of one size."""
    if frame.right is None:
        raise ImageError('expected a stereo pair to agree with, got one image; try --agree scan')
    left, right = rgb_of(frame.image), rgb_of(frame.right)
    if left.shape != right.shape:
        raise ImageError(f'expected a stereo pair of one size, got {Size(*left.shape[:2])} and '
                         f'{Size(*right.shape[:2])}; try --agree scan')
    return left, right


def baseline_of(view: View) -> float:
    """Return how far the pair's right camera is to the right [m]. Raises ImageError where it is unknown, or not."""
    if view.baseline_m is None or view.baseline_m <= 0:
        got = 'no baseline' if view.baseline_m is None else f'one {view.baseline_m:.3f} m to the right'
        raise ImageError(f'expected a stereo pair whose other camera is to the right, got {got}; try --agree scan')
    return view.baseline_m


def draw_scan(scan: Scan, view: View) -> Array:
    """Draw a scan alone, uint16 (H, W) [1/256 m]."""
    lens = view.lens
    steps = np.zeros(lens.size.shape, np.uint16)
    draw(*on_image(scan.points, view.T_cam_scanner[:3], lens.numbers, lens.model, *lens.size.shape), steps)
    return steps


def share(part: int, whole: int) -> float:
    """Return a part as a share, for the manifest."""
    return round(part / whole, 5) if whole else 0.0


def T_world_camera(scan: Scan, view: View) -> Array | None:
    """Return where the camera was at the exposure (4, 4); None where no poses are known."""
    return None if scan.T_world_scanner is None else scan.T_world_scanner @ inverse(view.T_cam_scanner)


def failure_of(entry: Entry, error: DepthNodeError | OSError) -> Failure:
    """Return what is reported of an error in one line."""
    return Failure(entry, ' '.join(str(error).split()))
