"""KITTI's depth benchmark: annotated maps, accumulated over 11 scans and checked by stereo (Uhrig et al., 3DV 2017).

Source: kitti_depth:PATH#SPLIT,SPLIT with splits `train`, `val` (without #: both) and `val_selection_cropped`. PATH is
where the archives were unpacked: PATH/train/DRIVE/proj_depth/groundtruth/image_0x/FRAME.png, PATH/val/..., and
PATH/depth_selection/val_selection_cropped/{image,groundtruth_depth,intrinsics}. The images of train and val are those
of KITTI's raw data, whose days (2011_09_26/...) are looked for in PATH/raw, PATH and the folders beside:
`ln -s /data/kitti_raw PATH/raw` makes them found.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from msg_tools.camera import Array, Size
from msg_tools.image_file import read_rgb
from msg_tools.kitti import KittiDrive

from .camera_check import camera_of
from .depth_file import read_depth
from .frame import DatasetError, Frame, Item, dataset_errors, map_points
from .kitti_raw import LEFT, RIGHT, is_drive, item_name, raw_image, raw_item

BENCHMARK, SELECTION = ('train', 'val'), 'val_selection_cropped'
TRUTH = 'proj_depth/groundtruth'
RAW = ('raw', '.', 'kitti_raw', '..', '../raw', '../kitti_raw')  # where the days may lie, from PATH

log = logging.getLogger(__name__)


def depth_items(root: Path, split: str = '') -> list[Item]:
    """List the annotated images of splits. Raises DatasetError where a split or its images are not there."""
    there = {name: folder for name in (*BENCHMARK, SELECTION) if (folder := split_folder(root, name))}
    chosen = split.split(',') if split else [name for name in BENCHMARK if name in there]
    if missing := [name for name in chosen if name not in there] or ([] if chosen else ['train']):
        raise DatasetError(f'{root}: expected the folder {missing[0]} of the KITTI depth benchmark, '
                           f'got {", ".join(there) or "none of its folders"}')
    return [item for name in chosen for item in (
        selection_items(root.name, there[name]) if name == SELECTION else annotated_items(root, there[name]))]


def split_folder(root: Path, name: str) -> Path | None:
    """Return the folder of a split, in PATH or in a folder of an archive there; None where there is none."""
    found = [path for path in (root / name, *sorted(root.glob(f'*/{name}'))) if path.is_dir()]
    return next((path for path in found if name == SELECTION or any(path.glob(f'*/{TRUTH}'))), None)


def annotated_items(root: Path, folder: Path) -> Iterator[Item]:
    """List the annotated images of a split, of those drives whose raw data is there."""
    paths = [path.parents[1] for path in sorted(folder.glob(f'*/{TRUTH}'))]
    raw = {path: found for path in paths if (found := raw_folder(root, path.name))}
    if not raw:
        day = root / 'raw' / paths[0].name[:10]
        raise DatasetError(f'{root}: expected the raw images of {paths[0].name} in {day}, got none there nor beside; '
                           f'ln -s .../kitti_raw {day.parent}')
    if len(raw) < len(paths):
        log.warning('%s: left out %d of %d drives, whose raw images are not there', folder, len(paths) - len(raw),
                    len(paths))
    for path, found in raw.items():
        drive = KittiDrive(found)
        right = set(drive.frames(RIGHT))
        for number in (LEFT, RIGHT):
            for file in sorted((path / TRUTH / f'image_{number:02d}').glob('*.png')):
                item = raw_item(root.name, drive, number, int(file.stem), right)
                yield replace(item, read=partial(annotated_frame, drive, number, file))


def raw_folder(root: Path, drive: str) -> Path | None:
    """Return the folder of a drive's raw data; None where it is in none of the places where it may be."""
    return next((path for place in RAW if is_drive(path := root / place / drive[:10] / drive)), None)


@dataset_errors
def annotated_frame(drive: KittiDrive, number: int, file: Path) -> Frame:
    """Read an image of the raw data and its annotated map."""
    frame = int(file.stem)
    rgb, camera = raw_image(drive, number, frame)
    labels = (map_points(read_depth(file, camera.size), camera, 'annotated'),)
    return Frame(drive.name, item_name(drive, number, frame), rgb, camera, labels)


def selection_items(source: str, folder: Path) -> Iterator[Item]:
    """List the 1000 validation images that the benchmark selected, cropped to 1216x352."""
    files = sorted((folder / 'image').glob('*.png'))
    if not files:
        raise DatasetError(f'{folder / "image"}: expected images (*.png), got none')
    for file in files:
        yield Item(source, drive_of(file), selected_name(file), partial(selected_frame, file), file=file)


def drive_of(file: Path) -> str:
    """Return the drive of a selected image, DRIVE_image_FRAME_CAMERA.png."""
    return file.name.partition('_image_')[0]


def selected_name(file: Path) -> str:
    """Return the name of a selected image."""
    return f'{SELECTION}/{file.stem}'


@dataset_errors
def selected_frame(file: Path) -> Frame:
    """Read a selected image, its camera and its annotated map."""
    folder, rgb = file.parents[1], read_rgb(file)
    calibration = folder / 'intrinsics' / f'{file.stem}.txt'
    camera = camera_of(read_matrix(calibration), Size(*rgb.shape[:2]), calibration)
    depth_m = read_depth(folder / 'groundtruth_depth' / file.name.replace('_image_', '_groundtruth_depth_', 1),
                         camera.size)
    return Frame(drive_of(file), selected_name(file), rgb, camera, (map_points(depth_m, camera, 'annotated'),))


def read_matrix(path: Path) -> Array:
    """Read K (3, 3) from a text of nine numbers."""
    try:
        return np.array(path.read_text().split(), float).reshape(3, 3)
    except (OSError, ValueError) as error:
        raise DatasetError(f'{path}: expected the nine numbers of K, got: {error}') from error
