"""TensorRT on a CUDA device: engines, each built for one input size, this GPU and this version of TensorRT.

An engine has no room for a header, so ours lies before it: its length (4 bytes, little-endian), its text, the engine.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from msg_tools.camera import Array, Size
from msg_tools.errors import BackendError, CheckpointError

from .device_path import DeviceNetwork, DevicePath, of_bytes
from .precision import REDUCED
from .protocol import INPUT, OUTPUTS
from .sizes import PerSize

try:
    import tensorrt
except ImportError as error:
    raise BackendError('expected TensorRT, got none; install it: pip install tensorrt (10 or later), on a machine with '
                       "an NVIDIA GPU, its driver, and a CUDA build of torch") from error

LENGTH = 4


class TensorrtBackend:
    """Run the engine of an image's size, and the path around it on the GPU, too."""

    def __init__(self, engine_of: Callable[[Size], Engine]) -> None:
        require_cuda()
        self.engines = PerSize(engine_of)
        device = torch.device('cuda')
        self.alone = DeviceNetwork(of_bytes(self._run), device)
        self.whole = DevicePath(of_bytes(self._run), device)
        self.description = f'TensorRT {tensorrt.__version__} on {torch.cuda.get_device_name()}'

    def __call__(self, rgb: Array) -> tuple[Array, Array]:
        return self.alone(rgb)

    def _run(self, rgb: Tensor) -> tuple[Tensor, Tensor]:
        return self.engines[Size(*rgb.shape[1:3])](rgb)


class Engine:
    """An engine that runs on torch's current stream; torch holds the memory."""

    def __init__(self, data: bytes, size: Size, name: str) -> None:
        require_cuda()
        self.engine = tensorrt.Runtime(logger()).deserialize_cuda_engine(data)
        if self.engine is None:
            raise BackendError(f'{name}: expected an engine for this GPU and TensorRT {tensorrt.__version__}, got one '
                               'that it refuses; export it again on this machine')
        require_interface(name, self.engine, size)
        self.context = self.engine.create_execution_context()
        self.rgb = torch.empty((1, *size.shape, 3), dtype=torch.uint8, device='cuda')
        half = (1, 1, size.height // 2, size.width // 2)
        self.maps = tuple(torch.empty(half, dtype=torch.float32, device='cuda') for _ in OUTPUTS)
        for port, tensor in zip([INPUT, *OUTPUTS], [self.rgb, *self.maps], strict=True):
            self.context.set_tensor_address(port, tensor.data_ptr())

    def __call__(self, rgb: Tensor) -> tuple[Tensor, Tensor]:
        """Return log_depth and log_scale (1, 1, h/2, w/2), in memory that the next call writes to, of uint8 images."""
        if rgb.shape != self.rgb.shape:
            raise BackendError(f'TensorRT: expected an image {tuple(self.rgb.shape[1:])}, got {tuple(rgb.shape[1:])}')
        self.rgb.copy_(rgb)
        if not self.context.execute_async_v3(torch.cuda.current_stream().cuda_stream):
            raise BackendError('TensorRT failed; its message is on stderr')
        log_depth, log_scale = self.maps
        return log_depth, log_scale


def require_cuda() -> None:
    """Raise BackendError where torch, which holds the memory, can use no GPU."""
    if not torch.cuda.is_available():
        raise BackendError(f'expected a CUDA device that PyTorch {torch.__version__} can use for TensorRT, got none')


def require_interface(name: str, engine: Any, size: Size) -> None:
    """Raise CheckpointError where an engine would read or write other memory than what is made for this input size."""
    half = [1, 1, size.height // 2, size.width // 2]
    wanted = {INPUT: f'UINT8 {[1, *size.shape, 3]}', **dict.fromkeys(OUTPUTS, f'FLOAT {half}')}
    names = [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]
    found = {port: f'{engine.get_tensor_dtype(port).name} {list(engine.get_tensor_shape(port))}' for port in names}
    if found != wanted:
        raise CheckpointError(f'{name}: expected an engine with {wanted}, got one with {found}; '
                              'was it changed after depth_export?')


def logger() -> Any:
    """Return what TensorRT tells its troubles to."""
    return tensorrt.Logger(tensorrt.Logger.WARNING)


def built(onnx: bytes, precision: str = 'auto') -> bytes:
    """Build an engine for this machine's GPU from an ONNX file's bytes of one input size; raises BackendError."""
    builder = tensorrt.Builder(logger())
    network, config = builder.create_network(0), builder.create_builder_config()
    if precision in REDUCED:
        config.set_flag(flag_of(precision))
    parser = tensorrt.OnnxParser(network, logger())
    if not parser.parse(onnx):
        errors = '; '.join(str(parser.get_error(i)) for i in range(parser.num_errors))
        raise BackendError(f'TensorRT {tensorrt.__version__} cannot read this network: {errors}')
    engine = builder.build_serialized_network(network, config)
    if engine is None:
        raise BackendError(f'TensorRT {tensorrt.__version__} cannot build this network; its message is on stderr')
    return bytes(engine)


def flag_of(precision: str) -> Any:
    """Return the flag that allows a precision; raises BackendError where this TensorRT has none."""
    flag = getattr(tensorrt.BuilderFlag, precision.upper(), None)
    if flag is None:
        raise BackendError(f'expected a TensorRT that builds in {precision}, got {tensorrt.__version__}, which takes '
                           'precision from the ONNX file; use precision auto')
    return flag


def with_header(header: str, engine: bytes) -> bytes:
    """Return an engine's file with our header before it."""
    text = header.encode()
    return len(text).to_bytes(LENGTH, 'little') + text + engine


def read_engine(path: Path) -> tuple[str | None, bytes]:
    """Read our header (None: it has none) and the engine; raises CheckpointError where the file cannot be read."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f'{path}: expected a TensorRT engine, got: {error.strerror}') from error
    end = LENGTH + int.from_bytes(data[:LENGTH], 'little')
    if end >= len(data):
        return None, data
    return data[LENGTH:end].decode(errors='replace'), data[end:]
