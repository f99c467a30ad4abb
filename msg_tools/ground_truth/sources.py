"""Where velodyne_to_depth takes its frames from: what a source offers, and KITTI raw drives as one.

A source lists its frames as small tasks in the main process and loads them in whichever process does the work.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ..camera import Array, Size
from ..errors import CalibrationError, ImageError, KittiError
from ..image_file import image_size, read_rgb
from ..kitti import SCANS, KittiDrive
from .projector import ScanProjector


@dataclass(frozen=True, slots=True)
class Task:
    """A frame to do: its name in the output, number and stamps in the source, and what the source needs to load it.

    Where `skip` is a reason, there is nothing to load.
    """

    name: str
    frame: int
    image_stamp_ns: int | None
    cloud_stamp_ns: int | None
    payload: Any = field(default=None, repr=False)
    skip: str = ''


@dataclass(frozen=True, slots=True)
class Frame:
    """A loaded frame: points (N, 3 or more) [m] of the scanner's frame, and the image as its file, as RGB, or not."""

    points: Array
    image_file: Path | None = None
    image_rgb: Array | None = None

    def rgb(self) -> Array:
        """Return the image uint8 (H, W, 3). Raises ImageError where its file is broken."""
        if self.image_rgb is not None:
            return self.image_rgb
        if self.image_file is None:
            raise ImageError('expected a frame with an image, got one without')
        return read_rgb(self.image_file)


class Source(Protocol):
    """What velodyne_to_depth needs of a source; it travels to the worker processes whole."""

    @property
    def projector(self) -> ScanProjector:
        """Return the projection of its scans into its images."""

    @property
    def count(self) -> int:
        """Return how many tasks there are, for the progress bar."""

    def tasks(self) -> Iterator[Task]:
        """Yield the frames to do in order, in the main process."""

    def load(self, task: Task) -> Frame:
        """Load a frame, in any process; raise one of our errors where it is missing or broken."""


@dataclass(frozen=True)
class FolderSource:
    """A KITTI raw drive seen by one camera: the frames that have a scan or, where those are wanted, an image."""

    drive: KittiDrive
    camera: int
    with_images: bool
    projector: ScanProjector
    stamps_ns: dict[str, list[int]]
    warnings: tuple[str, ...]

    @classmethod
    def open(cls, path: Path, camera: int, with_images: bool, calibration: Path | None = None) -> FolderSource:
        """Open a drive. Raises KittiError where it is none or has no scans, CalibrationError for its calibration."""
        drive = KittiDrive(path, calibration)
        if not drive.scans():
            raise KittiError(f'{drive.path / SCANS / "data"}: expected scans (*.bin), found none')
        try:
            size = drive.camera(camera).size
        except CalibrationError as error:
            raise CalibrationError(f'{error}; name the folder that holds it with --calib') from error
        projector = ScanProjector(drive.calibration.P_velo_to_image(camera), size)
        stamps_ns, warnings = _stamps(drive, [SCANS, *([f'image_{camera:02d}'] if with_images else [])])
        return cls(drive, camera, with_images, projector, stamps_ns, warnings)

    @property
    def count(self) -> int:
        """Return the number of frames."""
        return len(self._frames())

    def tasks(self) -> Iterator[Task]:
        """Yield the frames, named as KITTI's files are."""
        for frame in self._frames():
            image, scan = (self._stamp(sensor, frame) for sensor in (f'image_{self.camera:02d}', SCANS))
            yield Task(f'{frame:010d}', frame, image, scan)

    def load(self, task: Task) -> Frame:
        """Read the scan and find the image. Raises CloudError and ImageError where they are missing or broken."""
        points = self.drive.read_scan(task.frame)
        if not self.with_images:
            return Frame(points)
        path = self.drive.image_path(self.camera, task.frame)
        check_size(path, image_size(path), self.projector.size)
        return Frame(points, image_file=path)

    def _frames(self) -> list[int]:
        images = self.drive.frames(self.camera) if self.with_images else []
        return sorted({*self.drive.scans(), *images})

    def _stamp(self, sensor: str, frame: int) -> int | None:
        stamps = self.stamps_ns.get(sensor, [])
        return stamps[frame] if frame < len(stamps) else None


def check_size(source: object, size: Size, calibrated: Size) -> None:
    """Raise ImageError where an image is of another size than its calibration."""
    if size != calibrated:
        raise ImageError(f'{source}: expected an image of {calibrated} as the calibration has it, got {size}; '
                         'was it resized, or is the calibration of another camera?')


def _stamps(drive: KittiDrive, sensors: list[str]) -> tuple[dict[str, list[int]], tuple[str, ...]]:
    """Read the stamps [ns] of sensors; a missing file is only a warning, since they go into the manifest alone."""
    stamps_ns, warnings = {}, []
    for sensor in sensors:
        try:
            stamps_ns[sensor] = drive.stamps_ns(sensor).tolist()
        except KittiError as error:
            warnings.append(f'{error}; the manifest will lack these stamps')
    return stamps_ns, tuple(warnings)
