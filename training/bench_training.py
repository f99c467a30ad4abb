"""depth_bench training: how fast the loop trains here, and how much of its time goes to the network."""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric

from msg_tools import cli
from msg_tools.errors import ConfigError

from .config import TrainConfig, load_config
from .datasets import open_sources
from .loader import Frames, batches
from .train import start_fabric, train

NAME = 'depth_bench training'
HEADER = ('workers', 'loader alone, images/s', 'loop, images/s', 'of its time in the network', 'of the network alone')


@dataclass(frozen=True, slots=True)
class Speed:
    """Images a second of the loader by itself and of the loop, and the part of the loop's time that is not waiting."""

    workers: int
    loader_images_s: float
    loop_images_s: float
    in_network: float

    @property
    def network_images_s(self) -> float:
        """Return the images a second of a loop that never waits; with workers they take of its processor."""
        return self.loop_images_s / self.in_network


def main(argv: list[str] | None = None) -> int:
    """Time the training of a config and print a table, or one JSON object."""
    text = ('Run the loop of depth_train for a few steps and say how many images it sees a second and for which part '
            'of its time it waits for them. The network alone is the loop without workers and without its waiting.')
    parser = cli.parser(NAME, text, f'{NAME} config/train.yaml data=../shared/data --workers 0 1')
    parser.add_argument('config', help='YAML file of settings, as for depth_train')
    parser.add_argument('changes', nargs='*', metavar='key=value', help='settings that differ from the file')
    parser.add_argument('--workers', nargs='+', type=int, default=[0, 1], metavar='N', help='processes (default 0 1)')
    parser.add_argument('--steps', type=int, default=20, metavar='N', help='steps, after as many that do not count')
    parser.add_argument('--images', type=int, default=100, metavar='N', help='images of the sources (default 100)')
    parser.add_argument('--json', action='store_true')
    args = parser.parse_intermixed_args(argv)
    if args.steps < 1 or args.images < 1 or min(args.workers) < 0:
        parser.error('--steps and --images must be greater than 0, --workers not less')
    return cli.run(NAME, lambda: report(args))


def report(args: argparse.Namespace) -> None:
    """Measure and print."""
    config = load_config(args.config, args.changes)
    fabric = start_fabric(config)
    frames = some_frames(config, args.images)
    speeds = [measure(config, frames, fabric, workers, args.steps) for workers in sorted({0, *args.workers})]
    result = summary(config, speeds, args.workers)
    if args.json:
        cli.print_json(result)
        return
    print(f'{result["network"]}, {config.batch} windows of {result["window"]}, precision {config.precision}, '
          f'{result["device"]}; the network alone: {result["network_images_s"]} images/s')
    print(cli.columns([HEADER, *(cells(row) for row in result['rows'])]))


def some_frames(config: TrainConfig, count: int) -> Frames:
    """Read about this many frames of the training sources, evenly spread over them."""
    items = open_sources(config.train, config.data)
    return Frames(items[:: max(1, len(items) // count)], config).fill()


def measure(config: TrainConfig, frames: Frames, fabric: Fabric, workers: int, steps: int) -> Speed:
    """Train twice as many steps and take the second half; then time the loader by itself."""
    with tempfile.TemporaryDirectory() as folder:
        settings = replace(config, workers=workers, steps=2 * steps, log_every=steps, save_every=2 * steps,
                           eval_every=2 * steps, out=folder)
        train(settings, frames, (), fabric)
        lines = [json.loads(line) for line in (Path(folder) / 'log.jsonl').read_text().splitlines()]
    if len(lines) < 2:
        raise ConfigError(f'expected two lines in the log of {2 * steps} steps, got {len(lines)}')
    loader = loader_speed(settings, frames)
    return Speed(workers, loader, lines[-1]['images_per_s'], 1.0 - lines[-1]['waited'])


def loader_speed(config: TrainConfig, frames: Frames) -> float:
    """Return the images a second of the loader by itself, over the second half of the config's steps."""
    begun = 0.0
    for step, _ in enumerate(batches(frames, config), 1):
        if step == config.steps // 2:
            begun = time.perf_counter()
    return (config.steps - config.steps // 2) * config.batch / (time.perf_counter() - begun)


def summary(config: TrainConfig, speeds: Sequence[Speed], wanted: Sequence[int]) -> dict[str, Any]:
    """Return the figures as plain JSON values; those without workers say what the network does alone."""
    alone = next(speed for speed in speeds if speed.workers == 0).network_images_s
    rows = [{'workers': speed.workers, 'loader_images_s': round(speed.loader_images_s, 1),
             'loop_images_s': round(speed.loop_images_s, 1), 'in_network': round(speed.in_network, 3),
             'of_network_alone': round(speed.loop_images_s / alone, 3)}
            for speed in speeds if speed.workers in wanted]
    return {'network': config.model_config().name, 'window': f'{config.crop_width or config.width}x{config.height}',
            'batch': config.batch, 'precision': config.precision, 'device': device(),
            'network_images_s': round(alone, 1), 'rows': rows}


def device() -> str:
    """Return what trains."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else f'CPU, {torch.get_num_threads()} threads'


def cells(row: dict[str, Any]) -> tuple[object, ...]:
    """Format one row of the table."""
    return (row['workers'], row['loader_images_s'], row['loop_images_s'], f'{row["in_network"]:.1%}',
            f'{row["of_network_alone"]:.1%}')


if __name__ == '__main__':
    raise SystemExit(main())
