"""PyTorch running a TorchScript file, on the CPU or a CUDA device.

Such a file is a program: run only files that you or people you trust have made.
"""

from __future__ import annotations

import warnings
import zipfile
from pathlib import Path

import torch
from torch import nn

from msg_tools.camera import Array, Size
from msg_tools.errors import BackendError, CheckpointError

from ..header import KEY
from .device_path import DevicePath, of_bytes
from .torch_backend import infer, place
from .uint8_input import Uint8Input

EXAMPLE = Size(64, 96)
HEADER = f'{KEY}.json'  # among the files that TorchScript keeps in its archive's folder `extra`


class TorchscriptBackend:
    """Run a TorchScript file in PyTorch."""

    def __init__(self, path: Path, device: str, threads: int) -> None:
        self.device = place(device, threads)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter('ignore')  # torch.jit is to go some day
                self.model = torch.jit.load(path, map_location=self.device).eval()
        except (RuntimeError, ValueError, OSError) as error:
            raise CheckpointError(f'{path}: expected a TorchScript file that PyTorch {torch.__version__} loads, got: '
                                  f'{error}') from error
        self.description = f'TorchScript in PyTorch {torch.__version__} on {device}'

    def __call__(self, rgb: Array) -> tuple[Array, Array]:
        return infer(self.model, rgb, self.device)


class CudaTorchscriptBackend(TorchscriptBackend):
    """Run a TorchScript file on a CUDA device, and the path around it there, too."""

    def __init__(self, path: Path, device: str) -> None:
        super().__init__(path, device, threads=0)
        self.whole = DevicePath(of_bytes(self.model), self.device)


def read_header(path: Path) -> str | None:
    """Read our header (None: it has none) without loading the network; raises CheckpointError where there is no zip."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.split('/')[1:] == ['extra', HEADER]]
            return archive.read(names[0]).decode() if names else None
    except (OSError, zipfile.BadZipFile, UnicodeDecodeError) as error:
        raise CheckpointError(f'{path}: expected a whole TorchScript file, got {path.stat().st_size} bytes that are no '
                              f'zip archive ({error}); was the copy or download cut short?') from error


def traced(model: nn.Module, size: Size | None = None) -> torch.jit.ScriptModule:
    """Return a network as TorchScript, from a trace; raises BackendError."""
    example = torch.zeros((1, *(size or EXAMPLE).shape, 3), dtype=torch.uint8)
    try:
        with torch.inference_mode(), warnings.catch_warnings():
            warnings.simplefilter('ignore')
            return torch.jit.trace(Uint8Input(model), example, check_trace=False)  # type: ignore[no-any-return]
    except Exception as error:  # tracing runs the network, which raises whatever it likes
        raise BackendError(f'torch {torch.__version__} cannot trace this network: {error}') from error
