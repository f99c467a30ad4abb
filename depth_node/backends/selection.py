"""Which backend runs: the one that was named, or the fastest that is installed and works."""

from __future__ import annotations

import ctypes
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from msg_tools.camera import Size
from msg_tools.errors import BackendError

from .network import Network
from .precision import REDUCED, require_fp32, require_precision
from .protocol import OUTPUTS, Backend

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, slots=True)
class Choice:
    """A backend that ran once, and why it was taken."""

    backend: Backend
    reason: str


def choose(
    model: nn.Module | Network, size: Size, device: str = 'auto', backend: str = 'auto', threads: int = 0,
    precision: str = 'auto',
) -> Choice:
    """Make a backend for a network and run it once at this input size.

    device is auto, cpu, cuda or cuda:N; backend is auto or one of MAKERS; precision is auto, fp32, bf16 or fp16. Raises
    BackendError where the backend that was named is not installed, does not run, or not in this precision; auto then
    takes the next.
    """
    require_device(device)
    require_precision(precision)
    network = model if isinstance(model, Network) else Network(lambda: model)
    refused: list[str] = []
    for place, library in candidates(device, precision) if backend == 'auto' else [(device, backend)]:
        try:
            made = working(_make(network, place, library, threads, precision), size)
        except BackendError as error:
            refused.append(str(error))
        else:
            return Choice(made, '; '.join(['the fastest that works' if backend == 'auto' else 'as asked', *refused]))
    raise BackendError('; '.join(refused))


def candidates(device: str, precision: str = 'auto') -> list[tuple[str, str]]:
    """Return the device and library of the backends that auto may take, the fastest first."""
    if device.startswith('cuda'):
        return [(device, 'torch')]
    cuda = [('cuda', 'torch')] if device == 'auto' and has_cuda() else []
    if precision in REDUCED:  # in which torch is slower than in fp32 on most CPUs: where it is named alone
        return [*cuda, ('cpu', 'openvino')]
    return [*cuda, ('cpu', 'openvino'), ('cpu', 'torch')]


def has_cuda() -> bool:
    """Return whether torch can use a GPU; torch, which takes seconds to import, is not asked where no driver is."""
    try:
        ctypes.CDLL('libcuda.so.1')
    except OSError:
        return False
    import torch

    return torch.cuda.is_available()


def working(made: Backend, size: Size) -> Backend:
    """Run a backend once at an input size and return it; raises BackendError where its answer is not one."""
    half = size.height // 2, size.width // 2
    for name, item in zip(OUTPUTS, made(np.zeros((*size.shape, 3), np.uint8)), strict=True):
        if item.shape != half or item.dtype != np.float32:
            raise BackendError(f'{made.description}: expected {name} float32 {half}, got {item.dtype} {item.shape}')
        if not np.isfinite(item).all():
            raise BackendError(f'{made.description}: expected finite {name}, got NaN or Inf; are the weights damaged?')
    return made


def _make(network: Network, device: str, backend: str, threads: int, precision: str) -> Backend:
    """Import and make one backend; each library is imported only when it is used."""
    if backend not in MAKERS:
        raise BackendError(f'expected a backend out of auto, {", ".join(MAKERS)}, got {backend!r}')
    return MAKERS[backend](network, device, threads, precision)


def _torch(network: Network, device: str, threads: int, precision: str) -> Backend:
    from .torch_backend import CudaBackend, TorchBackend

    where = torch_device(device)
    if where.startswith('cuda'):
        return CudaBackend(network.build(), where, precision)
    return TorchBackend(network.build(), where, threads, precision)


def _openvino(network: Network, device: str, threads: int, precision: str) -> Backend:
    if device.startswith('cuda'):
        raise BackendError(f'expected backend torch, tensorrt or onnxruntime for device {device}, got openvino; '
                           'use device cpu or auto')
    from .openvino_backend import OpenvinoBackend, require_support
    from .openvino_graph import openvino_graph

    require_support(precision)
    return OpenvinoBackend(openvino_graph(network), threads, precision)


def _onnxruntime(network: Network, device: str, threads: int, precision: str) -> Backend:
    from .onnxruntime_backend import OnnxruntimeBackend, on_its_device, onnx_bytes

    require_fp32(precision, 'ONNX Runtime')
    place = 'cpu' if device == 'auto' else device
    return on_its_device(OnnxruntimeBackend(onnx_bytes(network.build()), threads, place))


def _tensorrt(network: Network, device: str, threads: int, precision: str) -> Backend:
    if device == 'cpu':
        raise BackendError('expected device cuda or auto for backend tensorrt, got cpu')
    from .tensorrt_cache import tensorrt_backend

    return tensorrt_backend(network, precision)


MAKERS = {'torch': _torch, 'openvino': _openvino, 'onnxruntime': _onnxruntime, 'tensorrt': _tensorrt}


def require_device(device: str) -> None:
    """Raise BackendError where a device is none that we know; it would run on the CPU without a word."""
    if not re.fullmatch(r'auto|cpu|cuda(:\d+)?', device):
        raise BackendError(f'expected a device out of auto, cpu, cuda, cuda:N, got {device!r}')


def torch_device(device: str) -> str:
    """Return cpu or cuda for torch where auto was asked."""
    return ('cuda' if has_cuda() else 'cpu') if device == 'auto' else device
