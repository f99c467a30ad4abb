"""The `data` of image and cloud messages: read without a copy, written without a check of every element.

rclpy keeps `data` as an `array.array('B')`, rosbags as a NumPy array, older bindings as bytes. The public setter of
rclpy walks through anything but an `array.array` and copies even that, so we write into the array that is there.
"""

from __future__ import annotations

import array
from typing import Any

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]


def data_bytes(msg: Any) -> Bytes:
    """Return the bytes of a message's data as uint8 (N,): a view, read-only where the data is."""
    data = msg.data
    if isinstance(data, np.ndarray):
        return data.reshape(-1).view(np.uint8)
    if isinstance(data, (list, tuple)):  # hand-made messages
        return np.array(data, np.uint8)
    return np.frombuffer(data, np.uint8)


def data_buffer(msg: Any, size: int) -> Bytes:
    """Give a message data of this size [bytes] and return it as writable uint8 (size,), its contents undefined.

    A message that is filled again and again keeps its memory, which is what makes filling it cheap. Don't resize the
    message's data while the returned array is alive.
    """
    if not isinstance(msg.data, array.array):
        msg.data = np.empty(size, np.uint8)
        return msg.data
    if len(msg.data) != size:
        _replace(msg, bytes(size))
    return np.frombuffer(msg.data, np.uint8)


def fill_data(msg: Any, values: NDArray[Any]) -> None:
    """Copy an array of any shape and layout into a message's data, in C order."""
    if isinstance(msg.data, array.array) and len(msg.data) != values.nbytes:
        _replace(msg, np.ascontiguousarray(values).reshape(-1).view(np.uint8).data)
    else:
        np.copyto(data_buffer(msg, values.nbytes).view(values.dtype).reshape(values.shape), values)


def _replace(msg: Any, data: bytes | memoryview) -> None:
    try:
        del msg.data[:]
    except BufferError:  # somebody still looks at the old data: leave it to them
        msg.data = array.array('B')
    msg.data.frombytes(data)
