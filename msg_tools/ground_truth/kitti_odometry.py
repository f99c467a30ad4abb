"""A sequence of KITTI's odometry benchmark: sequences/NN/{velodyne, image_0..3, calib.txt, times.txt}, poses/NN.txt.

Its scans were compensated for their motion already, as its readme says: all points are of the stamp. The poses are of
the rectified camera 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import CalibrationError, KittiError, PosesError
from ..kitti import RIGHT_OF
from .kitti_files import Files, FilesSource, picture, rig_of
from .pose_files import read_poses
from .sources import Entry
from .trajectory import Trajectory


@dataclass(frozen=True, eq=False)
class KittiOdometrySource(FilesSource):
    """A sequence, seen by one camera."""

    @classmethod
    def open(cls, path: Path, camera: int = 2, with_images: bool = True) -> KittiOdometrySource:
        """Open a sequence's folder. Raises KittiError where there are no scans, CalibrationError for calib.txt."""
        calibration = path / 'calib.txt'
        if not calibration.is_file():
            raise CalibrationError(f'{calibration}: expected the calibration of the sequence, found none')
        rig_of(calibration, camera)
        stamps, warnings = _stamps(path / 'times.txt')
        scans = sorted(file for file in (path / 'velodyne').glob('*.bin') if file.stem.isdigit())
        if not scans:
            raise KittiError(f'{path / "velodyne"}: expected scans (*.bin), found none')
        return cls(path, camera, with_images, tuple(_entry(path, scan, camera, stamps) for scan in scans),
                   warnings=warnings)

    @property
    def pose_file(self) -> Path:
        """Return where the sequence's poses are, or should be."""
        places = [self.path.parent.parent / 'poses' / f'{self.path.name}.txt', self.path / 'poses.txt']
        return next((place for place in places if place.is_file()), places[0])

    def trajectory(self) -> Trajectory:
        """Return where the Velodyne was. Raises PosesError: sequences from 11 on have no poses."""
        if not self.pose_file.is_file():
            raise PosesError(f'{self.pose_file}: expected the poses of the sequence, found none; from 11 on there '
                             'are none')
        return read_poses(self.pose_file, self.listed).of_body(self.T_body_scanner('camera'))


def _entry(path: Path, scan: Path, camera: int, stamps: list[int]) -> Entry:
    number = int(scan.stem)
    stamp = stamps[number] if number < len(stamps) else None
    image = picture(path / f'image_{camera}' / scan.stem)
    right = picture(path / f'image_{RIGHT_OF.get(camera, camera)}' / scan.stem)
    files = Files(scan, path / 'calib.txt', image, right if right != image and right.is_file() else None)
    return Entry(scan.stem, number, stamp, stamp, files)


def _stamps(path: Path) -> tuple[list[int], tuple[str, ...]]:
    """Read times.txt, seconds from the first frame, as [ns]; where it is missing, none and a warning."""
    try:
        return np.rint(1e9 * np.loadtxt(path, ndmin=1)).astype(np.int64).tolist(), ()
    except OSError:
        return [], (f'{path}: expected the times of the frames, found none; poses cannot be used',)
    except ValueError as error:
        raise KittiError(f'{path}: expected a number of seconds in each line, got: {error}') from error
