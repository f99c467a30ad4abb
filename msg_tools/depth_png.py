"""KITTI's depth images: 16-bit PNG, metres times 256, 0 where there is no depth.

A value is up to 1/512 m (2 mm) off. What does not fit is no depth: nothing wraps around or is cut to the largest.
The PNG is written here and not by OpenCV: a sparse map is mostly runs of zeros, which ISA-L's deflate (PyPI's isal) and
no row filter pack in a tenth of the time. Where isal is missing, zlib's run-length strategy does it: the same pixels in
a quarter fewer bytes, at a fifth of the speed.
"""

from __future__ import annotations

import struct
import threading
import zlib
from pathlib import Path

import cv2
import numpy as np

from .camera import Array
from .errors import DepthPngError
from .whole_file import write_whole

try:
    from isal import isal_zlib
except ImportError:  # no wheel for this machine
    isal_zlib = None  # type: ignore[assignment]

STEPS_PER_M = 256
MAX_DEPTH_M = 65535 / STEPS_PER_M  # 255.996 m
SIGNATURE = b'\x89PNG\r\n\x1a\n'
ISAL_LEVEL = 0  # 1 makes a sixth fewer bytes, of an accumulated map in three times the time


_kept = threading.local()


def read_depth_png(path: Path | str) -> Array:
    """Read a depth PNG into float32 (H, W) [m], 0 where there is none.

    Raises DepthPngError where the file is missing, broken, or not 16-bit grey.
    """
    return read_depth_steps(path) / np.float32(STEPS_PER_M)


def read_depth_steps(path: Path | str) -> Array:
    """Read a depth PNG as it is: uint16 (H, W) in steps of 1/256 m. Raises DepthPngError like `read_depth_png`."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise DepthPngError(f'{path}: expected a depth PNG, got: {error.strerror}') from error
    if not data.startswith(SIGNATURE) or not _is_whole(data):
        what = f'a truncated or corrupt one of {len(data)} bytes' if data.startswith(SIGNATURE) else f'{data[:8]!r}...'
        raise DepthPngError(f'{path}: expected a whole PNG file, got {what}')
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise DepthPngError(f'{path}: expected a PNG that OpenCV can read, got a corrupt one')
    if image.dtype != np.uint16 or image.ndim != 2:
        raise DepthPngError(f'{path}: expected 16-bit grey (metres x 256), got {image.dtype} of shape {image.shape}; '
                            'is it a picture of depth?')
    return image


def write_depth_png(path: Path | str, depth_m: Array) -> None:
    """Write a depth map (H, W) [m] as a depth PNG, whole or not at all; see `depth_to_steps` for what does not fit."""
    write_whole(path, encode_depth_png(depth_m))


def encode_depth_png(depth_m: Array) -> bytes:
    """Encode a depth map (H, W) [m] as the bytes of a depth PNG."""
    return encode_depth_steps(depth_to_steps(depth_m))


def depth_to_steps(depth_m: Array) -> Array:
    """Round depth [m] of any shape to uint16 steps of 1/256 m; 0 for what is not finite, below half a step or too far.

    >>> depth_to_steps(np.array([1.0, 0.0, -1.0, np.nan, np.inf, 0.001, 255.999])).tolist()
    [256, 0, 0, 0, 0, 0, 0]
    """
    with np.errstate(invalid='ignore', over='ignore'):
        steps = np.rint(np.asarray(depth_m) * STEPS_PER_M)
        return np.where((steps > 0) & (steps <= 65535), steps, 0).astype(np.uint16)


def beyond_as_largest(depth_m: Array) -> Array:
    """Return predicted depth (H, W) [m] with +Inf, nothing within range, as the largest that a depth PNG holds.

    Whoever evaluates the PNG then takes it for far; as 0 it would count as no estimate, or as very near.
    """
    return np.where(depth_m == np.inf, np.float32(MAX_DEPTH_M), depth_m)


def encode_depth_steps(steps: Array) -> bytes:
    """Encode uint16 (H, W) steps of 1/256 m as the bytes of a depth PNG. Raises DepthPngError for another array."""
    if steps.dtype != np.uint16 or steps.ndim != 2 or not steps.size:
        raise DepthPngError(f'expected a uint16 array of shape (H, W), got {steps.dtype} {steps.shape}')
    height, width = steps.shape
    rows, values = _kept_rows(steps.shape)
    values[:] = steps  # turned round on the way
    header = struct.pack('>IIBBBBB', width, height, 16, 0, 0, 0, 0)  # 16 bits, grey
    chunks = (b'IHDR', header), (b'IDAT', _deflated(rows)), (b'IEND', b'')
    return SIGNATURE + b''.join(_chunk(kind, data) for kind, data in chunks)


def _kept_rows(shape: tuple[int, int]) -> tuple[Array, Array]:
    """Return a PNG's bytes (H, 1 + 2 W) uint8, each row led by its filter: 0, none; and the values (H, W) in them.

    They stay for the next image of this size: to get a megabyte from the system takes longer than to fill it.
    """
    if getattr(_kept, 'shape', None) != shape:
        height, width = shape
        _kept.rows = np.zeros((height, 1 + 2 * width), np.uint8)
        _kept.values = np.ndarray(shape, '>u2', _kept.rows, offset=1, strides=(1 + 2 * width, 2))
        _kept.shape = shape
    return _kept.rows, _kept.values


def _deflated(rows: Array) -> bytes:
    """Pack rows of bytes (H, W) as a zlib stream."""
    if isal_zlib is not None:
        packed: bytes = isal_zlib.compress(rows.data, ISAL_LEVEL)
        return packed
    packer = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, zlib.Z_RLE)
    return packer.compress(rows.data) + packer.flush()


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))


def _is_whole(data: bytes) -> bool:
    """Return whether every chunk's checksum is right up to IEND: some versions of OpenCV return half an image."""
    at = len(SIGNATURE)
    while at + 12 <= len(data):
        size, kind = struct.unpack_from('>I4s', data, at)
        end = at + 12 + size
        if zlib.crc32(data[at + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], 'big'):
            return False
        if kind == b'IEND':
            return True
        at = end
    return False
