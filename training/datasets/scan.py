"""A LiDAR scan as labels: the pixels that velodyne_to_depth would write with --motion off --occlusion off."""

from __future__ import annotations

import numpy as np

from msg_tools.camera import Array, Intrinsics
from msg_tools.depth_png import STEPS_PER_M
from msg_tools.ground_truth.projector import ScanProjector

from .frame import DatasetError, Points, map_points


def scan_points(points: Array, P_scan_to_image: Array, camera: Intrinsics, source: object) -> Points:
    """Project a scan (N, 3 or more) [m] into an image: a label for each pixel, the nearest of the points on it.

    Raises DatasetError where none of them lies on the image.
    """
    depth_m = ScanProjector(P_scan_to_image, camera.size).nearest(points) / np.float32(STEPS_PER_M)
    if not depth_m.any():
        raise DatasetError(f'{source}: expected points on the image, got none of {len(points)}; are the scan and its '
                           'transform to the camera right?')
    return map_points(depth_m, camera, 'lidar')
