"""KITTI's depth benchmark, whose scans are depth maps of the camera: their pixels become points again.

A drive is DRIVE/proj_depth/velodyne_raw/image_0N/FRAME.png; images, calibration, stamps and OXTS are in the raw drive
of the same name. The selection is {velodyne_raw, image, intrinsics}/*, single frames without poses. A point comes back
as far off as the map's pixels are: half of one to the side, 2 mm in depth. Source: Uhrig et al., "Sparsity Invariant
CNNs", 3DV 2017.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..camera import Array
from ..errors import KittiError, PosesError
from ..image_file import image_size
from .camera_files import read_intrinsics
from .kitti_files import points_of_map, there
from .kitti_raw import KittiRawSource
from .lens import Lens
from .sources import Entry, Frame, View, check_size, read_each
from .trajectory import Trajectory

MAPS = 'proj_depth/velodyne_raw'


@dataclass(frozen=True, eq=False)
class KittiBenchmarkSource:
    """A drive of the depth benchmark with its raw drive, seen by one colour camera."""

    path: Path
    raw: KittiRawSource
    exposure: str = 'cloud'

    @classmethod
    def open(cls, path: Path, camera: int = 2, with_images: bool = True, raw: Path | None = None,
             calibration: Path | None = None) -> KittiBenchmarkSource:
        """Open a drive; `raw` is its raw drive, or a folder of days or drives with it, where it is not beside it.

        Raises KittiError where there are no maps of the camera, or the raw drive is not found.
        """
        maps = path / MAPS / f'image_{camera:02d}'
        if not any(maps.glob('*.png')):
            raise KittiError(f'{maps}: expected depth maps (*.png), found none')
        places = _raw_places(path, raw)
        found = next((place for place in places if (place / f'image_{camera:02d}').is_dir()), None)
        if found is None:
            raise KittiError(f'{path}: expected its raw drive, for images, calibration and poses, at one of '
                             f'{", ".join(map(str, places))}; found none')
        return cls(path, KittiRawSource.open(found, camera, with_images, calibration, scans=False))

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return what its user should know."""
        return self.raw.warnings

    def entries(self) -> list[Entry]:
        """List the frames that have a map."""
        files = sorted((self.path / MAPS / f'image_{self.raw.camera:02d}').glob('*.png'))
        return [self.raw.entry(int(file.stem), file) for file in files if file.stem.isdigit()]

    def read(self, entries: Sequence[Entry]) -> Iterator[Frame]:
        """Turn the maps into points and find the images, one after the other."""
        return read_each(entries, self._read)

    def view(self, entry: Entry) -> View:
        """Return the camera."""
        return self.raw.view(entry)

    def trajectory(self) -> Trajectory:
        """Return where the Velodyne was, from OXTS."""
        return self.raw.trajectory()

    def T_body_scanner(self, body: str) -> Array:
        """Return where the Velodyne is to what poses may be of."""
        return self.raw.T_body_scanner(body)

    def _read(self, entry: Entry) -> Frame:
        return self.raw.frame(entry, points_of_map(entry.payload, self.raw.view(entry)))


@dataclass(frozen=True, eq=False)
class KittiSelectionSource:
    """The benchmark's selection of cropped frames: every frame has a camera of its own, which is the scanner too."""

    path: Path
    with_images: bool = True
    warnings: tuple[str, ...] = ()
    exposure: str = 'cloud'

    def entries(self) -> list[Entry]:
        """List the frames, named as their images."""
        files = sorted((self.path / 'velodyne_raw').glob('*.png'))
        return [Entry(file.stem.replace('_velodyne_raw_', '_image_'), number, None, None, file)
                for number, file in enumerate(files)]

    def read(self, entries: Sequence[Entry]) -> Iterator[Frame]:
        """Turn the maps into points and find the images, one after the other."""
        return read_each(entries, self._read)

    def view(self, entry: Entry) -> View:
        """Return the camera of a frame. Raises CalibrationError where its file is missing or malformed."""
        path = self.path / f'intrinsics/{entry.name}.txt'
        return View(Lens(read_intrinsics(path, image_size(entry.payload))), np.eye(4))

    def trajectory(self) -> Trajectory:
        """Raise PosesError: the frames have nothing to do with each other."""
        raise PosesError(f'{self.path}: expected poses, but these are single frames of many drives')

    def _read(self, entry: Entry) -> Frame:
        view = self.view(entry)
        frame = Frame(entry, points_of_map(entry.payload, view))
        if self.with_images:
            frame.image = there(self.path / f'image/{entry.name}.png')
            check_size(frame.image, image_size(frame.image), view.lens.size)
        return frame


def _raw_places(path: Path, raw: Path | None) -> list[Path]:
    """Return where the raw drive of a benchmark's drive may be."""
    name = path.resolve().name
    roots = [raw] if raw else [path, path.parent, path.parent.parent, path.parent.parent / 'raw']
    return [place for root in roots for place in (root, root / name, root / name[:10] / name)]
