"""Read a drive of KITTI's raw data as it was unpacked: images, Velodyne scans, OXTS and time stamps.

The layout is `DATE/DATE_drive_NNNN_sync/{image_0x,velodyne_points,oxts}/{data/FRAME.*,timestamps.txt}` with the
calibration in DATE. Geiger et al., "Vision meets Robotics: The KITTI Dataset", IJRR 2013.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import numpy as np

from .camera import Array
from .errors import CloudError, ImageError, KittiError
from .image_file import read_rgb
from .kitti_calibration import CAMERAS, KittiCalibration, KittiCamera
from .oxts import OxtsRecord

SCANS, OXTS = 'velodyne_points', 'oxts'
IMAGE_SUFFIXES = ('.png', '.jpg', '.jpeg')
RIGHT_OF = {0: 1, 2: 3}  # the stereo pairs: a left camera's right one
POINT_BYTES = 16
NO_STAMP_NS = np.iinfo(np.int64).min  # of a blank line, which KITTI's files have where a frame was lost


class KittiDrive:
    """A drive of KITTI raw data (the `_sync` folder); frames are numbered as the files are.

    >>> drive = KittiDrive('2011_09_26/2011_09_26_drive_0005_sync')  # doctest: +SKIP
    >>> points = drive.read_scan(40)  # doctest: +SKIP
    """

    def __init__(self, path: Path | str, calibration: Path | str | None = None) -> None:
        """Open a drive; `calibration` is the folder of the calib_*.txt files where it is not the drive's parent.

        Raises KittiError where the folder is not a drive. Everything else is read, and checked, when asked for.
        """
        self.path = Path(path).resolve()
        self.name = self.path.name
        self.date = self.name[:10]
        beside = Path(path).absolute().parent  # not the same where the drive's folder is a link
        found = beside if (beside / CAMERAS).is_file() else self.path.parent
        self.calibration_folder = Path(calibration) if calibration else found
        if not any((self.path / folder).is_dir() for folder in ('image_02', 'image_03', SCANS)):
            raise KittiError(f'{path}: expected a KITTI raw drive (a folder with image_02 or {SCANS}), '
                             f'got {_contents(self.path)}')

    @cached_property
    def calibration(self) -> KittiCalibration:
        """Return the calibration. Raises CalibrationError where it is missing or malformed."""
        return KittiCalibration.load(self.calibration_folder)

    def camera(self, number: int) -> KittiCamera:
        """Return a camera's calibration by its number, 0 to 3."""
        return self.calibration.camera(number)

    def frames(self, camera: int) -> list[int]:
        """Return the numbers of the frames that have an image of this camera."""
        return self._frames(f'image_{camera:02d}', IMAGE_SUFFIXES)

    def scans(self) -> list[int]:
        """Return the numbers of the frames that have a scan."""
        return self._frames(SCANS, ('.bin',))

    def _frames(self, folder: str, suffixes: tuple[str, ...]) -> list[int]:
        files = (self.path / folder / 'data').glob('*')
        return sorted(int(file.stem) for file in files if file.suffix in suffixes and file.stem.isdigit())

    def image_path(self, camera: int, frame: int) -> Path:
        """Return the file of an image, PNG or JPEG. Raises ImageError where there is none."""
        stem = self.path / f'image_{camera:02d}' / 'data' / f'{frame:010d}'
        found = [path for path in map(stem.with_suffix, IMAGE_SUFFIXES) if path.is_file()]
        if not found:
            raise ImageError(f'{stem}.png: expected an image, found none')
        return found[0]

    def read_image(self, camera: int, frame: int) -> Array:
        """Read an image as RGB uint8 (H, W, 3). Raises ImageError where it is missing or broken."""
        return read_rgb(self.image_path(camera, frame))

    def scan_path(self, frame: int) -> Path:
        """Return the file where a frame's scan should be."""
        return self.path / SCANS / 'data' / f'{frame:010d}.bin'

    def read_scan(self, frame: int) -> Array:
        """Read a scan as float32 (N, 4): x forward, y left, z up [m] and reflectance, in the Velodyne's frame.

        Raises CloudError where it is missing, empty or cut within a point.
        """
        return read_scan(self.scan_path(frame))

    def read_oxts(self, frame: int) -> OxtsRecord:
        """Read the GPS and IMU record of a frame. Raises KittiError where it is missing or malformed."""
        path = self.path / OXTS / 'data' / f'{frame:010d}.txt'
        return OxtsRecord.parse(_text(path), str(path))

    def oxts_frames(self) -> list[int]:
        """Return the numbers of the frames that have an OXTS record."""
        return self._frames(OXTS, ('.txt',))

    def oxts_records(self, stamps_ns: Array) -> tuple[dict[int, OxtsRecord], list[str]]:
        """Return the records by frame, and what is wrong with each that is broken or has none of the stamps (N,)."""
        records, wrong = {}, []
        for frame in self.oxts_frames():
            try:
                if frame >= len(stamps_ns) or stamps_ns[frame] == NO_STAMP_NS:
                    raise KittiError(f'{self.path / OXTS}: expected a stamp for record {frame}, got none')
                records[frame] = self.read_oxts(frame)
            except KittiError as error:
                wrong.append(str(error))
        return records, wrong

    def stamps_ns(self, sensor: str, which: str = '') -> Array:
        """Return the stamp of every frame of a sensor's folder ('image_02', 'velodyne_points', 'oxts'), int64 [ns].

        `which` is 'start' or 'end' for the Velodyne's turn; without it, the moment when it faced forward. KITTI's
        local time is taken as UTC; a blank line gives NO_STAMP_NS. Raises KittiError where the file is missing or a
        line is malformed.
        """
        path = self.path / sensor / f'timestamps{"_" + which if which else ""}.txt'
        lines = _text(path).splitlines()
        while lines and not lines[-1].strip():
            lines.pop()
        try:
            return np.array([line.strip() for line in lines], 'datetime64[ns]').astype(np.int64)
        except ValueError as error:
            raise KittiError(f"{path}: expected lines like '2011-09-26 13:04:32.345808896', got: {error}") from error


def read_scan(path: Path | str) -> Array:
    """Read a Velodyne scan file as float32 (N, 4): x, y, z [m], reflectance.

    Raises CloudError where it is missing, empty or its size is not a whole number of points of 16 bytes.
    """
    try:
        values = np.fromfile(path, np.float32)
        size = Path(path).stat().st_size
    except OSError as error:
        raise CloudError(f'{path}: expected a Velodyne scan, got: {error.strerror}') from error
    if not size or size % POINT_BYTES:
        raise CloudError(f'{path}: expected a multiple of {POINT_BYTES} bytes (x, y, z, reflectance as float32), '
                         f'got {size}; is it truncated?')
    return values.reshape(-1, 4)


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise KittiError(f'{path}: expected a readable text file, got: {error}') from error


def _contents(path: Path) -> str:
    if not path.is_dir():
        return 'no such folder'
    names = sorted(entry.name for entry in path.iterdir())
    return f'a folder with {", ".join(names[:8])}{"..." if len(names) > 8 else ""}' if names else 'an empty folder'
