"""Other people's networks for depth_bench: any ONNX file of one fixed float input, in the runtimes that ours uses.

They get their input ready made, where ours starts from bytes: what is left out of the time favours them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from depth_node.backends import Backend
from msg_tools.camera import Array, Size
from msg_tools.errors import BackendError

NUMBERS = np.float32(0.5)  # what the input is full of; time does not depend on it

Infer = Callable[[Array], Array]  # from the input float32 (1, 3, h, w) to the output


class Peer:
    """A network of another project that runs on an input of its own size: a Backend but for the answer."""

    def __init__(self, description: str, run: Callable[[], Any]) -> None:
        self.description, self.run = description, run

    def __call__(self, rgb: Array) -> tuple[Array, Array]:
        self.run()
        return np.empty(0), np.empty(0)


def peers(
    paths: Sequence[str], backends: Sequence[str], threads: int
) -> Iterator[tuple[tuple[str, str, Size], Backend]]:
    """Yield every ONNX file in each backend that can run it; raises BackendError for one that cannot be run."""
    for path in paths:
        for name in backends:
            if name in RUNTIMES:
                infer, shape = RUNTIMES[name](Path(path), threads)
                ready = np.full(shape, NUMBERS)
                yield (Path(path).stem, name, Size(*shape[-2:])), Peer(f'{path} in {name}', partial(infer, ready))


def in_onnxruntime(path: Path, threads: int) -> tuple[Infer, list[int]]:
    """Return a function that runs an ONNX file in ONNX Runtime, and its input's shape; its output is the first one."""
    from depth_node.backends.onnxruntime_backend import session  # says what to install where it is not

    try:
        made = session(str(path), threads)
    except Exception as error:  # its classes share no base but Exception
        raise BackendError(f'{path}: expected an ONNX file, got: {error}') from error
    port = only(path, made.get_inputs())
    shape = fixed(path, port.shape)
    return lambda values: made.run(None, {port.name: values})[0], shape


def in_openvino(path: Path, threads: int) -> tuple[Infer, list[int]]:
    """Return a function that runs an ONNX file in OpenVINO as our own networks run, and its input's shape, as above."""
    from depth_node.backends.openvino_backend import core, port_shape, settings

    try:
        compiled = core().compile_model(core().read_model(path), 'CPU', settings(threads))
    except RuntimeError as error:
        raise BackendError(f'{path}: expected an ONNX file, got: {error}') from error
    shape = fixed(path, port_shape(only(path, compiled.inputs)))
    request = compiled.create_infer_request()
    return lambda values: request.infer([values], share_inputs=True)[0], shape


def only(path: Path, inputs: Sequence[Any]) -> Any:
    """Return the one input of a network; raises BackendError where it has more."""
    if len(inputs) != 1:
        raise BackendError(f'{path}: expected a network of one input, got {len(inputs)}')
    return inputs[0]


def fixed(path: Path, shape: Sequence[Any]) -> list[int]:
    """Return the shape of an input; raises BackendError where it is not fixed to one image."""
    if len(shape) != 4 or not all(isinstance(length, int) and length > 0 for length in shape):
        raise BackendError(f'{path}: expected an input of one fixed size (1, 3, h, w), got {list(shape)}')
    return list(shape)


RUNTIMES = {'onnxruntime': in_onnxruntime, 'openvino': in_openvino}
