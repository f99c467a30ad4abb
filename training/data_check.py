"""depth_data check: read every frame once and name what is wrong with it, or looks so.

The argument is a training's settings (CONFIG.yaml: its sources, with the maps that it adds), or sources. Wrong is what
cannot be read, labels outside the image, and a drive or an image in train and val: exit status 1. The rest (medians
that are no metres, dense maps that do not agree with LiDAR, cameras unlike others, duplicates, frames without labels)
is only suspicious; --strict fails for it too.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from msg_tools import cli
from msg_tools.errors import ConfigError, DepthNodeError

from .config import load_config
from .data_facts import Facts, read_facts
from .data_faults import Fault, find_faults
from .data_sources import HELP, folders_by_kind
from .datasets import open_source

NAME = 'depth_data check'
EXAMPLE = f"""{NAME} config/train.yaml
  {NAME} kitti:kitti/training#val --data ../shared/data --maps teacher=teacher_maps --json"""
NAMED = 5  # frames that the table names of each fault


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be checked: sources by side, and the maps that belong to them."""

    train: tuple[str, ...]
    val: tuple[str, ...]
    data: str
    maps: Mapping[str, str]
    sky: bool
    kinds: tuple[str, ...] = ()  # of label that are trained on


def main(argv: list[str] | None = None) -> int:
    """Run depth_data check."""
    parser = cli.parser(NAME, __doc__ or '', EXAMPLE)
    parser.add_argument('sources', nargs='+', metavar='SOURCE|CONFIG', help=f'{HELP}; or one CONFIG.yaml')
    parser.add_argument('--data', default='', metavar='DIR', help='folder that the PATH of a SOURCE starts from')
    parser.add_argument('--maps', nargs='+', default=[], metavar='KIND=FOLDER', help='maps of SOURCEs to check, too')
    parser.add_argument('--set', nargs='+', default=[], metavar='KEY=VALUE', help='changes to the settings of CONFIG')
    parser.add_argument('--strict', action='store_true', help='fail for what is only suspicious, too')
    parser.add_argument('--json', action='store_true', help='print all that was found as JSON')
    args = parser.parse_args(argv)
    return cli.run(NAME, lambda: check(args))


def check(args: argparse.Namespace) -> int:
    """Check the data and report; return 1 where something is wrong."""
    task = task_of(args)
    facts = list(read_all(task))
    faults = find_faults(facts, task.train, task.val, task.kinds)
    rows = [source_row(source, facts) for source in dict.fromkeys((*task.train, *task.val))]
    if args.json:
        cli.print_json({'sources': rows, 'faults': [
            {'text': fault.text, 'wrong': fault.wrong, 'frames': fault.frames} for fault in faults]})
    else:
        print_table(rows, faults)
    return int(any(fault.wrong or args.strict for fault in faults))


def task_of(args: argparse.Namespace) -> Task:
    """Understand the arguments: one settings file, or sources, of which #val is apart from the others."""
    configs = [text for text in args.sources if text.endswith(('.yaml', '.yml'))]
    if configs and len(args.sources) > 1:
        raise ConfigError(f'expected one CONFIG or SOURCEs, got {" ".join(args.sources)}')
    if configs:
        config = load_config(configs[0], args.set)
        maps = {**config.maps, **folders_by_kind(args.maps)}
        kinds = tuple(kind for kind, weight in config.labels.items() if weight > 0)
        return Task(config.train, config.val, args.data or config.data, maps, 'sky' in kinds, kinds)
    val = tuple(text for text in args.sources if text.endswith('#val'))
    train = tuple(text for text in args.sources if text not in val)
    maps = folders_by_kind(args.maps)
    return Task(train, val, args.data, maps, 'teacher' in maps)


def read_all(task: Task) -> Iterator[Facts]:
    """Read every frame of every source; one that cannot be read says why."""
    items = [(source, item) for source in dict.fromkeys((*task.train, *task.val))
             for item in open_source(source, task.data)]
    for source, item in cli.progress(items):
        try:
            yield read_facts(source, item, task.maps, task.sky)
        except DepthNodeError as error:
            yield Facts(source, item, ' '.join(str(error).split()))


def source_row(source: str, facts: Sequence[Facts]) -> dict[str, Any]:
    """Summarize a source: frames, drives, sizes, and of each kind of label how many frames and labels, how far."""
    own = [fact for fact in facts if fact.source == source]
    read = [fact for fact in own if not fact.error]
    kinds = {}
    for kind in sorted({kind for fact in read for kind in fact.labels or {}}):
        found = [fact.labels[kind] for fact in read if fact.labels and kind in fact.labels]
        medians = [label.median_m for label in found if not np.isnan(label.median_m)]
        ratios = [fact.ratios[kind] for fact in read if fact.ratios and kind in fact.ratios]
        kinds[kind] = {
            'frames': len(found), 'labels': int(np.median([label.count for label in found])),
            'median_m': round(float(np.median(medians)), 2) if medians else None,
            'ratio': round(float(np.median(ratios)), 3) if ratios else None,
        }
    return {'source': source, 'frames': len(own), 'failed': len(own) - len(read),
            'drives': len({fact.item.drive for fact in own}), 'sizes': sorted({fact.size for fact in read}),
            'pairs': sum(fact.item.read_right is not None for fact in own), 'kinds': kinds}


def print_table(rows: Sequence[Mapping[str, Any]], faults: Sequence[Fault]) -> None:
    """Print a line for each source and kind of label, then what was found."""
    head = ('source', 'frames', 'failed', 'drives', 'pairs', 'label', 'in frames', 'labels', 'median m', 'better/map')
    table: list[tuple[object, ...]] = [head]
    for row in rows:
        first: tuple[object, ...] = (row['source'], row['frames'], row['failed'], row['drives'], row['pairs'])
        for kind, found in row['kinds'].items() or [('none', {})]:
            cells = (found.get(name) for name in ('frames', 'labels', 'median_m', 'ratio'))
            table.append((*first, kind, *('-' if cell is None else cell for cell in cells)))
            first = ('',) * 5
    print(cli.columns(table))
    for fault in faults:
        names = ', '.join(fault.frames[:NAMED]) + (', ...' if fault.frames[NAMED:] else '')
        print(f'{"WRONG" if fault.wrong else "suspicious"}: {fault.text}: {len(fault.frames)}: {names}')
    wrong = sum(fault.wrong for fault in faults)
    print(f'{wrong} wrong, {len(faults) - wrong} suspicious')


if __name__ == '__main__':
    raise SystemExit(main())
