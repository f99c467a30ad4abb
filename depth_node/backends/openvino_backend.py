"""OpenVINO on the CPU: the network is converted in memory and compiled once for each input size."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import nn

from msg_tools.camera import Array, Size
from msg_tools.errors import BackendError

from .sizes import PerSize
from .uint8_input import Uint8Input

try:
    import openvino
except ImportError as error:
    raise BackendError("expected OpenVINO for backend openvino, got none; "
                       "install it: pip install 'depth_node[openvino]'") from error

EXAMPLE = Size(64, 96)


class OpenvinoBackend:
    """Run the network in OpenVINO with float32 arithmetic, one request at a time."""

    def __init__(self, model: nn.Module, threads: int) -> None:
        self.core = openvino.Core()
        self.settings: dict[str, Any] = {
            'PERFORMANCE_HINT': 'LATENCY',
            'INFERENCE_PRECISION_HINT': 'f32',  # else bfloat16 where the CPU has it, with other results
            **({'INFERENCE_NUM_THREADS': threads} if threads else {}),
        }
        self.graph = converted(model)
        self.requests: PerSize[Any] = PerSize(self._compile)
        version = openvino.__version__.split('-')[0]
        self.description = f'OpenVINO {version} on CPU' + (f', {threads} threads' if threads else '')

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
            return self.core.compile_model(graph, 'CPU', self.settings).create_infer_request()
        except RuntimeError as error:
            raise BackendError(f'OpenVINO cannot run this network at {size}: {error}') from error


def converted(model: nn.Module) -> Any:
    """Return the network as an OpenVINO graph of any input size, from a trace of a small image."""
    example = torch.zeros((1, *EXAMPLE.shape, 3), dtype=torch.uint8)
    try:
        with torch.inference_mode(), warnings.catch_warnings():
            warnings.simplefilter('ignore', DeprecationWarning)  # of the trace, which OpenVINO itself relies on
            trace = torch.jit.trace(Uint8Input(model), example, check_trace=False)  # 3 times as fast as OpenVINO's own
        return openvino.convert_model(trace, example_input=example, input=[openvino.PartialShape([1, -1, -1, 3])])
    except Exception as error:  # tracing and conversion raise whatever they like
        raise BackendError(f'OpenVINO cannot convert this network: {error}') from error
