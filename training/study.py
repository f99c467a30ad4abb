"""depth_study: train variants of one run with several seeds each, and write a table of what each is worth on `val`.

A study is a YAML file: `base` (settings, as for depth_train), `seeds`, and `tables`: {title: {row: [key=value, ...]}}.
What is trained already is not trained again: a study that was cut off goes on, and a new row costs only itself.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from msg_tools import cli
from msg_tools.errors import ConfigError
from msg_tools.whole_file import write_whole

from .config import TrainConfig, from_dict
from .datasets import open_sources, refuse_overlap
from .loader import Frames, load_frames
from .run_folder import require_settings
from .train import start_fabric, train
from .validate import load_val

NAME = 'depth_study'
SHOWN = ('abs_rel', 'rmse_m', 'delta1', 'kept80_abs_rel')
DATA = ('data', 'train', 'labels', 'maps', 'align', 'focal_px', 'max_zoom')  # settings that decide what is read


@dataclass(frozen=True, slots=True)
class Run:
    """One training of a study: which table and row it is for, and its settings (seed and folder among them)."""

    table: str
    row: str
    config: TrainConfig


def read_study(path: Path, out: Path, changes: list[str]) -> list[Run]:
    """List the trainings of a study file; raises ConfigError where it is none."""
    try:
        study = yaml.safe_load(path.read_text())
        tables: Mapping[str, Mapping[str, list[str]]] = study['tables']
        base, seeds = dict(study['base']), list(study['seeds'])
        rows = [(table, row, keys or []) for table, rows in tables.items() for row, keys in rows.items()]
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConfigError(f'{path}: expected a study with base, seeds and tables, got: {error}') from error
    runs = [Run(table, row, replace(from_dict(base, [*changes, *listed(keys), f'seed={seed}']),
                                    out=str(out / folder_name(table, row) / str(seed))))
            for table, row, keys in rows for seed in seeds]
    if twice := [folder for folder, count in Counter(run.config.out for run in runs).items() if count > 1]:
        raise ConfigError(f'{path}: expected tables, rows and seeds with names of their own, got two for the folder '
                          f'{twice[0]}; only letters and digits count')
    return runs


def listed(keys: str | list[str]) -> list[str]:
    """Return a row's settings as a list, of which one may stand alone."""
    return [keys] if isinstance(keys, str) else keys


def chosen(runs: list[Run], only: str | None) -> list[Run]:
    """Return the trainings of a table whose title begins so; raises ConfigError where there is none."""
    found = [run for run in runs if run.table.startswith(only or '')]
    if not found:
        titles = ', '.join(dict.fromkeys(run.table for run in runs))
        raise ConfigError(f'--only: expected a table out of {titles}, got {only!r}')
    return found


def folder_name(*words: str) -> str:
    """Return words as a folder's name."""
    return '-'.join(''.join(letter if letter.isalnum() else '_' for letter in word) for word in words)


def do_study(runs: list[Run]) -> Iterator[tuple[Run, dict[str, Any]]]:
    """Yield the metrics of each run's last network on `val`, trained now where it is not yet."""
    frames: dict[str, Frames] = {}
    for run in cli.progress(runs, unit='run', text=NAME):
        result = Path(run.config.out) / 'result.json'
        if result.exists():
            require_settings(result.parent, run.config)  # else a row that was changed would keep its old figures
        else:
            key = repr([getattr(run.config, name) for name in DATA])
            if key not in frames:
                frames.clear()  # memory is for one set at a time
                frames[key] = load_frames(run.config)
            write_whole(result, json.dumps(train_once(run.config, frames[key])).encode())
        yield run, json.loads(result.read_text())


def train_once(config: TrainConfig, frames: Frames) -> dict[str, Any]:
    """Train, from where an earlier try was cut off, and return the metrics of the last network."""
    items = open_sources(config.val, config.data)
    if not items:
        raise ConfigError('val: expected sources to measure the rows on, got none')
    refuse_overlap(frames.items, items)
    config = replace(config, eval_every=config.steps)  # nothing is chosen on val: the last network counts
    resume = (Path(config.out) / 'state.pt').exists()
    return train(config, frames.under(config), load_val(items), start_fabric(config), resume)['val']['mean']


def markdown(results: list[tuple[Run, dict[str, Any]]]) -> str:
    """Write the tables: mean of the seeds, and their standard deviation."""
    lines: list[str] = []
    for table in dict.fromkeys(run.table for run, _ in results):
        lines += [f'### {table}', '', f'| | seeds | {" | ".join(SHOWN)} |', f'|---|---|{"---|" * len(SHOWN)}']
        here = [(run.row, mean) for run, mean in results if run.table == table]
        for row in dict.fromkeys(row for row, _ in here):
            found = [mean for name, mean in here if name == row]
            cells = [spread([mean[name] for mean in found]) for name in SHOWN]
            lines.append(f'| {row} | {len(found)} | {" | ".join(cells)} |')
        lines.append('')
    return '\n'.join(lines)


def spread(values: list[float]) -> str:
    """Return mean and standard deviation of values over seeds; of one, the value."""
    mean = f'{np.mean(values):.3f}'
    return f'{mean} ± {np.std(values, ddof=1):.3f}' if len(values) > 1 else mean


def main(argv: list[str] | None = None) -> int:
    """Run depth_study."""
    parser = cli.parser(NAME, __doc__ or '', f'{NAME} config/study.yaml runs/study data=../shared/data')
    parser.add_argument('study', type=Path, help='YAML file: base, seeds, tables')
    parser.add_argument('out', type=Path, help='folder for the runs, table.md and results.json')
    parser.add_argument('--only', metavar='TABLE', help='train the rows of this table alone (another process may '
                                                        'do the others; without it the results of all are collected)')
    parser.add_argument('changes', nargs='*', metavar='key=value', help='settings for every run; a row has its own')
    args = parser.parse_intermixed_args(argv)  # settings may follow --only, too

    def body() -> None:
        results = []
        for run, mean in do_study(chosen(read_study(args.study, args.out, args.changes), args.only)):
            results.append((run, mean))
            rows = [{'table': run.table, 'row': run.row, 'seed': run.config.seed, **mean} for run, mean in results]
            write_whole(args.out / 'results.json', json.dumps(rows, indent=1).encode())
            write_whole(args.out / 'table.md', markdown(results).encode())
        print(markdown(results))

    return cli.run(NAME, body)


if __name__ == '__main__':
    raise SystemExit(main())
