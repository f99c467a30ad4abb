"""depth_bench node: from the image's stamp to the depth at a subscriber, over DDS and through three processes."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from depth_node.ros.arguments import require_ros
from msg_tools import cli
from msg_tools.errors import DepthNodeError

if TYPE_CHECKING:
    from depth_node.ros.bench_listener import Record

NAME = 'depth_bench node'
THIRDS = ('first', 'second', 'third')
STAGE = ' p50 / p90 / p99 [ms]'  # as the node's diagnostics name the times of a stage
DROPPED = 'dropped: '

Samples = Sequence[tuple[float, float]]  # when [s] and what


def main(argv: list[str] | None = None) -> int:
    """Run the node on images at a fixed rate and print a table, or one JSON object."""
    text = ('Run the node in one process, a camera in a second one, and measure in this one how old depth and cloud '
            'are when they arrive, what was dropped and what the node uses. Ages that grow from third to third mean a '
            'queue.')
    parser = cli.parser(NAME, text, f'{NAME} --rate 30 --seconds 30 --param backend:=torch')
    parser.add_argument('--bag', type=Path, metavar='BAG', help='images from here; default: synthetic, 1242x375')
    parser.add_argument('--rate', type=float, default=10.0, metavar='HZ', help='images a second (default 10)')
    parser.add_argument('--seconds', type=float, default=30.0, metavar='S', help='how long (default 30)')
    parser.add_argument('--no-cloud', action='store_true', help='subscribe to the depth image alone')
    parser.add_argument('--param', nargs='+', default=[], metavar='NAME:=VALUE', help='parameters of the node')
    parser.add_argument('--json', action='store_true')
    args = parser.parse_args(argv)
    if args.rate <= 0 or args.seconds <= 0:
        parser.error('--rate and --seconds must be greater than 0')
    return cli.run(NAME, lambda: report(args))


def report(args: argparse.Namespace) -> None:
    """Measure and print; raises DepthNodeError where no depth arrived."""
    require_ros()
    from depth_node.ros.bench_listener import measure

    record = measure(args.rate, args.seconds, args.bag, not args.no_cloud, args.param)
    result = {'rate_hz': args.rate, 'seconds': args.seconds, 'load': round(os.getloadavg()[0], 1), **summary(record)}
    if args.json:
        cli.print_json(result)
    else:
        print(table(result))


def summary(record: Record) -> dict[str, Any]:
    """Return the figures of a run as plain JSON values."""
    depth = record.ages['depth']
    if len(depth) < len(THIRDS):
        raise DepthNodeError(f'expected depth images, got {len(depth)} of {record.sent} images; the node says: '
                             f'{record.status.get("message", "nothing")}')
    ages = {name: by_thirds(samples) for name, samples in record.ages.items() if len(samples) >= len(THIRDS)}
    memory = [value for _, value in record.memory_mb]
    return {
        'image': record.image,
        'sent': record.sent,
        'published': int(record.status.get('published', 0)),
        'dropped': {key.removeprefix(DROPPED): int(n) for key, n in record.status.items() if key.startswith(DROPPED)},
        'age_ms': ages,
        'growth_ms': {name: round(thirds['third']['p50'] - thirds['first']['p50'], 1) for name, thirds in ages.items()},
        'memory_mb': {'start': memory[0], 'end': memory[-1], 'most': max(memory)} if memory else {},
        'cpu_cores': round(record.cpu_s / depth[-1][0], 2) if depth[-1][0] else 0.0,
        'network': record.status.get('network', ''),
        'stages_ms': {key.removesuffix(STAGE): text for key, text in record.status.items() if key.endswith(STAGE)},
    }


def by_thirds(samples: Samples) -> dict[str, dict[str, float]]:
    """Return the percentiles [ms] of ages [s] in each third of the run."""
    values = [1e3 * age for _, age in samples]
    return {
        name: {f'p{q}': round(float(np.percentile(part, q)), 1) for q in (50, 90, 99)}
        for name, part in zip(THIRDS, np.array_split(values, len(THIRDS)), strict=True)
    }


def table(result: dict[str, Any]) -> str:
    """Return the figures as text."""
    rows: list[Sequence[object]] = [('age at receipt [ms]', 'third', 'p50', 'p90', 'p99')]
    for name, thirds in result['age_ms'].items():
        rows += [(name, third, *spread.values()) for third, spread in thirds.items()]
    stages = [('stage [ms]', 'p50 / p90 / p99'), *result['stages_ms'].items()]
    dropped = ', '.join(f'{count} {reason}' for reason, count in result['dropped'].items()) or 'none'
    memory = result['memory_mb']
    return '\n'.join([
        f'{result["image"]} at {result["rate_hz"]:g} Hz; {result["network"]}; load of the machine {result["load"]}',
        f'{result["sent"]} images sent, {result["published"]} depth images published, dropped: {dropped}',
        f'node: {result["cpu_cores"]} cores, {memory.get("start", 0):.0f} MB at the start, '
        f'{memory.get("end", 0):.0f} MB at the end',
        '', cli.columns(rows), '', cli.columns(stages),
    ])


if __name__ == '__main__':
    raise SystemExit(main())
