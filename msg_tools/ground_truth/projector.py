"""Project a LiDAR scan into a rectified image: a sparse depth map, the nearest point of each pixel winning.

Depth maps are uint16 in steps of 1/256 m with 0 for none, as KITTI's depth PNGs hold them: rounding comes first and
drawing second, which gives the same map and costs less. Depth is z in the camera's own frame.

What compares with other people's code pixel by pixel is plain NumPy: most points of a turning scanner are outside the
image, which float32 tells; only the others (one in six) are projected in float64. Two points in a pixel are rare, so
all are drawn at once and those that turn out nearer than what stands there again, until there are none.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..camera import Array, Size
from ..depth_png import STEPS_PER_M
from .kernels import draw, on_image
from .lens import PINHOLE

BLOCK = 16384  # points at a time: they stay in the cache, and OpenBLAS starts no threads, which would only wait
UNIT_LENS = np.array([1.0, 1.0, 0.0, 0.0, np.inf, *np.zeros(12)])  # the projection has the intrinsics already
MARGIN_M = 0.01  # how far outside the view a point is still projected exactly; float32 is off by 1 mm at 10 km


@dataclass(frozen=True)
class ScanProjector:
    """Draws scans into the rectified image of one camera: P_velo_to_image (3, 4) [m to px] and the image's size.

    >>> P = np.array([[0.0, -50, 0, 0], [0, 0, -50, 0], [1, 0, 0, 0]]) + np.outer([48, 16, 0], [1, 0, 0, 0])
    >>> depth = ScanProjector(P, Size(32, 96)).nearest(np.array([[10.0, 0.0, 0.0], [5.0, 0.0, 0.0]]))
    >>> depth[16, 48] / 256
    5.0
    """

    P_velo_to_image: Array
    size: Size

    def nearest(self, points: Array) -> Array:
        """Draw points (N, 3 or more) [m] of the scanner's frame into uint16 (H, W) [1/256 m]; 0 where none falls.

        A pixel covers half a pixel around its integer coordinates. Points nearer than half a step or beyond
        255.998 m have no place in the map and hide nothing.
        """
        depth = np.zeros(self.size.shape, np.uint16)
        draw(*on_image(points, self.P_velo_to_image, UNIT_LENS, PINHOLE, *self.size.shape), depth)
        return depth

    def nearest_with(self, points: Array, mixed_edges: bool, vel_depth: bool) -> Array:
        """Draw points like `nearest`, with one or both of monodepth2's faults (see `monodepth2`)."""
        return self._drawn(points, self._seen(points), 0, mixed_edges, vel_depth)

    def monodepth2(self, points: Array, mixed_edges: bool = True, vel_depth: bool = False) -> Array:
        """Draw points as monodepth2's generate_depth_map does, to the pixel: uint16 (H, W) [1/256 m].

        Its pixels lie one up and left, as Matlab counts; points with x < 0 are cut and those behind the camera are
        not: a pixel that one of them falls on becomes empty. Its two faults: with `mixed_edges`, the last pixel of a
        row and the first of the next are taken for one: where both have points, the pixel of the scan's first gets the
        nearest of all, and the other keeps its last. With `vel_depth`, as with its own argument of that name, the depth
        is the scanner's x, from the scanner and not from the camera. Source: Godard et al., monodepth2, kitti_utils.py.
        """
        seen = self._seen(points, even_behind=True) & (points[:, 0] >= 0)
        return self._drawn(points, seen, 1, mixed_edges, vel_depth)

    def _drawn(self, points: Array, chosen: Array, shift: int, mixed_edges: bool, vel_depth: bool) -> Array:
        """Draw the points chosen (N,) bool, their pixels moved up and left by a shift, with one or both faults."""
        u, v, z = self._project(points, chosen)
        if vel_depth:
            z = np.where((z > 0) | bool(shift), points[np.flatnonzero(chosen), 0], z)  # its own: behind, too
        index, steps = self._inside(u - shift, v - shift, np.where(z < 0, 0.0, z), nearest_step=1 - shift)
        depth = draw_nearest(index, steps, self.size)
        if mixed_edges:
            share_edges(depth, index, steps)
        return depth

    def _seen(self, points: Array, even_behind: bool = False) -> Array:
        """Tell which points (N,) may fall on the image or a pixel beside it; a quick test, generous by MARGIN_M.

        With `even_behind`, those that may lie behind the camera are among them.
        """
        planes = self._view_planes
        normals, limits = planes[:, :3].astype(np.float32), (-MARGIN_M - planes[:, 3:]).astype(np.float32)
        seen = np.empty(len(points), bool)
        with np.errstate(invalid='ignore', over='ignore'):
            for start in range(0, len(points), BLOCK):
                block = slice(start, start + BLOCK)
                distances = normals @ np.asarray(points[block, :3], np.float32).T
                np.all(distances >= limits, axis=0, out=seen[block])  # False for NaN
                if even_behind:
                    seen[block] |= distances[4] < limits[4] + 2 * MARGIN_M
        return seen

    @cached_property
    def _view_planes(self) -> Array:
        """Return the sides of the view and the plane of the camera (5, 4): times (x, y, z, 1), metres to the inside."""
        a, b, c = self.P_velo_to_image
        height, width = self.size.shape
        planes = np.stack([a + c, (width + 1) * c - a, b + c, (height + 1) * c - b, c])  # one pixel more on each side
        return planes / np.linalg.norm(planes[:, :3], axis=1, keepdims=True)

    def _project(self, points: Array, chosen: Array) -> Array:
        """Project the points chosen (N,) bool to rounded pixels and depth (3, n): u, v [px], z [m]."""
        xyz = points.take(np.flatnonzero(chosen), 0).astype(np.float64)[:, :3]  # a mask as index is thrice as slow
        P = self.P_velo_to_image
        with np.errstate(divide='ignore', invalid='ignore', over='ignore'):
            uvz = P[:, :3] @ xyz.T + P[:, 3:]
            uvz[:2] /= uvz[2]
        np.rint(uvz[:2], out=uvz[:2])
        return uvz

    def _inside(self, u: Array, v: Array, z: Array, nearest_step: int = 1) -> tuple[Array, Array]:
        """Return the flat pixel index and the depth in steps of those points (N,) that lie in the image and fit."""
        steps = np.rint(z * STEPS_PER_M)
        fits = (steps >= nearest_step) & (steps <= 65535)
        fits &= (u >= 0) & (u < self.size.width) & (v >= 0) & (v < self.size.height)  # False for NaN
        return (v * self.size.width + u)[fits].astype(np.intp), steps[fits].astype(np.uint16)


def draw_nearest(index: Array, steps: Array, size: Size) -> Array:
    """Draw depths (N,) at flat pixel indices (N,) into a map (H, W) of zeros; the nearest wins."""
    depth = np.zeros(size.pixels, steps.dtype)
    while len(index):
        depth[index] = steps  # of two in one pixel, the last stays
        nearer = steps < depth[index]
        index, steps = index[nearer], steps[nearer]
    return depth.reshape(size.shape)


def share_edges(depth: Array, index: Array, steps: Array) -> None:
    """Redo, in place, the pixels at the ends of rows as monodepth2's sub2ind has it, from all drawn points (N,)."""
    width = depth.shape[1]
    row, column = np.divmod(index, width)
    edge = np.flatnonzero((column == 0) | (column == width - 1))
    seam = np.where(column[edge] == 0, row[edge] - 1, row[edge])  # the row whose end it is, or seems to be
    for shared in np.intersect1d(seam[column[edge] == 0], seam[column[edge] != 0]):
        members = edge[seam == shared]  # in the order of the scan
        depth.flat[index[members]] = steps[members]
        depth.flat[index[members[0]]] = steps[members].min()
