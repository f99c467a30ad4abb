"""Single frames for depth_eval's report: which, and their pictures as JPEG in text (image, truth, error and so on)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from msg_tools.camera import Array
from msg_tools.colors import depth_colors, diverging, overlay
from msg_tools.page_pictures import css, depth_ramp, jpeg, smaller, thinned

from .evaluate_data import Measured
from .evaluate_predictors import Prediction
from .evaluate_scores import Scores
from .metrics import Protocol

WIDTH = 640
ERROR_SPAN = 0.4  # relative error at the ends of the colours
EXAMPLES = 2  # frames each of the worst, the median and the best


def chosen(scores: Scores) -> list[tuple[str, int]]:
    """Return titles and row numbers of the frames to show: EXAMPLES each, of as many drives as there are."""
    errors = np.array([row['abs_rel'] for row in scores.rows])
    order = [row for row in np.argsort(-errors, kind='stable').tolist() if np.isfinite(errors[row])]
    middle = [order[i] for i in sorted(range(len(order)), key=lambda i: abs(i - (len(order) - 1) / 2))]
    found: list[tuple[str, int]] = []
    for title, candidates in (('worst', order), ('best', order[::-1]), ('median', middle)):
        left = [row for row in candidates if row not in {row for _, row in found}]
        found += [(title, row) for row in other_drives_first(left, scores.drives)[:EXAMPLES]]
    return sorted(found, key=lambda item: ('worst', 'median', 'best').index(item[0]))


def other_drives_first(rows: Sequence[int], drives: Sequence[str]) -> list[int]:
    """Return row numbers with the first of each drive first."""
    seen: dict[str, int] = {}
    for row in rows:
        seen.setdefault(drives[row], row)
    return [*seen.values(), *(row for row in rows if row not in seen.values())]


def pictures(frame: Measured, prediction: Prediction, protocol: Protocol) -> Iterator[tuple[str, str]]:
    """Yield captions and data URIs of a frame's pictures."""
    height, width = frame.truth_m.shape
    shape = max(1, round(height * WIDTH / width)), WIDTH
    rgb = np.full((*shape, 3), 40, np.uint8) if frame.rgb is None else smaller(frame.rgb, shape)
    if frame.rgb is not None:
        yield 'image', jpeg(rgb)
    yield 'measured depth', jpeg(overlay(rgb, thinned(frame.truth_m, np.ones_like(frame.truth_m), shape)))
    yield 'prediction', jpeg(smaller(depth_colors(prediction.depth_m), shape))
    yield 'error', jpeg(error_picture(rgb, frame.truth_m, prediction.depth_m, protocol))
    if prediction.confidence is not None:
        yield 'confidence', jpeg(smaller(confidence_colors(prediction.confidence), shape))


def error_picture(rgb: Array, truth_m: Array, depth_m: Array, protocol: Protocol) -> Array:
    """Draw the relative error where truth counts as dots on the darkened image uint8 (h, w, 3)."""
    valid, pred_m = protocol.compared(truth_m, depth_m)
    counted = np.where(valid, truth_m, 0)
    near = thinned(counted, np.ones_like(truth_m), rgb.shape[:2])
    drawn = thinned(counted, np.where(valid, pred_m, 0) / np.where(valid, truth_m, 1), rgb.shape[:2])
    ratio: Array = np.where(near > 0, drawn / np.where(near > 0, near, 1), 0).astype(np.float32)
    ratio = np.asarray(cv2.dilate(ratio, np.ones((2, 2), np.uint8)))
    canvas = np.repeat(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)[..., None] // 3, 3, 2)
    known = ratio > 0
    canvas[known] = diverging((ratio[known] - 1) / ERROR_SPAN)
    return canvas


def confidence_colors(confidence: Array) -> Array:
    """Return confidence (H, W) 0..1 as uint8 (H, W, 3) RGB: dark is unsure, yellow is sure."""
    index = np.rint(np.clip(confidence, 0, 1) * 255).astype(np.uint8)
    return cv2.cvtColor(cv2.applyColorMap(index, cv2.COLORMAP_CIVIDIS), cv2.COLOR_BGR2RGB)


def gradients() -> dict[str, tuple[str, Sequence[str]]]:
    """Return the colour bars as CSS gradients with the numbers below them."""
    steps = np.linspace(0, 1, 24)
    return {
        'depth': depth_ramp(),
        'error': (css(diverging(2 * steps - 1)), [f'{ERROR_SPAN:.0%} too near', 'right', f'{ERROR_SPAN:.0%} too far']),
        'confidence': (css(confidence_colors(steps[None])[0]), ['0: unsure', '0.5', '1: sure']),
    }
