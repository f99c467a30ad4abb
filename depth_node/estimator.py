"""Metric depth of one image, without ROS: resize to the focal length that the network knows, run it, scale back."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from msg_tools.camera import Array, Intrinsics, Size
from msg_tools.errors import CalibrationError, ImageError

from .backends import Backend, choose
from .checkpoint import default_checkpoint, load_checkpoint
from .model import STRIDE, ModelConfig, build_model

log = logging.getLogger(__name__)

MAX_GROWTH = 1.5  # an input may have this many times the pixels that the network was trained on
TINY = 1e-6  # metres, for the logarithm of a limit of 0
LOG_DELTA1 = math.log(1.25)  # confidence is the probability of an error below the delta1 of depth benchmarks


@dataclass(frozen=True, slots=True)
class Limits:
    """Which estimates count: nearer ones and less confident ones become NaN, farther ones +Inf."""

    min_depth_m: float = 0.5
    max_depth_m: float = 80.0
    min_confidence: float = 0.0


@dataclass(frozen=True, slots=True)
class Plan:
    """How images of one camera go through the network."""

    size: Size  # of the image
    camera: Intrinsics | None  # None: unknown, so that the canonical focal length is assumed
    input_size: Size
    log_correction: float  # adds to log depth: ln(focal at the input / canonical focal)


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


class DepthEstimator:
    """Metric depth from single images.

    >>> estimator = DepthEstimator.from_checkpoint()  # doctest: +SKIP
    >>> depth_m = estimator(rgb, K).depth_m  # doctest: +SKIP
    """

    def __init__(self, backend: Backend, model: ModelConfig, description: str = '') -> None:
        self.backend = backend
        self.model = model
        self.description = description or backend.description
        self.limits = Limits()
        self._plan: Plan | None = None

    @classmethod
    def from_checkpoint(
        cls, path: str | Path | None = None, device: str = 'auto', backend: str = 'auto', threads: int = 0
    ) -> DepthEstimator:
        """Load a checkpoint, by default the one that ships with the package, and the backend that runs it.

        Raises CheckpointError and BackendError, which say what is wrong and what to do.
        """
        path = Path(path) if path else default_checkpoint()
        checkpoint = load_checkpoint(path)
        config = checkpoint.model_config
        model = build_model(config)
        model.load_state_dict(checkpoint.state)
        choice = choose(model, Size(config.height, config.width), device, backend, threads)
        description = f'{path.name} in {choice.backend.description} ({choice.reason})'
        log.info('%s', description)
        return cls(choice.backend, config, description)

    def __call__(self, rgb: Array, camera: Array | Intrinsics | None = None, out: Array | None = None) -> DepthResult:
        """Estimate the depth of an image uint8 (H, W, 3) whose camera is Intrinsics, K (3, 3), or None: unknown.

        out, float32 (H, W), receives the depth if given. Raises ImageError for another image and CalibrationError
        for a camera without a focal length or of another image size.
        """
        check_image(rgb)
        plan = self.plan(Size(*rgb.shape[:2]), camera)
        log_depth, log_scale = self.backend(resized(rgb, plan.input_size))
        log_depth = np.where(np.isfinite(log_depth), log_depth + np.float32(plan.log_correction), np.float32(np.nan))
        result = DepthResult(metres(upsampled(log_depth, plan.size, out), self.limits), log_scale, plan)
        if self.limits.min_confidence > 0:
            np.putmask(result.depth_m, result.confidence < self.limits.min_confidence, np.nan)
        return result

    def plan(self, size: Size, camera: Array | Intrinsics | None) -> Plan:
        """Return how an image of this size and camera goes through the network; the last plan is kept."""
        if camera is not None and not isinstance(camera, Intrinsics):
            camera = Intrinsics.from_matrix(camera, size)
        if self._plan is None or self._plan.size != size or self._plan.camera != camera:
            self._plan = make_plan(size, camera, self.model)
        return self._plan


def make_plan(size: Size, camera: Intrinsics | None, model: ModelConfig) -> Plan:
    """Choose the input size at which the focal length is the canonical one, or the nearest that is affordable."""
    if camera is None:
        log.warning('no intrinsics for images of %s: metres hold only if the field of view is that of the training '
                    'images', size)
        assumed = model.focal_px * size.width / model.width
        known = Intrinsics(assumed, assumed, size.width / 2, size.height / 2, size)
    else:
        known = camera
    if known.size != size:
        raise CalibrationError(f'expected intrinsics for images of {size}, got those for {known.size}')
    input_size = choose_input_size(known, model)
    return Plan(size, camera, input_size, math.log(known.resized(input_size).focal_px / model.focal_px))


def choose_input_size(camera: Intrinsics, model: ModelConfig) -> Size:
    """Return the network's input size for a camera: multiples of 32, focal length as trained, not too many pixels."""
    ideal = camera.size.height * model.focal_px / camera.fy, camera.size.width * model.focal_px / camera.fx
    budget = MAX_GROWTH * model.height * model.width
    shrink = min(1.0, math.sqrt(budget / (ideal[0] * ideal[1])))
    return Size(*(max(STRIDE, round(length * shrink / STRIDE) * STRIDE) for length in ideal))


def check_image(rgb: Array) -> None:
    """Raise ImageError where the image is not uint8 (H, W, 3)."""
    if not isinstance(rgb, np.ndarray) or rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3 or not rgb.size:
        got = f'{rgb.dtype} {rgb.shape}' if isinstance(rgb, np.ndarray) else type(rgb).__name__
        raise ImageError(f'expected an RGB image uint8 (H, W, 3), got {got}')


def resized(rgb: Array, size: Size) -> Array:
    """Resize an image uint8 (H, W, 3) without aliasing: as good as INTER_AREA, which is slow but for exact halves."""
    rgb = np.ascontiguousarray(rgb)
    while reduction(rgb, size) >= 3:
        rgb = resized_to(Size(rgb.shape[0] // 2, rgb.shape[1] // 2), rgb, cv2.INTER_AREA)
    if reduction(rgb, size) >= 1.5:
        twice = resized_to(Size(2 * size.height, 2 * size.width), rgb, cv2.INTER_LINEAR)
        return resized_to(size, twice, cv2.INTER_AREA)
    return resized_to(size, rgb, cv2.INTER_LINEAR)


def reduction(rgb: Array, size: Size) -> float:
    """Return by which factor an image becomes smaller at this size, in the direction where that is least."""
    return min(rgb.shape[0] / size.height, rgb.shape[1] / size.width)


def resized_to(size: Size, rgb: Array, interpolation: int) -> Array:
    """Resize an image (H, W, C) by one of OpenCV's methods."""
    return cv2.resize(rgb, (size.width, size.height), interpolation=interpolation)


def upsampled(small: Array, size: Size, out: Array | None = None) -> Array:
    """Resize a map of the network to the image's size, float32 (H, W), bilinearly."""
    return cv2.resize(small, (size.width, size.height), dst=out, interpolation=cv2.INTER_LINEAR)


def confidence_of(log_scale: Array) -> Array:
    """Return P(|error of log depth| < ln 1.25), 0..1, of a Laplace error of scale b = exp(log_scale)."""
    with np.errstate(over='ignore'):  # a scale of 0 is a confidence of 1
        confidence = -np.expm1(-LOG_DELTA1 * np.exp(-log_scale))
    return np.nan_to_num(confidence, copy=False, nan=0.0)


def metres(log_depth: Array, limits: Limits) -> Array:
    """Turn log depth (H, W) float32 into metres in place: NaN where it is NaN or too near, +Inf where too far."""
    far = log_depth > math.log(limits.max_depth_m)
    near = ~(log_depth >= math.log(max(limits.min_depth_m, TINY)))  # NaN too, which cv2.exp does not promise to keep
    cv2.exp(log_depth, dst=log_depth)
    for mask, value in ((far, np.inf), (near, np.nan)):
        if mask.any():
            np.putmask(log_depth, mask, value)
    return log_depth
