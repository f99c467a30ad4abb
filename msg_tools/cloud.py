"""sensor_msgs PointCloud2 as arrays and back, for rclpy's messages, rosbags' and any like them.

>>> from types import SimpleNamespace
>>> msg = SimpleNamespace(data=None, fields=[])
>>> cloud_to_xyz(fill_cloud(msg, np.ones((2, 3, 3), np.float32))).shape
(2, 3, 3)
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from .errors import CloudError
from .message_data import data_buffer, data_bytes, fill_data

Array = NDArray[Any]

DATATYPES = {1: 'i1', 2: 'u1', 3: 'i2', 4: 'u2', 5: 'i4', 6: 'u4', 7: 'f4', 8: 'f8'}  # of sensor_msgs/PointField
XYZI = np.dtype([(name, '<f4') for name in 'xyzi'])  # a KITTI scan (N, 4): `scan.view(XYZI)[:, 0]`
XYZ = np.dtype([(name, '<f4') for name in 'xyz'])
XYZRGB = np.dtype([*XYZ.descr, ('rgb', '<f4')])  # as PCL and RViz: the bits of 0x00RRGGBB, said to be a float


@dataclass(frozen=True, slots=True)
class PointField:
    """A sensor_msgs/PointField for messages whose own class cannot be found."""

    name: str
    offset: int
    datatype: int
    count: int


def cloud_to_array(msg: Any) -> Array:
    """Return a PointCloud2 as a structured array (N,), or (H, W) where it is organised, in the machine's byte order.

    It is a view of the message's data, padding between points and rows included, except where bytes must be swapped.
    Raises CloudError where fields, steps and data do not fit each other.
    """
    dtype = _dtype_of(msg)
    shape = (msg.height, msg.width) if msg.height > 1 else (msg.width,)
    if msg.height * msg.width == 0:
        return np.empty(shape, dtype)
    _check_layout(msg)
    strides = (msg.row_step, msg.point_step)[-len(shape):]
    points: Array = np.ndarray(shape, dtype, data_bytes(msg).data, 0, strides)
    return points.astype(dtype.newbyteorder('=')) if bool(msg.is_bigendian) != (sys.byteorder == 'big') else points


def cloud_to_xyz(msg: Any) -> Array:
    """Return the points of a PointCloud2 as float32 (N, 3), or (H, W, 3) where it is organised [m].

    It is a view of the message's data where x, y and z are float32 in a row, as is usual. Raises CloudError where one
    of them is missing, or as `cloud_to_array` does.
    """
    points = cloud_to_array(msg)
    names = points.dtype.names or ()
    if not {'x', 'y', 'z'} <= set(names):
        raise CloudError(f'expected a cloud with fields x, y and z, got {", ".join(names) or "none"}')
    offsets = [offset for kind, offset in _kinds(points.dtype, 'xyz') if kind == np.float32]
    if np.diff(offsets).tolist() == [4, 4]:
        x = points['x']
        return np.lib.stride_tricks.as_strided(x, (*x.shape, 3), (*x.strides, 4))
    return np.stack([points[name] for name in 'xyz'], -1).astype(np.float32, copy=False)


def fill_cloud(msg: Any, xyz: Array, rgb: Array | None = None) -> Any:
    """Fill an organised PointCloud2 from xyz float32 (H, W, 3) [m] and rgb uint8 (H, W, 3); return it; no header.

    Holes are NaN and `is_dense` is False. A message that is filled again keeps its memory. Raises CloudError where
    the shapes are others, or rgb is not uint8.
    """
    if xyz.ndim != 3 or xyz.shape[2] != 3 or (rgb is not None and (rgb.shape != xyz.shape or rgb.dtype != np.uint8)):
        raise CloudError(f'expected xyz (H, W, 3) and rgb uint8 of the same shape or none, got {xyz.shape}'
                         + ('' if rgb is None else f' and {rgb.dtype} {rgb.shape}'))
    points = cloud_buffer(msg, xyz.shape[0], xyz.shape[1], colored=rgb is not None)
    if rgb is None:
        np.copyto(points, xyz)
        return msg
    cv2.cvtColor(xyz.astype(np.float32, copy=False), cv2.COLOR_RGB2RGBA, dst=points)  # twice as fast as NumPy's copy
    bgra = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGRA).view('<u4')[..., 0]
    np.bitwise_and(bgra, 0x00FFFFFF, out=points.view('<u4')[..., 3])
    return msg


def cloud_buffer(msg: Any, height: int, width: int, colored: bool = False) -> Array:
    """Lay out an organised cloud and return its points as writable float32 (H, W, 3), or (H, W, 4) with rgb's bits.

    For who computes a cloud in place: `np.multiply(rays, depth_m[..., None], out=cloud_buffer(msg, H, W))`.
    """
    dtype = XYZRGB if colored else XYZ
    _set_layout(msg, dtype, (height, width))
    return data_buffer(msg, height * width * dtype.itemsize).view('<f4').reshape(height, width, -1)


def fill_cloud_fields(msg: Any, points: Array) -> Any:
    """Fill a PointCloud2 from a structured array (N,) or (H, W), its fields as they lie; return it; no header.

    `is_dense` is False: nobody has looked for NaN. Raises CloudError for an array that is not structured or has a
    type that PointField lacks.
    """
    if points.dtype.names is None or points.ndim not in (1, 2):
        raise CloudError(f'expected a structured array (N,) or (H, W), got {points.dtype} {points.shape}')
    points = points.astype(points.dtype.newbyteorder('<'), copy=False)
    _set_layout(msg, points.dtype, points.shape)
    fill_data(msg, np.ascontiguousarray(points).reshape(-1).view(np.uint8) if points.size else np.empty(0, np.uint8))
    return msg


def point_fields(dtype: np.dtype[Any], make: Callable[..., Any] = PointField) -> list[Any]:
    """Return the PointFields of a structured dtype, made by a message class of rclpy, of rosbags or by our own."""
    datatypes = {code: number for number, code in DATATYPES.items()}
    fields = []
    names = dtype.names or ()
    for name, (kind, offset) in zip(names, _kinds(dtype, names), strict=True):
        code = f'{kind.base.kind}{kind.base.itemsize}'
        if code not in datatypes:
            raise CloudError(f'expected fields of 8 to 32 bit integers or 32 and 64 bit floats, got {name} {kind}')
        fields.append(make(name=name, offset=offset, datatype=datatypes[code], count=int(np.prod(kind.shape))))
    return fields


def _set_layout(msg: Any, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
    msg.height, msg.width = shape if len(shape) == 2 else (1, *shape)
    msg.fields = point_fields(dtype, _point_field_of(msg))
    msg.point_step = dtype.itemsize
    msg.row_step = msg.width * dtype.itemsize
    msg.is_bigendian = False
    msg.is_dense = False


def _point_field_of(msg: Any) -> Callable[..., Any]:
    """Return the PointField class that belongs to a message's class: of rosbags, else of rclpy, else our own."""
    name = type(msg).__module__
    module, package = sys.modules.get(name), sys.modules.get(name.rpartition('.')[0])
    made: Callable[..., Any] = getattr(package, 'PointField', PointField)
    return getattr(module, 'sensor_msgs__msg__PointField', made)


def _dtype_of(msg: Any) -> np.dtype[Any]:
    """Return the dtype of a cloud's points, as long as a point step; a nameless or repeated field gets a number."""
    order = '>' if msg.is_bigendian else '<'
    names: list[str] = []
    formats: list[Any] = []
    for i, field in enumerate(msg.fields):
        if field.datatype not in DATATYPES:
            raise CloudError(f'expected a datatype of 1 to 8 for field {field.name!r}, got {field.datatype}')
        names.append(field.name if field.name and field.name not in names else f'{field.name or "unnamed"}_{i}')
        kind = order + DATATYPES[field.datatype]
        formats.append((kind, (field.count,)) if field.count > 1 else kind)
        end = field.offset + np.dtype(formats[-1]).itemsize
        if end > msg.point_step:
            raise CloudError(f'expected a point step of at least {end} bytes for field {field.name!r} at offset '
                             f'{field.offset}, got {msg.point_step}')
    offsets = [field.offset for field in msg.fields]
    return np.dtype({'names': names, 'formats': formats, 'offsets': offsets, 'itemsize': msg.point_step})


def _kinds(dtype: np.dtype[Any], names: Iterable[str]) -> list[tuple[np.dtype[Any], int]]:
    fields: Any = dtype.fields or {}
    return [fields[name][:2] for name in names]


def _check_layout(msg: Any) -> None:
    row_bytes = msg.width * msg.point_step
    if msg.row_step < row_bytes:
        raise CloudError(f'expected a row step of at least {row_bytes} bytes for {msg.width} points of '
                         f'{msg.point_step} bytes, got {msg.row_step}')
    expected, got = msg.height * msg.row_step, len(msg.data)
    if got < expected:
        raise CloudError(f'expected {expected} bytes of data for {msg.height} rows of {msg.row_step} bytes, got {got}; '
                         'is the message cut short?')
