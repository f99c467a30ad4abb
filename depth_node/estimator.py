"""Metric depth of one image, without ROS: resize to the focal length that the network knows, run it, scale back."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from msg_tools.camera import Array, Intrinsics, Size
from msg_tools.errors import BackendError, ImageError

from .backends import Backend
from .backends.protocol import WholeBackend
from .checkpoint_file import default_checkpoint
from .host_path import HostPath
from .loading import load, load_spare
from .model_config import ModelConfig
from .plan import Plan, make_plan
from .plan import resized as resized  # for who resizes as the estimator does
from .result import DepthResult as DepthResult
from .result import Limits as Limits
from .result import confidence_of as confidence_of

log = logging.getLogger(__name__)


class DepthEstimator:
    """Metric depth from single images.

    >>> estimator = DepthEstimator.from_checkpoint()  # doctest: +SKIP
    >>> depth_m = estimator(rgb, K).depth_m  # doctest: +SKIP
    """

    def __init__(
        self, backend: Backend, model: ModelConfig, description: str = '', fixed_size: Size | None = None,
        spare: Callable[[], Backend] | None = None,
    ) -> None:
        """Make an estimator of a network that runs; fixed_size: the one input size that it takes, None: any.

        spare makes the backend that goes on where the first one fails, as a GPU may, in the middle of its work.
        """
        self.model, self.fixed_size, self.spare = model, fixed_size, spare
        self.limits = Limits()
        self._plan: Plan | None = None
        self._use(backend, description or backend.description)

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
        loaded = load(path, device, backend, threads, precision)
        spare = partial(load_spare, path, threads) if isinstance(loaded.backend, WholeBackend) else None
        description = f'{path.name} in {loaded.backend.description} ({loaded.reason})'
        log.info('%s', description)
        return cls(loaded.backend, loaded.model, description, loaded.fixed_size, spare)

    def __call__(self, rgb: Array, camera: Array | Intrinsics | None = None, out: Array | None = None) -> DepthResult:
        """Estimate the depth of an image uint8 (H, W, 3) whose camera is Intrinsics, K (3, 3), or None: unknown.

        out, float32 (H, W), receives the depth if given. Raises ImageError for another image, CalibrationError for a
        camera without a focal length or of another image size, and BackendError where the network fails; where a GPU
        does, the CPU takes its place, once and for all.
        """
        check_image(rgb)
        plan = self.plan(Size(*rgb.shape[:2]), camera)
        try:
            return self._path(rgb, plan, self.limits, out)
        except BackendError as error:
            if self.spare is None:
                raise
            self._replace(error)
        return self._path(rgb, plan, self.limits, out)

    def plan(self, size: Size, camera: Array | Intrinsics | None) -> Plan:
        """Return how an image of this size and camera goes through the network; the last plan is kept."""
        if camera is not None and not isinstance(camera, Intrinsics):
            camera = Intrinsics.from_matrix(camera, size)
        if self._plan is None or self._plan.size != size or self._plan.camera != camera:
            self._plan = make_plan(size, camera, self.model, self.fixed_size)
        return self._plan

    def _use(self, backend: Backend, description: str) -> None:
        self.backend, self.description = backend, description
        self._path = backend.whole if isinstance(backend, WholeBackend) else HostPath(backend)

    def _replace(self, failure: BackendError) -> None:
        """Go on with the spare backend; raises BackendError where it does not run either."""
        make, self.spare = self.spare, None
        assert make is not None
        backend = make()
        self._use(backend, f'{backend.description} (since another one failed: {failure})')
        log.warning('%s', self.description)


def check_image(rgb: Array) -> None:
    """Raise ImageError where the image is not uint8 (H, W, 3)."""
    if not isinstance(rgb, np.ndarray) or rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3 or not rgb.size:
        got = f'{rgb.dtype} {rgb.shape}' if isinstance(rgb, np.ndarray) else type(rgb).__name__
        raise ImageError(f'expected an RGB image uint8 (H, W, 3), got {got}')
