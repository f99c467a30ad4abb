"""sensor_msgs CameraInfo: its intrinsics, whether its image is rectified already, and the rectification if not.

Reads the lower-case fields k, d, r, p of ROS 2 and the upper-case ones of ROS 1. Binning and region of interest are
applied: everything returned belongs to the image as it is published.
"""

from __future__ import annotations

import array
import re
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from .camera import Intrinsics, Size
from .errors import CalibrationError

Array = NDArray[Any]

# Numbers of coefficients that OpenCV takes; fewer are filled up with zeros.
DISTORTION_MODELS = {'plumb_bob': (4, 5), 'rational_polynomial': (8, 12, 14), 'equidistant': (4,)}
LOPSIDED = 0.1  # share of the view by which one side overflows more than the other
OFF_CENTER = 0.04  # of the image's size: a camera's principal point is hardly farther from the center


def is_calibrated(info: Any) -> bool:
    """Return whether a CameraInfo has a calibration: sensor_msgs says that K[0] is 0 where it has none."""
    return bool(_numbers(info, 'k', 9)[0] != 0.0)


def intrinsics(info: Any, rectified: bool) -> Intrinsics:
    """Return the intrinsics of the image: P's where it is rectified, K's where it is raw.

    Raises CalibrationError where the camera is not calibrated, a number is not finite, or P is left out (zero) though
    the lens distorts.
    """
    window, size = _window(info)
    K, P = _matrices(info)
    if rectified and not P.any() and not CameraModel.from_info(info).is_plain:
        raise CalibrationError('expected a P for a rectified image of a camera with distortion, got zeros; '
                               'calibrate the camera, or rectify its raw image')
    return Intrinsics.from_matrix(window @ (P if rectified and P.any() else K), size)


def looks_rectified(info: Any, topic: str = '') -> tuple[bool, str]:
    """Return whether the image that goes with a CameraInfo is rectified already, and the reason in words.

    It is where (1) its topic is called so, (2) there is nothing to rectify, or (3) K cannot belong to an image of this
    size. Bags that kitti2bag made are the known case of (3): rectified images with the K and D of the larger raw ones,
    so that P's view would lie to one side of the image. An honest rectification overflows on both sides alike.
    """
    if re.search(r'(^|[/_])rect(ified)?([/_]|$)', topic.lower()):
        return True, f'the topic {topic} is called rectified'
    if not is_calibrated(info):
        return True, 'the camera is not calibrated: there is nothing to rectify with'
    camera = CameraModel.from_info(info)
    if camera.is_plain:
        return True, 'camera_info has no distortion and no rotation, and P is K'
    side = _overflowing_side(camera)
    if side:
        return True, f'K and D cannot belong to an image of {camera.size}: the view of P would lie {side}'
    return False, 'camera_info describes a raw image'


class Rectifier:
    """Rectify images of one camera; the maps are built once.

    `camera` has the intrinsics of the result: P's, or K's where P is left out (zero).
    """

    def __init__(self, info: Any) -> None:
        """Build the maps of a CameraInfo; raise CalibrationError where it has none or an unknown distortion."""
        model = CameraModel.from_info(info)
        self.camera = Intrinsics.from_matrix(model.P, model.size)
        self._maps = cv2.convertMaps(*model.raw_pixels(model.P, model.size), cv2.CV_16SC2)

    def rectify(self, image: Array) -> Array:
        """Return the rectified image (H, W[, C]), black where the camera saw nothing; raise as `check_size`."""
        check_size(image, self.camera.size)
        return cv2.remap(image, *self._maps, cv2.INTER_LINEAR)


def check_size(image: Array, size: Size) -> None:
    """Raise CalibrationError where an image (H, W[, C]) is not of the size that its camera_info says."""
    if image.shape[:2] != size.shape:
        raise CalibrationError(f'expected an image of {size} as camera_info says, got '
                               f'{Size(*image.shape[:2])}; do image and camera_info belong to the same camera?')


def camera_info_fields(camera: Intrinsics, P: Array | None = None) -> dict[str, Any]:
    """Return the fields of a rectified camera's CameraInfo, but header, binning and roi, by their ROS 2 names.

    R is the identity and D zero, as for an image that needs nothing more; P (3, 4) may carry a stereo baseline.
    """
    return {
        'height': camera.size.height,
        'width': camera.size.width,
        'distortion_model': 'plumb_bob',
        'd': np.zeros(5),
        'k': camera.K.reshape(-1),
        'r': np.eye(3).reshape(-1),
        'p': np.array(camera.P if P is None else P, np.float64).reshape(-1),
    }


def fill_camera_info(msg: Any, camera: Intrinsics, P: Array | None = None) -> Any:
    """Fill a CameraInfo as `camera_info_fields` says and return it, without binning and roi; not the header."""
    for key, value in camera_info_fields(camera, P).items():
        name = key if hasattr(msg, key) else key.upper()
        growing = isinstance(getattr(msg, name), array.array)  # rclpy's d
        setattr(msg, name, array.array('d', value) if growing else value)
    msg.binning_x = msg.binning_y = 0
    for key in ('x_offset', 'y_offset', 'height', 'width'):
        setattr(msg.roi, key, 0)
    msg.roi.do_rectify = False
    return msg


@dataclass(frozen=True, slots=True, eq=False)
class CameraModel:
    """The calibration of a raw image: K (3, 3), D (n,), R (3, 3), P (3, 3) [px], of the image as it is published."""

    K: Array
    D: Array
    R: Array
    P: Array
    distortion_model: str
    size: Size

    @classmethod
    def from_info(cls, info: Any) -> CameraModel:
        """Read a CameraInfo; raise CalibrationError where it is not calibrated, not finite, or of an unknown model.

        R and P that are left out (zero) become the identity and K, as for a single camera.
        """
        K, P = _matrices(info)
        R = _numbers(info, 'r', 9).reshape(3, 3)
        window, size = _window(info)
        D = _coefficients(_numbers(info, 'd'), info.distortion_model)
        return cls(window @ K, D, R if R.any() else np.eye(3), window @ (P if P.any() else K),
                   info.distortion_model if D.any() else 'none', size)

    @property
    def is_plain(self) -> bool:
        """Return whether the raw image is the rectified one: no distortion, no rotation, and P is K."""
        near_px = 1e-3 * self.K[0, 0]
        return (self.distortion_model == 'none' and np.allclose(self.R, np.eye(3), atol=1e-6)
                and np.allclose(self.K, self.P, rtol=0.0, atol=near_px))

    def raw_pixels(self, P: Array, size: Size) -> tuple[Array, Array]:
        """Return where the pixels of a rectified view P (3, 3) of this size lie in the raw image, two (H, W) [px]."""
        lens: Any = cv2.fisheye if self.distortion_model == 'equidistant' else cv2
        maps: tuple[Array, Array] = lens.initUndistortRectifyMap(
            self.K, self.D, self.R, P, (size.width, size.height), cv2.CV_32FC1)
        return maps


def _matrices(info: Any) -> tuple[Array, Array]:
    """Return K (3, 3) and P's first three columns, zeros where P is left out; raise where there is no calibration."""
    if not is_calibrated(info):
        raise CalibrationError('expected a calibrated camera, got camera_info with K of zeros; calibrate the '
                               'camera, or give its calibration file to the driver')
    return _numbers(info, 'k', 9).reshape(3, 3), _numbers(info, 'p', 12).reshape(3, 4)[:, :3]


def _overflowing_side(camera: CameraModel, samples: int = 64) -> str:
    """Return in words on which side of the raw image P's view lies, or nothing where it lies about on the image."""
    step = np.array([[camera.size.width / samples], [camera.size.height / samples], [1.0]])
    sampled = camera.raw_pixels(camera.P / step, Size(samples, samples))
    unfolded = (np.gradient(sampled[0], axis=1) > 0) & (np.gradient(sampled[1], axis=0) > 0)  # else beyond the model
    centers, lengths = camera.K[:2, 2], (camera.size.width, camera.size.height)
    sides = (('left of', 'right of'), ('above', 'below'))
    for pixels, center, length, names in zip(sampled, centers, lengths, sides, strict=True):
        excess = float(np.mean(unfolded & (pixels > length - 1)) - np.mean(unfolded & (pixels < 0)))
        off_center = (center - (length - 1) / 2) / length
        if abs(excess) > LOPSIDED and abs(off_center) > OFF_CENTER and excess * off_center > 0:
            return f'{abs(excess):.0%} {names[int(excess > 0)]} it'
    return ''


def _numbers(info: Any, name: str, count: int | None = None) -> Array:
    """Return a field of CameraInfo, in lower or upper case, as float64 (N,); raise where one is not finite."""
    values = np.array(getattr(info, name) if hasattr(info, name) else getattr(info, name.upper()), np.float64)
    if count is not None and values.size != count:
        raise CalibrationError(f'expected {count} numbers for {name.upper()} of camera_info, got {values.size}')
    if not np.isfinite(values).all():
        raise CalibrationError(f'expected finite numbers for {name.upper()} of camera_info, got {values.tolist()}')
    return values.reshape(-1)


def _coefficients(D: Array, distortion_model: str) -> Array:
    if not D.any():
        return np.zeros(5)  # no distortion, whatever the model is called
    counts = DISTORTION_MODELS.get(distortion_model)
    if counts is None:
        raise CalibrationError(f'expected a distortion model out of {", ".join(DISTORTION_MODELS)}, '
                               f'got {distortion_model!r} with D {D.tolist()}')
    if len(D) > counts[-1]:
        raise CalibrationError(f'expected at most {counts[-1]} numbers in D for {distortion_model}, got {len(D)}')
    return np.pad(D, (0, min(n for n in counts if n >= len(D)) - len(D)))


def _window(info: Any) -> tuple[Array, Size]:
    """Return the (3, 3) that takes calibrated pixels to those published, through roi and binning, and their size."""
    roi, bin_x, bin_y = info.roi, max(info.binning_x, 1), max(info.binning_y, 1)
    full = roi.width == 0 or roi.height == 0
    width, height = (info.width, info.height) if full else (roi.width, roi.height)
    if width < 1 or height < 1:
        raise CalibrationError(f'expected the size of the image in camera_info, got {width}x{height}')
    left, top = (0, 0) if full else (roi.x_offset, roi.y_offset)
    window = np.array([  # pixel centers lie at integers, so a bin of n starts half a pixel before its first
        [1 / bin_x, 0, (0.5 - left) / bin_x - 0.5],
        [0, 1 / bin_y, (0.5 - top) / bin_y - 0.5],
        [0, 0, 1],
    ])
    return window, Size(height // bin_y, width // bin_x)
