"""Which backend runs: the one that was named, or the fastest that is installed and works."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from msg_tools.camera import Size
from msg_tools.errors import BackendError

from .protocol import Backend


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
            made = _working(model, size, place, library, threads)
        except BackendError as error:
            refused.append(str(error))
        else:
            return Choice(made, '; '.join(['the fastest that works' if backend == 'auto' else 'as asked', *refused]))
    raise BackendError('; '.join(refused))


def candidates(device: str) -> list[tuple[str, str]]:
    """Return the device and library of the backends that auto may take, the fastest first."""
    cuda = [('cuda', 'torch')] if device == 'cuda' or (device == 'auto' and torch.cuda.is_available()) else []
    return cuda if device == 'cuda' else [*cuda, ('cpu', 'openvino'), ('cpu', 'torch')]


def _working(model: nn.Module, size: Size, device: str, backend: str, threads: int) -> Backend:
    made = _make(model, device, backend, threads)
    log_depth, _ = made(np.zeros((*size.shape, 3), np.uint8))
    if log_depth.shape != (size.height // 2, size.width // 2):
        raise BackendError(f'{made.description}: expected log depth of {size.height // 2} x {size.width // 2}, '
                           f'got shape {log_depth.shape}')
    return made


def _make(model: nn.Module, device: str, backend: str, threads: int) -> Backend:
    """Import and make one backend; each library is imported only when it is used."""
    if backend == 'torch':
        from .torch_backend import TorchBackend

        return TorchBackend(model, _torch_device(device), threads)
    if device == 'cuda':
        raise BackendError(f'expected backend torch for device cuda, got {backend}; use device cpu or auto')
    if backend == 'openvino':
        from .openvino_backend import OpenvinoBackend

        return OpenvinoBackend(model, threads)
    if backend == 'onnxruntime':
        from .onnxruntime_backend import OnnxruntimeBackend

        return OnnxruntimeBackend(model, threads)
    raise BackendError(f'expected a backend out of auto, torch, openvino, onnxruntime, got {backend!r}')


def _torch_device(device: str) -> str:
    return ('cuda' if torch.cuda.is_available() else 'cpu') if device == 'auto' else device
