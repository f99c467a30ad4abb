"""The numbers behind a report of depth maps: depths, coverage by frame and by row, and which frames to show."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .. import cli
from ..camera import Array
from ..errors import DepthNodeError
from .truth_set import TruthEntry, TruthSet

MOST_MAPS = 200  # that are read; a set may have a million
DEPTH_EDGES_M = 10 ** np.linspace(0, np.log10(250), 49)
ROW_BANDS = 50
DISAGREEMENT = 'disagreement', 'disagreement_m', 'disagreement_rel'
MOST_POINTS = 400  # of a chart


@dataclass(frozen=True)
class Figures:
    """What was measured on some maps of a set: shares of depths by bin, coverage by row band and by map.

    `near` and `far` are the shares nearer and farther than the bins. `unread` says which maps could not be read.
    """

    maps: int
    shape: tuple[int, int]
    median_m: float
    shares: Array
    near: float
    far: float
    row_coverage: Array
    coverage: dict[str, float]
    unread: tuple[str, ...]


def measure(truth: TruthSet, most_maps: int = MOST_MAPS) -> Figures:
    """Read maps of a set, spread evenly over it, and measure them."""
    inner = np.zeros(len(DEPTH_EDGES_M) + 1, np.int64)
    rows = np.zeros(ROW_BANDS)
    coverage, unread, shape = {}, [], (0, 0)
    for entry in cli.progress(truth.spread(most_maps), unit='map', text='report'):
        try:
            depth_m = entry.depth_m()
        except DepthNodeError as error:
            unread.append(f'{entry.name}: {error}')
            continue
        filled = depth_m > 0
        inner += np.bincount(np.searchsorted(DEPTH_EDGES_M, depth_m[filled]), minlength=len(inner))
        rows += _bands(filled.mean(1))
        coverage[entry.name], shape = float(filled.mean()), (depth_m.shape[0], depth_m.shape[1])
    total = max(int(inner.sum()), 1)
    return Figures(len(coverage), shape, _median(inner), inner[1:-1] / total, inner[0] / total, inner[-1] / total,
                   rows / max(len(coverage), 1), coverage, tuple(unread))


def _bands(rows: Array) -> Array:
    """Return the mean of rows (H,) in ROW_BANDS bands; short images repeat rows."""
    at = np.linspace(0, len(rows), ROW_BANDS + 1)
    sums = np.interp(at, np.arange(len(rows) + 1), np.append(0, rows.cumsum()))
    return np.diff(sums) / np.diff(at)


def _median(counts: Array) -> float:
    """Return the median depth [m] of counts below, in and beyond the bins; NaN of none."""
    if not counts.sum():
        return np.nan
    place = int(np.searchsorted(counts.cumsum(), counts.sum() / 2))
    return float(DEPTH_EDGES_M[min(place, len(DEPTH_EDGES_M) - 1)])


@dataclass(frozen=True)
class Choice:
    """The frames to show, by title, and the measure that they were chosen by."""

    measure: str
    frames: tuple[tuple[str, TruthEntry, float], ...]


def choose(truth: TruthSet, figures: Figures) -> Choice:
    """Choose the worst, the median and the best frame: by disagreement where the manifest has it, else by coverage."""
    for name in DISAGREEMENT:
        column = truth.manifest.column(name)
        if column is not None:
            return Choice(name, _ranked(truth.entries, [-column[entry.row] for entry in truth.entries], -1))
    column = truth.manifest.column('coverage')
    values = [figures.coverage.get(entry.name, np.nan) if column is None else column[entry.row]
              for entry in truth.entries]
    return Choice('coverage', _ranked(truth.entries, values, 1))


def _ranked(entries: tuple[TruthEntry, ...], goodness: list[float], sign: int
            ) -> tuple[tuple[str, TruthEntry, float], ...]:
    """Return the worst, median and best entry with its value; fewer where there are fewer frames."""
    order = [int(i) for i in np.argsort(goodness, kind='stable') if np.isfinite(goodness[i])]
    places = dict.fromkeys((0, len(order) // 2, len(order) - 1)) if order else {}
    titles = ('worst', 'median', 'best') if len(places) == 3 else ('worst', 'best') if len(places) == 2 else ('only',)
    return tuple((title, entries[order[place]], sign * float(goodness[order[place]]))
                 for title, place in zip(titles, places, strict=False))


def condensed(values: Array, most: int = MOST_POINTS) -> tuple[Array, Array, Array, Array]:
    """Return places, lowest, median and highest of values (n,) in at most so many groups; NaN is left out."""
    places = np.flatnonzero(np.isfinite(values))
    groups = np.array_split(places, min(most, len(places))) if len(places) else []
    found = [(group.mean() + 1, *np.percentile(values[group], (0, 50, 100))) for group in groups]
    at, low, middle, high = np.array(found).reshape(-1, 4).T
    return at, low, middle, high
