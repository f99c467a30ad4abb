"""OpenVINO on the CPU: a graph, converted in memory or read from a file, compiled once for each input size."""

from __future__ import annotations

import hashlib
import sys
import warnings
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msg_tools.camera import Array, Size
from msg_tools.errors import BackendError, CheckpointError

from ..header import KEY
from .protocol import INPUT, OUTPUTS
from .sizes import PerSize

if TYPE_CHECKING:
    from torch import nn

# Its conversion tells Google Analytics of itself, from dozens of forks of the process that calls it. A fork of a node
# copies DDS without its threads, and what a robot runs is nobody's business: without that package it does neither.
sys.modules.setdefault('openvino_telemetry', None)  # type: ignore[arg-type]

try:
    import openvino
except ImportError as error:
    raise BackendError("expected OpenVINO for backend openvino, got none; "
                       "install it: pip install 'depth_node[openvino]'") from error

EXAMPLE = Size(64, 96)
WEIGHTS_KEY = 'depth_node_weights_sha256'  # beside our header in a .xml that depth_export wrote
HINT = 'INFERENCE_PRECISION_HINT'
HINTS = {'auto': 'f32', 'fp32': 'f32', 'bf16': 'bf16', 'fp16': 'f16'}
CAPABILITIES = {'bf16': 'BF16', 'fp16': 'FP16'}  # what a CPU has is told by these names; fp32 it always has


@cache
def core() -> Any:
    """Return the one Core of this process.

    Each Core that has compiled a network puts the thread's signals on a stack of its own (for AMX's registers) and puts
    them back when it goes: of two that go in the order in which they came, onto the freed stack of the other, where the
    next signal with a handler (Ctrl-C, a child's end) ends the process as a segmentation fault. So ours stays.
    """
    return openvino.Core()


class OpenvinoBackend:
    """Run a graph in OpenVINO, one request at a time; layers that an export made int8 are int8 in any precision."""

    def __init__(self, graph: Any, threads: int, precision: str = 'auto') -> None:
        """Raise BackendError where this CPU lacks the precision."""
        require_support(precision)
        self.settings = settings(threads, precision)
        self.graph = graph
        self.requests: PerSize[Any] = PerSize(self._compile)
        details = [f'{threads} threads'] * bool(threads) + [precision] * (precision in CAPABILITIES)
        self.description = ', '.join([f'OpenVINO {openvino.__version__.split("-")[0]} on CPU', *details])

    def __call__(self, rgb: Array) -> tuple[Array, Array]:
        request = self.requests[Size(*rgb.shape[:2])]
        try:
            outputs = request.infer([rgb[None]], share_inputs=True)
        except RuntimeError as error:
            raise BackendError(f'OpenVINO failed: {error}') from error
        return outputs[0][0, 0], outputs[1][0, 0]

    def _compile(self, size: Size) -> Any:
        try:
            graph = self.graph.clone()
            graph.reshape([1, *size.shape, 3])
            compiled = core().compile_model(graph, 'CPU', self.settings)
            require_hint(compiled, self.settings[HINT])
            return compiled.create_infer_request()
        except RuntimeError as error:
            raise BackendError(f'OpenVINO cannot run this network at {size}: {error}') from error


def settings(threads: int, precision: str = 'auto') -> dict[str, Any]:
    """Return how OpenVINO is to run a network; threads=0: as many as it likes."""
    return {
        'PERFORMANCE_HINT': 'LATENCY',
        HINT: HINTS[precision],  # its own choice is bfloat16 where the CPU has it, with other results
        **({'INFERENCE_NUM_THREADS': threads} if threads else {}),
    }


def precisions() -> list[str]:
    """Return the precisions that this CPU computes in, as OpenVINO knows it."""
    found = core().get_property('CPU', 'OPTIMIZATION_CAPABILITIES')
    return ['fp32', *(name for name, capability in CAPABILITIES.items() if capability in found)]


def require_support(precision: str) -> None:
    """Raise BackendError where this CPU lacks a precision: OpenVINO would compute in fp32 without a word."""
    if precision != 'auto' and precision not in (has := precisions()):
        raise BackendError(f'OpenVINO: expected a precision that this CPU has ({", ".join(has)}), got {precision}; '
                           'use auto or fp32, or an int8 file, which every CPU runs (depth_export --int8)')


def require_hint(compiled: Any, hint: str) -> None:
    """Raise BackendError where OpenVINO compiled a network for another precision than it was told."""
    if (found := compiled.get_property(HINT).to_string()) != hint:
        raise BackendError(f'OpenVINO: expected a network in {hint}, got one in {found}; use precision auto or fp32')


def converted(model: nn.Module, size: Size | None = None) -> Any:
    """Return a network as an OpenVINO graph of one input size, by default of any, from a trace; raises BackendError."""
    import torch

    from .uint8_input import Uint8Input

    example = torch.zeros((1, *(size or EXAMPLE).shape, 3), dtype=torch.uint8)
    shape = openvino.PartialShape([1, *(size.shape if size else (-1, -1)), 3])
    try:
        with torch.inference_mode(), warnings.catch_warnings():
            warnings.simplefilter('ignore')  # of the trace, which OpenVINO itself relies on
            trace = torch.jit.trace(Uint8Input(model), example, check_trace=False)  # 3 times as fast as OpenVINO's own
        graph = openvino.convert_model(trace, example_input=example, input=[shape])
    except Exception as error:  # tracing and conversion raise whatever they like
        raise BackendError(f'OpenVINO cannot convert this network: {error}') from error
    for port, name in zip([*graph.inputs, *graph.outputs], [INPUT, *OUTPUTS], strict=True):
        port.get_tensor().set_names({name})
    return graph


def save_graph(graph: Any, path: Path, half: bool = False) -> None:
    """Write NAME.xml and NAME.bin, the former with the latter's digest; raises RuntimeError."""
    openvino.save_model(graph, path, compress_to_fp16=half)
    graph.set_rt_info(digest(path.with_suffix('.bin')), [WEIGHTS_KEY])
    openvino.save_model(graph, path, compress_to_fp16=half)  # the same weights, now that they are known


def read_graph(path: Path) -> tuple[Any, str | None]:
    """Read a graph and our header (None: it has none) from NAME.xml and NAME.bin; raises CheckpointError.

    Where the .xml says of which weights it is, the .bin must be that one: another export's fits as well, in size.
    """
    weights = path.with_suffix('.bin')
    if not weights.is_file():
        raise CheckpointError(f'{path}: expected its weights beside it in {weights.name}, got no such file; '
                              'copy both files')
    try:
        graph = core().read_model(path, weights)
        header = graph.get_rt_info([KEY]).astype(str) if graph.has_rt_info([KEY]) else None
    except (RuntimeError, ValueError) as error:
        sizes = f'a .xml of {path.stat().st_size} and a .bin of {weights.stat().st_size} bytes'
        raise CheckpointError(f'{path}: expected a whole OpenVINO model, got {sizes} that do not fit '
                              f'({last_line(error)}); was a copy or download cut short?') from error
    require_weights(graph, path, weights)
    return graph, header


def require_weights(graph: Any, path: Path, weights: Path) -> None:
    """Raise CheckpointError where a graph says that it was written with other weights than these."""
    expected = graph.get_rt_info([WEIGHTS_KEY]).astype(str) if graph.has_rt_info([WEIGHTS_KEY]) else None
    if expected is not None and (found := digest(weights)) != expected:
        raise CheckpointError(f'{path}: expected beside it the weights that it was written with (SHA-256 '
                              f'{expected[:12]}...), got {weights.name} of another export or damaged '
                              f'({found[:12]}...); copy both files of one export')


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def interface(graph: Any) -> tuple[dict[str, list[int]], list[str]]:
    """Return the inputs of a graph, by name 'rgb uint8' and shape (-1: any), and the names of its outputs."""
    inputs = {f'{port.any_name} {port.element_type.to_string()}': port_shape(port) for port in graph.inputs}
    return inputs, [port.any_name for port in graph.outputs]


def port_shape(port: Any) -> list[int]:
    """Return the shape of a port; -1: any length."""
    return [length.get_length() if length.is_static else -1 for length in port.partial_shape]


def last_line(error: Exception) -> str:
    """Return the end of OpenVINO's message, which begins with lines of its own source."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1].strip() if lines else type(error).__name__
