"""What the parts of depth_data have in common: sources on the command line, a choice among their frames."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from fnmatch import fnmatch

import numpy as np

from msg_tools.errors import ConfigError

from .datasets import DATASETS
from .datasets.frame import DatasetError, Item

HELP = f'NAME:PATH or NAME:PATH#SPLIT, NAME out of {", ".join(DATASETS)}'


def add_sources(parser: argparse.ArgumentParser) -> None:
    """Add SOURCE... and --data to a parser."""
    parser.add_argument('sources', nargs='+', metavar='SOURCE', help=HELP)
    parser.add_argument('--data', default='', metavar='DIR', help='folder that the PATH of a SOURCE starts from '
                        '(default: this one)')


def add_choice(parser: argparse.ArgumentParser) -> None:
    """Add --drives, --every and --count to a parser."""
    parser.add_argument('--drives', nargs='+', default=[], metavar='NAME', help='frames of these drives; * stands for '
                        'anything, as in *_0005_*')
    parser.add_argument('--every', type=positive, default=1, metavar='N', help='every n-th frame of each drive')
    parser.add_argument('--count', type=positive, default=None, metavar='N', help='at most so many, spread evenly')


def positive(text: str) -> int:
    """Read a number from 1 on."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'expected a number from 1 on, got {text!r}')
    return int(text)


def choose_items(items: Sequence[Item], args: argparse.Namespace) -> list[Item]:
    """Return the frames that the options of add_choice ask for, in their order; raises DatasetError for none."""
    wanted = [item for item in items
              if not args.drives or any(fnmatch(item.drive, pattern) for pattern in args.drives)]
    if not wanted:
        drives = sorted({item.drive for item in items})
        raise DatasetError(f'expected --drives out of {", ".join(drives[:10])}{", ..." if drives[10:] else ""}, '
                           f'got {", ".join(args.drives)}')
    seen: dict[str, int] = {}
    chosen = []
    for item in wanted:
        seen[item.drive] = seen.get(item.drive, -1) + 1
        if seen[item.drive] % args.every == 0:
            chosen.append(item)
    if args.count and args.count < len(chosen):
        chosen = [chosen[i] for i in np.linspace(0, len(chosen) - 1, args.count).round().astype(int)]
    return chosen


def folders_by_kind(texts: Sequence[str]) -> dict[str, str]:
    """Read KIND=FOLDER arguments; raises ConfigError where one is not."""
    pairs = [text.partition('=') for text in texts]
    if wrong := [text for text, (kind, equals, folder) in zip(texts, pairs, strict=True)
                 if not (kind and equals and folder)]:
        raise ConfigError(f'expected KIND=FOLDER, such as stereo=stereo_maps, got {wrong[0]!r}')
    return {kind: folder for kind, _, folder in pairs}
