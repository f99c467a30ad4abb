"""What our ROS commands share before rclpy is imported: its absence, and the arguments that are ROS's own."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

from msg_tools.errors import DepthNodeError


def require_ros() -> None:
    """Raise DepthNodeError, with what to do, where rclpy is not installed."""
    if find_spec('rclpy') is None:
        raise DepthNodeError("expected rclpy, found none; source ROS 2, or `pip install 'depth_node[ros]'`")


def split_ros_args(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the arguments of a command and those for rclpy: from --ros-args on, up to -- or the end.

    >>> split_ros_args(['bag', '--ros-args', '-r', '__ns:=/car', '--', '--loop'])
    (['bag', '--loop'], ['--ros-args', '-r', '__ns:=/car', '--'])
    """
    own: list[str] = []
    ros: list[str] = []
    inside = False
    for word in argv:
        inside = inside or word == '--ros-args'
        (ros if inside else own).append(word)
        inside = inside and word != '--'
    return own, ros
