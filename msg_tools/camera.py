"""Pinhole geometry of a rectified image: intrinsics, projection, rays and the depth map of a point cloud.

Frames follow REP 103's optical convention: x right, y down, z forward, in metres. Pixel centres lie at integer
coordinates: a point on the optical axis falls on (cx, cy).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import CalibrationError

Array = NDArray[Any]

MIN_DEPTH_M = 1e-3  # points nearer than this, or behind the camera, have no image


@dataclass(frozen=True, slots=True)
class Size:
    """The size of an image in pixels."""

    height: int
    width: int

    @property
    def shape(self) -> tuple[int, int]:
        """Return (height, width), the shape of an array of this size."""
        return self.height, self.width

    @property
    def pixels(self) -> int:
        """Return the number of pixels."""
        return self.height * self.width

    def flat_index(self, uv: Array) -> tuple[Array, Array]:
        """Round pixels uv (N, 2) to the nearest; return which lie inside (N,) bool, and the flat index of those."""
        column, row = np.rint(uv).T
        inside = (column >= 0) & (column < self.width) & (row >= 0) & (row < self.height)  # False for NaN
        return inside, row[inside].astype(np.intp) * self.width + column[inside].astype(np.intp)

    def __str__(self) -> str:
        return f'{self.width}x{self.height}'


@dataclass(frozen=True, slots=True)
class Intrinsics:
    """The pinhole intrinsics of a rectified image [px] and the size of the image that they belong to.

    >>> camera = Intrinsics(fx=100.0, fy=100.0, cx=31.5, cy=23.5, size=Size(48, 64))
    >>> camera.resized(Size(24, 32)).fx
    50.0
    """

    fx: float
    fy: float
    cx: float
    cy: float
    size: Size

    def __post_init__(self) -> None:
        values = (self.fx, self.fy, self.cx, self.cy)
        if not np.isfinite(values).all() or self.fx <= 0 or self.fy <= 0:
            raise CalibrationError(f'expected finite intrinsics with fx, fy > 0, got fx={self.fx} fy={self.fy} '
                                   f'cx={self.cx} cy={self.cy}; is the camera calibrated?')

    @classmethod
    def from_matrix(cls, matrix: ArrayLike, size: Size) -> Intrinsics:
        """Read intrinsics from a K (3, 3) or a P (3, 4) of an image of this size.

        Raises CalibrationError where the matrix has another shape, is not finite, or has no focal length.
        """
        matrix = np.asarray(matrix, np.float64)
        if matrix.shape not in ((3, 3), (3, 4)):
            raise CalibrationError(f'expected K (3, 3) or P (3, 4), got an array of shape {matrix.shape}')
        fx, fy, cx, cy = (float(matrix[i]) for i in ((0, 0), (1, 1), (0, 2), (1, 2)))
        return cls(fx, fy, cx, cy, size)

    @property
    def K(self) -> Array:
        """Return the camera matrix (3, 3)."""
        return np.array([[self.fx, 0.0, self.cx], [0.0, self.fy, self.cy], [0.0, 0.0, 1.0]])

    @property
    def P(self) -> Array:
        """Return the projection matrix (3, 4) of a camera that is its own reference: K with a zero column."""
        return np.hstack([self.K, np.zeros((3, 1))])

    @property
    def focal_px(self) -> float:
        """Return the geometric mean of fx and fy [px]: what sets the size of things in the image."""
        return float(np.sqrt(self.fx * self.fy))

    def resized(self, size: Size) -> Intrinsics:
        """Return the intrinsics after the image was resized to this size, corners on corners as OpenCV does."""
        sx, sy = size.width / self.size.width, size.height / self.size.height
        return Intrinsics(self.fx * sx, self.fy * sy, (self.cx + 0.5) * sx - 0.5, (self.cy + 0.5) * sy - 0.5, size)

    def cropped(self, top: int, left: int, size: Size) -> Intrinsics:
        """Return the intrinsics after a crop of this size whose first pixel is (top, left)."""
        return replace(self, cx=self.cx - left, cy=self.cy - top, size=size)

    def strided(self, stride: int) -> Intrinsics:
        """Return the intrinsics after every `stride`-th pixel was kept in both directions, the first included."""
        height, width = (-(-n // stride) for n in self.size.shape)
        return Intrinsics(self.fx / stride, self.fy / stride, self.cx / stride, self.cy / stride, Size(height, width))

    def rays(self, stride: int = 1) -> Array:
        """Return the points at 1 m depth that every `stride`-th pixel sees, float32 (H, W, 3): times depth, a cloud."""
        camera = self.strided(stride)
        v, u = np.mgrid[: camera.size.height, : camera.size.width]
        return np.stack([(u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy, np.ones(u.shape)], -1).astype('f4')


def project(points_cam: Array, P: Array) -> tuple[Array, Array]:
    """Project camera-frame points (N, 3) [m] by P (3, 4) to pixels uv (N, 2) and depths z (N,) [m]."""
    homogeneous = points_cam @ P[:, :3].T + P[:, 3]
    z = homogeneous[:, 2]
    return homogeneous[:, :2] / z[:, None], z


def unproject(uv: Array, depth_m: Array, camera: Intrinsics) -> Array:
    """Lift pixels uv (N, 2) at depths (N,) [m] to camera-frame points (N, 3) [m]; undoes `project`."""
    xy = (uv - (camera.cx, camera.cy)) / (camera.fx, camera.fy)
    return np.concatenate([xy, np.ones((len(uv), 1))], 1) * depth_m[:, None]


def transform(T: Array, points: Array) -> Array:
    """Move points (N, 3) by a rigid or projective (4, 4) transform: `transform(T_cam_velo, p_velo)` is p_cam."""
    return points @ T[:3, :3].T + T[:3, 3]


def depth_map(points_cam: Array, P: Array, size: Size) -> Array:
    """Draw camera-frame points (N, 3) [m] into a depth map float32 (H, W) [m]; 0 where none falls, nearest wins."""
    points_cam = points_cam[points_cam[:, 2] > MIN_DEPTH_M]  # before the division: a cast of inf is undefined
    uv, z = project(points_cam, P)
    inside, index = size.flat_index(uv)
    depth = np.full(size.pixels, np.inf, np.float32)
    np.minimum.at(depth, index, z[inside].astype(np.float32))
    depth[np.isinf(depth)] = 0.0
    return depth.reshape(size.shape)


def cloud_of(depth_m: Array, rays: Array, out: Array | None = None) -> Array:
    """Return the organised cloud float32 (H, W, 3) [m] of a depth map (H, W) [m]; NaN where depth is not finite.

    With `out` it is written there, such as into a message's buffer.
    """
    finite = np.where(np.isfinite(depth_m), depth_m, np.float32(np.nan))
    return scaled_rays(rays, finite, np.empty_like(rays) if out is None else out)


def scaled_rays(rays: Array, depth_m: Array, out: Array) -> Array:
    """Write rays (H, W, 3) times depths (H, W) [m], which are finite or NaN, to out (H, W, 3), and return it."""
    for i in range(3):  # plane by plane: more than twice as fast as with a broadcast last axis
        np.multiply(rays[..., i], depth_m, out=out[..., i], casting='same_kind')
    return out
