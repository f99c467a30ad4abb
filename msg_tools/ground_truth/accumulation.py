"""Add the scans before and after a frame to its depth map: what of them agrees with what was measured at the frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..camera import Array
from ..depth_png import STEPS_PER_M
from ..rotation import inverse
from .agreement import Evidence
from .kernels import draw, draw_agreeing
from .scans import Scan
from .sources import View


@dataclass(frozen=True, slots=True)
class Added:
    """What other scans brought: a map uint16 (H, W) [1/256 m], and how many scans, points, and points that agreed."""

    steps: Array
    scans: int
    points: int
    agreed: int


def add(scan: Scan, others: Sequence[Scan], view: View, evidence: Sequence[Evidence]) -> Added:
    """Draw other scans as the camera of this one sees them, the nearest of the points that agree winning.

    Without evidence every point counts.
    """
    steps = np.zeros(view.lens.size.shape, np.uint16)
    layers = np.stack([np.stack([item.first, item.second]) for item in evidence]) if evidence else None
    tolerances = np.array([item.tolerance for item in evidence])
    used, points, agreed = 0, 0, 0
    for other in others:
        if other.error is not None or other.T_world_scanner is None or scan.T_world_scanner is None:
            continue
        T = (view.T_cam_scanner @ inverse(scan.T_world_scanner) @ other.T_world_scanner)[:3]
        if layers is None:
            fell = kept = draw(other.points, T, view.lens.numbers, view.lens.model, steps)
        else:
            fell, kept = draw_agreeing(other.points, T, view.lens.numbers, view.lens.model, layers, tolerances, steps)
        used, points, agreed = used + 1, points + fell, agreed + kept
    return Added(steps, used, points, agreed)


def disagreement_m(own: Array, others: Array) -> tuple[float, float]:
    """Return the median and the 95th percentile of |others - own| [m] where both maps have a depth; NaN where none."""
    both = (own > 0) & (others > 0)
    if not both.any():
        return float('nan'), float('nan')
    difference = np.abs(own[both].astype(np.int32) - others[both]) / STEPS_PER_M
    median, p95 = np.quantile(difference, (0.5, 0.95))
    return float(median), float(p95)
