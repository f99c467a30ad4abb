"""Datasets by name. A source is written `NAME:PATH` or `NAME:PATH#SPLIT`, e.g. `kitti:kitti/training#train`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from .frame import DatasetError, Item
from .images import image_items
from .kitti import kitti_items

Reader = Callable[[Path, str], list[Item]]  # path and split ('': all of it) to what can be read

DATASETS: dict[str, Reader] = {'kitti': kitti_items, 'images': image_items}


def open_source(text: str, base: str | Path = '') -> list[Item]:
    """List the frames of a source `NAME:PATH#SPLIT`, PATH relative to base; raises DatasetError where there is none."""
    name, colon, rest = text.partition(':')
    if not colon or name not in DATASETS:
        raise DatasetError(f'expected a source NAME:PATH or NAME:PATH#SPLIT, NAME out of {", ".join(DATASETS)}, '
                           f'got {text!r}')
    path, _, split = rest.partition('#')
    items = DATASETS[name](Path(base) / path, split)
    if not items:
        raise DatasetError(f'{text}: expected frames, got none; is the split one of its index?')
    return items


def open_sources(texts: Iterable[str], base: str | Path = '') -> list[Item]:
    """List the frames of several sources, in their order."""
    return [item for text in texts for item in open_source(text, base)]


def refuse_overlap(train: Iterable[Item], val: Iterable[Item]) -> None:
    """Raise DatasetError where a drive is on both sides: neighbouring frames look the same, and a score is a memory."""
    both = sorted({item.drive for item in train} & {item.drive for item in val})
    if both:
        raise DatasetError(f'expected drives apart in train and val, got {len(both)} in both: {", ".join(both[:5])}; '
                           'split by drive, not by frame')
