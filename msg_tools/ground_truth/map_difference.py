"""How much two depth maps differ, one pair or all pairs of a set."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..camera import Array
from ..depth_png import STEPS_PER_M

WITHIN = 0.01, 0.05
PERCENTS = 50, 95
SMALLEST, RATIO, BINS = 1e-6, 1.01, 2300  # relative differences: bins 1 % wide, from one in a million to 8000 times


@dataclass(frozen=True, slots=True)
class MapDifference:
    """What differs between two maps: pixels with depth in both and in one of them, and by how much those in both do.

    median_m and p95_m are of the absolute difference, median_rel and p95_rel of that in parts of their depth; within
    are the shares that are at most 1 % and 5 % of their depth off. NaN where no pixel is in both.
    """

    both: int
    only_ours: int
    only_theirs: int
    median_m: float = np.nan
    p95_m: float = np.nan
    median_rel: float = np.nan
    p95_rel: float = np.nan
    within: tuple[float, ...] = (np.nan, np.nan)

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers for JSON: None where there is none."""
        numbers = {'median_m': self.median_m, 'p95_m': self.p95_m, 'median_rel': self.median_rel,
                   'p95_rel': self.p95_rel}
        numbers |= {f'within_{limit:.2f}': share for limit, share in zip(WITHIN, self.within, strict=True)}
        counts = {'both': self.both, 'only_ours': self.only_ours, 'only_theirs': self.only_theirs}
        return counts | {name: round(value, 6) if np.isfinite(value) else None for name, value in numbers.items()}


def compare_pair(ours: Array, theirs: Array) -> MapDifference:
    """Compare two maps uint16 (H, W) in steps of 1/256 m.

    >>> found = compare_pair(np.array([[256, 512, 0]], np.uint16), np.array([[512, 0, 256]], np.uint16))
    >>> found.both, found.only_ours, found.only_theirs, found.median_m, found.median_rel
    (1, 1, 1, 1.0, 0.5)
    """
    steps, relative = differences(ours, theirs)
    both = len(steps)
    only_ours, only_theirs = int(np.count_nonzero(ours)) - both, int(np.count_nonzero(theirs)) - both
    if not both:
        return MapDifference(both, only_ours, only_theirs)
    median_m, p95_m = np.percentile(steps / STEPS_PER_M, PERCENTS).tolist()
    median_rel, p95_rel = np.percentile(relative, PERCENTS).tolist()
    within = tuple(float((relative <= limit).mean()) for limit in WITHIN)
    return MapDifference(both, only_ours, only_theirs, median_m, p95_m, median_rel, p95_rel, within)


def differences(ours: Array, theirs: Array) -> tuple[Array, Array]:
    """Return how much maps (H, W) differ where both have depth (n,): in steps, and in parts of their depth."""
    both = (ours > 0) & (theirs > 0)
    reference = theirs[both].astype(np.int64)
    steps = np.abs(ours[both] - reference)
    return steps, steps / reference


@dataclass
class DifferenceSum:
    """The differences of many pairs in memory that does not grow: counts of steps, and of bins of relative ones."""

    counts: Array = field(default_factory=lambda: np.zeros(3, np.int64))  # both, only ours, only theirs
    steps: Array = field(default_factory=lambda: np.zeros(65536, np.int64))
    bins: Array = field(default_factory=lambda: np.zeros(BINS, np.int64))  # the first: no difference at all
    within: Array = field(default_factory=lambda: np.zeros(len(WITHIN), np.int64))

    def add(self, ours: Array, theirs: Array) -> None:
        """Count the pixels of two maps uint16 (H, W)."""
        steps, relative = differences(ours, theirs)
        both = len(steps)
        self.counts += both, np.count_nonzero(ours) - both, np.count_nonzero(theirs) - both
        self.steps += np.bincount(steps, minlength=len(self.steps))
        place = np.log(np.maximum(relative, SMALLEST) / SMALLEST) / np.log(RATIO)
        bins = np.where(steps > 0, np.clip(place.astype(np.int64) + 1, 1, BINS - 1), 0)
        self.bins += np.bincount(bins, minlength=BINS)
        self.within += [int(np.count_nonzero(relative <= limit)) for limit in WITHIN]

    def total(self) -> MapDifference:
        """Return the difference of all pairs: metres and shares exact, relative percentiles up to half a bin off."""
        both, only_ours, only_theirs = self.counts.tolist()
        if not both:
            return MapDifference(both, only_ours, only_theirs)
        median_m, p95_m = (_place(self.steps, percent) / STEPS_PER_M for percent in PERCENTS)
        bins = (_place(self.bins, percent) for percent in PERCENTS)
        median_rel, p95_rel = (SMALLEST * RATIO ** (place - 0.5) if place else 0.0 for place in bins)
        within = tuple((self.within / both).tolist())
        return MapDifference(both, only_ours, only_theirs, median_m, p95_m, median_rel, p95_rel, within)


def _place(counts: Array, percent: float) -> int:
    """Return the first place of counts (n,) up to which at least so many per cent of all lie."""
    sums = counts.cumsum()
    return int(np.searchsorted(sums, sums[-1] * percent / 100))
