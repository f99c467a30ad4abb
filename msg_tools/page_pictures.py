"""Pictures inside our reports: made smaller, as JPEG in text, and colour bars as CSS."""

from __future__ import annotations

import base64

import cv2
import numpy as np

from .camera import Array
from .colors import FAR_M, NEAR_M, depth_colors

QUALITY = 82


def smaller(picture: Array, shape: tuple[int, int]) -> Array:
    """Resize a picture uint8 (H, W, 3) to this shape."""
    return cv2.resize(picture, shape[::-1], interpolation=cv2.INTER_AREA)


def thinned(truth_m: Array, value: Array, shape: tuple[int, int]) -> Array:
    """Draw value * truth (H, W) at the nearest measured pixels into a map float32 of another shape; 0: none."""
    rows, columns = np.nonzero(truth_m)
    order = np.argsort(-truth_m[rows, columns], kind='stable')  # the nearest is drawn last
    rows, columns = rows[order], columns[order]
    drawn = np.zeros(shape, np.float32)
    at = rows * shape[0] // truth_m.shape[0], columns * shape[1] // truth_m.shape[1]
    drawn[at] = truth_m[rows, columns] * value[rows, columns]
    return drawn


def jpeg(picture: Array) -> str:
    """Return a picture uint8 (H, W, 3) RGB as a data URI."""
    _, data = cv2.imencode('.jpg', cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return 'data:image/jpeg;base64,' + base64.b64encode(data.tobytes()).decode()


def css(colors: Array) -> str:
    """Return colours uint8 (N, 3) as a CSS gradient."""
    return f'linear-gradient(90deg, {", ".join("rgb({},{},{})".format(*color) for color in colors.tolist())})'


def depth_ramp() -> tuple[str, list[str]]:
    """Return the colours of depth as a CSS gradient, with the numbers below it."""
    depths_m = NEAR_M * (FAR_M / NEAR_M) ** np.linspace(0, 1, 24)
    return css(depth_colors(depths_m[None].astype(np.float32))[0]), ['2 m', '5', '13', '32', '80 m']
