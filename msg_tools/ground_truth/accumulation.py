"""Add the scans before and after a frame to its depth map: what of them agrees with what was measured at the frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..camera import Array
from ..depth_png import STEPS_PER_M
from ..rotation import inverse
from .kernels import draw, draw_agreeing, on_image
from .scans import Scan
from .sources import View


@dataclass(frozen=True, slots=True)
class Added:
    """What other scans brought: a map uint16 (H, W) [1/256 m], and how many scans, points, and points that agreed."""

    steps: Array
    scans: int
    points: int
    agreed: int


def add(scan: Scan, others: Sequence[Scan], view: View, evidence: Sequence[Array]) -> Added:
    """Draw other scans as the camera of this one sees them, the nearest of the points that agree winning.

    `evidence` are arrays (H * W, 4), of which one must allow a point; without any every point counts.
    """
    height, width = view.lens.size.shape
    steps = np.zeros((height, width), np.uint16)
    allowed = None if not evidence else evidence[0][None] if len(evidence) == 1 else np.stack(evidence)
    used, points, agreed = 0, 0, 0
    for other in others:
        if other.error is not None or other.T_world_scanner is None or scan.T_world_scanner is None:
            continue
        T = (view.T_cam_scanner @ inverse(scan.T_world_scanner) @ other.T_world_scanner)[:3]
        found = on_image(other.points, T, view.lens.numbers, view.lens.model, height, width)
        if allowed is None:
            draw(*found, steps)
        kept = len(found[0]) if allowed is None else draw_agreeing(*found, allowed, steps)
        used, points, agreed = used + 1, points + len(found[0]), agreed + kept
    return Added(steps, used, points, agreed)


def disagreement_m(differences: Array) -> tuple[float, float]:
    """Return the median and the 95th percentile [m] of differences' sizes (n,) [1/256 m]; NaN where there are none."""
    if not len(differences):
        return float('nan'), float('nan')
    median, p95 = np.quantile(np.abs(differences), (0.5, 0.95)) / STEPS_PER_M
    return float(median), float(p95)
