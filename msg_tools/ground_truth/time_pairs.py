"""Pair the messages of two streams by time while they are read, keeping only the few that still wait."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

MAX_WAITING = 32  # messages of a stream that wait for the other one


class Stamped(NamedTuple):
    """A message of a stream, its number there, and when it was taken [ns]."""

    stamp_ns: int
    number: int
    message: Any


def pair_by_time(
    stream: Iterable[tuple[bool, Stamped]], tolerance_ns: float
) -> Iterator[tuple[Stamped, Stamped | None]]:
    """Yield each message of the first kind (True) with the nearest of the second within a tolerance [ns], or None.

    Both kinds come in the order of their own stamps; each of the second kind is given away once.

    >>> a, b, c = Stamped(100, 0, 'scan'), Stamped(110, 0, 'image'), Stamped(300, 1, 'scan')
    >>> [(x.stamp_ns, y and y.message) for x, y in pair_by_time([(True, a), (False, b), (True, c)], 50)]
    [(100, 'image'), (300, None)]
    """
    firsts: deque[Stamped] = deque()
    seconds: deque[Stamped] = deque(maxlen=MAX_WAITING)
    for is_first, item in stream:
        (firsts if is_first else seconds).append(item)
        while firsts and (_is_decided(firsts[0], seconds, tolerance_ns) or len(firsts) > MAX_WAITING):
            yield _with_nearest(firsts.popleft(), seconds, tolerance_ns)
    for first in firsts:
        yield _with_nearest(first, seconds, tolerance_ns)


def _is_decided(first: Stamped, seconds: deque[Stamped], tolerance_ns: float) -> bool:
    """Tell whether nothing that is still to come can be nearer than what is there."""
    return bool(seconds) and seconds[-1].stamp_ns >= first.stamp_ns + tolerance_ns


def _with_nearest(
    first: Stamped, seconds: deque[Stamped], tolerance_ns: float
) -> tuple[Stamped, Stamped | None]:
    """Take the nearest of the second kind out of those that wait, with all before it."""
    nearest = min(seconds, key=lambda second: abs(second.stamp_ns - first.stamp_ns), default=None)
    if nearest is None or abs(nearest.stamp_ns - first.stamp_ns) > tolerance_ns:
        return first, None
    while seconds.popleft() is not nearest:
        pass
    return first, nearest
