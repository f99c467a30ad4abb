"""depth_bench callback: what the node does with one image, by stage, beside the network alone."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from depth_node.config import NodeConfig
from depth_node.ros.arguments import require_ros
from msg_tools import cli

NAME = 'depth_bench callback'
HEADER = ('stage', 'median_ms', 'p90_ms', 'p99_ms', 'ratio')


def main(argv: list[str] | None = None) -> int:
    """Time the stages and print a table, or one JSON object."""
    text = ("Time what the node does between an image's bytes and its filled messages (depth, camera_info, cloud), in "
            'turns with the network alone. The ratio is that of the medians to the network alone.')
    parser = cli.parser(NAME, text, f'{NAME} --backend openvino --threads 2 --stride 2')
    parser.add_argument('--bag', type=Path, metavar='BAG', help='images from here; default: synthetic, 1242x375')
    parser.add_argument('--checkpoint', default='', metavar='FILE', help='default: the one that ships')
    parser.add_argument('--backend', default='auto', metavar='NAME', help="as the node's parameter (default auto)")
    parser.add_argument('--device', default='auto', metavar='NAME', help="as the node's parameter (default auto)")
    parser.add_argument('--threads', type=int, default=0, help='CPU threads of the network; 0: its library decides')
    parser.add_argument('--stride', type=int, default=2, metavar='N', help='of the cloud (default 2)')
    parser.add_argument('--repeat', type=int, default=200, metavar='N', help='images (default 200)')
    parser.add_argument('--json', action='store_true')
    args = parser.parse_args(argv)
    if args.repeat < 1 or args.threads < 0:
        parser.error('--repeat must be greater than 0, --threads not less')
    return cli.run(NAME, lambda: report(args))


def report(args: argparse.Namespace) -> None:
    """Measure and print; raises DepthNodeError without rclpy, and what the estimator and the bag raise."""
    require_ros()
    from depth_node.estimator import DepthEstimator
    from depth_node.ros.bench_callback import Callback, measure
    from depth_node.ros.bench_camera import make_images, read_images

    images, info = read_images(args.bag) if args.bag else make_images()
    estimator = DepthEstimator.from_checkpoint(args.checkpoint or None, args.device, args.backend, args.threads)
    callback = Callback(estimator, info, NodeConfig(cloud_stride=args.stride))
    rows = table(measure(callback, images, args.repeat))
    if args.json:
        cli.print_json({'network': estimator.description, 'image': f'{info.width}x{info.height}', 'rows': rows})
    else:
        print(estimator.description)
        print(cli.columns([HEADER, *([row[key] for key in HEADER] for row in rows)]))


def table(seconds: dict[str, list[float]]) -> list[dict[str, Any]]:
    """Return a row for each stage; the first is what the ratio is to."""
    spreads = {name: np.percentile(values, (50, 90, 99)) * 1e3 for name, values in seconds.items()}
    first = next(iter(spreads.values()))[0]
    return [dict(zip(HEADER, (name, *np.round(spread, 2).tolist(), round(float(spread[0] / first), 3)), strict=True))
            for name, spread in spreads.items()]


if __name__ == '__main__':
    raise SystemExit(main())
