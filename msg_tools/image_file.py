"""Read image files of any kind that OpenCV knows (PNG, JPEG, ...): the one way from a file to RGB pixels."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from .camera import Array, Size
from .errors import ImageError

ENDS = {b'\x89PNG': b'IEND', b'\xff\xd8\xff': b'\xff\xd9'}  # what a whole PNG or JPEG begins and ends with
TAIL_BYTES = 4096  # some writers put a little more behind the end


def read_rgb(path: Path | str) -> Array:
    """Read an image file as RGB uint8 (H, W, 3). Raises ImageError where it is missing, cut short or no image.

    16 bits become 8, alpha is dropped, and a photo is turned as its EXIF data says, as any viewer shows it.
    """
    data = _read(Path(path))
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    if image is None or _is_cut(data):
        raise ImageError(f'{path}: expected an image, got a broken file of {len(data)} bytes; is it whole, and of a '
                         'kind that OpenCV reads?')
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB, dst=image)


def image_size(path: Path | str) -> Size:
    """Return the size of an image file; a PNG's is in its first bytes, another file is decoded.

    Raises ImageError where the file is missing or broken.
    """
    head = _read(Path(path), 24)
    if head.startswith(b'\x89PNG') and len(head) == 24:
        return Size(int.from_bytes(head[20:24], 'big'), int.from_bytes(head[16:20], 'big'))
    return Size(*read_rgb(path).shape[:2])


def encode_rgb(rgb: Array) -> bytes:
    """Encode an image uint8 (H, W, 3) RGB as a PNG."""
    done, data = cv2.imencode('.png', cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
    if not done:
        raise ImageError(f'expected an image that can be written as PNG, got {rgb.shape} {rgb.dtype}')
    return data.tobytes()


def _read(path: Path, count: int = -1) -> bytes:
    try:
        with path.open('rb') as file:
            return file.read(count)
    except OSError as error:
        raise ImageError(f'{path}: expected an image, got: {error.strerror}') from error


def _is_cut(data: bytes) -> bool:
    """Tell whether a PNG or JPEG lacks its end: OpenCV 4 fills what is missing of a JPEG with grey."""
    return any(data.startswith(start) and end not in data[-TAIL_BYTES:] for start, end in ENDS.items())
