"""ONNX Runtime on the CPU or a CUDA device: an ONNX graph, exported in memory or read from a file."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from msg_tools.camera import Array, Size
from msg_tools.errors import BackendError, CheckpointError

from ..header import KEY
from .protocol import INPUT, OUTPUTS

if TYPE_CHECKING:
    from torch import nn

INSTALL = "install it: pip install 'depth_node[onnx]'"

try:
    import onnxruntime
except ImportError as error:
    raise BackendError(f'expected ONNX Runtime for backend onnxruntime, got none; {INSTALL}') from error

CUDA = 'CUDAExecutionProvider'
EXAMPLE = Size(64, 96)
ANY_SIZE = {INPUT: ((1, 'height'), (2, 'width')), **dict.fromkeys(OUTPUTS, ((2, 'height'), (3, 'width')))}
OPSET = 17  # the first with all that our networks use; runtimes of 2022 know it


class OnnxruntimeBackend:
    """Run a graph in ONNX Runtime with float32 arithmetic; a graph of any input size is as fast as one of a fixed.

    device is cpu, cuda or cuda:N.
    """

    def __init__(self, graph: bytes, threads: int, device: str = 'cpu') -> None:
        require_provider(device, onnxruntime.get_available_providers())
        try:
            self.session = session(graph, threads, device)
            self.header: str | None = self.session.get_modelmeta().custom_metadata_map.get(KEY)  # None: it has none
            self.interface = interface(self.session)
        except Exception as error:  # its classes share no base but Exception
            raise BackendError(f'ONNX Runtime cannot run this network: {error}') from error
        self.device = device
        self.description = (f'ONNX Runtime {onnxruntime.__version__} on {"CPU" if device == "cpu" else device}'
                            + (f', {threads} threads' if threads else ''))

    def __call__(self, rgb: Array) -> tuple[Array, Array]:
        try:
            log_depth, log_scale = self.session.run(None, {INPUT: rgb[None]})
        except Exception as error:  # as above
            raise BackendError(f'ONNX Runtime failed: {error}') from error
        return log_depth[0, 0], log_scale[0, 0]


def session(graph: bytes | str, threads: int, device: str = 'cpu') -> onnxruntime.InferenceSession:
    """Return a session that runs an ONNX file, its bytes or its path, on a device; raises whatever the library does."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    cuda = [(CUDA, {'device_id': device.partition(':')[2] or '0'})] if device != 'cpu' else []
    return onnxruntime.InferenceSession(graph, options, providers=[*cuda, 'CPUExecutionProvider'])


def on_its_device(backend: OnnxruntimeBackend) -> OnnxruntimeBackend:
    """Return a backend that runs where it was told to; raises BackendError where the library took the CPU instead."""
    require_provider(backend.device, backend.session.get_providers())
    return backend


def require_provider(device: str, found: list[str]) -> None:
    """Raise BackendError where a device is not among what ONNX Runtime has."""
    if device != 'cpu' and CUDA not in found:
        raise BackendError(f'expected an ONNX Runtime that can use {device}, got {onnxruntime.__version__} with '
                           f'{", ".join(found)}; install onnxruntime-gpu in place of onnxruntime, with the CUDA '
                           'libraries that it asks for, or use device cpu')


def interface(session: onnxruntime.InferenceSession) -> tuple[dict[str, list[int]], list[str]]:
    """Return a graph's inputs, by name 'rgb uint8' and shape (-1: any), and the names of its outputs."""
    inputs = {f'{port.name} {port.type.removeprefix("tensor(").removesuffix(")")}':
              [length if isinstance(length, int) else -1 for length in port.shape]
              for port in session.get_inputs()}
    return inputs, [port.name for port in session.get_outputs()]


def read_graph(path: Path, threads: int, device: str = 'cpu') -> OnnxruntimeBackend:
    """Read an ONNX file; raises CheckpointError where it is cut short or no ONNX, BackendError without the device."""
    require_provider(device, onnxruntime.get_available_providers())
    try:
        made = OnnxruntimeBackend(path.read_bytes(), threads, device)
    except (OSError, BackendError) as error:
        raise CheckpointError(f'{path}: expected a whole ONNX file, got {path.stat().st_size} bytes that do not load '
                              f'({error}); was the copy or download cut short?') from error
    return on_its_device(made)


def onnx_bytes(model: nn.Module, size: Size | None = None) -> bytes:
    """Return a network as an ONNX file's bytes, for one input size, by default for any; raises BackendError.

    torch's older exporter, from a trace: it takes a second where the newer one takes ten, and any size comes free.
    """
    try:
        import onnx  # noqa: F401  what torch's exporter needs
    except ImportError as error:
        raise BackendError(f'expected onnx to write ONNX with, got none; {INSTALL}') from error
    import torch

    from .uint8_input import CastInput

    example = torch.zeros((1, *(size or EXAMPLE).shape, 3), dtype=torch.uint8)
    axes = {} if size else {name: {i: f'{name}_{side}' for i, side in places} for name, places in ANY_SIZE.items()}
    file = io.BytesIO()
    try:
        with quiet():
            torch.onnx.export(CastInput(model), (example,), file,  # type: ignore[arg-type]
                              dynamo=False, opset_version=OPSET,
                              input_names=[INPUT], output_names=list(OUTPUTS), dynamic_axes=axes)
    except Exception as error:  # exporters raise whatever they like
        raise BackendError(f'torch {torch.__version__} cannot export this network to ONNX: {error}') from error
    return file.getvalue()


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
