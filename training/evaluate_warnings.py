"""What a reader of depth_eval's numbers must know: frames that are missing, and depth that looks like another unit."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from .evaluate_data import Data
from .evaluate_scores import Scores

UNITS = {256.0: 'a KITTI PNG read as metres', 1000.0: 'millimetres', 100.0: 'centimetres', 10.0: 'decimetres',
         3.90625: 'a 16UC1 image in millimetres read as a KITTI PNG'}
SUSPECT = 2.5  # times the truth, or one part in so many
OTHER_PIXELS = 0.02  # difference in coverage


def warnings(scores: Scores, data: Data, missing: Sequence[str], without: Sequence[str]) -> list[str]:
    """Return what a reader of the numbers must know."""
    found = []
    if missing:
        found.append(f'{len(missing)} of {len(data.frames)} frames have no prediction: {some(missing)}')
    if without:
        found.append(f'{len(without)} of {len(data.frames)} frames have no measured depth that counts, and are left '
                     f'out: {some(without)}')
    seen = set(scores.drives)
    if lost := sorted({frame.drive for frame in data.frames} - seen):
        found.append(f'{len(lost)} drives have no frame that was measured: {some(lost)}')
    if empty := [name for name, row in zip(scores.names, scores.rows, strict=True) if row['coverage'] == 0]:
        found.append(f'{len(empty)} frames have no estimate at all, which only the coverage tells: {some(empty)}')
    ratio = float(np.nanmedian([row['ratio'] for row in scores.rows]))
    if not 1 / SUSPECT < ratio < SUSPECT:
        unit = min(UNITS, key=lambda factor: abs(abs(math.log(ratio)) - math.log(factor)))
        found.append(f'predictions are {ratio:.3g} times the measured depth in the median; is one of the two in '
                     f'another unit ({UNITS[unit]}: {unit:.3g})?')
    return found


def beside_warnings(prediction: Scores, beside: Mapping[str, Scores]) -> list[str]:
    """Return what a reader of the rows beside must know: that they are of other frames, or of other pixels."""
    found = []
    known = coverages(prediction)
    for name, scores in beside.items():
        theirs = coverages(scores)
        both = [frame for frame in known if frame in theirs]
        if absent := [frame for frame in known if frame not in theirs]:
            found.append(f'{name} has no prediction of {len(absent)} of {len(known)} frames: {some(absent)}; its row '
                         'is of the others, its difference of the frames of both')
        parts = [float(np.mean([part[frame] for frame in both])) if both else 1.0 for part in (known, theirs)]
        if abs(parts[0] - parts[1]) > OTHER_PIXELS:
            found.append(f'{name} has estimates of {parts[1]:.0%} of the measured pixels, the prediction of '
                         f'{parts[0]:.0%}: their errors are not of the same pixels')
    return found


def coverages(scores: Scores) -> dict[str, float]:
    """Return which part of its measured pixels a prediction has estimates of, by frame."""
    return {frame: row['coverage'] for frame, row in zip(scores.names, scores.rows, strict=True)}


def some(names: Sequence[str], count: int = 3) -> str:
    """Return the first names, and whether there are more."""
    return ', '.join(names[:count]) + (', ...' if len(names) > count else '')
