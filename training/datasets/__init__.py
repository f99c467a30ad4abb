"""Datasets by name. A source is written `NAME:PATH` or `NAME:PATH#SPLIT`, e.g. `kitti:kitti/training#train`.

A new one is a file with a function (path, split) -> list of Items, and a line in DATASETS.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from .frame import DatasetError, Item, dataset_errors
from .images import image_items
from .kitti import kitti_items
from .kitti_depth import depth_items
from .kitti_raw import raw_items

Reader = Callable[[Path, str], list[Item]]  # path and split ('': all of it) to what can be read


def bag_items(path: Path, split: str) -> list[Item]:
    """List the frames of a bag; what reads bags takes half a second to import, which others need not wait for."""
    from .bag import bag_items

    return bag_items(path, split)


DATASETS: dict[str, Reader] = {'kitti': kitti_items, 'kitti_raw': raw_items, 'kitti_depth': depth_items,
                               'images': image_items, 'bag': bag_items}


def open_source(text: str, base: str | Path = '') -> list[Item]:
    """List the frames of a source `NAME:PATH#SPLIT`, PATH relative to base; raises DatasetError where there is none."""
    name, colon, rest = text.partition(':')
    if not colon or name not in DATASETS:
        raise DatasetError(f'expected a source NAME:PATH or NAME:PATH#SPLIT, NAME out of {", ".join(DATASETS)}, '
                           f'got {text!r}')
    path, _, split = rest.partition('#')
    items = dataset_errors(DATASETS[name])(Path(os.path.abspath(Path(base) / Path(path).expanduser())), split)
    if not items:
        raise DatasetError(f'{text}: expected frames, got none; is the split one of its index?')
    refuse_twice(items)
    return items


def open_sources(texts: Iterable[str], base: str | Path = '') -> list[Item]:
    """List the frames of several sources, in their order; raises DatasetError where two of them share a name."""
    items = [item for text in texts for item in open_source(text, base)]
    refuse_twice(items)
    return items


def refuse_twice(items: Iterable[Item]) -> None:
    """Raise DatasetError where two frames go by one name: they would take each other's maps, or one counts twice."""
    seen: dict[tuple[str, str], Item] = {}
    for item in items:
        other = seen.setdefault((item.source, item.name), item)
        if other is not item:
            raise DatasetError(f'expected every frame once, got {item.source}/{item.name} twice: {other.file} and '
                               f'{item.file}; leave one out, or rename its folder')


def refuse_overlap(train: Iterable[Item], val: Iterable[Item]) -> None:
    """Raise DatasetError where a drive, or a file by whatever path, is on both sides: a score would be a memory.

    By drive and not by frame, since neighbouring frames look the same.
    """
    train, val = list(train), list(val)
    both = sorted({item.drive for item in train} & {item.drive for item in val})
    if both:
        raise DatasetError(f'expected drives apart in train and val, got {len(both)} in both: {", ".join(both[:5])}; '
                           'split by drive, not by frame (an index.csv says it in its column drive)')
    known = {file_id(item.file): item.file for item in train if item.file}
    same = [(known[key], item.file) for item in val if item.file and (key := file_id(item.file)) in known and key]
    if same:
        raise DatasetError(f'expected files apart in train and val, got {len(same)} in both, such as {same[0][1]} as '
                           f'{same[0][0]}; are they links?')


def file_id(path: Path) -> tuple[int, int] | None:
    """Return what identifies a file whatever its path is; None where it is not there."""
    with suppress(OSError):
        found = path.stat()
        return found.st_dev, found.st_ino
    return None
