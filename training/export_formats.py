"""What depth_export writes: a network in one of four formats, with our header inside the file."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from depth_node.header import KEY
from msg_tools.camera import Array, Size
from msg_tools.errors import BackendError

from .export_int8 import quantised


@dataclass(frozen=True, slots=True)
class Form:
    """How a network is written: for one input size or any (size: None), its weights in half precision or not, or int8.

    calibration: inputs uint8 (1, h, w, 3) that int8 takes its ranges from; none: it is not int8.
    """

    size: Size | None = None
    half: bool = False
    calibration: Sequence[Array] = ()

    @property
    def int8(self) -> bool:
        """Return whether layers are to be int8."""
        return bool(self.calibration)

    def about(self) -> dict[str, Any]:
        """Return what a file's header says of this."""
        fixed = {'height': self.size.height, 'width': self.size.width} if self.size else {}
        int8 = {'int8': True, 'calibration_images': len(self.calibration)} if self.int8 else {}
        return {'fixed': self.size is not None, 'half': self.half, **fixed, **int8}


@dataclass(frozen=True, slots=True)
class Format:
    """A format: what its files are called, the function that writes one, and what it can do."""

    suffix: str
    write: Callable[[nn.Module, Path, str, Form], None]
    tolerance: float  # of depth, relative, and of confidence: what its arithmetic may differ from torch's
    only_fixed: bool = False
    can_be_small: bool = False  # weights in half precision, or int8


def write_onnx(model: nn.Module, path: Path, header: str, form: Form) -> None:
    """Write an ONNX file; our header is one of its metadata_props. Raises BackendError."""
    from depth_node.backends.onnxruntime_backend import onnx_bytes

    data = onnx_bytes(model, form.size)  # says what to install where it is not
    import onnx

    graph = onnx.load_model_from_string(data)
    onnx.helper.set_model_props(graph, {KEY: header})
    onnx.checker.check_model(graph)
    path.write_bytes(graph.SerializeToString())


def write_openvino(model: nn.Module, path: Path, header: str, form: Form) -> None:
    """Write NAME.xml and NAME.bin; our header and the weights' digest are in the former. Raises BackendError."""
    from depth_node.backends.openvino_backend import converted, save_graph

    graph = converted(model, form.size)
    if form.int8:
        graph = quantised(graph, form.calibration)
    graph.set_rt_info(header, [KEY])
    try:
        save_graph(graph, path, form.half)
    except RuntimeError as error:
        raise BackendError(f'{path}: OpenVINO cannot write this network: {error}') from error


def write_torchscript(model: nn.Module, path: Path, header: str, form: Form) -> None:
    """Write a TorchScript file; our header is one of its extra files. Raises BackendError."""
    import torch

    from depth_node.backends.torchscript_backend import HEADER, traced

    trace = traced(model, form.size)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # torch.jit is to go some day
            torch.jit.save(trace, path, _extra_files={HEADER: header})
    except RuntimeError as error:
        raise BackendError(f'{path}: PyTorch cannot write this network: {error}') from error


def write_tensorrt(model: nn.Module, path: Path, header: str, form: Form) -> None:
    """Write a TensorRT engine for this machine's GPU, our header before it. Raises BackendError."""
    from depth_node.backends.onnxruntime_backend import onnx_bytes
    from depth_node.backends.tensorrt_backend import built, with_header

    path.write_bytes(with_header(header, built(onnx_bytes(model, form.size))))


FORMATS = {
    'onnx': Format('.onnx', write_onnx, 1e-3),
    'openvino': Format('.xml', write_openvino, 1e-3, can_be_small=True),
    'torchscript': Format('.torchscript.pt', write_torchscript, 1e-3),
    'tensorrt': Format('.engine', write_tensorrt, 1e-2, only_fixed=True),  # its products have 10 bits (TF32)
}
