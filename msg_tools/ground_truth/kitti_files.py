"""A source of which each frame is a few files: a scan, an image, perhaps the right one, and a calibration file.

KITTI's odometry and object benchmarks are such, and other data sets that are kept like them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..calibration_rig import Rig, read_rig
from ..camera import Array, Intrinsics, Size, unproject
from ..depth_png import read_depth_png
from ..errors import CalibrationError, CloudError, ImageError, PosesError
from ..image_file import image_size
from ..kitti import IMAGE_SUFFIXES, RIGHT_OF, read_scan
from ..rotation import inverse, rigid
from .lens import Lens
from .sources import Entry, Frame, View, check_size, read_each
from .trajectory import Trajectory


class Files(NamedTuple):
    """The files of a frame; a scan may be a depth map (PNG) of the camera. A file that is not there fails its frame."""

    scan: Path
    calibration: Path
    image: Path | None = None
    right: Path | None = None


@dataclass(frozen=True, eq=False)
class FilesSource:
    """Frames of files, as one camera sees them; `turn_s` is how long a turn takes where scans are as they were turned.

    The stamp is then in the middle of the turn.
    """

    path: Path
    camera: int
    with_images: bool
    listed: tuple[Entry, ...]
    turn_s: float | None = None
    warnings: tuple[str, ...] = ()
    exposure: str = 'cloud'

    def entries(self) -> list[Entry]:
        """List the frames."""
        return list(self.listed)

    def read(self, entries: Sequence[Entry]) -> Iterator[Frame]:
        """Read the scans and find the images, one after the other."""
        return read_each(entries, self._read)

    def view(self, entry: Entry) -> View:
        """Return the camera of a frame. Raises CalibrationError where it is missing or impossible."""
        files: Files = entry.payload
        rig = rig_of(files.calibration, self.camera)
        assert rig.camera is not None
        P = rig.camera.p.reshape(3, 4)
        lens = Lens(Intrinsics.from_matrix(P, _size(files, rig)))
        product = None if rig.T_cam0_scanner is None else P @ rig.T_cam0_scanner
        return View(lens, rigid(rig.T_cam_scanner), self._baseline_m(files, P), product)

    def trajectory(self) -> Trajectory:
        """Raise PosesError: there are none."""
        raise PosesError(f'{self.path}: expected poses, but such a folder has none; name a pose file, or take kiss-icp')

    def T_body_scanner(self, body: str) -> Array:
        """Return where the scanner is to what poses may be of: 'scanner', 'camera' (rectified 0). Else PosesError."""
        if body == 'scanner':
            return np.eye(4)
        if body == 'camera' and self.listed:
            rig = rig_of(self.listed[0].payload.calibration, self.camera)
            return rig.T_cam_scanner if rig.T_cam0_scanner is None else rig.T_cam0_scanner
        raise PosesError(f'{self.path}: expected poses of the scanner or the camera, got {body!r}, whose place is '
                         'unknown')

    def _read(self, entry: Entry) -> Frame:
        files: Files = entry.payload
        points = self._points(entry) if files.scan.suffix == '.png' else read_scan(files.scan)
        turn_s = None if self.turn_s is None else (-self.turn_s / 2, self.turn_s / 2)
        frame = Frame(entry, points, turn_s=turn_s)
        if self.with_images:
            frame.image = there(files.image)
            check_size(frame.image, image_size(frame.image), self.view(entry).lens.size)
            frame.right = files.right
        return frame

    def _points(self, entry: Entry) -> Array:
        return points_of_map(entry.payload.scan, self.view(entry))

    def _baseline_m(self, files: Files, P: Array) -> float | None:
        """Return how far [m] the right camera is; None where the file does not have it."""
        right = RIGHT_OF.get(self.camera)
        try:
            rig = None if right is None else rig_of(files.calibration, right)
        except CalibrationError:
            return None
        return None if rig is None or rig.camera is None else float((P[0, 3] - rig.camera.p[3]) / P[0, 0])


def points_of_map(path: Path, view: View) -> Array:
    """Return the points float32 (N, 3) [m] of the scanner's frame that a depth map was drawn of, as its pixels say.

    Raises DepthPngError where the file is broken, CloudError where it is of another size, or empty.
    """
    depth_m = read_depth_png(path)
    if depth_m.shape != view.lens.size.shape:
        raise CloudError(f'{path}: expected a depth map of {view.lens.size}, got {Size(*depth_m.shape)}')
    v, u = np.nonzero(depth_m)
    if not len(u):
        raise CloudError(f'{path}: expected a depth map with points, got an empty one')
    points = unproject(np.stack([u, v], 1).astype(float), depth_m[v, u].astype(float), view.lens.camera)
    T = inverse(view.T_cam_scanner)
    return np.asarray((points @ T[:3, :3].T + T[:3, 3]).astype(np.float32))


@lru_cache(maxsize=64)
def rig_of(path: Path, camera: int) -> Rig:
    """Read a calibration file, once for all frames that share it. Raises CalibrationError."""
    return read_rig(path, camera)


def picture(stem: Path) -> Path:
    """Return the image file of a name without its suffix, or the PNG that it should be."""
    return next((path for path in map(stem.with_suffix, IMAGE_SUFFIXES) if path.is_file()), stem.with_suffix('.png'))


def there(path: Path | None) -> Path:
    """Return an image file. Raises ImageError where there is none."""
    if path is None or not path.is_file():
        raise ImageError(f'{path}: expected an image, found none')
    return path


def with_turn(source: FilesSource, turn_s: float | None) -> FilesSource:
    """Return a source whose scans take so long [s]."""
    return replace(source, turn_s=turn_s)


def _size(files: Files, rig: Rig) -> Size:
    """Return the size of the image: the calibration's, or else the image's itself, or the depth map's."""
    if rig.camera is not None and rig.camera.width:
        return Size(rig.camera.height, rig.camera.width)
    for path in (files.image, files.scan if files.scan.suffix == '.png' else None):
        if path is not None and path.is_file():
            return image_size(path)
    raise CalibrationError(f'{files.calibration}: expected an image of the size that it is for, found none at '
                           f'{files.image}')
