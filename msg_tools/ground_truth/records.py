"""What became of each frame so far: its row in the journal, and a few numbers of all that the end needs at hand.

Rows are many and long, and stay on the disk; per frame some forty bytes are kept here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ..camera import Array
from .journal import Journal
from .manifest import STATUSES, Row
from .scan_extent import ScanExtent, usual_extent

NONE = -1


class Records:
    """The rows of a source's `count` frames, by the frame's index among them."""

    def __init__(self, journal: Journal, count: int) -> None:
        self.journal = journal
        self._offsets = np.full(count, NONE, np.int64)
        self._status = np.full(count, NONE, np.int8)
        self._extents = np.full((count, 2), np.nan, np.float32)
        self._sizes = np.full((count, 3), np.nan)  # pixels, coverage, bytes

    def add(self, index: int, row: Row) -> None:
        """Keep a row, in place of any that the frame had. Raises OSError where the journal cannot be written."""
        self._offsets[index] = self.journal.add(row)
        self._status[index] = STATUSES.index(row.status)
        self._extents[index] = _numbers(row.turn_deg, row.lowest_deg)
        self._sizes[index] = _numbers(row.pixels, row.coverage, row.png_bytes)

    def missing(self) -> Array:
        """Return the indices of the frames without a row."""
        return np.flatnonzero(self._offsets == NONE)

    def mark_partial(self) -> None:
        """Mark the frames whose scan covers clearly less than the median of all: see scan_extent."""
        usual = usual_extent(self._extents)
        for index in np.flatnonzero(self._status == STATUSES.index('ok')):
            if ScanExtent(*self._extents[index].tolist()).missing(usual):
                self._status[index] = STATUSES.index('partial')

    def rows(self, *statuses: str) -> Iterator[Row]:
        """Yield the rows in the order of the frames; with statuses, those that have one of them."""
        usual = usual_extent(self._extents)
        wanted = [STATUSES.index(status) for status in statuses or STATUSES]
        for index in np.flatnonzero(np.isin(self._status, wanted)):
            row = self.journal.at(int(self._offsets[index]))
            if self._status[index] == STATUSES.index('partial'):
                row = replace(row, status='partial',
                              reason=ScanExtent(*self._extents[index].tolist()).missing(usual))
            yield row

    def counts(self) -> dict[str, int]:
        """Return how many frames have each status."""
        return {status: int(np.count_nonzero(self._status == i)) for i, status in enumerate(STATUSES)}

    def medians(self) -> dict[str, float]:
        """Return the medians of pixels, coverage and the depth maps' bytes; 0 where there is no map."""
        known = self._sizes[np.isfinite(self._sizes).all(1)]
        values = np.median(known, 0).tolist() if len(known) else [0.0] * 3
        return {'pixels': int(values[0]), 'coverage': round(values[1], 5), 'png_bytes': int(values[2])}


def _numbers(*values: float | None) -> list[float]:
    return [np.nan if value is None else value for value in values]
