"""The cloud from above: predicted points in the image's colours, LiDAR points beside them, metres written on rings."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from msg_tools.camera import Array, Intrinsics

from .canvas import GREY, LIDAR, LINE, PANEL, WHITE, write

HIGHEST_M = 1.2  # above the camera: what is higher (crowns, roofs) would hide the street
LOWEST_M = 3.5  # below the camera
CAMERA_HEIGHT_M = 1.65  # of KITTI's cameras above the road
OBSTACLE_M = 0.35  # LiDAR points this high above the ground are drawn
TORN = 1.12  # neighbours with a larger ratio of depth lie on different things: nothing is drawn between them
STEEPEST = 0.2  # nor on what rises more steeply, whose points lie on top of each other when seen from above
RING_STEP_M = 10.0


@dataclass(frozen=True, slots=True)
class View:
    """A plan of the ground ahead of the camera: `height` px for `ahead_m` metres, the camera at the bottom's middle."""

    height: int
    width: int
    ahead_m: float = 50.0
    behind_px: int = 34

    @property
    def px_per_m(self) -> float:
        """Return the scale."""
        return (self.height - self.behind_px) / self.ahead_m

    @property
    def camera_pixel(self) -> tuple[int, int]:
        """Return column and row of the camera."""
        return self.width // 2, self.height - self.behind_px

    def pixels(self, x_m: Array, z_m: Array) -> tuple[Array, Array]:
        """Return columns and rows of points x_m to the right and z_m ahead of the camera."""
        return self.width / 2 + x_m * self.px_per_m, self.height - self.behind_px - z_m * self.px_per_m


def birds_eye(view: View, cloud: Array, rgb: Array, camera: Intrinsics, lidar: Array | None = None) -> Array:
    """Draw an organised cloud (H, W, 3) [m] of the optical frame in colours (H, W, 3), and LiDAR points (N, 3) on it.

    `camera` is that of the cloud's grid. Points that are NaN, too high or too far are left out; of several on one pixel
    the highest is seen.
    """
    canvas = np.full((view.height, view.width, 3), PANEL, np.uint8)
    splat(canvas, view, *mesh(view, cloud, rgb, camera))
    seen = np.isfinite(cloud[..., 2])
    splat(canvas, view, cloud[seen], rgb[seen])
    rings(canvas, view)
    if lidar is not None:
        low = (lidar[:, 1] < CAMERA_HEIGHT_M - OBSTACLE_M) & (lidar[:, 1] > -HIGHEST_M)
        splat(canvas, view, lidar[low], np.broadcast_to(np.array(LIDAR, np.uint8), (int(low.sum()), 3)), 2)
    camera_mark(canvas, view)
    return canvas


def mesh(view: View, cloud: Array, rgb: Array, camera: Intrinsics) -> tuple[Array, Array]:
    """Return points (N, 3) and colours (N, 3) of the level surfaces between the points of a cloud: road and pavement.

    Rows and columns are chosen so that flat ground gets a point on every pixel of the view.
    """
    ahead_m = np.arange(1, view.ahead_m * view.px_per_m, 0.7) / view.px_per_m
    rows = camera.cy + camera.fy * CAMERA_HEIGHT_M / ahead_m
    level = is_level(np.nan_to_num(cloud))
    rows = rows[(rows >= 0) & (rows < level.shape[0])]
    if not rows.size:
        return np.zeros((0, 3), np.float32), np.zeros((0, 3), np.uint8)
    columns = np.arange(0, level.shape[1], 1 / np.ceil(view.ahead_m * view.px_per_m / camera.fx))
    keep = np.flatnonzero(level[np.ix_(rows.astype(np.intp), columns.astype(np.intp))])
    points, colors = (between(image, rows, columns).reshape(-1, 3)[keep] for image in (np.nan_to_num(cloud), rgb))
    return points, colors.astype(np.uint8)


def between(image: Array, rows: Array, columns: Array) -> Array:
    """Interpolate an image (H, W, C) at rows (h,) and columns (w,), float32 (h, w, C).

    OpenCV's remap, in its version 4, knows 32 steps from pixel to pixel: far away those are metres.
    """
    row, column = rows.astype(np.intp), columns.astype(np.intp)
    low, high = image[row].astype(np.float32), image[row + 1].astype(np.float32)
    low += (rows - row).astype(np.float32)[:, None, None] * (high - low)
    left, right = low[:, column], low[:, column + 1]
    left += (columns - column).astype(np.float32)[:, None] * (right - left)
    return left


def is_level(cloud: Array) -> Array:
    """Return which meshes (H - 1, W - 1) of a cloud (H, W, 3) are one piece, and nearly horizontal."""
    y, z = cloud[..., 1], cloud[..., 2]
    pairs = ((z[:, 1:], z[:, :-1]), (z[1:], z[:-1]))
    across, along = (np.maximum(a, b) < TORN * np.minimum(a, b) for a, b in pairs)
    along &= np.abs(y[1:] - y[:-1]) < STEEPEST * np.abs(z[1:] - z[:-1])
    return across[1:] & across[:-1] & along[:, 1:] & along[:, :-1]


def splat(canvas: Array, view: View, points: Array, colors: Array, size: int = 1) -> None:
    """Draw points (N, 3) [m] of the optical frame as squares of this size [px], the highest last."""
    column, row = (np.floor(axis).astype(np.int32) for axis in view.pixels(points[:, 0], points[:, 2]))
    inside = (column >= 0) & (column < view.width - size) & (row >= 0) & (row < view.height - size)
    inside &= (points[:, 1] > -HIGHEST_M) & (points[:, 1] < LOWEST_M) & (points[:, 2] > 0)
    order = np.flatnonzero(inside)
    order = order[np.argsort(-points[order, 1])]
    pixel = row[order] * view.width + column[order]
    flat, colors = canvas.reshape(-1, 3), colors[order]
    for offset in (dy * view.width + dx for dx in range(size) for dy in range(size)):
        flat[pixel + offset] = colors


def rings(canvas: Array, view: View) -> None:
    """Draw range rings every 10 m with the metres written on them."""
    x, y = view.camera_pixel
    layer = canvas.copy()
    for range_m in np.arange(RING_STEP_M, view.ahead_m * 1.2, RING_STEP_M):
        cv2.circle(layer, (x, y), round(range_m * view.px_per_m), GREY, 1, cv2.LINE_AA)
    cv2.addWeighted(layer, 0.5, canvas, 0.5, 0, canvas)
    text_px = max(9.0, view.width * 0.02)
    for range_m in np.arange(RING_STEP_M, view.ahead_m, RING_STEP_M):
        radius, edge = range_m * view.px_per_m, view.width / 2 - 5 * text_px
        at = (x + round(min(radius, edge) + text_px), round(y - np.sqrt(max(0.0, radius**2 - edge**2))))
        write(canvas, f'{range_m:.0f} m', at, text_px, WHITE, edge=PANEL)


def camera_mark(canvas: Array, view: View) -> None:
    """Draw a triangle where the camera is."""
    x, y = view.camera_pixel
    corners = np.array([[x, y - 6], [x - 9, y + 16], [x + 9, y + 16]])
    cv2.fillConvexPoly(canvas, corners, WHITE, cv2.LINE_AA)
    cv2.polylines(canvas, [corners], True, LINE, 1, cv2.LINE_AA)
