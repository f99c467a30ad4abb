"""Whether the time between two sensors stays what it is: constant, drifting or jumping."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ..camera import Array

WINDOW = 5  # frames before and after a jump; a single frame that is off makes none
JUMP_MS, DRIFT_MS = 5.0, 2.0  # smaller ones do not matter: at 20 m/s, 10 cm and 4 cm
CLEAR = 6.0  # and they stand out of the noise so many times


@dataclass(frozen=True, slots=True)
class TimeDrift:
    """How the offset of two sensors' stamps behaves: kind is constant, drifting, jumping or unknown; text says more."""

    kind: str
    text: str
    median_ms: float = np.nan
    noise_ms: float = np.nan
    drift_ms: float = np.nan
    jumps: tuple[int, ...] = ()


def time_drift(offset_ms: Array) -> TimeDrift:
    """Judge the offsets (frames,) [ms] of a set in order; NaN where a frame has none.

    >>> time_drift(np.full(20, 10.5)).text
    'constant: 10.5 ms in the median, 0.0 ms of noise'
    """
    places = np.flatnonzero(np.isfinite(offset_ms))
    known = offset_ms[places]
    if len(known) < 2 * WINDOW:
        return TimeDrift('unknown', f'too few offsets to tell: {len(known)}')
    median = float(np.median(known))
    noise = 1.4826 * float(np.median(np.abs(np.diff(known)))) / np.sqrt(2)
    jumps = tuple(places[_jumps(known, max(JUMP_MS, CLEAR * noise))].tolist())
    if jumps:
        more = f', and {len(jumps) - 1} more' if len(jumps) > 1 else ''
        return TimeDrift('jumping', f'jumping: the offset changes for good at frame {jumps[0] + 1} of the set{more}',
                         median, noise, jumps=jumps)
    drift = _slope(places, known) * float(places[-1] - places[0])
    told = f'{median:.1f} ms in the median, {noise:.1f} ms of noise'
    if abs(drift) > max(DRIFT_MS, CLEAR * noise / np.sqrt(len(known))):
        return TimeDrift('drifting', f'drifting: by {drift:+.1f} ms from the first to the last frame; {told}', median,
                         noise, drift)
    return TimeDrift('constant', f'constant: {told}', median, noise, drift)


def _jumps(known: Array, least_ms: float) -> Array:
    """Return where the median of the frames before and from there on (n,) differ clearly: the sharpest of each jump."""
    medians = np.median(sliding_window_view(known, WINDOW), axis=1)
    steps = np.abs(medians[WINDOW:] - medians[:-WINDOW])  # step i is between frames i + WINDOW - 1 and i + WINDOW
    found: list[int] = []
    for run in np.split(np.flatnonzero(steps > least_ms), _breaks(np.flatnonzero(steps > least_ms))):
        if len(run):
            moves = np.abs(np.diff(known))[run + WINDOW - 1]
            found.append(int(run[moves.argmax()]) + WINDOW)
    return np.array(found, int)


def _breaks(places: Array) -> Array:
    return np.flatnonzero(np.diff(places) > 1) + 1


def _slope(places: Array, known: Array) -> float:
    """Return the slope per frame of a line through offsets, those far from all others left out."""
    off = np.abs(known - np.median(known))
    kept = off <= 5 * max(float(np.median(off)), 0.1)
    return float(np.polyfit(places[kept], known[kept], 1)[0])
