"""PyTorch, on the CPU or a CUDA device."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import nn

from msg_tools.camera import Array
from msg_tools.errors import BackendError

from .uint8_input import Uint8Input


class TorchBackend:
    """Run the network eagerly in PyTorch."""

    def __init__(self, model: nn.Module, device: str, threads: int) -> None:
        if device == 'cuda' and not torch.cuda.is_available():
            raise BackendError(f'expected a CUDA device, got none that PyTorch {torch.__version__} can use; '
                               'use device cpu or auto, or install a CUDA build of torch')
        if threads and device == 'cpu':
            torch.set_num_threads(threads)
        self.device = torch.device(device)
        try:
            copy = Uint8Input(deepcopy(model))  # the caller's stays where it is
            self.model = copy.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        except (RuntimeError, AssertionError) as error:  # the latter where torch is built without CUDA
            raise BackendError(f'PyTorch cannot use {self.device}: {error}') from error
        self.description = f'PyTorch {torch.__version__} on {_device_name(device)}'

    def __call__(self, rgb: Array) -> tuple[Array, Array]:
        try:
            with torch.inference_mode():
                maps = torch.cat(self.model(torch.from_numpy(rgb)[None].to(self.device)), 1)
                log_depth, log_scale = maps[0].cpu().numpy()  # one copy from the device, which also waits for it
        except RuntimeError as error:
            raise BackendError(f'PyTorch on {self.device} failed: {error}') from error
        return log_depth, log_scale


def _device_name(device: str) -> str:
    return torch.cuda.get_device_name() if device == 'cuda' else f'CPU, {torch.get_num_threads()} threads'
