"""depth_bench network: the network alone, for each backend and input size, timed in turns."""

from __future__ import annotations

import argparse
import platform
import time
from typing import Any

import numpy as np

from depth_node.backends import Backend, choose
from depth_node.checkpoint import default_checkpoint, load_checkpoint
from depth_node.model import ModelConfig, build_model
from msg_tools import cli
from msg_tools.camera import Array, Size
from msg_tools.errors import BackendError, ConfigError

NAME = 'depth_bench network'
BACKENDS = ('torch', 'openvino', 'onnxruntime')


def main(argv: list[str] | None = None) -> int:
    """Time the network and print a table, or one JSON object."""
    parser = cli.parser(NAME, 'Time the network alone.', f'{NAME} --backend torch openvino --size 192x640')
    parser.add_argument('--backend', nargs='+', choices=BACKENDS, default=BACKENDS, metavar='NAME')
    parser.add_argument('--size', nargs='+', metavar='HxW', help='input sizes; default: the one it was trained at')
    parser.add_argument('--threads', type=int, default=0, help='CPU threads; 0: each library decides')
    parser.add_argument('--device', choices=('auto', 'cpu', 'cuda'), default='cpu', help='cuda is for torch alone')
    parser.add_argument('--repeat', type=int, default=50, metavar='N', help='runs of each (default 50)')
    parser.add_argument('--checkpoint', metavar='FILE')
    parser.add_argument('--json', action='store_true')
    args = parser.parse_args(argv)
    return cli.run(NAME, lambda: report(args))


def report(args: argparse.Namespace) -> int:
    """Time every backend at every size and print what came out."""
    checkpoint = load_checkpoint(args.checkpoint or default_checkpoint())
    model = build_model(checkpoint.model_config)
    model.load_state_dict(checkpoint.state)
    rows: list[dict[str, Any]] = []
    for size in sizes(args.size, checkpoint.model_config):
        backends = {}
        for name in args.backend:
            try:
                backends[name] = choose(model, size, args.device, name, args.threads).backend
            except BackendError as error:
                cli.warn(NAME, f'{name} left out: {error}')
        rows += [{'backend': name, 'size': f'{size.height}x{size.width}', **timing}
                 for name, timing in time_in_turns(backends, size, args.repeat).items()]
    if args.json:
        cli.print_json({'machine': platform.processor() or platform.machine(), 'threads': args.threads, 'rows': rows})
    else:
        header = 'backend', 'size', 'median_ms', 'p10_ms', 'p90_ms', 'ratio'
        print(cli.columns([header, *([row[key] for key in header] for row in rows)]))
    return 0 if rows else 1


def time_in_turns(backends: dict[str, Backend], size: Size, repeat: int) -> dict[str, dict[str, float]]:
    """Run the backends alternately on the same image, so that a noisy machine is noisy for all.

    The ratio is that of the medians to the first backend's.
    """
    rgb: Array = np.random.default_rng(0).integers(0, 256, (*size.shape, 3), np.uint8)
    seconds: dict[str, list[float]] = {name: [] for name in backends}
    for _ in range(repeat + 3):  # the first three warm up
        for name, backend in backends.items():
            start = time.perf_counter()
            backend(rgb)
            seconds[name].append(time.perf_counter() - start)
    p10, median, p90 = np.percentile([seconds[name][3:] for name in backends], (10, 50, 90), axis=1) * 1e3
    return {name: {'median_ms': round(median[i], 2), 'p10_ms': round(p10[i], 2), 'p90_ms': round(p90[i], 2),
                   'ratio': round(median[i] / median[0], 3)} for i, name in enumerate(backends)}


def sizes(texts: list[str] | None, config: ModelConfig) -> list[Size]:
    """Read sizes written as HxW; none stands for the size of the training."""
    if not texts:
        return [Size(config.height, config.width)]
    try:
        found = [Size(*(int(n) for n in text.split('x'))) for text in texts]
    except (ValueError, TypeError) as error:
        raise ConfigError(f'expected sizes as HxW, e.g. 192x640, got {" ".join(texts)}') from error
    if any(n < 32 or n % 32 for size in found for n in size.shape):
        raise ConfigError(f'expected sizes of multiples of 32 px, got {" ".join(texts)}')
    return found


if __name__ == '__main__':
    raise SystemExit(main())
