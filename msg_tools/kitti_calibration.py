"""Read the calibration of a KITTI raw recording day: cameras, and where the Velodyne and the IMU sit to them.

Chains cancel by name: `p_cam = T_cam_velo @ p_velo`. KITTI's cameras 0 and 1 are grey, 2 (left) and 3 (right) colour.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .camera import Array, Intrinsics, Size
from .errors import CalibrationError

CAMERAS, VELODYNE, IMU = 'calib_cam_to_cam.txt', 'calib_velo_to_cam.txt', 'calib_imu_to_velo.txt'

SINGULAR = 1e-9  # a determinant; KITTI's are near 500,000


@dataclass(frozen=True)
class KittiCamera:
    """One camera: K (3, 3), D (5,) and raw_size are of the camera before rectification, P_rect (3, 4) and size after.

    R (3, 3) and T (3,) lead from raw camera 0 to this raw camera, R_rect (3, 3) from this raw camera to the rectified.
    """

    number: int
    raw_size: Size
    K: Array
    D: Array
    R: Array
    T: Array
    size: Size
    R_rect: Array
    P_rect: Array

    @property
    def folder(self) -> str:
        """Return the name of the camera's folder in a drive: 'image_02'."""
        return f'image_{self.number:02d}'

    @property
    def intrinsics(self) -> Intrinsics:
        """Return the intrinsics of the rectified image."""
        return Intrinsics.from_matrix(self.P_rect, self.size)

    @property
    def T_cam_rect0(self) -> Array:
        """Return the (4, 4) shift from camera 0's rectified frame to this camera's own: K^-1 times P's last column."""
        result = np.eye(4)
        result[:3, 3] = np.linalg.solve(self.P_rect[:, :3], self.P_rect[:, 3])
        return result


@dataclass(frozen=True)
class KittiCalibration:
    """The calibration of one KITTI raw recording day, as its three text files give it.

    >>> drive.calibration.P_velo_to_image(2) @ [10.0, 0.0, 0.0, 1.0]  # doctest: +SKIP
    """

    folder: Path
    cameras: dict[int, KittiCamera]
    R_rect_00: Array  # (4, 4)
    T_cam0_velo: Array  # (4, 4), to the raw camera 0
    imu: Array | None = None  # (4, 4), T_velo_imu where its file is there

    @classmethod
    def load(cls, folder: Path | str) -> KittiCalibration:
        """Read the calibration files in a folder; the IMU's file may be missing.

        Raises CalibrationError where a file is missing or malformed.
        """
        folder = Path(folder)
        lines = _CalibrationText(folder / CAMERAS)
        cameras = {n: lines.camera(n) for n in range(4) if f'P_rect_{n:02d}' in lines.values}
        if 0 not in cameras:
            raise CalibrationError(f'{folder / CAMERAS}: expected P_rect_00, got {", ".join(lines.values) or "none"}')
        imu = folder / IMU
        return cls(
            folder,
            cameras,
            _rigid(cameras[0].R_rect, np.zeros(3)),
            _CalibrationText(folder / VELODYNE).rigid(),
            _CalibrationText(imu).rigid() if imu.exists() else None,
        )

    def camera(self, number: int) -> KittiCamera:
        """Return a camera by its number. Raises CalibrationError where the files have none of it."""
        if number not in self.cameras:
            raise CalibrationError(f'{self.folder / CAMERAS}: expected camera {number}, got {sorted(self.cameras)}')
        return self.cameras[number]

    @property
    def T_velo_imu(self) -> Array:
        """Return the (4, 4) transform from IMU to Velodyne. Raises CalibrationError where its file is missing."""
        if self.imu is None:
            raise CalibrationError(f'{self.folder / IMU}: expected this file, found none')
        return self.imu

    def intrinsics(self, number: int) -> Intrinsics:
        """Return the intrinsics of a camera's rectified image."""
        return self.camera(number).intrinsics

    def T_cam_velo(self, number: int) -> Array:
        """Return the (4, 4) transform from the Velodyne to a camera's own rectified frame."""
        return self.camera(number).T_cam_rect0 @ self.R_rect_00 @ self.T_cam0_velo

    def P_velo_to_image(self, number: int) -> Array:
        """Return the (3, 4) projection of Velodyne points into a rectified image: P_rect . R_rect_00 . T_cam0_velo.

        Its third row gives the depth in the camera's own frame, not in camera 0's: P_rect's last entry (2.7 mm for the
        colour cameras) is the distance between the two along the optical axis.
        """
        return self.camera(number).P_rect @ self.R_rect_00 @ self.T_cam0_velo


class _CalibrationText:
    """The `name: numbers` lines of a calibration file, each checked when it is asked for."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            text = path.read_text()
        except FileNotFoundError as error:
            raise CalibrationError(f"{path}: expected KITTI's calibration file, found none; "
                                   'it comes with the recording day (…_calib.zip), not with the drive') from error
        except (OSError, UnicodeDecodeError) as error:
            raise CalibrationError(f'{path}: expected a readable calibration file, got: {error}') from error
        self.values = dict(re.findall(r'^(\w+):[ \t]*(.*)$', text, re.MULTILINE))

    def array(self, name: str, *shape: int) -> Array:
        try:
            result = np.array([float(word) for word in self.values[name].split()]).reshape(shape)
        except KeyError as error:
            raise CalibrationError(f'{self.path}: expected a line {name!r}, got {", ".join(self.values)}') from error
        except ValueError as error:
            raise CalibrationError(
                f'{self.path}: expected {np.prod(shape)} numbers for {name}, got {self.values[name]!r}'
            ) from error
        if not np.isfinite(result).all():
            raise CalibrationError(f'{self.path}: expected finite numbers for {name}, got {self.values[name]!r}')
        return result

    def rotation(self, name: str) -> Array:
        R = self.array(name, 3, 3)
        if not np.allclose(R @ R.T, np.eye(3), atol=1e-4) or np.linalg.det(R) < 0:
            raise CalibrationError(f'{self.path}: expected a rotation matrix for {name}, got {R.tolist()}')
        return R

    def rigid(self) -> Array:
        return _rigid(self.rotation('R'), self.array('T', 3))

    def size(self, name: str) -> Size:
        width, height = self.array(name, 2)
        if min(width, height) < 1:
            raise CalibrationError(f'{self.path}: expected a positive size for {name}, got {width} {height}')
        return Size(int(height), int(width))

    def camera(self, n: int) -> KittiCamera:
        camera = KittiCamera(
            number=n,
            raw_size=self.size(f'S_{n:02d}'),
            K=self.array(f'K_{n:02d}', 3, 3),
            D=self.array(f'D_{n:02d}', 5),
            R=self.rotation(f'R_{n:02d}'),
            T=self.array(f'T_{n:02d}', 3),
            size=self.size(f'S_rect_{n:02d}'),
            R_rect=self.rotation(f'R_rect_{n:02d}'),
            P_rect=self.array(f'P_rect_{n:02d}', 3, 4),
        )
        try:
            Intrinsics.from_matrix(camera.P_rect, camera.size)
            if abs(np.linalg.det(camera.P_rect[:, :3])) < SINGULAR:
                raise CalibrationError(f'expected a matrix that can be inverted, got {camera.P_rect.tolist()}')
        except CalibrationError as error:
            raise CalibrationError(f'{self.path}: P_rect_{n:02d}: {error}') from error
        return camera


def _rigid(R: Array, T: Array) -> Array:
    result = np.eye(4)
    result[:3, :3], result[:3, 3] = R, T
    return result
