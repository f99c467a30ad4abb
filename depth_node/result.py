"""What the estimator answers: depth and how sure it is of it, and which estimates count."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import cv2
import numpy as np

from msg_tools.camera import Array, Size

from .plan import Plan

TINY = 1e-6  # metres, for the logarithm of a limit of 0
LOG_DELTA1 = math.log(1.25)  # confidence is the probability of an error below the delta1 of depth benchmarks


@dataclass(frozen=True, slots=True)
class Limits:
    """Which estimates count: nearer ones and less confident ones become NaN, farther ones +Inf."""

    min_depth_m: float = 0.5
    max_depth_m: float = 80.0
    min_confidence: float = 0.0

    @property
    def log_min(self) -> float:
        """Return ln of the smallest depth [ln m]."""
        return math.log(max(self.min_depth_m, TINY))

    @property
    def log_max(self) -> float:
        """Return ln of the largest depth [ln m]."""
        return math.log(self.max_depth_m)


@dataclass(slots=True)
class DepthResult:
    """The depth of one image: metres along the optical axis; NaN: no estimate, +Inf: nothing within range."""

    depth_m: Array  # float32 (H, W)
    log_scale: Array  # float32 (h/2, w/2): ln b of the Laplace error of log depth, at the network's resolution
    plan: Plan
    _confidence: Array | None = field(default=None, repr=False)

    @property
    def confidence(self) -> Array:
        """Return the probability (H, W) float32 that the depth is right within a factor of 1.25; made when asked."""
        if self._confidence is None:
            self._confidence = upsampled(confidence_of(self.log_scale), self.plan.size)
        return self._confidence

    @property
    def assumed_focal(self) -> bool:
        """Return whether the camera was unknown: then metres hold only for the field of view of the training."""
        return self.plan.camera is None


def upsampled(small: Array, size: Size, out: Array | None = None) -> Array:
    """Resize a map of the network to the image's size, float32 (H, W), bilinearly."""
    return cv2.resize(small, (size.width, size.height), dst=out, interpolation=cv2.INTER_LINEAR)


def confidence_of(log_scale: Array) -> Array:
    """Return P(|error of log depth| < ln 1.25), 0..1, of a Laplace error of scale b = exp(log_scale)."""
    with np.errstate(over='ignore'):  # a scale of 0 is a confidence of 1
        confidence = -np.expm1(-LOG_DELTA1 * np.exp(-log_scale))
    return np.nan_to_num(confidence, copy=False, nan=0.0)
