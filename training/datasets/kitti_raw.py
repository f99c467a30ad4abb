"""KITTI raw data as it was unpacked: each image of the left and right colour cameras, with the scan of its frame.

Source: kitti_raw:PATH#DRIVE,DRIVE. PATH is a drive (its _sync folder), a day, or the folder of all days; without #
it is all drives there. A DRIVE may have wildcards: `*_0005_sync`. Calibration lies in the day's folder, as KITTI's.
Drives of msg_tools.synthetic have exact depth beside, where the sky is known; the others only what the LiDAR sees.
"""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path

import numpy as np

from msg_tools.camera import Array, Intrinsics, Size
from msg_tools.errors import ImageError
from msg_tools.ground_truth.sources import check_size
from msg_tools.image_file import read_rgb
from msg_tools.kitti import SCANS, KittiDrive

from .depth_file import check_depth, read_depth, read_png
from .frame import DatasetError, Frame, Item, Points, dataset_errors, map_points
from .scan import scan_points

LEFT, RIGHT = 2, 3
PARTS = ('image_02', 'image_03', SCANS)  # one of them makes a folder a drive


def raw_items(root: Path, split: str = '') -> list[Item]:
    """List the images of the drives in a folder. Raises CalibrationError for those of a drive."""
    return [item for path in chosen_drives(root, split) for item in drive_items(root.name, KittiDrive(path))]


def chosen_drives(root: Path, split: str) -> list[Path]:
    """Return the drives that a split names, or all; raises DatasetError where one is not there."""
    drives = find_drives(root)
    if not drives:
        raise DatasetError(f'{root}: expected a KITTI raw drive, day, or folder of days (DATE/DATE_drive_NNNN_sync '
                           f'with image_02), got {"none in it" if root.is_dir() else "no such folder"}')
    patterns = split.split(',') if split else ['*']
    for pattern in patterns:
        if not any(fnmatchcase(path.name, pattern) for path in drives):
            raise DatasetError(f'{root}: expected drives out of {", ".join(path.name for path in drives[:5])}'
                               f'{", ..." if len(drives) > 5 else ""}, got {pattern!r}')
    return [path for path in drives if any(fnmatchcase(path.name, pattern) for pattern in patterns)]


def find_drives(root: Path) -> list[Path]:
    """Return the rectified drives in a folder: itself, or those in it or in its days."""
    if is_drive(root):
        return [root]
    return sorted(path for pattern in ('*_sync', '*/*_sync') for path in root.glob(pattern) if is_drive(path))


def is_drive(path: Path) -> bool:
    """Tell whether a folder is a drive."""
    return any((path / part).is_dir() for part in PARTS)


def drive_items(source: str, drive: KittiDrive) -> Iterator[Item]:
    """List the images of a drive's colour cameras; the left ones know of the right one of their frame."""
    right = set(drive.frames(RIGHT))
    for number in (LEFT, RIGHT):
        for frame in drive.frames(number):
            yield raw_item(source, drive, number, frame, right)


def raw_item(source: str, drive: KittiDrive, number: int, frame: int, right: set[int]) -> Item:
    """Return an image of a drive; `right` are the frames that have a right image."""
    paired = number == LEFT and frame in right
    return Item(source, drive.name, item_name(drive, number, frame), partial(raw_frame, drive, number, frame),
                partial(right_image, drive, frame) if paired else None, baseline_m(drive) if paired else 0.0,
                image_file(drive, number, frame))


def image_file(drive: KittiDrive, number: int, frame: int) -> Path:
    """Return where an image of a drive is, PNG or JPEG, or where it should be: who reads it says that it is not."""
    try:
        return drive.image_path(number, frame)
    except ImageError:
        return drive.path / f'image_{number:02d}' / 'data' / f'{frame:010d}.png'


def item_name(drive: KittiDrive, number: int, frame: int) -> str:
    """Return the name of an image, unique among all drives."""
    return f'{drive.name}/image_{number:02d}/{frame:010d}'


def baseline_m(drive: KittiDrive) -> float:
    """Return how far [m] a drive's right colour camera is from the left one: their P's last column, over fx."""
    left, right = (drive.camera(number).P_rect for number in (LEFT, RIGHT))
    return float((left[0, 3] - right[0, 3]) / left[0, 0])


@dataset_errors
def right_image(drive: KittiDrive, frame: int) -> Array:
    """Read the right image of a frame."""
    return drive.read_image(RIGHT, frame)


@dataset_errors
def raw_frame(drive: KittiDrive, number: int, frame: int) -> Frame:
    """Read an image with its scan and, of a synthetic drive, its exact depth."""
    rgb, camera = raw_image(drive, number, frame)
    labels = exact_points(drive, number, frame, camera)
    if drive.scan_path(frame).exists():
        P_velo_to_image = drive.calibration.P_velo_to_image(number)
        labels = (*labels, scan_points(drive.read_scan(frame), P_velo_to_image, camera, drive.scan_path(frame)))
    return Frame(drive.name, item_name(drive, number, frame), rgb, camera, labels)


def raw_image(drive: KittiDrive, number: int, frame: int) -> tuple[Array, Intrinsics]:
    """Read an image and its camera. Raises ImageError where it is not of the calibration's size."""
    path = drive.image_path(number, frame)
    rgb, camera = read_rgb(path), drive.calibration.intrinsics(number)
    check_size(path, Size(*rgb.shape[:2]), camera.size)
    return rgb, camera


def exact_points(drive: KittiDrive, number: int, frame: int, camera: Intrinsics) -> tuple[Points, ...]:
    """Read the exact depth that a synthetic drive has of its left camera; what is not in it is the sky."""
    stem = drive.path / 'depth_exact' / f'image_{number:02d}' / f'{frame:010d}'
    if stem.with_suffix('.npy').exists():
        return (map_points(read_depth(stem.with_suffix('.npy'), camera.size), camera, 'exact'),)
    path = stem.with_suffix('.png')
    if not path.exists():
        return ()
    depth_m = read_png(path)
    check_depth(depth_m, camera.size, path)
    return (map_points(np.where(depth_m > 0, depth_m, np.float32(np.inf)), camera, 'exact'),)
