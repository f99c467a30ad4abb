"""Means by drive and over drives, and how far to trust them: the hierarchical bootstrap.

Drives are drawn with replacement, then images within each that was drawn (Davison and Hinkley 1997, section 3.8):
images of one drive resemble each other, so that to draw images alone would promise too much. Of few drives it promises
too much, too: where drives differ, the interval of 95 % held the truth in 55 % of 200 trials with two drives, in 75 %
with three, 90 % with nine and 94 % with twenty. With one drive only images are drawn, as if each were new.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from msg_tools.camera import Array

DRAWS = 1000
LEVEL = 0.95
MANY = 10  # drives, from which on an interval holds about as often as it says


def drive_mean(values: Array, drives: Sequence[str]) -> Array:
    """Average values (N, ...) of images by drive, then over drives, those that are not finite left out; NaN if none."""
    flat = values.reshape(len(values), -1).astype(np.float64)
    groups = [flat[rows] for rows in rows_by_drive(drives)]
    return finite_mean(np.array([finite_mean(group) for group in groups])).reshape(values.shape[1:])


def intervals(values: Array, drives: Sequence[str], draws: int = DRAWS, seed: int = 0) -> Array:
    """Return the lower and upper limit (2, K) of the mean by drive of values (N, K) that hold with LEVEL.

    With one drive only images are drawn: the interval then speaks of that drive alone. NaN with a single image.
    """
    if len(values) < 2 or draws < 1:
        return np.full((2, values.shape[1]), np.nan)
    rng = np.random.default_rng(seed)
    groups = [values[rows] for rows in rows_by_drive(drives)]
    slots = rng.integers(len(groups), size=(draws, len(groups)))
    total, count = np.zeros((2, draws, values.shape[1]))
    for i, group in enumerate(groups):
        draw = np.nonzero(slots == i)[0]
        chosen = rng.multinomial(len(group), np.full(len(group), 1 / len(group)), draw.size)
        known = np.isfinite(group)
        sums, sizes = chosen @ np.where(known, group, 0), chosen @ known
        np.add.at(total, draw, np.where(sizes > 0, sums / np.maximum(sizes, 1), 0))
        np.add.at(count, draw, sizes > 0)
    means = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return np.array([finite_quantile(column) for column in means.T]).T


def finite_quantile(column: Array) -> Array:
    """Return the limits (2,) between which LEVEL of the finite values (N,) lie; NaN where there are none."""
    column = column[np.isfinite(column)]
    tail = (1 - LEVEL) / 2
    return np.quantile(column, [tail, 1 - tail]) if column.size else np.full(2, np.nan)


def rows_by_drive(drives: Sequence[str]) -> list[Array]:
    """Return the row numbers of each drive, drives in order of name."""
    names = np.asarray(drives)
    return [np.flatnonzero(names == name) for name in np.unique(names)]


def finite_mean(values: Array) -> Array:
    """Average (N, K) over the first axis, what is not finite left out; NaN where nothing is left."""
    known = np.isfinite(values)
    return np.where(known, values, 0).sum(0) / np.where(known.any(0), known.sum(0), np.nan)
