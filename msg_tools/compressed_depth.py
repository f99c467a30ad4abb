"""Depth as image_transport's plugin compressedDepth sends it, in a CompressedImage: PNG or RVL of 16 bits.

16UC1 [mm] goes as it is. 32FC1 [m] goes as inverse depth, code = a / depth + b, so that it is finest where it is near;
a and b lie before the image, and whoever reads takes depth = a / (code - b), 0 for none. Ours sets b = 1: code 1 then
reads as +Inf, also in the plugin, and the sky does not become a hole.
"""

from __future__ import annotations

import struct
from typing import Any

import cv2
import numpy as np

from . import rvl
from .camera import Array
from .errors import ImageError
from .image import millimetres_to_m
from .message_data import data_bytes, fill_data

HEADER = struct.Struct('<iff')  # kind 0: inverse depth, a, b
SIZE = struct.Struct('<II')  # of RVL: width, height
LARGEST = 65535
BEYOND = 1  # the code of +Inf, as b = 1
METHODS = 'png', 'rvl'
PNG_LEVEL = 1
NEAREST_M = 0.1  # below it far depths would have too few codes
MAX_PIXELS = 100_000_000  # of RVL: a size of nonsense must not take all memory


def fill_compressed_depth(msg: Any, depth: Array, name: str, method: str = 'png', near_m: float = 0.5) -> Any:
    """Fill a CompressedImage from depth float32 (H, W) [m] ('32FC1') or uint16 (H, W) [mm] ('16UC1'); no header.

    NaN is none. near_m [m], at least 0.1, is the nearest that 32FC1 can tell; what is nearer is cut to it, and at a
    depth z a step is z**2 / (65534 near_m): 0.2 m at 80 m with 0.5. Raises ImageError for another array or method.
    """
    expected = {'32FC1': np.float32, '16UC1': np.uint16}.get(name)
    if depth.dtype != expected or depth.ndim != 2 or not depth.size or method not in METHODS:
        raise ImageError(f'expected (H, W) float32 for 32FC1 or uint16 for 16UC1 and one of {METHODS}, got {name}, '
                         f'{depth.dtype} {depth.shape} and {method!r}')
    a, codes = inverse_depth(depth, near_m) if name == '32FC1' else (0.0, depth)
    body = np.frombuffer(HEADER.pack(0, a, BEYOND), np.uint8)
    fill_data(msg, np.concatenate([body, *packed(codes, method)]))
    msg.format = f'{name}; compressedDepth {method}'
    return msg


def inverse_depth(depth_m: Array, near_m: float) -> tuple[float, Array]:
    """Return a [m] and the codes uint16 (H, W) of depth (H, W) [m]: 0 for NaN, 1 for +Inf, 65535 at near_m."""
    a = (LARGEST - BEYOND) * max(near_m, NEAREST_M)
    with np.errstate(divide='ignore', invalid='ignore'):
        codes = np.rint(np.float32(a) / depth_m) + BEYOND
        known = depth_m > 0
    return a, np.where(known, np.minimum(codes, LARGEST), 0).astype(np.uint16)


def packed(codes: Array, method: str) -> list[Array]:
    """Return the bytes of 16-bit codes (H, W), in parts."""
    if method == 'png':
        return [cv2.imencode('.png', codes, [cv2.IMWRITE_PNG_COMPRESSION, PNG_LEVEL])[1].reshape(-1)]
    height, width = codes.shape
    return [np.frombuffer(SIZE.pack(width, height), np.uint8), rvl.compress(codes)]


def compressed_depth_to_m(msg: Any) -> Array:
    """Return a CompressedImage of compressedDepth as float32 (H, W) [m]: NaN where there is none, +Inf beyond.

    Raises ImageError for another format, or data that do not fit it.
    """
    name, _, transport = msg.format.partition(';')
    kind, _, method = transport.strip().partition(' ')
    if name not in ('32FC1', '16UC1') or kind not in ('', 'compressedDepth') or method not in ('', *METHODS):
        raise ImageError(f"expected '32FC1' or '16UC1' and '; compressedDepth png' or 'rvl', got {msg.format!r}")
    data = data_bytes(msg)
    if data.size < HEADER.size:
        raise ImageError(f'expected compressedDepth of at least {HEADER.size} bytes, got {data.size}')
    codes = unpacked(data[HEADER.size :], method or 'png')
    if name == '16UC1':
        return millimetres_to_m(codes)
    _, a, b = HEADER.unpack(data[: HEADER.size].tobytes())
    with np.errstate(divide='ignore'):
        return np.where(codes > 0, np.float32(a) / (codes - np.float32(b)), np.float32(np.nan))


def unpacked(data: Array, method: str) -> Array:
    """Return the 16-bit codes (H, W) of bytes (N,). Raises ImageError."""
    if method == 'rvl':
        width, height = SIZE.unpack(data[: SIZE.size].tobytes()) if data.size >= SIZE.size else (0, 0)
        if not 0 < width * height <= MAX_PIXELS:
            raise ImageError(f'expected RVL data with their size before them, got {data.size} bytes for '
                             f'{width}x{height}')
        return rvl.decompress(data[SIZE.size :], width * height).reshape(height, width)
    codes = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if data.size else None
    if codes is None or codes.dtype != np.uint16 or codes.ndim != 2:
        raise ImageError(f'expected a 16-bit PNG, got {data.size} bytes that OpenCV does not read as one')
    return codes
