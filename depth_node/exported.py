"""Networks as depth_export wrote them: one file (OpenVINO: two) that holds the graph and all that the estimator needs.

The file's name says which library runs it. A graph takes images of any size in multiples of 32 px, or of one fixed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msg_tools.camera import Size
from msg_tools.errors import BackendError, CheckpointError

from .backends import Backend
from .backends.precision import require_fp32, require_precision
from .backends.protocol import INPUT, OUTPUTS
from .backends.selection import require_device, torch_device, working
from .checkpoint_file import config_of
from .header import parse_header
from .model_config import ModelConfig

SUFFIXES = {'.onnx': 'onnxruntime', '.xml': 'openvino', '.torchscript.pt': 'torch', '.engine': 'tensorrt'}


@dataclass(frozen=True, slots=True)
class Exported:
    """A network that runs, what it knows of the camera, its one input size (None: any), and how it came about."""

    backend: Backend
    model_config: ModelConfig
    fixed_size: Size | None
    metadata: dict[str, Any]


def library_of(path: Path) -> str | None:
    """Return which library runs a file, by its suffix; None: it is no exported network."""
    return next((library for suffix, library in SUFFIXES.items() if path.name.endswith(suffix)), None)


def load_exported(path: Path, device: str = 'auto', backend: str = 'auto', threads: int = 0,
                  precision: str = 'auto') -> Exported:
    """Load an exported network into the library that its suffix names, and run it once.

    Raises CheckpointError for a file that is missing, cut short, not ours, or of other inputs and outputs, and
    BackendError where the library is not installed, fails, is not the one that was asked for, or lacks the precision.
    """
    library = library_of(path)
    if library is None or not path.is_file():
        raise CheckpointError(f'{path}: expected a file that depth_export made ({", ".join(SUFFIXES)}), got '
                              f'{"no such file" if not path.exists() else "something else"}; check the path')
    require_device(device)
    require_precision(precision)
    if library != 'openvino':
        require_fp32(precision, f'{path} ({library})')
    if backend not in ('auto', library):
        raise BackendError(f'{path}: expected backend {library} or auto, got {backend}; export it again for {backend}')
    if device.startswith('cuda') and library == 'openvino':
        raise BackendError(f'{path}: expected device cpu or auto, since {library} runs on the CPU, got {device}')
    made, metadata = LOADERS[library](path, device, threads, precision)
    config, size = config_of(path, metadata), fixed_size(path, metadata)
    try:
        working(made, size or Size(config.height, config.width))
    except BackendError as error:
        raise BackendError(f'{path}: {error}') from error
    return Exported(made, config, size, metadata)


def fixed_size(path: Path, metadata: Mapping[str, Any]) -> Size | None:
    """Return the one input size that a header names; None: any. Raises CheckpointError where it is not a size."""
    export = metadata.get('export', {})
    if isinstance(export, dict) and not export.get('fixed'):
        return None
    try:
        config = ModelConfig(height=int(export['height']), width=int(export['width']))  # which checks them
    except (CheckpointError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise CheckpointError(f'{path}: expected the one input size in its header, got {export!r:.80} ({error}); '
                              'was the file changed?') from error
    return Size(config.height, config.width)


def require_interface(path: Path, found: tuple[Mapping[str, Sequence[int]], Sequence[str]],
                      size: Size | None, byte: str) -> None:
    """Raise CheckpointError where a graph's inputs ('name type': shape, -1: any) and outputs are not ours."""
    inputs, outputs = found
    wanted = {f'{INPUT} {byte}': [1, *(size.shape if size else (-1, -1)), 3]}
    if inputs != wanted or tuple(outputs) != OUTPUTS:
        raise CheckpointError(f'{path}: expected a graph from {described(wanted)} to {", ".join(OUTPUTS)}, '
                              f'got one from {described(inputs)} to {", ".join(outputs)}; '
                              'was it changed after depth_export?')


def described(inputs: Mapping[str, Sequence[int]]) -> str:
    """Return the inputs of a graph as text."""
    return ', '.join(f'{name} {list(shape)}' for name, shape in inputs.items())


def load_onnx(path: Path, device: str, threads: int, precision: str) -> tuple[Backend, dict[str, Any]]:
    """Load an ONNX file into ONNX Runtime."""
    from .backends.onnxruntime_backend import read_graph

    backend = read_graph(path, threads, 'cpu' if device == 'auto' else device)
    metadata = parse_header(path, backend.header)
    require_interface(path, backend.interface, fixed_size(path, metadata), 'uint8')
    return backend, metadata


def load_openvino(path: Path, device: str, threads: int, precision: str) -> tuple[Backend, dict[str, Any]]:
    """Load NAME.xml and NAME.bin into OpenVINO."""
    from .backends.openvino_backend import OpenvinoBackend, interface, read_graph

    graph, header = read_graph(path)
    metadata = parse_header(path, header)
    require_interface(path, interface(graph), fixed_size(path, metadata), 'u8')
    return OpenvinoBackend(graph, threads, precision), metadata


def load_torchscript(path: Path, device: str, threads: int, precision: str) -> tuple[Backend, dict[str, Any]]:
    """Load a TorchScript file into PyTorch, after a look at its header: what is not ours does not run."""
    from .backends.torchscript_backend import CudaTorchscriptBackend, TorchscriptBackend, read_header

    metadata, device = parse_header(path, read_header(path)), torch_device(device)
    if device.startswith('cuda'):
        return CudaTorchscriptBackend(path, device), metadata
    return TorchscriptBackend(path, device, threads), metadata


def load_tensorrt(path: Path, device: str, threads: int, precision: str) -> tuple[Backend, dict[str, Any]]:
    """Load a TensorRT engine."""
    from .backends.tensorrt_backend import Engine, TensorrtBackend, read_engine

    header, engine = read_engine(path)
    metadata = parse_header(path, header)
    size = fixed_size(path, metadata)
    if size is None:
        raise CheckpointError(f'{path}: expected an engine of one input size, got none in its header')
    made = Engine(engine, size, str(path))
    return TensorrtBackend(lambda _: made), metadata


LOADERS = {'onnxruntime': load_onnx, 'openvino': load_openvino, 'torch': load_torchscript, 'tensorrt': load_tensorrt}
