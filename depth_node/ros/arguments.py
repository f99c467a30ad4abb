"""What our ROS commands share before rclpy is imported: what is not installed, and the arguments that are ROS's own."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.util import find_spec

from msg_tools.errors import DepthNodeError


def require_ros() -> None:
    """Raise DepthNodeError, with what to do, where rclpy is not installed."""
    if find_spec('rclpy') is None:
        raise DepthNodeError("expected rclpy, found none; source ROS 2, or `pip install 'depth_node[ros]'`")


def require_network() -> None:
    """Raise DepthNodeError, naming the Python in use, where the network's packages are not installed in it.

    It is often the system's: colcon and ROS do not know of a virtual environment that is not active.
    """
    missing = [name for name in ('torch', 'safetensors') if find_spec(name) is None]
    if missing:
        raise DepthNodeError(f'expected torch and safetensors in {sys.executable}, got no {" and no ".join(missing)}; '
                             'activate the virtual environment that has them, or `pip install torch safetensors`')


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
