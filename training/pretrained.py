"""ImageNet weights for the encoder, out of TensorFlow Lite's quantised MobileNetV2 (a flatbuffer, read by hand).

Source of the layout: tensorflow/lite/schema/schema.fbs; the numbers below are its field indices. Batch norm is folded
into the weights there; dequantised per tensor, `(q - zero_point) * scale`, they keep their features.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from flatbuffers import number_types
from flatbuffers.table import Table
from numpy.typing import NDArray
from torch import nn

from msg_tools.errors import CheckpointError

Array = NDArray[Any]

CONV_2D, DEPTHWISE_CONV_2D = 3, 4  # schema.fbs, BuiltinOperator
DTYPES = {0: np.float32, 2: np.int32, 3: np.uint8, 9: np.int8}  # schema.fbs, TensorType


def load_imagenet(encoder: nn.Module, path: str | Path) -> None:
    """Fill the convolutions of a MobileNetV2 encoder, in their order, from a .tflite file.

    Raises CheckpointError where the file is no TFLite model or holds another network.
    """
    filters = list(read_filters(path))
    convolutions = [module for module in encoder.modules() if isinstance(module, nn.Conv2d)]
    shapes = [tuple(conv.weight.shape) for conv in convolutions]
    found = [tuple(weight.shape) for weight, _ in filters[: len(shapes)]]
    if shapes != found:
        odd = next((pair for pair in zip(shapes, found, strict=False) if pair[0] != pair[1]), (len(shapes), len(found)))
        raise CheckpointError(f'{path}: expected a MobileNetV2 1.0, got filters {odd[1]} where ours are {odd[0]}')
    with torch.no_grad():
        for conv, (weight, bias) in zip(convolutions, filters, strict=False):
            conv.weight.copy_(torch.from_numpy(weight))
            if conv.bias is not None:
                conv.bias.copy_(torch.from_numpy(bias))


def read_filters(path: str | Path) -> Iterator[tuple[Array, Array]]:
    """Yield weights (out, in/groups, h, w) and bias (out,) float32 of each convolution, in the order of execution."""
    try:
        data = Path(path).read_bytes()
        if data[4:8] != b'TFL3':
            raise ValueError('no TFL3 mark')
        yield from model_filters(Flat(Table(bytearray(data), struct.unpack_from('<I', data)[0])))
    except (OSError, ValueError, KeyError, IndexError, struct.error) as error:
        raise CheckpointError(f'{path}: expected a TensorFlow Lite model, got: {error}') from error


def model_filters(model: Flat) -> Iterator[tuple[Array, Array]]:
    """Walk the operators of a TFLite model's only graph and yield the filters of its convolutions."""
    graph, buffers = model.tables(2)[0], model.tables(4)
    codes = [max(code.scalar(0, np.int8), code.scalar(3, np.int32)) for code in model.tables(1)]
    tensors = graph.tables(0)
    for operator in graph.tables(3):
        code = codes[operator.scalar(0, np.uint32)]
        if code not in (CONV_2D, DEPTHWISE_CONV_2D):
            continue
        _, weight, bias = (tensors[i] for i in operator.array(1, np.int32))
        axes = (0, 3, 1, 2) if code == CONV_2D else (3, 0, 1, 2)  # OHWI, and 1HWO
        yield np.ascontiguousarray(dequantised(weight, buffers).transpose(axes)), dequantised(bias, buffers)


def dequantised(tensor: Flat, buffers: list[Flat]) -> Array:
    """Return a TFLite tensor's values as float32."""
    dtype = DTYPES[tensor.scalar(1, np.int8)]
    values = buffers[tensor.scalar(2, np.uint32)].array(0, np.uint8).view(dtype).reshape(tensor.array(0, np.int32))
    if dtype is np.float32:
        return values.copy()
    quantisation = tensor.table(4)
    zero = quantisation.array(3, np.int64)
    return ((values.astype(np.float64) - zero[0]) * quantisation.array(2, np.float32)[0]).astype(np.float32)


class Flat:
    """One table of a flatbuffer, its fields by index."""

    def __init__(self, table: Table) -> None:
        self.raw = table

    def offset(self, field: int) -> int:
        """Return where a field lies in the buffer, 0 where it is left at its default."""
        offset = self.raw.Offset(4 + 2 * field)
        return offset + self.raw.Pos if offset else 0

    def scalar(self, field: int, dtype: Any) -> int:
        """Read a number; 0 where it is left at its default."""
        at = self.offset(field)
        return int(np.frombuffer(self.raw.Bytes, dtype, 1, at)[0]) if at else 0

    def array(self, field: int, dtype: Any) -> Array:
        """Read a vector of numbers."""
        offset = self.raw.Offset(4 + 2 * field)
        if not offset:
            raise ValueError(f'field {field} is empty')
        return np.frombuffer(self.raw.Bytes, dtype, self.raw.VectorLen(offset), self.raw.Vector(offset))

    def table(self, field: int) -> Flat:
        """Read a table within this one."""
        return Flat(Table(self.raw.Bytes, self.raw.Indirect(self.offset(field))))

    def tables(self, field: int) -> list[Flat]:
        """Read a vector of tables."""
        offset = self.raw.Offset(4 + 2 * field)
        start = self.raw.Vector(offset)
        size = number_types.UOffsetTFlags.bytewidth
        return [
            Flat(Table(self.raw.Bytes, self.raw.Indirect(start + size * i))) for i in range(self.raw.VectorLen(offset))
        ]
