"""The intrinsics beside the maps: the KITTI depth benchmark's text, and ROS's YAML for a lens with distortion."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import yaml

from ..camera import Intrinsics, Size
from ..errors import CalibrationError
from .lens import FISHEYE, Lens

PLUMB_BOB_COUNT, RATIONAL_COUNT, FISHEYE_COUNT = 5, 8, 4


def intrinsics_text(lens: Lens) -> str:
    """Return K (3, 3) as the depth benchmark's files have it: nine numbers, row by row, in one line."""
    return ' '.join(f'{value:.6f}' for value in lens.camera.K.ravel()) + '\n'


def read_intrinsics(path: Path, size: Size) -> Intrinsics:
    """Read the nine numbers of K, row by row, as KITTI's depth benchmark stores them; raises CalibrationError."""
    try:
        words = path.read_text().split()
        K = np.array(words, np.float64).reshape(3, 3)
    except (OSError, ValueError) as error:
        raise CalibrationError(f'{path}: expected the 9 numbers of K, row by row, got: {error}') from error
    return Intrinsics.from_matrix(K, size)


def lens_yaml(lens: Lens) -> str:
    """Return K, D and the model as ROS's camera_calibration writes them; see calibration_file.read_calibration."""
    model, count = 'plumb_bob', PLUMB_BOB_COUNT
    if lens.model == FISHEYE:
        model, count = 'equidistant', FISHEYE_COUNT
    elif np.any(lens.D[PLUMB_BOB_COUNT:]):
        model, count = 'rational_polynomial', RATIONAL_COUNT
    height, width = lens.size.shape
    content = {
        'image_width': width, 'image_height': height, 'camera_name': 'camera',
        'camera_matrix': {'rows': 3, 'cols': 3, 'data': lens.camera.K.ravel().tolist()},
        'distortion_model': model,
        'distortion_coefficients': {'rows': 1, 'cols': count, 'data': lens.D[:count].tolist()},
    }
    return yaml.safe_dump(content, sort_keys=False)
