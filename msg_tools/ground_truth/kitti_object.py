"""KITTI's object benchmark, and other folders of points with a calibration file per frame.

Object: training/{velodyne, image_2, image_3, calib}/FRAME.*: single frames of many days, without stamps and poses.
Points with a calibration file per frame: DRIVE/{velodyne/FRAME.bin or FRAME_CAMERA.bin, CAMERA/FRAME.jpg or .png,
calib/FRAME_CAMERA.txt} with CAMERA as image_02; the frames of a drive follow each other, at 10 Hz as far as we know.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..errors import KittiError
from ..kitti import RIGHT_OF
from .kitti_files import Files, FilesSource, picture
from .sources import Entry

PERIOD_NS = 100_000_000
NOMINAL = 'frames have no stamps: they are taken to follow each other every 100 ms'


def open_object(path: Path, camera: int = 2, with_images: bool = True) -> FilesSource:
    """Open a split of the object benchmark. Raises KittiError where there are no scans."""
    entries: list[Entry] = []
    for scan in _scans(path):
        image = picture(path / f'image_{camera}' / scan.stem)
        right = picture(path / f'image_{RIGHT_OF.get(camera, camera)}' / scan.stem)
        pair = right if right != image and right.is_file() else None
        files = Files(scan, path / f'calib/{scan.stem}.txt', image, pair)
        entries.append(Entry(scan.stem, int(scan.stem), None, None, files))
    return FilesSource(path, camera, with_images, tuple(entries))


def open_calibrated(path: Path, camera: int = 2, with_images: bool = True) -> FilesSource:
    """Open a folder of points with a calibration file per frame. Raises KittiError where the camera has none."""
    name = f'image_{camera:02d}'
    calibrations = sorted((path / 'calib').glob(f'*_{name}.txt'))
    if not calibrations:
        raise KittiError(f'{path / "calib"}: expected calibration files *_{name}.txt, found none')
    entries: list[Entry] = []
    for calibration in calibrations:
        stem = calibration.stem.removesuffix(f'_{name}')
        own = path / f'velodyne/{stem}_{name}.bin'
        scan = own if own.is_file() else path / f'velodyne/{stem}.bin'
        stamp_ns = int(stem) * PERIOD_NS if stem.isdigit() else len(entries) * PERIOD_NS
        number = int(stem) if stem.isdigit() else len(entries)
        files = Files(scan, calibration, picture(path / name / stem))
        entries.append(Entry(stem, number, stamp_ns, stamp_ns, files))
    return FilesSource(path, camera, with_images, tuple(entries), warnings=(NOMINAL,))


def _scans(path: Path) -> Sequence[Path]:
    scans = sorted(file for file in (path / 'velodyne').glob('*.bin') if file.stem.isdigit())
    if not scans:
        raise KittiError(f'{path / "velodyne"}: expected scans (*.bin), found none')
    return scans
