"""Which backend runs: the one that was named, or the fastest that is installed and works."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from msg_tools.camera import Size
from msg_tools.errors import BackendError

from .protocol import Backend

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, slots=True)
class Choice:
    """A backend that ran once, and why it was taken."""

    backend: Backend
    reason: str


def choose(model: nn.Module, size: Size, device: str = 'auto', backend: str = 'auto', threads: int = 0) -> Choice:
    """Make a backend for the model and run it once at this input size.

    device is auto, cpu or cuda; backend is auto, torch, openvino or onnxruntime. Raises BackendError where the one
    that was named is not installed or does not run; auto then takes the next.
    """
    refused: list[str] = []
    for place, library in candidates(device) if backend == 'auto' else [(device, backend)]:
        try:
            made = working(_make(model, place, library, threads), size)
        except BackendError as error:
            refused.append(str(error))
        else:
            return Choice(made, '; '.join(['the fastest that works' if backend == 'auto' else 'as asked', *refused]))
    raise BackendError('; '.join(refused))


def candidates(device: str) -> list[tuple[str, str]]:
    """Return the device and library of the backends that auto may take, the fastest first."""
    import torch

    cuda = [('cuda', 'torch')] if device == 'cuda' or (device == 'auto' and torch.cuda.is_available()) else []
    return cuda if device == 'cuda' else [*cuda, ('cpu', 'openvino'), ('cpu', 'torch')]


def working(made: Backend, size: Size) -> Backend:
    """Run a backend once at an input size and return it; raises BackendError where its answer is not one."""
    log_depth, _ = made(np.zeros((*size.shape, 3), np.uint8))
    if log_depth.shape != (size.height // 2, size.width // 2):
        raise BackendError(f'{made.description}: expected log depth of {size.height // 2} x {size.width // 2}, '
                           f'got shape {log_depth.shape}')
    return made


def _make(model: nn.Module, device: str, backend: str, threads: int) -> Backend:
    """Import and make one backend; each library is imported only when it is used."""
    if backend == 'torch':
        from .torch_backend import TorchBackend

        return TorchBackend(model, torch_device(device), threads)
    if device == 'cuda':
        raise BackendError(f'expected backend torch for device cuda, got {backend}; use device cpu or auto')
    if backend == 'openvino':
        from .openvino_backend import OpenvinoBackend, converted

        return OpenvinoBackend(converted(model), threads)
    if backend == 'onnxruntime':
        from .onnxruntime_backend import OnnxruntimeBackend, onnx_bytes

        return OnnxruntimeBackend(onnx_bytes(model), threads)
    raise BackendError(f'expected a backend out of auto, torch, openvino, onnxruntime, got {backend!r}')


def torch_device(device: str) -> str:
    """Return cpu or cuda for torch where auto was asked."""
    import torch

    return ('cuda' if torch.cuda.is_available() else 'cpu') if device == 'auto' else device
