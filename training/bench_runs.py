"""Runs of a node as `depth_bench node --json` prints them, of this version or an older one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from msg_tools.errors import ConfigError

PERCENTILES = ('p50', 'p90', 'p99', 'max')

Runs = dict[str, Any]  # {'label': ..., 'runs': [...]}


def read_runs(path: Path) -> Runs:
    """Read the last line of a file; its name is the label where it has none. Raises ConfigError for other contents."""
    try:
        found = json.loads(path.read_text().strip().splitlines()[-1])
        runs = found['runs'] if 'runs' in found else [of_one_rate(found)]
        return {'label': found.get('label') or path.stem, 'runs': runs}
    except (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise ConfigError(f'{path}: expected what depth_bench node --json prints, got {type(error).__name__}: '
                          f'{error}') from error


def of_one_rate(flat: dict[str, Any]) -> dict[str, Any]:
    """Return a run from the figures of version 0.1, which told one rate, times as text and ages by thirds alone."""
    return {
        'rate': f'{flat["rate_hz"]:g}',
        'subscribers': 1,
        'published': flat['published'],
        'stages_ms': {name: dict(zip(PERCENTILES, map(float, text.split(' / ')), strict=False))
                      for name, text in flat['stages_ms'].items()},
        'age_ms': {},
        'process': {'cpu_cores': flat['cpu_cores'], 'memory_end_mb': flat['memory_mb'].get('end')},
    }


def by_rate(runs: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the runs with one subscriber by their rate."""
    return {run['rate']: run for run in runs if run.get('subscribers', 1) == 1}
