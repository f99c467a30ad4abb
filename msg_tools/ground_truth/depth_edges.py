"""Where a sparse depth map jumps and where an image changes: the edges that a calibration check lays on each other.

A jump is where two neighbours along a row or a column differ clearly in depth, and their inverse depth changes faster
than on one side of them: along any plane the inverse depth changes evenly, so a road is no edge however slanted.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..camera import Array, Intrinsics

CELL_PX = 4  # columns taken together for jumps from row to row: scan lines are full of gaps, their points not aligned
ACROSS, DOWN = 0, 1  # a jump along a row, which shows in the horizontal gradient, and one along a column
GAP = {ACROSS: 0.012, DOWN: 0.03}  # farthest neighbours, in parts of the focal length (rad)
USUAL_GAPS = 1.5  # and from row to row, in usual gaps: where the background is missing, the middle is no edge
MIN_JUMP_M, MIN_JUMP, FARTHEST_M = 1.0, 0.1, 40.0
STEEPER = 3.0
BLUR_PX, MEAN_PX, FLOOR, CAP = 1.0, 61, 5.0, 3.0


@dataclass(frozen=True, slots=True)
class Edges:
    """Depth edges of one map: pixels u, v (N,) and the direction in which depth jumps (N,), ACROSS or DOWN."""

    u: Array
    v: Array
    direction: Array

    def __len__(self) -> int:
        return len(self.u)

    def thinned(self, most: int) -> Edges:
        """Return at most so many of the edges, spread evenly."""
        keep = slice(None, None, -(-len(self) // most) or 1)
        return Edges(self.u[keep], self.v[keep], self.direction[keep])


def depth_edges(depth_m: Array, camera: Intrinsics) -> Edges:
    """Find the jumps of a sparse depth map (H, W) [m].

    Along a row the edge is at the foreground's point. From row to row scan lines are far apart and the edge may be
    anywhere between them: it is taken to be in the middle, so that it is at least not too low throughout.
    """
    rows, _, foreground = _jumps(depth_m, GAP[ACROSS] * camera.fx)
    cells, offsets = _cells(depth_m)
    cell, middle, nearer = _jumps(cells.T, GAP[DOWN] * camera.fy, USUAL_GAPS)
    column = cell * CELL_PX + offsets[nearer, cell]
    direction = np.repeat([ACROSS, DOWN], [len(rows), len(cell)])
    return Edges(np.append(foreground, column).astype(float), np.append(rows, middle).astype(float), direction)


def _jumps(depth_m: Array, gap_px: float, usual_gaps: float = np.inf) -> tuple[Array, Array, Array]:
    """Return jumps along the rows of a map: rows (n,), columns of their middles (n,) and of the nearer sides (n,).

    Its sides are at most gap_px apart, and at most so many times the median gap of neighbours.
    """
    rows, columns = np.nonzero(depth_m)
    if len(rows) < 2:
        return np.empty(0, int), np.empty(0), np.empty(0, int)
    z = depth_m[rows, columns].astype(np.float64)
    gap = np.diff(columns)
    neighbours = (rows[1:] == rows[:-1]) & (gap <= gap_px)
    slope = np.where(neighbours, np.abs(np.diff(1 / z)) / np.where(neighbours, gap, 1), np.inf)
    close = neighbours & (gap <= usual_gaps * np.median(gap[neighbours]) + 0.5) if neighbours.any() else neighbours
    smoother = np.minimum(np.append(np.inf, slope[:-1]), np.append(slope[1:], np.inf))  # of the pairs before and after
    near = np.minimum(z[1:], z[:-1])
    jump = np.abs(np.diff(z)) > np.maximum(MIN_JUMP_M, MIN_JUMP * near)
    first = np.flatnonzero(close & jump & (near < FARTHEST_M) & (slope > STEEPER * smoother))
    return rows[first], (columns[first] + columns[first + 1]) / 2, columns[first + (z[first + 1] < z[first])]


def _cells(depth_m: Array) -> tuple[Array, Array]:
    """Return the nearest depth (H, W / CELL_PX) [m] of each cell of a row, 0 for none, and its column in the cell."""
    height, width = depth_m.shape
    cells = depth_m[:, : width // CELL_PX * CELL_PX].reshape(height, -1, CELL_PX)
    far = np.where(cells > 0, cells, np.inf)
    nearest = far.min(-1)
    return np.where(np.isfinite(nearest), nearest, 0), far.argmin(-1)


def normalised_gradients(rgb: Array) -> Array:
    """Return how strongly an image (H, W, 3) changes ACROSS and DOWN, float32 (2, H, W), in parts of the local mean.

    Blurred a little, and cut at CAP, so that no single bright edge decides.
    """
    grey = cv2.GaussianBlur(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32), (0, 0), BLUR_PX)
    changes = (np.abs(cv2.Sobel(grey, cv2.CV_32F, *order)) for order in ((1, 0), (0, 1)))
    return np.stack([np.minimum(change / (cv2.blur(change, (MEAN_PX, MEAN_PX)) + FLOOR), CAP) for change in changes])
