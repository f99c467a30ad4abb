"""Where a scanner sits to a camera, from a file: for recordings that do not say it themselves.

Files of KITTI: `calib_velo_to_cam.txt` with `calib_cam_to_cam.txt` beside it (raw data), or a benchmark's `calib.txt`
with P0 to P3 and one of Tr, Tr_velo_to_cam (with R0_rect) or Tr_velo_to_cam_rect. Or a YAML file:

    T_cam_scanner:                      # takes points of the scanner to the camera's optical frame (x right, z forward)
      - [0.0, -1.0, 0.0, 0.06]
      - [0.0, 0.0, -1.0, -0.08]
      - [1.0, 0.0, 0.0, -0.27]
      - [0.0, 0.0, 0.0, 1.0]
    # or, instead of the matrix, the same as
    translation: [0.06, -0.08, -0.27]   # [m]
    rotation: [0.5, -0.5, 0.5, 0.5]    # quaternion x, y, z, w
    # and, where the recording has no camera_info, as ROS's camera_calibration writes it:
    image_width: 1242
    image_height: 375
    camera_matrix: {rows: 3, cols: 3, data: [721.5, 0.0, 609.6, 0.0, 721.5, 172.9, 0.0, 0.0, 1.0]}
    distortion_model: plumb_bob
    distortion_coefficients: {rows: 1, cols: 5, data: [0.0, 0.0, 0.0, 0.0, 0.0]}
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from .calibration_file import CameraFile, read_calibration
from .camera import Array
from .errors import CalibrationError
from .kitti_calibration import VELODYNE, KittiCalibration
from .rotation import rigid, rotation_of

TRANSFORMS = 'Tr', 'Tr_velo_to_cam', 'Tr_velo_cam', 'Tr_velo_to_cam_rect'


@dataclass(frozen=True)
class Rig:
    """T_cam_scanner (4, 4) [m] into the camera's own frame, and the camera where the file has one."""

    T_cam_scanner: Array
    camera: CameraFile | None = None
    T_cam0_scanner: Array | None = None  # into KITTI's rectified camera 0, which its poses are of


def read_rig(path: Path, camera: int = 2) -> Rig:
    """Read a file; `camera` picks one of KITTI's. Raises CalibrationError where something is missing or impossible."""
    try:
        if path.name == VELODYNE:
            return _of_raw_data(path, camera)
        text = path.read_text()
        return _of_yaml(path, text) if path.suffix in ('.yaml', '.yml') else _of_benchmark(path, text, camera)
    except (OSError, UnicodeDecodeError) as error:
        raise CalibrationError(f'{path}: expected a readable calibration file, got: {error}') from error


def _of_raw_data(path: Path, camera: int) -> Rig:
    calibration = KittiCalibration.load(path.parent)
    found = calibration.camera(camera)
    P, size = found.P_rect, found.size
    file = CameraFile(k=P[:, :3].ravel(), p=P.ravel(), width=size.width, height=size.height)
    return Rig(calibration.T_cam_velo(camera), file, calibration.R_rect_00 @ calibration.T_cam0_velo)


def _of_benchmark(path: Path, text: str, camera: int) -> Rig:
    """Read a calib.txt: P and the transform to the rectified camera 0, from which P's last column leads on."""
    file = read_calibration(path, camera)
    lines = dict(re.findall(r'^(\w+):?[ \t]+(.+)$', text, re.MULTILINE))
    name = next((name for name in TRANSFORMS if name in lines), '')
    if not name:
        raise CalibrationError(f'{path}: expected a line {", ".join(TRANSFORMS[:-1])} or {TRANSFORMS[-1]} with the '
                               f'transform from the scanner, got {", ".join(lines) or "none"}')
    T = np.vstack([numbers(path, name, lines[name].split(), 3, 4), [0, 0, 0, 1]])
    R0 = next((lines[key] for key in ('R0_rect', 'R_rect') if key in lines), '')
    if R0 and name != 'Tr_velo_to_cam_rect':
        R_rect = np.eye(4)
        R_rect[:3, :3] = numbers(path, 'R0_rect', R0.split(), 3, 3)
        T = R_rect @ T
    P, shift = file.p.reshape(3, 4), np.eye(4)
    if abs(np.linalg.det(P[:, :3])) < 1e-9:
        raise CalibrationError(f'{path}: expected a P that can be inverted for camera {camera}, got {P.tolist()}')
    shift[:3, 3] = np.linalg.solve(P[:, :3], P[:, 3])
    return Rig(shift @ checked(path, name, T), file, T)


def _of_yaml(path: Path, text: str) -> Rig:
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise CalibrationError(f'{path}: expected YAML, got: {error}') from error
    content = content if isinstance(content, dict) else {}
    return Rig(checked(path, 'T_cam_scanner', _yaml_transform(path, content)),
               read_calibration(path) if 'camera_matrix' in content else None)


def _yaml_transform(path: Path, content: dict[str, Any]) -> Array:
    if 'T_cam_scanner' in content:
        return numbers(path, 'T_cam_scanner', content['T_cam_scanner'], 4, 4)
    missing = [name for name in ('translation', 'rotation') if name not in content]
    if missing:
        raise CalibrationError(f'{path}: expected T_cam_scanner (4 rows of 4), or translation and rotation, got '
                               f'{", ".join(map(str, content)) or "nothing"}: {" and ".join(missing)} missing')
    T = np.eye(4)
    T[:3, 3] = numbers(path, 'translation', content['translation'], 3)
    try:
        T[:3, :3] = rotation_of(numbers(path, 'rotation', content['rotation'], 4))
    except CalibrationError as error:
        raise CalibrationError(f'{path}: rotation: {error}') from error
    return T


def checked(path: Path, name: str, T: Array) -> Array:
    """Return a transform as it is; raise CalibrationError where it turns nothing that can be turned."""
    try:
        rigid(T)
    except CalibrationError as error:
        raise CalibrationError(f'{path}: {name}: {error}') from error
    return T


def numbers(path: Path, name: str, values: Any, *shape: int) -> Array:
    """Return numbers in a shape. Raises CalibrationError where they are others, or not finite."""
    try:
        result = np.asarray([[float(x) for x in row] if isinstance(row, list) else float(row) for row in values])
        result = result.reshape(shape)
    except (TypeError, ValueError) as error:
        raise CalibrationError(f'{path}: expected {np.prod(shape)} numbers for {name}, got {values!r}') from error
    if not np.isfinite(result).all():
        raise CalibrationError(f'{path}: expected finite numbers for {name}, got {values!r}')
    return result
