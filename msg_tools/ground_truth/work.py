"""What a worker does with a chunk of frames: their maps, their files, and a row of the manifest for each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..cli import package_version
from ..errors import DepthNodeError, OutputError
from ..rotation import quaternion_of
from .lens import Lens
from .manifest import Row
from .maps import Chunk, DepthMap, Failure, MapMaker, failure_of
from .output import Output, write_frame, writing
from .scan_extent import scan_extent
from .sources import Entry

FAULT = 'a fault of this program, please report it'
POSE = 'x_m', 'y_m', 'z_m', 'qx', 'qy', 'qz', 'qw'


@dataclass(frozen=True)
class Work:
    """All that a worker needs, wherever it runs. `lens` is the camera of the whole set, where there is one.

    `digest` names the settings that the maps are made with.
    """

    maker: MapMaker
    output: Output
    digest: str
    lens: Lens | None = None
    version: str = field(default_factory=package_version)

    def rows(self, chunk: Chunk) -> Iterator[Row]:
        """Make the maps of a chunk, write their files and yield a row for each wanted entry, in order.

        Only an output that cannot be written ends it, with OutputError.
        """
        done = 0
        wanted = chunk.entries[chunk.first : chunk.stop]
        while done < len(wanted):
            try:
                for result in self.maker.maps(replace(chunk, first=chunk.first + done)):
                    yield self._row(wanted[done], result)
                    done += 1
                reason = 'expected the frame, got the end of the source; did it change while it was read?'
            except OutputError:
                raise
            except Exception as error:  # one bad frame does not stop 10,000 good ones
                reason = f'{type(error).__name__}: {" ".join(str(error).split())} ({FAULT})'
            if done < len(wanted):
                yield self.without_map(Failure(wanted[done], reason))
                done += 1

    def _row(self, entry: Entry, result: DepthMap | Failure) -> Row:
        if isinstance(result, Failure):
            return self.without_map(result)
        try:
            png_bytes = write_frame(self.output, result, self._own_lens(entry))
        except OutputError:
            raise
        except (DepthNodeError, OSError) as error:
            return self.without_map(failure_of(entry, error))
        return replace(self._bare(entry), exposure_ns=result.exposure_ns, png_bytes=png_bytes, **measures(result))

    def without_map(self, failure: Failure) -> Row:
        """Return the row of a frame that has no map; one of an earlier run must not stand for it."""
        if not failure.skipped:
            path = self.output.depth_path(failure.entry.name)
            with writing(path):
                path.unlink(missing_ok=True)
        status = 'skipped' if failure.skipped else 'failed'
        return replace(self._bare(failure.entry), status=status, reason=failure.reason)

    def _own_lens(self, entry: Entry) -> Lens | None:
        """Return the lens of a frame that needs intrinsics of its own."""
        lens = self.maker.source.view(entry).lens
        if self.lens is None or self.output.camera_per_frame or lens is self.lens:
            return lens if self.output.camera_per_frame else None
        same = lens.model == self.lens.model and np.array_equal(lens.numbers, self.lens.numbers)
        return None if same else lens

    def _bare(self, entry: Entry) -> Row:
        image, cloud = entry.image_stamp_ns, entry.cloud_stamp_ns
        offset_ms = None if image is None or cloud is None else round((image - cloud) / 1e6, 3)
        return Row(entry.name, str(self.maker.source.path), entry.frame, image, cloud, offset_ms,
                   settings=self.digest, version=self.version)


def measures(result: DepthMap) -> dict[str, Any]:
    """Return the columns that a map itself tells."""
    facts = dict(result.facts)
    pixels = int(np.count_nonzero(result.steps))
    cells = {'points': facts.pop('points', None), 'pixels': pixels, 'facts': facts,
             'coverage': round(pixels / result.steps.size, 5)}
    if result.frame.points is not None:
        extent = scan_extent(result.frame.points)
        cells |= {'turn_deg': extent.turn_deg, 'lowest_deg': round(extent.lowest_deg, 2)}
    if result.T_world_camera is not None:
        T = result.T_world_camera
        values = [*np.round(T[:3, 3], 4).tolist(), *np.round(quaternion_of(T[:3, :3]), 7).tolist()]
        cells |= dict(zip(POSE, values, strict=True))
    return cells
