"""What a camera_info means for its images: rectified or not, with which intrinsics. Knows no ROS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from msg_tools.camera import Array, Intrinsics, Size
from msg_tools.camera_info import Rectifier, check_size, intrinsics, is_calibrated, looks_rectified

UNCALIBRATED = 'uncalibrated: K[0] is 0 in camera_info; depth assumes the field of view of the training, no cloud'


@dataclass(frozen=True, slots=True)
class View:
    """How images of one camera are used."""

    size: Size  # of the image that camera_info describes
    camera: Intrinsics | None  # of the rectified image; None: uncalibrated
    rectifier: Rectifier | None  # None: the image is rectified already, or cannot be
    rectified: str  # whether the image is taken as rectified, and why

    def rectify(self, rgb: Array) -> Array:
        """Return the rectified image (H, W, 3); raises CalibrationError where camera_info is for another size."""
        if self.size.pixels:  # an uncalibrated driver may leave 0 x 0
            check_size(rgb, self.size)
        return self.rectifier.rectify(rgb) if self.rectifier else rgb


class Cameras:
    """The view of the latest camera_info, made again only when its content changes."""

    def __init__(self) -> None:
        self._key: object = None
        self.view: View | None = None

    def of(self, info: Any, topic: str, input_rectified: str) -> View:
        """Return the view for a camera_info; input_rectified is auto, true or false.

        Raises CalibrationError where the numbers are impossible.
        """
        key = (input_rectified, topic, content(info))
        if self.view is None or key != self._key:
            self.view = make_view(info, topic, input_rectified)
            self._key = key
        return self.view


def make_view(info: Any, topic: str, input_rectified: str) -> View:
    """Decide how images of this camera_info are used."""
    if not is_calibrated(info):
        return View(Size(info.height, info.width), None, None, UNCALIBRATED)
    rectified, reason = looks_rectified(info, topic)
    if input_rectified != 'auto':
        rectified, reason = input_rectified == 'true', 'the parameter input_rectified says so'
    rectifier = None if rectified else Rectifier(info)
    camera = rectifier.camera if rectifier else intrinsics(info, rectified=True)
    return View(camera.size, camera, rectifier, f'{"yes" if rectified else "no"}: {reason}')


def content(info: Any) -> object:
    """Return what two camera_infos of the same camera have in common, whatever their stamps."""
    roi = info.roi
    arrays = tuple(tuple(float(value) for value in array) for array in (info.d, info.k, info.r, info.p))
    window = (roi.x_offset, roi.y_offset, roi.height, roi.width)
    return (info.height, info.width, info.distortion_model, info.binning_x, info.binning_y, window, arrays)
