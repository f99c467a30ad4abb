"""The path around a network of small arrays: resize the image for it and scale its answer back, with OpenCV.

Memory is kept from image to image: what is as large as an image costs more to get anew than to fill.
"""

from __future__ import annotations

import cv2
import numpy as np

from msg_tools.camera import Array

from .backends.protocol import Backend
from .plan import Kept, Plan, cut, network_input
from .result import DepthResult, Limits, upsampled
from .upsampling import sharpened

NAN = np.float32(np.nan)


class HostPath:
    """From an image's bytes to metres with a backend that runs the network alone."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self._plan: Plan | None = None
        self._kept: Kept = {}
        self._limiter = Limiter((0, 0))

    def __call__(self, rgb: Array, plan: Plan, limits: Limits, out: Array | None = None) -> DepthResult:
        """Return the depth of an image uint8 (H, W, 3), in out float32 (H, W) if given. Raises BackendError."""
        if plan is not self._plan:
            self._plan, self._kept, self._limiter = plan, {}, Limiter(plan.size.shape)
        log_depth, log_scale = (cut(item, plan) for item in self.backend(network_input(rgb, plan, self._kept)))
        log_depth = np.where(np.isfinite(log_depth), log_depth + np.float32(plan.log_correction), NAN)
        depth_m = self._limiter.metres(upsampled(sharpened(log_depth), plan.size, out), limits)
        result = DepthResult(depth_m, log_scale, plan)
        if limits.min_confidence > 0:
            np.putmask(depth_m, result.confidence < limits.min_confidence, NAN)
        return result


class Limiter:
    """Turns log depth of one shape (H, W) into metres within limits."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self._far, self._right = (np.empty(shape, bool) for _ in range(2))
        self._inf, self._nan = (np.full(shape, value, np.float32) for value in (np.inf, NAN))

    def metres(self, log_depth: Array, limits: Limits) -> Array:
        """Turn log depth float32 (H, W) into metres in place: NaN where it is NaN or too near, +Inf where too far."""
        np.greater(log_depth, np.float32(limits.log_max), out=self._far)
        np.greater_equal(log_depth, np.float32(limits.log_min), out=self._right)  # not NaN, which exp need not keep
        near = np.logical_not(self._right, out=self._right)
        cv2.exp(log_depth, dst=log_depth)
        for mask, value in ((self._far, self._inf), (near, self._nan)):
            if mask.any():
                cv2.copyTo(value, mask.view(np.uint8), log_depth)  # a tenth of np.putmask's time
        return log_depth
