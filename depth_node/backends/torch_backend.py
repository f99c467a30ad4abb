"""PyTorch, on the CPU or a CUDA device."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import torch
from torch import Tensor, nn

from msg_tools.camera import Array
from msg_tools.errors import BackendError

from .device_path import DeviceNetwork, DevicePath
from .uint8_input import Uint8Input

REDUCED = {'bf16': torch.bfloat16, 'fp16': torch.float16}  # slow on a CPU without units for them, and right


class TorchBackend:
    """Run a network eagerly in PyTorch. The caller's stays as it is: it is copied where it would have to change."""

    def __init__(self, model: nn.Module, device: str, threads: int, precision: str = 'auto') -> None:
        self.device = place(device, threads)
        self.reduced = REDUCED.get(precision)
        try:
            self.model = Uint8Input(model if is_ready(model, self.device) else prepared(model, self.device))
        except (RuntimeError, AssertionError) as error:  # the latter where torch is built without CUDA
            raise BackendError(f'PyTorch cannot use {self.device}: {error}') from error
        self.description = (f'PyTorch {torch.__version__} on {_device_name(device)}'
                            + (f', {precision}' if self.reduced else ''))

    def __call__(self, rgb: Array) -> tuple[Array, Array]:
        return infer(self.model, rgb, self.device, self.reduced)


class CudaBackend(TorchBackend):
    """Run a network on a CUDA device, and the path around it there, too."""

    def __init__(self, model: nn.Module, device: str, precision: str = 'auto') -> None:
        super().__init__(model, device, 0, precision)
        network = in_reduced(self.model.model, self.reduced) if self.reduced else self.model.model
        self.alone, self.whole = DeviceNetwork(network, self.device), DevicePath(network, self.device)

    def __call__(self, rgb: Array) -> tuple[Array, Array]:
        return self.alone(rgb)


def in_reduced(model: nn.Module, dtype: torch.dtype) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    """Return a network as one that computes with smaller numbers, its weights included."""
    small = deepcopy(model).to(dtype)

    def network(rgb: Tensor) -> tuple[Tensor, Tensor]:
        log_depth, log_scale = small(rgb.to(dtype))
        return log_depth, log_scale

    return network


def place(device: str, threads: int) -> torch.device:
    """Return torch's device for cpu or cuda, after setting the threads of the former; raises BackendError."""
    if device.startswith('cuda') and not torch.cuda.is_available():
        raise BackendError(f'expected a CUDA device, got none that PyTorch {torch.__version__} can use; '
                           'use device cpu or auto, or install a CUDA build of torch')
    if threads and device == 'cpu':
        torch.set_num_threads(threads)
    return torch.device(device)


def infer(model: Callable[[Tensor], tuple[Tensor, Tensor]], rgb: Array, device: torch.device,
          reduced: torch.dtype | None = None) -> tuple[Array, Array]:
    """Run a network that takes bytes on an image uint8 (h, w, 3), its layers with reduced numbers where given.

    Raises BackendError where torch fails.
    """
    try:
        with torch.inference_mode(), torch.autocast(device.type, reduced, enabled=reduced is not None):
            maps = torch.cat(model(torch.from_numpy(rgb)[None].to(device)), 1).float()
            log_depth, log_scale = maps[0].cpu().numpy()  # one copy from the device, which also waits for it
    except RuntimeError as error:
        raise BackendError(f'PyTorch on {device} failed: {error}') from error
    return log_depth, log_scale


def is_ready(model: nn.Module, device: torch.device) -> bool:
    """Return whether a network can run as it is: for inference, on the device, its weights channels-last."""
    tensors = [*model.parameters(), *model.buffers()]
    return not any(module.training for module in model.modules()) and all(
        tensor.device.type == device.type and device.index in (None, tensor.device.index)
        and (tensor.ndim != 4 or tensor.is_contiguous(memory_format=torch.channels_last)) for tensor in tensors
    )


def prepared(model: nn.Module, device: torch.device) -> nn.Module:
    """Return a copy of a network for inference on a device, its weights channels-last."""
    return deepcopy(model).eval().to(device, memory_format=torch.channels_last)  # type: ignore[no-any-return,call-overload]


def _device_name(device: str) -> str:
    return torch.cuda.get_device_name() if device.startswith('cuda') else f'CPU, {torch.get_num_threads()} threads'
