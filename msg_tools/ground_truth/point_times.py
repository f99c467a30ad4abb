"""When each point of a cloud was measured, out of the field in which its driver says so.

What drivers write (type, unit, relative to what), from their sources:

    velodyne       time         float32  s   the header's stamp; negative where that is of the last packet
    ouster         t            uint32   ns  the start of the scan, which is the stamp (very old versions: float32 s)
    livox          offset_time  uint32   ns  the stamp
    livox (2)      timestamp    float64  ns  the epoch
    hesai          timestamp    float64  s   the epoch
    robosense      timestamp    float64  s   the epoch
    Autoware       time_stamp   uint32   ns  the stamp (before 2023: float64 s, the epoch)

A name does not tell which of them wrote it, and converters mix them. So the unit follows from how long a scan is, which
lies between a millisecond and a second, and whether times are absolute from their size. It is decided once for a topic.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ..camera import Array
from ..errors import CloudError

NAMES = ('t', 'time', 'timestamp', 'time_stamp', 'offset_time', 'time_offset', 'offset', 'timestamps', 'time_offsets',
         'stamps', 'offsets', 'point_time', 'point_time_offset')
UNITS_S = (1.0, 1e-3, 1e-6, 1e-9)
MAX_SPAN_S = 1.0
NEAR_S = 1.0  # how far from the header's stamp points may be measured


@dataclass(frozen=True, slots=True)
class TimeField:
    """The field that says when points were measured, and its unit [s]."""

    name: str
    unit_s: float

    @classmethod
    def find(cls, clouds: Iterable[Array], name: str = '') -> TimeField | None:
        """Return the time field of structured clouds of one topic, or None where they have none or it is constant.

        The first cloud whose times differ decides on the unit. Raises CloudError where a field that was named is not
        there, or its times are longer than a scan in any unit.
        """
        for points in clouds:
            chosen = name or next((known for known in NAMES if known in (points.dtype.names or ())), '')
            if not chosen:
                return None
            if chosen not in (points.dtype.names or ()):
                raise CloudError(f'expected a field {name!r} with the time of each point, got '
                                 f'{", ".join(points.dtype.names or ()) or "none"}')
            times = points[chosen].reshape(-1)[measured(points)]
            if len(times) and (span := float(times.max() - times.min())) > 0:
                return cls(chosen, _unit_s(chosen, times.dtype, span))
        return None

    def offsets_s(self, points: Array, stamp_ns: int) -> Array | None:
        """Return when each point of a structured cloud was measured, float32 (N,) [s after the stamp].

        None where all have one time: nothing moved within the cloud. Points that are none (NaN, or at the origin) get
        the time of the first that is one. Raises CloudError for times that cannot be.
        """
        if self.name not in (points.dtype.names or ()):
            raise CloudError(f'expected a field {self.name!r} as in the clouds before, got '
                             f'{", ".join(points.dtype.names or ()) or "none"}')
        times, valid = points[self.name].reshape(-1), measured(points)
        known = times[valid]
        if not len(known) or known.min() == known.max():
            return None
        self._check(float(known.max() - known.min()))
        seconds = self._after(np.where(valid, times, known[0]), stamp_ns)
        far = np.abs(seconds).max()
        if far > NEAR_S:
            raise CloudError(f'expected points measured within {NEAR_S:g} s of their cloud\'s stamp, got {far:.3f} s '
                             f'away in {self.name!r}; are the two of different clocks?')
        return seconds.astype(np.float32)

    def _after(self, times: Array, stamp_ns: int) -> Array:
        """Return times, relative or absolute, as seconds after a stamp; float32 seconds come out as they are."""
        values = times.astype(np.float64)
        absolute = abs(values[0]) * self.unit_s > NEAR_S
        return (values - stamp_ns * (1e-9 / self.unit_s)) * self.unit_s if absolute else values * self.unit_s

    def _check(self, span: float) -> None:
        if not span * self.unit_s <= MAX_SPAN_S:
            raise CloudError(f'expected a scan of at most {MAX_SPAN_S:g} s, got one of {span * self.unit_s:.3g} s in '
                             f'{self.name!r} (taken as {self.unit_s:g} s each)')


def measured(points: Array) -> Array:
    """Return which points (N,) of a structured cloud of any shape are measured: finite, and not at the origin."""
    x, y, z = (points[name].reshape(-1) for name in 'xyz')
    return np.isfinite(x) & np.isfinite(y) & np.isfinite(z) & ((x != 0) | (y != 0) | (z != 0))


def _unit_s(name: str, kind: np.dtype[np.generic], span: float) -> float:
    """Return the unit in which the times of a scan span at most a second and more than a millisecond."""
    for unit_s in UNITS_S:
        if span * unit_s <= MAX_SPAN_S and not (kind.kind in 'iu' and unit_s == 1.0):
            return unit_s
    raise CloudError(f'expected a scan of at most {MAX_SPAN_S:g} s, got one of {span * UNITS_S[-1]:.3g} s in {name!r}, '
                     'taken as nanoseconds')
