"""Metric depth of one image, without ROS: resize to the focal length that the network knows, run it, scale back."""

from __future__ import annotations

import hashlib
import logging
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from msg_tools.camera import Array, Intrinsics, Size
from msg_tools.errors import ImageError

from .backends import Backend, Network, choose
from .checkpoint_file import default_checkpoint, read_header
from .exported import library_of, load_exported
from .model_config import ModelConfig
from .plan import Plan, cut, make_plan, network_input
from .plan import resized as resized  # for who resizes as the estimator does

if TYPE_CHECKING:
    from torch import nn

log = logging.getLogger(__name__)

TINY = 1e-6  # metres, for the logarithm of a limit of 0
LOG_DELTA1 = math.log(1.25)  # confidence is the probability of an error below the delta1 of depth benchmarks


@dataclass(frozen=True, slots=True)
class Limits:
    """Which estimates count: nearer ones and less confident ones become NaN, farther ones +Inf."""

    min_depth_m: float = 0.5
    max_depth_m: float = 80.0
    min_confidence: float = 0.0


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

    def __init__(
        self, backend: Backend, model: ModelConfig, description: str = '', fixed_size: Size | None = None
    ) -> None:
        """Make an estimator of a network that runs; fixed_size: the one input size that it takes, None: any."""
        self.backend = backend
        self.model = model
        self.fixed_size = fixed_size
        self.description = description or backend.description
        self.limits = Limits()
        self._plan: Plan | None = None

    @classmethod
    def from_checkpoint(
        cls, path: str | Path | None = None, device: str = 'auto', backend: str = 'auto', threads: int = 0,
        precision: str = 'auto',
    ) -> DepthEstimator:
        """Load a checkpoint, by default the one that ships with the package, and the backend that runs it.

        A file that depth_export made (.onnx, .xml, .torchscript.pt, .engine) brings its backend. precision is auto (on
        the CPU fp32), fp32, bf16 or fp16. Raises CheckpointError and BackendError, which say what is wrong and what to
        do.
        """
        path = Path(path) if path else default_checkpoint()
        if library_of(path):
            exported = load_exported(path, device, backend, threads, precision)
            made, config, size, reason = exported.backend, exported.model_config, exported.fixed_size, 'exported for it'
        else:
            config, size = read_header(path)[0], None
            choice = choose(network_of(path), Size(config.height, config.width), device, backend, threads, precision)
            made, reason = choice.backend, choice.reason
        description = f'{path.name} in {made.description} ({reason})'
        log.info('%s', description)
        return cls(made, config, description, size)

    def __call__(self, rgb: Array, camera: Array | Intrinsics | None = None, out: Array | None = None) -> DepthResult:
        """Estimate the depth of an image uint8 (H, W, 3) whose camera is Intrinsics, K (3, 3), or None: unknown.

        out, float32 (H, W), receives the depth if given. Raises ImageError for another image and CalibrationError
        for a camera without a focal length or of another image size.
        """
        check_image(rgb)
        plan = self.plan(Size(*rgb.shape[:2]), camera)
        log_depth, log_scale = (cut(item, plan) for item in self.backend(network_input(rgb, plan)))
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
            self._plan = make_plan(size, camera, self.model, self.fixed_size)
        return self._plan


def network_of(path: Path) -> Network:
    """Return the network of a checkpoint, to be built where no converted form of just this file is kept."""

    def build() -> nn.Module:
        from .checkpoint import load_checkpoint

        return load_checkpoint(path).model()

    return Network(build, hashlib.sha256(path.read_bytes()).hexdigest())


def check_image(rgb: Array) -> None:
    """Raise ImageError where the image is not uint8 (H, W, 3)."""
    if not isinstance(rgb, np.ndarray) or rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3 or not rgb.size:
        got = f'{rgb.dtype} {rgb.shape}' if isinstance(rgb, np.ndarray) else type(rgb).__name__
        raise ImageError(f'expected an RGB image uint8 (H, W, 3), got {got}')


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
