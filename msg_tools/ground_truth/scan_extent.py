"""Tell a scan that broke off from whole ones, by how much of the surroundings it covers.

Neither the number of points tells (it changes with what is around) nor the size of the file (any multiple of 16 will
do). KITTI's files are sorted by beam from the top down: one that was cut short, as the last of its drives are, still
goes all the way round but lacks the lowest beams. A scanner that was stopped in its turn leaves out a sector.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..camera import Array

STRIDES = 31, 13, 7, 1  # every n-th point is enough; primes, so that no beam or azimuth is always left out
ENOUGH_POINTS = 3000
BIN_DEG = 5.0
LOW_SHARE = 200  # one in so many points may be lower than what counts as the lowest
MISSING_TURN_DEG, MISSING_LOW_DEG = 15.0, 2.5  # whole scans of a drive differ by 0 and 0.1 degrees


@dataclass(frozen=True, slots=True)
class ScanExtent:
    """How much of the surroundings a scan covers: the turn [deg] and the lowest elevation [deg]; NaN without points."""

    turn_deg: float
    lowest_deg: float

    def missing(self, usual: ScanExtent) -> str:
        """Say what a partial scan lacks, compared with what is usual; '' for a whole one."""
        lost_turn, lost_low = usual.turn_deg - self.turn_deg, self.lowest_deg - usual.lowest_deg
        parts = [f'{lost_turn:.0f} of {usual.turn_deg:.0f} degrees of the turn'] if lost_turn > MISSING_TURN_DEG else []
        if lost_low > MISSING_LOW_DEG:
            parts.append(f'the beams below {self.lowest_deg:.0f} degrees (usual: {usual.lowest_deg:.0f})')
        return f'partial scan: without {" and ".join(parts)}' if parts else ''


def scan_extent(points: Array) -> ScanExtent:
    """Measure the extent of a scan (N, 3 or more) [m] on some thousands of its points."""
    stride = next((n for n in STRIDES if len(points) >= n * ENOUGH_POINTS), 1)
    x, y, z = points[::stride, :3].T.astype(np.float32)
    with np.errstate(over='ignore', invalid='ignore'):
        ground = np.sqrt(x * x + y * y)
        valid = np.isfinite(ground + z) & (ground > 0)
    if not valid.any():
        return ScanExtent(np.nan, np.nan)
    azimuth_deg = np.degrees(np.arctan2(y[valid], x[valid]))
    filled = np.count_nonzero(np.bincount((np.floor(azimuth_deg / BIN_DEG) % (360 / BIN_DEG)).astype(np.intp)))
    with np.errstate(over='ignore'):  # straight up, of bytes that are no points
        slopes = z[valid] / ground[valid]
    low = len(slopes) // LOW_SHARE  # not the lowest of all: a stray point would be it
    return ScanExtent(filled * BIN_DEG, float(np.degrees(np.arctan(np.partition(slopes, low)[low]))))


def usual_extent(extents: Array) -> ScanExtent:
    """Return the median of scans' turns and lowest elevations (N, 2) [deg]: what a whole scan of this scanner covers.

    Scans without points have NaN, and do not count; NaN where none has points.
    """
    known = extents[np.isfinite(extents).all(-1)]
    return ScanExtent(*np.median(known, 0).tolist()) if len(known) else ScanExtent(np.nan, np.nan)
