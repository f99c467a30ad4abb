"""The command depth_node: run the ROS 2 node, which is depth_node/ros/node.py, until it is told to stop."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from msg_tools import cli

from .ros.arguments import require_network, require_ros, split_ros_args

NAME = 'depth_node'
EXAMPLE = (f'{NAME} --ros-args -r image:=/camera/image_raw -r camera_info:=/camera/camera_info '
           '-p cloud_stride:=1 --params-file mono.yaml')


def main(argv: list[str] | None = None) -> int:
    """Run the node; SIGINT and SIGTERM end it with exit status 0."""
    own, ros = split_ros_args(sys.argv[1:] if argv is None else argv)
    cli.parser(
        NAME, 'Turn the images of one camera into metric depth images and point clouds. Settings are ROS parameters.',
        EXAMPLE,
    ).parse_args(own)
    return cli.run(NAME, lambda: run(ros))


def run(ros_args: Sequence[str]) -> None:
    """Run the node; raises DepthNodeError without rclpy or torch, ConfigError for wrong parameters or ROS arguments."""
    require_ros()
    require_network()
    from .ros.node import DepthNode
    from .ros.spin import ros_context, spin

    with ros_context(ros_args) as stop:
        spin(DepthNode(), stop)


if __name__ == '__main__':
    raise SystemExit(main())
