"""The demo's picture and the frames of its video: image, depth, LiDAR, error, and the cloud from above."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from msg_tools.camera import Array, Intrinsics
from msg_tools.colors import depth_colors, diverging, overlay

from .birds_eye import View, birds_eye
from .canvas import GREY, blank, color_bar, fitted, paste, stacked, table, titled, write

WIDTH, MARGIN, GAP = 1800, 36, 22
PICTURE_WIDTH = 1120  # of the panels on the left
ERROR_SPAN = 0.4  # relative error at the ends of the error colours
VIDEO_WIDTH, VIDEO_PICTURE_WIDTH, VIDEO_MARGIN = 1280, 820, 14


@dataclass(frozen=True, slots=True)
class DemoFrame:
    """One frame as the pictures need it: image, depth and sparse truth (H, W), both clouds in the optical frame.

    depth_m is NaN or +Inf, lidar_m 0, where there is none; cloud (h, w, 3) is organised; lidar_points (N, 3).
    """

    name: str
    rgb: Array
    depth_m: Array
    lidar_m: Array
    cloud: Array
    lidar_points: Array
    camera: Intrinsics

    def from_above(self, view: View) -> Array:
        """Return the cloud seen from above."""
        stride = round(self.rgb.shape[1] / self.cloud.shape[1])
        colors = np.ascontiguousarray(self.rgb[::stride, ::stride])
        return birds_eye(view, self.cloud, colors, self.camera.strided(stride), self.lidar_points)


def demo_picture(frame: DemoFrame, title: str, notes: Sequence[str], metrics: Sequence[Sequence[str]]) -> Array:
    """Return the picture of a frame, uint8 RGB: panels on the left, the cloud on the right, metrics below it."""
    panels = stacked([
        titled(fitted(frame.rgb, PICTURE_WIDTH), 'camera', frame.name),
        titled(fitted(depth_colors(frame.depth_m), PICTURE_WIDTH), 'depth from this one image'),
        color_bar(PICTURE_WIDTH, 40),
        titled(fitted(overlay(frame.rgb, frame.lidar_m), PICTURE_WIDTH), 'LiDAR on the image', 'ground truth'),
        titled(fitted(error_map(frame), PICTURE_WIDTH), 'error against the LiDAR',
               f'blue: {ERROR_SPAN:.0%} too near    white: right    red: {ERROR_SPAN:.0%} too far'),
    ], GAP)
    side_width = WIDTH - 2 * MARGIN - GAP * 2 - PICTURE_WIDTH
    summary = table(metrics, side_width, 13)
    height = panels.shape[0] - summary.shape[0] - GAP - round(14 * 2.3)
    cloud = titled(frame.from_above(View(height, side_width)), 'point cloud from above', 'cyan: LiDAR')
    return composed(panels, stacked([cloud, summary], GAP), title, notes)


def composed(left: Array, right: Array, title: str, notes: Sequence[str]) -> Array:
    """Return the whole picture: a headline, notes beside it, and the two columns."""
    head = 78
    canvas = blank(head + left.shape[0] + MARGIN, WIDTH)
    write(canvas, title, (MARGIN, 52), 23)
    write(canvas, '   '.join(notes), (WIDTH - MARGIN, 52), 14, GREY, 'right')
    paste(canvas, left, MARGIN, head)
    paste(canvas, right, WIDTH - MARGIN - right.shape[1], head)
    return canvas


def error_map(frame: DemoFrame) -> Array:
    """Return the relative error of the depth at the LiDAR's points, as dots on a dark grey image uint8 (H, W, 3)."""
    grey = cv2.cvtColor(frame.rgb, cv2.COLOR_RGB2GRAY)
    canvas = np.repeat((grey // 3)[..., None], 3, 2)
    known = (frame.lidar_m > 0) & (frame.depth_m > 0)
    truth = np.where(known, frame.lidar_m, 1).astype(np.float32)
    with np.errstate(invalid='ignore'):
        error = np.where(known, np.minimum(frame.depth_m, 80.0) / truth - 1, 0)
    spread = cv2.dilate(known.astype(np.uint8), np.ones((2, 2), np.uint8)) > 0
    nearest = cv2.dilate(np.where(known, error + 10, 0).astype(np.float32), np.ones((2, 2), np.uint8)) - 10
    canvas[spread] = diverging(nearest[spread] / ERROR_SPAN)
    return canvas


def video_frame(frame: DemoFrame, title: str) -> Array:
    """Return a frame of the video, uint8 RGB of even size: image over depth, the cloud from above beside them."""
    width, gap = VIDEO_PICTURE_WIDTH, VIDEO_MARGIN
    left = stacked([
        titled(fitted(frame.rgb, width), title, frame.name, 11),
        titled(fitted(depth_colors(frame.depth_m), width), 'depth from this one image', '', 11),
        color_bar(width, 32),
    ], gap // 2)
    side = VIDEO_WIDTH - width - 3 * gap
    view = View(left.shape[0] - round(11 * 2.3), side, 45.0, 26)
    right = titled(frame.from_above(view), 'point cloud from above', 'cyan: LiDAR', 11)
    height = left.shape[0] + 2 * gap
    canvas = blank(height + height % 2, VIDEO_WIDTH)
    paste(canvas, left, gap, gap)
    paste(canvas, right, 2 * gap + width, gap)
    return canvas
