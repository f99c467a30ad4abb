"""What the demo tells: its steps as they go, the flow of frames, the metrics as tables, and where the files are."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from msg_tools import cli

from .recording import Flow

COLUMNS = {'abs_rel': 'abs rel', 'rmse_m': 'RMSE [m]', 'delta1': 'within 25 %', 'coverage': 'coverage'}
ROWS = {'row_mean': 'mean of each row', 'flat_ground': 'flat ground'}


class Clock:
    """Tells the steps as they begin and keeps how long each took [s]."""

    def __init__(self, quiet: bool) -> None:
        self.quiet, self.seconds = quiet, dict[str, float]()

    def say(self, text: str) -> None:
        """Print a line, unless the output is for a program."""
        if not self.quiet:
            print(text, flush=True)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Name a step, and time it."""
        self.say(f'== {name}')
        start_s = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - start_s, 1)


def flow_report(found: Flow, images_in: int) -> dict[str, Any]:
    """Return the flow of frames as the report has it."""
    return {
        'network': found.network,
        'images_in': images_in,
        'received': found.received,
        'depth_out': len(found.stamps_ns),
        'published': found.published,
        'dropped': found.dropped,
        'age_ms': {f'p{percent}': round(found.age_ms(percent), 1) for percent in (50, 90, 100)},
    }


def notes(report: dict[str, Any]) -> list[str]:
    """Return what the picture's headline says of the flow of frames."""
    counts = f'{report["depth_out"]} depth maps of {report["images_in"]} images'
    age = report.get('age_ms', {}).get('p50', float('nan'))
    return [counts, *([f'median age {age:.0f} ms'] if np.isfinite(age) else [])]


def metric_rows(result: dict[str, Any], names: Sequence[str]) -> list[list[str]]:
    """Return the rows of a table of metrics: the network, then the baselines that there are."""
    rows = [('depth_node', result), *((ROWS[name], row) for name, row in result['baselines'].items() if row)]
    return [[title, *(f'{row[name]:.1%}' if name in ('delta1', 'coverage') else f'{row[name]:.3f}' for name in names)]
            for title, row in rows]


def picture_table(report: dict[str, Any]) -> list[list[str]]:
    """Return the table below the picture: metrics against the LiDAR, or against whatever there is."""
    names = ('abs_rel', 'rmse_m', 'delta1')
    result = next(iter(report['metrics'].values()), None)
    head = ['', *(COLUMNS[name] for name in names)]
    return [head, *metric_rows(result, names)] if result else [head]


def tell(report: dict[str, Any], out: Path, as_json: bool) -> None:
    """Print the report."""
    if as_json:
        cli.print_json(report)
        return
    for name, result in report['metrics'].items():
        protocol = f'{result["images"]} images, crop {result["crop"]}, up to {result["max_depth_m"]:g} m'
        print(f'\nagainst the {name}, {protocol}:')
        print(cli.columns([['', *COLUMNS.values()], *metric_rows(result, tuple(COLUMNS))]))
    print(f'\n{report["images_in"]} images in, {report["depth_out"]} depth images recorded', end='')
    if 'age_ms' in report:
        age = report['age_ms']
        drops = ', '.join(f'{count} {reason}' for reason, count in report['dropped'].items()) or 'none'
        print(f' of {report["published"]} published; dropped: {drops}')
        print(f'age of the depth when it arrived: {age["p50"]} ms in the median, {age["p90"]} ms at p90')
        print(f'network: {report["network"]}', end='')
    print('\ntook ' + ', '.join(f'{name} {seconds} s' for name, seconds in report['seconds'].items()))
    print(f'\n{report["files"]["picture"]}\n{report["files"]["video"]}\n{out}: bag, recorded, pred, truth, report.json')
