"""The scores of one predictor over frames: numbers and curves of each, means by drive, and intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from msg_tools.camera import Array

from .bootstrap import DRAWS, drive_mean, intervals
from .confidence import (
    DROPPED,
    calibration_error,
    curve_scores,
    relative_error,
    reliability,
    sparsification,
)
from .evaluate_predictors import Prediction
from .metrics import BIN_NAMES, BINS, NAMES, Protocol, bin_errors, compute_errors
from .sharpness import NAMES as EDGE_NAMES
from .sharpness import sharpness

MAIN = (*NAMES, 'coverage')
CONFIDENCE_NAMES = ('kept80_abs_rel', 'ause', 'aurg')


@dataclass(slots=True)
class Scores:
    """Rows of numbers by name and, of predictors with a confidence, curves; one of each frame, in the same order."""

    draws: int = DRAWS
    seed: int = 0
    drives: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    rows: list[dict[str, float]] = field(default_factory=list)
    curves: list[tuple[Array, Array]] = field(default_factory=list)

    def add(self, drive: str, name: str, truth_m: Array, prediction: Prediction, protocol: Protocol) -> None:
        """Measure a prediction of one frame."""
        valid, pred_m = protocol.compared(truth_m, prediction.depth_m)
        gt, pred = truth_m[valid], pred_m[valid]
        wanted = protocol.wanted(truth_m).sum()
        row = {**compute_errors(gt, pred), 'coverage': float(gt.size / wanted) if wanted else np.nan,
               'ratio': float(np.median(pred / gt)) if gt.size else np.nan,
               **bin_errors(gt, pred), **sharpness(truth_m, pred_m, valid)}
        if prediction.confidence is not None:
            confidence = prediction.confidence[valid]
            found = np.array(sparsification(relative_error(gt, pred), confidence))
            row.update(curve_scores(*found))
            self.curves.append((found, reliability(gt, pred, confidence)))
        self.drives.append(drive)
        self.names.append(name)
        self.rows.append(row)

    def table(self) -> Array:
        """Return the numbers (frames, names), NaN where a frame has none."""
        return np.array([list(row.values()) for row in self.rows], np.float64)

    def of_drive(self, drive: str) -> Scores:
        """Return the scores of one drive's frames."""
        chosen = [i for i, name in enumerate(self.drives) if name == drive]
        return Scores(self.draws, self.seed, [drive] * len(chosen), [self.names[i] for i in chosen],
                      [self.rows[i] for i in chosen], [self.curves[i] for i in chosen if self.curves])

    def difference(self, other: Scores) -> dict[str, list[float]]:
        """Return MAIN minus another predictor's on the frames of both: mean, and the limits of its interval.

        Such a pair of numbers says more than two intervals: what is hard in a frame is hard for both.
        """
        theirs = dict(zip(other.names, other.rows, strict=True))
        both = [i for i, name in enumerate(self.names) if name in theirs]
        if not both:
            return {}
        values = np.array([[self.rows[i][name] - theirs[self.names[i]][name] for name in MAIN] for i in both])
        drives = [self.drives[i] for i in both]
        found = np.vstack([drive_mean(values, drives), intervals(values, drives, self.draws, self.seed)])
        return dict(zip(MAIN, found.T.tolist(), strict=True))

    def summary(self) -> dict[str, Any]:
        """Return the means over drives with intervals, as depth_eval prints them; {} without a comparable pixel."""
        if not any(np.isfinite(row['abs_rel']) for row in self.rows):
            return {}
        values, names = self.table(), list(self.rows[0])
        means = dict(zip(names, drive_mean(values, self.drives).tolist(), strict=True))
        limits = dict(zip(names, intervals(values, self.drives, self.draws, self.seed).T.tolist(), strict=True))
        shown = (*MAIN, *EDGE_NAMES, *(CONFIDENCE_NAMES if self.curves else ()))
        return {
            **{name: means[name] for name in MAIN},
            'ratio': means['ratio'],
            'intervals': {name: limits[name] for name in shown},
            'bins': {f'{low}-{high}': {name: means[f'{name} {low}-{high}'] for name in (*BIN_NAMES, 'share')}
                     for low, high in BINS if means[f'share {low}-{high}'] > 0},
            'sharpness': {name: means[name] for name in EDGE_NAMES},
            **({'confidence': self.confidence(means)} if self.curves else {}),
        }

    def confidence(self, means: Mapping[str, float]) -> dict[str, Any]:
        """Return what the confidence is worth: scores, and the two curves."""
        spared, table = (drive_mean(np.array(part), self.drives) for part in zip(*self.curves, strict=True))
        used = table[0] > 0
        columns = np.where(used, table / np.where(used, table[0], 1), np.nan)
        return {
            **{name: means[name] for name in CONFIDENCE_NAMES},
            'kept80_gain': 1 - means['kept80_abs_rel'] / means['abs_rel'],
            'calibration_error': calibration_error(table),
            'sparsification': listed(('dropped', 'abs_rel', 'oracle'), (DROPPED, *spared)),
            'reliability': listed(('share', 'stated', 'delta1'), (table[0], *columns[1:])),
        }


def listed(names: Sequence[str], columns: Sequence[Array]) -> dict[str, list[float]]:
    """Return columns by name as plain lists."""
    return {name: column.tolist() for name, column in zip(names, columns, strict=True)}
