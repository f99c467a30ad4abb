"""Cut what is to be done into spans of consecutive frames, which are handed out one at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ..camera import Array
from .maps import Chunk
from .sources import Entry

SHARES = 8  # spans per worker where there are few frames: the last ones to end are not waited for long
SHORTEST, LONGEST = 4, 32  # frames; beyond the longest nothing is gained
SHORTEST_PER_NEIGHBOUR, LONGEST_PER_NEIGHBOUR = 2, 10  # a span also reads its neighbours' scans, once on each side


class Span(NamedTuple):
    """The frames from `start` on and before `stop` of a source's entries."""

    start: int
    stop: int

    def chunk(self, entries: Sequence[Entry], accumulate: int) -> Chunk:
        """Return the entries to make maps of, with as many neighbours on both sides as are accumulated."""
        low, high = max(0, self.start - accumulate), min(len(entries), self.stop + accumulate)
        return Chunk(entries[low:high], self.start - low, self.stop - low)


def spans(indices: Array, length: int) -> Iterator[Span]:
    """Cut ascending indices (N,) into spans of at most some length; a gap ends a span.

    >>> list(spans(np.array([0, 1, 2, 3, 7, 8]), 3))
    [Span(start=0, stop=3), Span(start=3, stop=4), Span(start=7, stop=9)]
    """
    for run in np.split(indices, np.flatnonzero(np.diff(indices) > 1) + 1) if len(indices) else ():
        first, stop = int(run[0]), int(run[-1]) + 1
        for start in range(first, stop, length):
            yield Span(start, min(start + length, stop))


def span_length(frames: int, workers: int, accumulate: int) -> int:
    """Return how long spans had better be for this many frames, workers, and scans to accumulate on each side."""
    shortest = max(SHORTEST, SHORTEST_PER_NEIGHBOUR * accumulate)
    longest = max(LONGEST, LONGEST_PER_NEIGHBOUR * accumulate)
    return min(longest, max(shortest, frames // (SHARES * workers)))
