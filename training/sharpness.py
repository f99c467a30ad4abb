"""Sharpness at depth edges, of dense truth as of a LiDAR's points.

Neighbours along a row are compared: in which order does truth have them, and by what ratio of depths? A prediction is
sharp where it has the same. This is the boundary F1 of Bochkovskii et al. 2024 (Depth Pro, section 3.4), whose
thresholds and weights are kept, with two changes that a LiDAR needs: its points are not adjacent, so that pairs lie
GAP of the image's width apart (0.9 degrees on KITTI, the width of a trunk 15 m away), and only along rows (a level
ground has no edges there, and its scan lines are far apart). Background that the LiDAR, which sits elsewhere than the
camera, sees through the foreground makes no pairs.

What numbers mean: 1 is truth itself (1/2 where all its edges have the nearer side on the same hand, as Depth Pro counts
them), a row mean has 0. Blur costs: on 36 KITTI frames a network's F1 of 0.205 (and contrast of 0.143) became 0.201
(0.138), 0.174 (0.122) and 0.115 (0.091) as its maps of 1242 px were blurred by a Gaussian of 3, 8 and 16 px. LiDAR's
own faults at edges keep any prediction below 1: compare on the same truth only.
"""

from __future__ import annotations

import cv2
import numpy as np

from msg_tools.camera import Array

GAP = 1 / 80  # of the image's width; up to half as much more where nothing was measured there
RATIOS = np.linspace(1.05, 1.25, 10)  # of depths that make an edge; weights are proportional to them, as in Depth Pro
JUMP = 1.25  # ratio of depths of an edge that nobody doubts
ORDERED = 1.05  # a smaller ratio is no order
NAMES = ('edge_f1', 'edge_contrast', 'edge_order')


def sharpness(gt_m: Array, pred_m: Array, valid: Array) -> dict[str, float]:
    """Compare depth maps (H, W) [m], > 0 and finite where valid (H, W) bool, at the edges of truth.

    `edge_f1`: boundary F1, of edges found and not invented; `edge_contrast`: how much of the ratio at an edge (in
    logarithms, 0..1) the prediction has; `edge_order`: at how many edges the nearer side is the nearer one by 5 % and
    more. NaN where truth has no edge.
    """
    first, second = row_pairs(valid & ~seen_through(gt_m))
    with np.errstate(divide='ignore', invalid='ignore'):
        truth = np.log(gt_m.flat[second] / gt_m.flat[first])
        found = np.log(pred_m.flat[second] / pred_m.flat[first])
    edges = np.abs(truth) > np.log(JUMP)
    if not edges.any():
        return dict.fromkeys(NAMES, float('nan'))
    same_way = np.sign(truth[edges]) * found[edges]
    return {
        'edge_f1': float(np.average([f1(truth, found, np.log(ratio)) for ratio in RATIOS], weights=RATIOS)),
        'edge_contrast': float(np.mean(np.clip(same_way / np.abs(truth[edges]), 0, 1))),
        'edge_order': float(np.mean(same_way > np.log(ORDERED))),
    }


def row_pairs(valid: Array) -> tuple[Array, Array]:
    """Return flat indices of pixel pairs (N,), (N,) along rows: each valid pixel and the next at least GAP further."""
    width = valid.shape[1]
    gap = max(1, round(GAP * width))
    rows, columns = np.nonzero(valid)
    place = rows * 2 * width + columns  # rows so far apart that no search reaches the next
    partner = np.searchsorted(place, place + gap)
    close = partner < len(place)
    close[close] = place[partner[close]] - place[close] <= 1.5 * gap
    flat = rows * width + columns
    return flat[close], flat[partner[close]]


def seen_through(gt_m: Array, ratio: float = 1.2) -> Array:
    """Return the measured pixels (H, W) bool that have something nearer close by on both sides: they show through it.

    The Velodyne of KITTI looks over and past things that hide the same background from the camera.
    """
    reach = max(2, round(0.6 * GAP * gt_m.shape[1]))
    side = np.zeros((reach + 1 - reach % 2, 2 * reach + 1), np.uint8)
    side[:, :reach] = 1
    known = np.where(gt_m > 0, gt_m, np.inf).astype(np.float32)
    left, right = (cv2.erode(known, kernel, borderValue=np.inf) for kernel in (side, side[:, ::-1].copy()))
    return (gt_m > 0) & (np.maximum(left, right) * np.float32(ratio) < gt_m)


def f1(truth: Array, found: Array, threshold: float) -> float:
    """Return the F1 of log ratios (N,) beyond a threshold, of both orders: nearer on the left, nearer on the right."""
    precision = recall = 0.0
    for sign in (1, -1):
        wanted, given = sign * truth > threshold, sign * found > threshold
        both = int(np.count_nonzero(wanted & given))
        recall += both / max(int(np.count_nonzero(wanted)), 1) / 2
        precision += both / max(int(np.count_nonzero(given)), 1) / 2
    return 2 * precision * recall / (precision + recall) if precision * recall else 0.0

