"""What the `encoding` of a sensor_msgs/Image says about its bytes, and how OpenCV turns them into RGB.

Names and meanings are those of sensor_msgs/image_encodings.hpp and cv_bridge, and nv12, which drivers publish too.
ROS names a Bayer pattern by the first two pixels of the first two rows; OpenCV by the pixels one further right and
down, which is why `bayer_rggb8` is BayerBG.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np

from .errors import UnknownEncodingError

MAX_CHANNELS = 512  # OpenCV's CV_CN_MAX


@dataclass(frozen=True, slots=True)
class Encoding:
    """The meaning of one encoding: pixel type, channels, planes, and OpenCV's way to RGB."""

    name: str
    dtype: np.dtype[Any]
    channels: int = 1
    color: str | None = None  # rgb, bgr, rgba, bgra, mono, bayer, yuv422, yuv420, yuv444; None: no color
    rgb_code: int | None = None  # of cv2.cvtColor
    half_rows: int = 2  # rows of data in half image rows: 2 for packed pixels, 3 for 4:2:0, 6 for 4:4:4 planes

    @property
    def pixel_bytes(self) -> int:
        """Return the bytes that one pixel takes in a row."""
        return self.dtype.itemsize * self.channels

    def rows(self, height: int) -> int:
        """Return the rows of data that an image of this height has, the chroma plane's included."""
        return height * self.half_rows // 2


@lru_cache(maxsize=256)
def encoding(name: str) -> Encoding:
    """Return the encoding of this name; raise UnknownEncodingError that lists those there are."""
    if name in ENCODINGS:
        return ENCODINGS[name]
    match = re.fullmatch(r'(8U|8S|16U|16S|32S|32F|64F)(?:C([1-9]\d{0,2}))?', name)
    channels = int(match[2] or 1) if match else 0
    if match is None or channels > MAX_CHANNELS:
        raise UnknownEncodingError(f'expected an encoding out of {", ".join(ENCODINGS)} or OpenCV\'s like 16UC1, '
                                   f'got {name!r}')
    return Encoding(name, np.dtype(_OPENCV_TYPES[match[1]]), channels, _OPENCV_COLORS.get(name),
                    _TO_RGB.get(_OPENCV_COLORS.get(name, '')))


_OPENCV_TYPES = {'8U': 'u1', '8S': 'i1', '16U': 'u2', '16S': 'i2', '32S': 'i4', '32F': 'f4', '64F': 'f8'}
_OPENCV_COLORS = {'8UC1': 'mono', '8U': 'mono', '8UC3': 'bgr', '8UC4': 'bgra'}  # as image_view and RViz show them
_CHANNELS = {'rgb': 3, 'bgr': 3, 'rgba': 4, 'bgra': 4, 'mono': 1}
_TO_RGB = {
    'bgr': cv2.COLOR_BGR2RGB, 'rgba': cv2.COLOR_RGBA2RGB, 'bgra': cv2.COLOR_BGRA2RGB, 'mono': cv2.COLOR_GRAY2RGB,
}
_BAYER_TO_RGB = {
    'rggb': cv2.COLOR_BayerBG2RGB, 'bggr': cv2.COLOR_BayerRG2RGB,
    'gbrg': cv2.COLOR_BayerGR2RGB, 'grbg': cv2.COLOR_BayerGB2RGB,
}
_YUV422_TO_RGB = {
    'yuv422': cv2.COLOR_YUV2RGB_UYVY, 'uyvy': cv2.COLOR_YUV2RGB_UYVY,
    'yuv422_yuy2': cv2.COLOR_YUV2RGB_YUY2, 'yuyv': cv2.COLOR_YUV2RGB_YUY2,
}
_PLANAR = (
    ('nv12', 'yuv420', cv2.COLOR_YUV2RGB_NV12, 3),
    ('nv21', 'yuv420', cv2.COLOR_YUV2RGB_NV21, 3),
    ('nv24', 'yuv444', cv2.COLOR_YUV2RGB_NV12, 6),
)


def _named() -> list[Encoding]:
    u1, u2 = np.dtype('u1'), np.dtype('u2')
    sizes = (('8', u1), ('16', u2))
    return [
        *(Encoding(color + bits, dtype, n, color, _TO_RGB.get(color))
          for bits, dtype in sizes for color, n in _CHANNELS.items()),
        *(Encoding(f'bayer_{pattern}{bits}', dtype, 1, 'bayer', code)
          for bits, dtype in sizes for pattern, code in _BAYER_TO_RGB.items()),
        *(Encoding(name, u1, 2, 'yuv422', code) for name, code in _YUV422_TO_RGB.items()),
        *(Encoding(name, u1, 1, color, code, half_rows) for name, color, code, half_rows in _PLANAR),
    ]


ENCODINGS = {known.name: known for known in _named()}
