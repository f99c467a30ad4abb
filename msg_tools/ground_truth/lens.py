"""How a camera maps points of its frame to pixels: a pinhole, or one with a lens's distortion, for raw images.

The distortion models are OpenCV's, which are ROS's: plumb_bob and rational_polynomial (Brown-Conrady, radial as a
ratio of polynomials), equidistant (cv2.fisheye, Kannala-Brandt).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..camera import Array, Intrinsics, Size
from ..camera_info import CameraModel
from ..errors import CalibrationError

PINHOLE, BROWN, FISHEYE = range(3)
SAMPLES = 4096


@dataclass(frozen=True)
class Lens:
    """A camera's pixels: its intrinsics, model, coefficients D (12,) and how far off the axis the model holds.

    `limit` is the tangent of the angle off the axis (for a fisheye: the angle [rad]) up to which farther out in the
    world is farther out in the image. Beyond it a polynomial turns back, and points at the side would fall in again.
    """

    camera: Intrinsics
    model: int = PINHOLE
    D: Array = field(default_factory=lambda: np.zeros(12))
    limit: float = np.inf

    @classmethod
    def of_raw(cls, model: CameraModel) -> Lens:
        """Return the lens of a raw image. Raises CalibrationError for a model with a tilted sensor or prism terms."""
        camera = Intrinsics.from_matrix(model.K, model.size)
        if model.distortion_model == 'none':
            return cls(camera)
        if np.any(model.D[8:]):
            raise CalibrationError('expected a distortion of up to 8 coefficients for raw images, got thin prism or '
                                   f'tilt terms: {model.D.tolist()}; rectify the images instead')
        D = np.zeros(12)
        D[: min(len(model.D), 8)] = model.D[:8]
        kind = FISHEYE if model.distortion_model == 'equidistant' else BROWN
        return cls(camera, kind, D, radial_limit(kind, D))

    @property
    def size(self) -> Size:
        """Return the size of the image."""
        return self.camera.size

    @property
    def numbers(self) -> Array:
        """Return fx, fy, cx, cy, limit and D as float64 (17,), for compiled loops."""
        camera = self.camera
        return np.array([camera.fx, camera.fy, camera.cx, camera.cy, self.limit, *self.D])


def radial_limit(kind: int, D: Array) -> float:
    """Return how far off the axis (see Lens) the radial distortion of D (12,) still grows."""
    off_axis = np.linspace(0, np.pi if kind == FISHEYE else 10.0, SAMPLES)
    r2 = off_axis * off_axis
    with np.errstate(divide='ignore', invalid='ignore'):
        if kind == FISHEYE:
            radius = off_axis * (1 + r2 * (D[0] + r2 * (D[1] + r2 * (D[2] + r2 * D[3]))))
        else:
            divisor = 1 + r2 * (D[5] + r2 * (D[6] + r2 * D[7]))
            radius = off_axis * (1 + r2 * (D[0] + r2 * (D[1] + r2 * D[4]))) / divisor
    falling = np.flatnonzero(~(np.diff(radius) > 0))
    return float(off_axis[falling[0]]) if len(falling) else float(off_axis[-1])
