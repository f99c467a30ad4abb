"""One more subscriber of depth and cloud for benchmarks, in a process of its own: takes what comes and forgets it."""

from __future__ import annotations

import argparse

from rclpy.node import Node
from sensor_msgs.msg import Image, PointCloud2

from msg_tools import cli

from .spin import ros_context, spin

NAME = 'bench_subscriber'
QUEUE = 2  # as the listener's


def main(argv: list[str] | None = None) -> int:
    """Subscribe in a namespace until a signal comes."""
    parser = argparse.ArgumentParser(NAME)
    parser.add_argument('namespace')
    parser.add_argument('name')
    parser.add_argument('--no-cloud', action='store_true')
    args = parser.parse_args(argv)
    return cli.run(NAME, lambda: run(args))


def run(args: argparse.Namespace) -> None:
    """Subscribe to what the arguments name."""
    with ros_context([], large_messages=False) as stop:
        node = Node(args.name, namespace=args.namespace, start_parameter_services=False)
        node.create_subscription(Image, 'depth/image_rect', forget, QUEUE)
        if not args.no_cloud:
            node.create_subscription(PointCloud2, 'points', forget, QUEUE)
        spin(node, stop)


def forget(_: object) -> None:
    """Take a message."""


if __name__ == '__main__':
    raise SystemExit(main())
