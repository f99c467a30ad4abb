"""depth_bench network: networks alone, for each backend and input size, timed in turns."""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from depth_node.backends import Backend, choose
from depth_node.checkpoint import default_checkpoint, load_checkpoint
from depth_node.exported import library_of, load_exported
from depth_node.model import NETWORKS, ModelConfig, build_model
from msg_tools import cli
from msg_tools.camera import Array, Size
from msg_tools.errors import BackendError, ConfigError

from .bench_options import add_precision, add_repeat, add_threads
from .bench_peers import peers
from .input_sizes import parse_size, size_text

NAME = 'depth_bench network'
BACKENDS = ('torch', 'openvino', 'onnxruntime')
WARM_UP = 3  # runs of each that do not count
SETTLE_S = 0.1  # in which the threads of the last network go to sleep
HEADER = ('network', 'backend', 'size', 'median_ms', 'p10_ms', 'p90_ms', 'p99_ms', 'ratio')


def main(argv: list[str] | None = None) -> int:
    """Time the networks and print a table, or one JSON object."""
    example = f'{NAME} --backend openvino --network mobilenet_v2_light guidedepth_s --size 192x640'
    parser = cli.parser(NAME, 'Time networks alone, in turns, so that a noisy machine is noisy for all.', example)
    parser.add_argument('--backend', nargs='+', choices=(*BACKENDS, 'tensorrt'), default=BACKENDS,
                        metavar='NAME', help=f'out of {", ".join(BACKENDS)} (default: these), tensorrt')
    parser.add_argument('--size', nargs='+', metavar='HxW', help='input sizes; default: the one it was trained at')
    add_threads(parser)
    parser.add_argument('--device', choices=('auto', 'cpu', 'cuda'), default='cpu', help='cuda is not for openvino')
    parser.add_argument('--checkpoint', nargs='+', metavar='FILE', default=[],
                        help="checkpoints, or what depth_export made of them; default: the one that ships ('default')")
    parser.add_argument('--network', nargs='+', metavar='NAME', default=[],
                        help=f'networks with weights at random: {", ".join(NETWORKS)}')
    parser.add_argument('--peer', nargs='+', metavar='ONNX', default=[],
                        help="other people's networks: ONNX files of one fixed input size, beside ours")
    add_precision(parser)
    add_repeat(parser, 50, 'runs of each')
    args = parser.parse_args(argv)
    return cli.run(NAME, lambda: report(args))


def report(args: argparse.Namespace) -> int:
    """Time everything at every size and print what came out; return 1 where nothing ran."""
    rows: list[dict[str, Any]] = []
    sizes: list[Size | None] = [parse_size(text) for text in args.size or []]
    for size in sizes or [None]:
        cases = [*backends(args, size), *peers(args.peer, args.backend, args.threads)]
        rows += time_in_turns(cases, args.repeat)
    if args.json:
        cli.print_json({'machine': platform.processor() or platform.machine(), 'threads': args.threads, 'rows': rows})
    else:
        print(cli.columns([HEADER, *([row[key] for key in HEADER] for row in rows)]))
    return 0 if rows else 1


Case = tuple[str, str, Size]  # network, backend, input size


def backends(args: argparse.Namespace, size: Size | None) -> Iterator[tuple[Case, Backend]]:
    """Yield every network in every backend at a size (None: its own); warn of what does not run."""
    for name in args.checkpoint or ([] if args.network else ['default']):
        path = default_checkpoint() if name == 'default' else Path(name)
        if library := library_of(path):
            found = load_exported(path, args.device, threads=args.threads, precision=args.precision)
            own = found.fixed_size or Size(found.model_config.height, found.model_config.width)
            if size and found.fixed_size not in (None, size):
                cli.warn(NAME, f'{name} left out at {size_text(size)}: it takes {size_text(own)} alone')
                continue
            yield (name, library, size or own), found.backend
        else:
            checkpoint = load_checkpoint(path)
            yield from in_backends(name, checkpoint.model(), checkpoint.model_config, args, size)
    for name in args.network:
        if name not in NETWORKS:
            raise ConfigError(f'expected --network out of {", ".join(NETWORKS)}, got {name!r}')
        config = ModelConfig(name=name)
        yield from in_backends(name, build_model(config).requires_grad_(False), config, args, size)


def in_backends(name: str, model: Any, config: ModelConfig, args: argparse.Namespace,
                size: Size | None) -> Iterator[tuple[Case, Backend]]:
    """Yield a network in each backend that runs it."""
    size = size or Size(config.height, config.width)
    for backend in args.backend:
        try:
            yield (name, backend, size), choose(model, size, args.device, backend, args.threads, args.precision).backend
        except BackendError as error:
            cli.warn(NAME, f'{name} in {backend} left out: {error}')


def time_in_turns(cases: Sequence[tuple[Case, Backend]], repeat: int) -> list[dict[str, Any]]:
    """Run backends alternately, on the same image where they have the same size; return a row for each.

    A pause lies before each: threads of the last one that still spin for more work would take the processor from it
    (ONNX Runtime's do, of each network apart; what came next took 50 ms longer). The ratio is that of the medians to
    the first one's. A backend returns NumPy arrays, on a GPU as well: the time of a call holds the copies there and
    back, and the wait for its end.
    """
    images: dict[Size, Array] = {size: noise(size) for (_, _, size), _ in cases}
    seconds: list[list[float]] = [[] for _ in cases]
    for _ in range(repeat + WARM_UP):
        for ((_, _, size), backend), taken in zip(cases, seconds, strict=True):
            time.sleep(SETTLE_S if len(cases) > 1 else 0.0)
            taken.append(seconds_of(backend, images[size]))
    spreads = [np.percentile(taken[WARM_UP:], (50, 10, 90, 99)) * 1e3 for taken in seconds]
    return [dict(zip(HEADER, (name, library, size_text(size), *np.round(spread, 2).tolist(),
                              round(float(spread[0] / spreads[0][0]), 3)), strict=True))
            for ((name, library, size), _), spread in zip(cases, spreads, strict=True)]


def seconds_of(backend: Backend, rgb: Array) -> float:
    """Return how long a backend takes for an image."""
    start = time.perf_counter()
    backend(rgb)
    return time.perf_counter() - start


def noise(size: Size) -> Array:
    """Return an image uint8 (h, w, 3) of nothing."""
    return np.random.default_rng(0).integers(0, 256, (*size.shape, 3), np.uint8)


if __name__ == '__main__':
    raise SystemExit(main())
