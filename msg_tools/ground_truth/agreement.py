"""What an accumulated point must agree with: the reference frame's own scan, its stereo pair, or one of the two.

Between two exposures other things than the camera move. A point of another scan is kept only where something measured
at the reference frame says the same: between the beams of its scan surfaces go on, so a point must lie between the
depths found above and below it, give or take a tolerance, or near one of them where there is an edge. KITTI's depth
benchmark checks against semi-global matching instead, as `stereo` does (Uhrig et al., "Sparsity Invariant CNNs", 3DV
2017).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..camera import Array
from ..depth_png import STEPS_PER_M
from .occlusion import Spacing
from .pixels import found_from

MAX_DISPARITIES = 192  # px; nearer is not seen by the matching
DISPARITY_ERROR_PX = 1.5
FARTHEST_REACH_PX = 40


@dataclass(frozen=True, slots=True)
class Evidence:
    """Two depths for each pixel, uint16 (H, W) [1/256 m], 0 for none, between which or near which a point must lie."""

    first: Array
    second: Array
    tolerance: float


def scan_evidence(steps: Array, spacing: Spacing, tolerance: float) -> Evidence:
    """Return the depths that a scan's map (H, W) has above and below each pixel, as far as its beams lie apart."""
    rows = int(np.clip(np.ceil(1.3 * spacing.rows), 1, FARTHEST_REACH_PX))
    columns = int(np.clip(np.ceil(spacing.columns), 1, FARTHEST_REACH_PX))
    return Evidence(*found_from(steps, rows, columns), tolerance)


def stereo_evidence(left: Array, right: Array, focal_px: float, baseline_m: float) -> Evidence:
    """Return the depths that matching a rectified pair uint8 (H, W, 3) allows at each pixel: disparity +-1.5 px."""
    disparity = matched(cv2.cvtColor(left, cv2.COLOR_RGB2GRAY), cv2.cvtColor(right, cv2.COLOR_RGB2GRAY))
    scale = focal_px * baseline_m * STEPS_PER_M
    known = disparity > DISPARITY_ERROR_PX + scale / 65535
    wide = np.where(known, disparity, np.inf)
    near, far = scale / (wide + DISPARITY_ERROR_PX), scale / (wide - DISPARITY_ERROR_PX)
    return Evidence(near.astype(np.uint16), far.astype(np.uint16), 0.0)


def matched(left: Array, right: Array) -> Array:
    """Return the disparity float32 (H, W) [px] of a rectified grey pair by semi-global matching; below 0 for none.

    Source: Hirschmueller, "Stereo Processing by Semiglobal Matching and Mutual Information", PAMI 2008, as in OpenCV.
    """
    matcher = cv2.StereoSGBM.create(
        minDisparity=0, numDisparities=MAX_DISPARITIES, blockSize=5, P1=8 * 25, P2=32 * 25, disp12MaxDiff=1,
        uniquenessRatio=10, speckleWindowSize=100, speckleRange=2, mode=cv2.STEREO_SGBM_MODE_SGBM)
    padded = [cv2.copyMakeBorder(image, 0, 0, MAX_DISPARITIES, 0, cv2.BORDER_REPLICATE) for image in (left, right)]
    return matcher.compute(*padded)[:, MAX_DISPARITIES:].astype(np.float32) / 16
