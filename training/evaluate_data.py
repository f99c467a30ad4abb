"""What depth_eval measures on: a dataset, a bag, the val sources of a training config, or a folder of depth PNGs."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from msg_tools.calibration_file import read_calibration
from msg_tools.camera import Array, Intrinsics, Size
from msg_tools.depth_png import read_depth_png
from msg_tools.errors import ConfigError

from .config import load_config
from .datasets import DATASETS, open_source, open_sources
from .datasets.frame import DatasetError, Item, read_rgb
from .validate import val_frame

BAGS = ('.bag', '.mcap', '.db3')
HAVE_SPLITS = ('kitti', 'kitti_depth', 'images')  # datasets that know `train`; others' # names something else
OF_A_DRIVE = 10  # frames that the row mean is fitted on


@dataclass(frozen=True, slots=True)
class Measured:
    """A frame with measured depth truth_m (H, W) [m] (0: none); a folder may have neither image nor camera."""

    drive: str
    name: str
    truth_m: Array
    rgb: Array | None
    camera: Intrinsics | None


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame that can be read when it is wanted; None where nothing in it was measured."""

    drive: str
    name: str
    read: Callable[[], Measured | None]


@dataclass(frozen=True, slots=True)
class Data:
    """Frames to measure on, and others that the row mean may be fitted on; none: it takes the other drives."""

    text: str
    frames: Sequence[Frame]
    fit: Sequence[Frame] = ()


def open_data(text: str, split: str = 'val', changes: Sequence[str] = ()) -> Data:
    """Open a source NAME:PATH#SPLIT, a training config (YAML), a bag, or a folder with kitti/training in it."""
    path = Path(text)
    if text.partition(':')[0] in DATASETS:
        source, _, part = text.partition('#')
        return dataset(text, open_source(text), train_split(source) if part and part != 'train' else [])
    if is_config(text):
        config = load_config(path, changes)
        return dataset(text, open_sources(config.val, config.data), open_sources(config.train, config.data))
    if path.suffix in BAGS or (path / 'metadata.yaml').exists():
        return dataset(text, open_source(f'bag:{text}'), [])
    source = f'kitti:{path / "kitti" / "training"}'
    return dataset(f'{text}#{split}', open_source(f'{source}#{split}'), train_split(source) if split != 'train' else [])


def is_config(text: str) -> bool:
    """Tell whether a text names a training config; a rosbag2 has a YAML file, too."""
    path = Path(text)
    return path.suffix in ('.yaml', '.yml') and path.name != 'metadata.yaml' and text.partition(':')[0] not in DATASETS


def train_split(source: str) -> list[Item]:
    """Return the train split of a source; none where it has no such split."""
    if source.partition(':')[0] in HAVE_SPLITS:
        with suppress(DatasetError):
            return open_source(f'{source}#train')
    return []


def dataset(text: str, items: Sequence[Item], fit: Iterable[Item]) -> Data:
    """Return the frames of a dataset; of those to fit on, a few of each drive."""
    drives: dict[str, list[Item]] = {}
    for item in fit:
        drives.setdefault(item.drive, []).append(item)
    spread = [item for group in drives.values() for item in group[:: max(1, len(group) // OF_A_DRIVE)][:OF_A_DRIVE]]
    several = len({item.source for item in items}) > 1
    return Data(text, [lazy(item, several) for item in items], [lazy(item) for item in spread])


def lazy(item: Item, of_several: bool = False) -> Frame:
    """Return a dataset's item as a frame to measure on; of several sources the source is part of its name."""
    name = f'{item.source}/{item.name}' if of_several else item.name

    def read() -> Measured | None:
        frame = val_frame(item)
        return None if frame is None else Measured(frame.drive, name, frame.truth_m, frame.rgb, frame.camera)

    return Frame(item.drive, name, read)


def open_folder(args: argparse.Namespace) -> Data:
    """Return the depth PNGs below --gt, with the camera of the options, and the images beside it for a report."""
    paths = sorted(args.gt.rglob('*.png'))
    if not paths:
        raise ConfigError(f'{args.gt}: expected depth PNGs, got none')
    camera = camera_of(args)
    images = args.images or (args.gt.parent / 'image' if args.gt.name == 'depth' else None)
    frames = []
    for path in paths:
        name = path.relative_to(args.gt).with_suffix('')
        drive = next((part for part in name.parts[:-1] if 'drive' in part), name.parts[0] if name.parts[1:] else '')
        image = images / name if images and args.report else None
        frames.append(Frame(drive, str(name), partial(read_measured, path, drive, str(name), camera, image)))
    return Data(str(args.gt), frames)


def read_measured(path: Path, drive: str, name: str, camera: Callable[[Size], Intrinsics | None],
                  image: Path | None) -> Measured | None:
    """Read a depth PNG as a frame; None where it is all 0."""
    truth_m = read_depth_png(path)
    found = [file for suffix in ('.png', '.jpg') if image and (file := Path(f'{image}{suffix}')).exists()]
    rgb = read_rgb(found[0]) if found else None
    if not truth_m.any():
        return None
    return Measured(drive, name, truth_m, rgb, camera(Size(*truth_m.shape)))


def camera_of(args: argparse.Namespace) -> Callable[[Size], Intrinsics | None]:
    """Return what gives the camera of --calib or --fx --fy --cx --cy for a size; None where neither is given."""
    given = fx, fy, cx, cy = args.fx, args.fy, args.cx, args.cy
    if any(value is not None for value in given) and None in given:
        raise ConfigError('expected all of --fx --fy --cx --cy, or none')
    if args.calib:
        return read_calibration(args.calib, args.camera).intrinsics
    return lambda size: None if fx is None else Intrinsics(fx, fy, cx, cy, size)
