"""Read a camera's calibration from a file: KITTI's text files, or the YAML that ROS's camera_calibration writes."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from .camera import Array, Intrinsics, Size
from .errors import CalibrationError


@dataclass(frozen=True, slots=True)
class Roi:
    """The region of interest of a CameraInfo; all zeros: the whole image."""

    x_offset: int = 0
    y_offset: int = 0
    height: int = 0
    width: int = 0


@dataclass(frozen=True, slots=True)
class CameraFile:
    """A camera's calibration with a CameraInfo's field names, so that it can stand for one; width 0 is unknown."""

    k: Array
    p: Array
    width: int = 0
    height: int = 0
    d: Array = field(default_factory=lambda: np.zeros(0))
    r: Array = field(default_factory=lambda: np.eye(3).ravel())
    distortion_model: str = 'plumb_bob'
    binning_x: int = 0
    binning_y: int = 0
    roi: Roi = Roi()

    @property
    def distorted(self) -> bool:
        """Return whether images of this camera want rectifying first."""
        return bool(np.any(self.d))

    def intrinsics(self, size: Size) -> Intrinsics:
        """Return the rectified image's intrinsics, scaled where its size is not the file's."""
        calibrated = Size(self.height, self.width) if self.width else size
        return Intrinsics.from_matrix(self.p.reshape(3, 4), calibrated).resized(size)


def read_calibration(path: Path, camera: int = 2) -> CameraFile:
    """Read a calibration file: `.yaml`/`.yml` is a camera_info YAML, anything else a KITTI text file.

    `camera` picks one of a KITTI file's cameras (2 and 3 are the colour cameras, left and right).
    Raises CalibrationError where the file is missing or lacks a matrix.
    """
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise CalibrationError(f'{path}: expected a readable calibration file, got: {error}') from error
    return _from_yaml(path, text) if path.suffix in ('.yaml', '.yml') else _from_kitti(path, text, camera)


def _from_kitti(path: Path, text: str, camera: int) -> CameraFile:
    """Take P_rect_0x (raw data's calib_cam_to_cam.txt) or Px (the object and odometry benchmarks' calib files)."""
    lines = dict(re.findall(r'^(\w+):[ \t]*(.+)$', text, re.MULTILINE))
    wanted = f'P_rect_{camera:02d}', f'P{camera}'
    name = next((name for name in wanted if name in lines), None)
    if name is None:
        raise CalibrationError(f'{path}: expected a line {wanted[0]} or {wanted[1]}, got {", ".join(lines) or "none"}')
    P = _numbers(path, name, lines[name].split(), 12).reshape(3, 4)
    width, height = _numbers(path, 'S_rect', lines.get(f'S_rect_{camera:02d}', '0 0').split(), 2).astype(int)
    return CameraFile(k=P[:, :3].ravel(), p=P.ravel(), width=int(width), height=int(height))


def _from_yaml(path: Path, text: str) -> CameraFile:
    try:
        content = yaml.safe_load(text)
        size = int(content['image_width']), int(content['image_height'])
        k = _numbers(path, 'camera_matrix', content['camera_matrix']['data'], 9)
        p = content.get('projection_matrix', {}).get('data') or np.c_[k.reshape(3, 3), np.zeros(3)].ravel()
        d = np.asarray(content.get('distortion_coefficients', {}).get('data', []), np.float64)
        r = content.get('rectification_matrix', {}).get('data') or np.eye(3).ravel()
        model = str(content.get('distortion_model', 'plumb_bob'))
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise CalibrationError(f"{path}: expected a YAML with image_width, image_height and camera_matrix as ROS's "
                               f"camera_calibration writes it, got: {type(error).__name__} {error}") from error
    p, r = _numbers(path, 'projection_matrix', p, 12), _numbers(path, 'rectification_matrix', r, 9)
    return CameraFile(k=k, p=p, width=size[0], height=size[1], d=d, r=r, distortion_model=model)


def _numbers(path: Path, name: str, values: Any, count: int) -> Array:
    try:
        numbers = np.asarray([float(value) for value in values])
    except (TypeError, ValueError) as error:
        raise CalibrationError(f'{path}: expected {count} numbers for {name}, got {values!r}') from error
    if len(numbers) != count or not np.isfinite(numbers).all():
        raise CalibrationError(f'{path}: expected {count} finite numbers for {name}, got {len(numbers)}: {values!r}')
    return numbers
