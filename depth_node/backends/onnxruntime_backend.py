"""ONNX Runtime on the CPU: the network is exported in memory, once for each input size."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from msg_tools.camera import Array, Size
from msg_tools.errors import BackendError

from .sizes import PerSize
from .uint8_input import Uint8Input

try:
    import onnxruntime
    import onnxscript  # noqa: F401  what torch's exporter needs
except ImportError as error:
    raise BackendError(f"expected ONNX Runtime and what exports to it for backend onnxruntime, got no {error.name}; "
                       "install it: pip install 'depth_node[onnx]'") from error


class OnnxruntimeBackend:
    """Run the network in ONNX Runtime with float32 arithmetic."""

    def __init__(self, model: nn.Module, threads: int) -> None:
        self.options = onnxruntime.SessionOptions()
        self.options.intra_op_num_threads = threads
        self.model = Uint8Input(model)
        self.sessions: PerSize[Any] = PerSize(self._load)
        self.description = (f'ONNX Runtime {onnxruntime.__version__} on CPU'
                            + (f', {threads} threads' if threads else ''))

    def __call__(self, rgb: Array) -> tuple[Array, Array]:
        session = self.sessions[Size(*rgb.shape[:2])]
        try:
            log_depth, log_scale = session.run(None, {'rgb': rgb[None]})
        except Exception as error:  # its classes share no base but Exception
            raise BackendError(f'ONNX Runtime failed: {error}') from error
        return log_depth[0, 0], log_scale[0, 0]

    def _load(self, size: Size) -> Any:
        try:
            return onnxruntime.InferenceSession(
                export(self.model, size), self.options, providers=['CPUExecutionProvider']
            )
        except Exception as error:  # exporters raise whatever they like
            raise BackendError(f'ONNX Runtime cannot run this network at {size}: {error}') from error


def export(model: nn.Module, size: Size) -> bytes:
    """Return an ONNX file's bytes of the network at one input size: rgb uint8 (1, h, w, 3) to two maps."""
    example = torch.zeros((1, *size.shape, 3), dtype=torch.uint8)
    buffer = io.BytesIO()
    names = {'input_names': ['rgb'], 'output_names': ['log_depth', 'log_scale']}
    with quiet():
        program: Any = torch.onnx.export(model, (example,), dynamo=True, verbose=False, **names)  # type: ignore[arg-type]
        program.save(buffer)
    return buffer.getvalue()


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the exporter from telling about libraries that are not needed, and about its own future."""
    logger = logging.getLogger('torch.onnx')
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            yield
    finally:
        logger.setLevel(level)
