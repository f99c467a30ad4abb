"""OpenVINO on the CPU: the network is converted in memory, once for each input size."""

from __future__ import annotations

from collections.abc import Callable
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


class OpenvinoBackend:
    """Run the network in OpenVINO with float32 arithmetic, one request at a time."""

    def __init__(self, model: nn.Module, threads: int) -> None:
        self.core = openvino.Core()
        self.settings: dict[str, Any] = {
            'PERFORMANCE_HINT': 'LATENCY',
            'INFERENCE_PRECISION_HINT': 'f32',  # else bfloat16 where the CPU has it, with other results
            **({'INFERENCE_NUM_THREADS': threads} if threads else {}),
        }
        self.model = Uint8Input(model)
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

    def _compile(self, size: Size) -> Callable[..., Any]:
        example = torch.zeros((1, *size.shape, 3), dtype=torch.uint8)
        try:
            graph = openvino.convert_model(self.model, example_input=example, input=[example.shape])
            return self.core.compile_model(graph, 'CPU', self.settings).create_infer_request()
        except Exception as error:  # OpenVINO raises RuntimeError and classes of its own
            raise BackendError(f'OpenVINO cannot run this network at {size}: {error}') from error
