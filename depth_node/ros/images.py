"""Image messages as RGB: by our own conversion, or by cv_bridge where that knows an encoding that ours does not."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from msg_tools import image
from msg_tools.camera import Array
from msg_tools.errors import ImageError, UnknownEncodingError


def to_rgb(message: Any) -> Array:
    """Return an Image or CompressedImage as uint8 (H, W, 3) RGB.

    Ours comes first: it copies less, and needs no cv_bridge, which is not on PyPI. Raises ImageError.
    """
    try:
        return image.to_rgb(message)
    except UnknownEncodingError as error:
        bridge = cv_bridge()
        if bridge is None:
            raise ImageError(f'{error}; cv_bridge, which might know it, is not installed here') from error
        return convert(bridge, message)


def convert(bridge: Any, message: Any) -> Array:
    """Return cv_bridge's conversion of an Image; raises ImageError where it has none either."""
    try:
        return bridge.imgmsg_to_cv2(message, 'rgb8')
    except Exception as error:  # CvBridgeError, and what its C++ part throws
        raise ImageError(f'expected an encoding of ours or of cv_bridge, got {message.encoding!r}: {error}') from error


@lru_cache(maxsize=1)
def cv_bridge() -> Any:
    """Return a CvBridge, or None where there is no working one; tried once, for a failed import is not cheap."""
    try:
        from cv_bridge import CvBridge

        return CvBridge()
    except Exception:  # ImportError, or whatever a build against another NumPy raises
        return None
