"""What an accumulated point must agree with: the reference frame's own scan, its stereo pair, or one of the two.

Between two exposures other things than the camera move. A point of another scan is kept only where something measured
at the reference frame says the same: between the beams of its scan surfaces go on, so a point must lie between the
depths found above and below it, give or take a tolerance, or near one of them where there is an edge. KITTI's depth
benchmark checks against semi-global matching instead, as `stereo` does (Uhrig et al., "Sparsity Invariant CNNs", 3DV
2017).
"""

from __future__ import annotations

import cv2
import numpy as np

from ..camera import Array
from ..depth_png import STEPS_PER_M
from .occlusion import Spacing
from .pixels import found_from, intervals

MAX_DISPARITIES = 192  # px; nearer is not seen by the matching
DISPARITY_ERROR_PX = 1.5
FARTHEST_REACH_PX = 40


def scan_evidence(steps: Array, spacing: Spacing, tolerance: float) -> Array:
    """Return what a scan's map (H, W) allows at each pixel, uint16 (H * W, 4): see pixels.intervals.

    It is what lies between the depths above and below the pixel, as far as the scan's beams lie apart.
    """
    rows = int(np.clip(np.ceil(1.3 * spacing.rows), 1, FARTHEST_REACH_PX))
    columns = int(np.clip(np.ceil(spacing.columns), 1, FARTHEST_REACH_PX))
    return np.asarray(intervals(*found_from(steps, rows, columns), tolerance))


def stereo_evidence(left: Array, right: Array, focal_px: float, baseline_m: float) -> Array:
    """Return what matching a rectified pair uint8 (H, W, 3) allows at each pixel: disparity +-1.5 px, (H * W, 4)."""
    disparity = matched(cv2.cvtColor(left, cv2.COLOR_RGB2GRAY), cv2.cvtColor(right, cv2.COLOR_RGB2GRAY)).ravel()
    scale = focal_px * baseline_m * STEPS_PER_M
    known = disparity > DISPARITY_ERROR_PX + scale / 65535
    allowed = np.tile(np.array([1, 0, 1, 0], np.uint16), (len(disparity), 1))  # empty
    for column, error_px in ((0, DISPARITY_ERROR_PX), (1, -DISPARITY_ERROR_PX)):
        allowed[known, column] = scale / (disparity[known] + error_px)
    return allowed


def matched(left: Array, right: Array) -> Array:
    """Return the disparity float32 (H, W) [px] of a rectified grey pair by semi-global matching; below 0 for none.

    Source: Hirschmueller, "Stereo Processing by Semiglobal Matching and Mutual Information", PAMI 2008, as in OpenCV.
    """
    matcher = cv2.StereoSGBM.create(
        minDisparity=0, numDisparities=MAX_DISPARITIES, blockSize=5, P1=8 * 25, P2=32 * 25, disp12MaxDiff=1,
        uniquenessRatio=10, speckleWindowSize=100, speckleRange=2, mode=cv2.STEREO_SGBM_MODE_SGBM)
    padded = [cv2.copyMakeBorder(image, 0, 0, MAX_DISPARITIES, 0, cv2.BORDER_REPLICATE) for image in (left, right)]
    return matcher.compute(*padded)[:, MAX_DISPARITIES:].astype(np.float32) / 16
