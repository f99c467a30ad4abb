"""depth_bench callback: what the node does with one image, by stage, beside the network alone."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from depth_node.config import NodeConfig
from depth_node.ros.arguments import require_ros
from msg_tools import cli

from .bench_options import add_precision, add_repeat, add_threads, at_least

NAME = 'depth_bench callback'
HEADER = ('stage', 'median_ms', 'p90_ms', 'p99_ms', 'p99_of_median', 'ratio')
MEMORY_RUNS, PUBLISH_ROUNDS = 50, 100  # at most


def main(argv: list[str] | None = None) -> int:
    """Time the stages and print a table, or one JSON object."""
    text = ("Time what the node does between an image's bytes and its filled messages (depth, camera_info, cloud), in "
            'turns with the network alone; then what rclpy does with these messages: serialise, publish (to a '
            'subscriber in another process), deserialise. The ratio is that of the medians to the network alone. Page '
            'faults and allocations of an image are counted in runs of their own.')
    parser = cli.parser(NAME, text, f'{NAME} --backend openvino --threads 2 --stride 2')
    parser.add_argument('--bag', type=Path, metavar='BAG', help='images from here; default: synthetic, 1242x375')
    parser.add_argument('--checkpoint', default='', metavar='FILE', help='default: the one that ships')
    parser.add_argument('--backend', default='auto', metavar='NAME', help="as the node's parameter (default auto)")
    parser.add_argument('--device', default='auto', metavar='NAME', help="as the node's parameter (default auto)")
    add_threads(parser)
    parser.add_argument('--stride', type=at_least(1), default=2, metavar='N', help='of the cloud (default 2)')
    add_precision(parser)
    add_repeat(parser, 200, 'images')
    args = parser.parse_args(argv)
    return cli.run(NAME, lambda: report(args))


def report(args: argparse.Namespace) -> None:
    """Measure and print; raises DepthNodeError without rclpy, and what the estimator and the bag raise."""
    require_ros()
    result = measured(args)
    if args.json:
        cli.print_json(result)
        return
    print(result['network'])
    print(f'{result["faults_per_frame"]} minor page faults an image; {result["allocated_mb"]} MB that Python and NumPy '
          'allocate at most during one')
    print(cli.columns([HEADER, *([row[key] for key in HEADER] for row in result['rows'])]))


def measured(args: argparse.Namespace) -> dict[str, Any]:
    """Return the figures as plain JSON values."""
    from depth_node.estimator import DepthEstimator
    from depth_node.ros import bench_publish
    from depth_node.ros.bench_callback import Callback, measure, memory_of
    from depth_node.ros.bench_camera import make_images, read_images

    images, info = read_images(args.bag) if args.bag else make_images()
    estimator = DepthEstimator.from_checkpoint(args.checkpoint or None, args.device, args.backend, args.threads,
                                               args.precision)
    callback = Callback(estimator, info, NodeConfig(cloud_stride=args.stride))
    seconds = measure(callback, images, args.repeat)
    memory = memory_of(callback, images, min(args.repeat, MEMORY_RUNS))
    published = bench_publish.measure(callback.depth, callback.points, min(args.repeat, PUBLISH_ROUNDS))
    return {'network': estimator.description, 'image': f'{info.width}x{info.height}', **memory,
            'rows': table({**seconds, **published})}


def table(seconds: dict[str, list[float]]) -> list[dict[str, Any]]:
    """Return a row for each stage; the first is what the ratio is to."""
    spreads = {name: np.percentile(values, (50, 90, 99)) * 1e3 for name, values in seconds.items()}
    first = next(iter(spreads.values()))[0]
    return [dict(zip(HEADER, (name, *np.round(spread, 3).tolist(), round(float(spread[2] / spread[0]), 2),
                              round(float(spread[0] / first), 3)), strict=True))
            for name, spread in spreads.items()]


if __name__ == '__main__':
    raise SystemExit(main())
