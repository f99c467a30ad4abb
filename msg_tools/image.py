"""sensor_msgs Image and CompressedImage as arrays and back, for rclpy's messages, rosbags' and any like them.

>>> from types import SimpleNamespace
>>> data = bytes([9, 5, 1, 8, 4, 0, 7, 7])  # two pixels and two bytes of padding
>>> msg = SimpleNamespace(height=1, width=2, encoding='bgr8', is_bigendian=0, step=8, data=data)
>>> to_rgb(msg).tolist()
[[[1, 5, 9], [0, 4, 8]]]
"""

from __future__ import annotations

import sys
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from .errors import ImageError
from .image_encodings import ENCODINGS, Encoding, encoding
from .message_data import data_bytes, fill_data

Array = NDArray[Any]

MM_PER_M = 1000.0


def to_rgb(msg: Any) -> Array:
    """Return an Image or a CompressedImage as uint8 (H, W, 3) RGB; see `image_to_rgb` and `compressed_to_rgb`."""
    if hasattr(msg, 'encoding'):
        return image_to_rgb(msg)
    if hasattr(msg, 'format'):
        return compressed_to_rgb(msg)
    raise ImageError(f'expected a sensor_msgs Image or CompressedImage, got {type(msg).__name__}')


def image_to_rgb(msg: Any) -> Array:
    """Return an Image of any color encoding as uint8 (H, W, 3) RGB; rgb8 is a view, read-only where the data is.

    16 bits become 8 by a scale of 255/65535, alpha is dropped, Bayer is demosaiced bilinearly and YUV is BT.601 of
    limited range, each exactly as cv_bridge does it; 8UC1, 8UC3 and 8UC4 are taken for mono, BGR and BGRA.
    Raises ImageError where the encoding has no colors, or as `image_to_array` does.
    """
    meaning = encoding(msg.encoding)
    if meaning.color is None:
        raise ImageError(f'expected a color or mono image, got encoding {msg.encoding!r}; is it a depth image?')
    return _rgb_of(image_to_array(msg), meaning)


def image_to_array(msg: Any) -> Array:
    """Return the pixels of an Image as they are: (H, W), or (H, W, C) where C > 1, in the machine's byte order.

    It is a view of the message's data, rows with padding included, except where bytes must be swapped or rows start
    within a value. Planar YUV comes as its rows: (3H/2, W) of nv12 and nv21, (3H, W) of nv24. Raises ImageError where
    encoding, size, step and data do not fit each other.
    """
    meaning = encoding(msg.encoding)
    _check_layout(msg, meaning)
    rows = data_bytes(msg)[: meaning.rows(msg.height) * msg.step].reshape(-1, msg.step)
    if meaning.color == 'yuv444' and msg.step != msg.width:  # a chroma row takes two steps, its padding at the end
        chroma = rows[msg.height:].reshape(msg.height, -1)[:, : 2 * msg.width].reshape(-1, msg.width)
        return np.concatenate([rows[: msg.height, : msg.width], chroma])
    pixels = rows[:, : msg.width * meaning.pixel_bytes]
    if bool(msg.is_bigendian) != (sys.byteorder == 'big') and meaning.dtype.itemsize > 1:
        pixels = pixels.view(meaning.dtype.newbyteorder()).astype(meaning.dtype)
    elif msg.step % meaning.dtype.itemsize:  # rows that OpenCV would not take
        pixels = np.ascontiguousarray(pixels)
    pixels = pixels.view(meaning.dtype)
    return pixels.reshape(*pixels.shape[:1], msg.width, meaning.channels) if meaning.channels > 1 else pixels


def image_to_depth_m(msg: Any) -> Array:
    """Return a depth Image as float32 (H, W) [m], NaN where there is none (REP 118).

    32FC1 and 64FC1 are metres, their values kept (32FC1 is a view); 16UC1 and mono16 are millimetres, 0 for none.
    Raises ImageError for any other encoding, or as `image_to_array` does.
    """
    if msg.encoding in ('32FC1', '64FC1'):
        return image_to_array(msg).astype(np.float32, copy=False)
    if msg.encoding not in ('16UC1', 'mono16'):
        raise ImageError(f'expected a depth image of 32FC1 [m] or 16UC1 [mm], got encoding {msg.encoding!r}')
    return millimetres_to_m(image_to_array(msg))


def millimetres_to_m(depth_mm: Array) -> Array:
    """Return depth uint16 [mm] as float32 [m], NaN where it is 0: none."""
    depth_m = np.divide(depth_mm, MM_PER_M, dtype=np.float32)
    depth_m[depth_mm == 0] = np.nan
    return depth_m


def compressed_to_rgb(msg: Any) -> Array:
    """Return a CompressedImage (JPEG, PNG, and what else OpenCV decodes) as uint8 (H, W, 3) RGB.

    The `format` is read as compressed_image_transport writes it: 'jpeg', 'rgb8; jpeg compressed bgr8'. Raises
    ImageError for compressedDepth and for data that cannot be decoded.
    """
    if 'compressedDepth' in msg.format:
        raise ImageError(f'expected a compressed color image, got format {msg.format!r}, which is depth; subscribe to '
                         'the color image')
    data = data_bytes(msg)
    pixels = _decode(data)
    if pixels is None or pixels.dtype not in (np.uint8, np.uint16):
        raise ImageError(f'expected a JPEG or PNG in a CompressedImage of format {msg.format!r}, got {len(data)} '
                         'bytes that OpenCV cannot decode to 8 or 16 bits')
    return _rgb_of(pixels, _meaning_of_compressed(pixels, msg.format))


def fill_image(msg: Any, pixels: Array, name: str) -> Any:
    """Fill an Image's size, encoding and data from (H, W[, C]) pixels of this encoding and return it; no header.

    A message that is filled again keeps its memory. Raises ImageError where the pixels don't fit the encoding.
    """
    fields = image_fields(pixels, name)
    fill_data(msg, fields.pop('data'))
    for key, value in fields.items():
        setattr(msg, key, value)
    return msg


def image_fields(pixels: Array, name: str) -> dict[str, Any]:
    """Return an Image's fields but the header, by name: `Image(header=header, **image_fields(rgb, 'rgb8'))`.

    `data` is uint8 (N,), as rosbags wants it: a view of the pixels where they lie in one piece.
    """
    meaning = encoding(name)
    pixels = _checked_pixels(np.asarray(pixels), meaning)
    return {
        'height': len(pixels) * 2 // meaning.half_rows,
        'width': pixels.shape[1],
        'encoding': name,
        'is_bigendian': int(sys.byteorder == 'big'),
        'step': pixels.shape[1] * meaning.pixel_bytes,
        'data': np.ascontiguousarray(pixels).reshape(-1).view(np.uint8),
    }


def _checked_pixels(pixels: Array, meaning: Encoding) -> Array:
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    dtype = pixels.dtype.newbyteorder('=')
    fits = pixels.ndim in (2, 3) and channels == meaning.channels and dtype == meaning.dtype
    if not fits or not pixels.size or len(pixels) * 2 % meaning.half_rows:
        shape = '(H, W)' if meaning.channels == 1 else f'(H, W, {meaning.channels})'
        raise ImageError(f'expected {meaning.dtype} {shape} pixels for encoding {meaning.name!r}, '
                         f'got {pixels.dtype} {pixels.shape}')
    return pixels.astype(meaning.dtype, copy=False)


def _check_layout(msg: Any, meaning: Encoding) -> None:
    if msg.height < 1 or msg.width < 1:
        raise ImageError(f'expected an image with pixels, got {msg.width}x{msg.height}')
    row_bytes = msg.width * meaning.pixel_bytes
    if msg.step < row_bytes:
        raise ImageError(f'expected a step of at least {row_bytes} bytes for {msg.width} pixels of {msg.encoding}, '
                         f'got {msg.step}')
    expected, got = meaning.rows(msg.height) * msg.step, len(msg.data)
    if got < expected:
        raise ImageError(f'expected {expected} bytes of data for {msg.height} rows of {msg.step} bytes in '
                         f'{msg.encoding}, got {got}; is the message cut short?')
    odd = {'yuv422': msg.width % 2, 'yuv420': msg.width % 2 or msg.height % 2}
    if odd.get(meaning.color or ''):
        raise ImageError(f'expected an even size for {msg.encoding}, got {msg.width}x{msg.height}')


def _rgb_of(pixels: Array, meaning: Encoding) -> Array:
    if meaning.color == 'yuv444':
        return _nv24_to_rgb(pixels)
    rgb = pixels if meaning.rgb_code is None else cv2.cvtColor(pixels, meaning.rgb_code)
    return rgb if rgb.dtype == np.uint8 else cv2.convertScaleAbs(rgb, alpha=255.0 / 65535.0)


def _nv24_to_rgb(planes: Array) -> Array:
    """Convert by OpenCV's 4:2:0 path, each pixel doubled: it has none for 4:4:4, and the colors are to agree."""
    height = len(planes) // 3
    luma = planes[:height].repeat(2, 0).repeat(2, 1)
    doubled = np.concatenate([luma, planes[height:].reshape(height, -1)])
    return np.ascontiguousarray(cv2.cvtColor(doubled, cv2.COLOR_YUV2RGB_NV12)[::2, ::2])


def _decode(data: Array) -> Array | None:
    try:
        return cv2.imdecode(data, cv2.IMREAD_UNCHANGED)  # unchanged: EXIF must not turn what camera_info describes
    except cv2.error:  # empty data
        return None


def _meaning_of_compressed(pixels: Array, text: str) -> Encoding:
    """Return what decoded pixels mean: OpenCV's BGR, unless the format says otherwise."""
    raw, _, how = text.partition(';')
    bits = '8' if pixels.dtype == np.uint8 else '16'
    if pixels.ndim == 2:
        known = ENCODINGS.get(raw.strip())
        return known if known is not None and known.color == 'bayer' else ENCODINGS['mono' + bits]
    order = 'rgb' if 'compressed rgb' in how else 'bgr'
    return ENCODINGS[order + ('a' if pixels.shape[2] == 4 else '') + bits]
