"""Make ROS 2 message objects without ROS, for `BagWriter.write`."""

from __future__ import annotations

from typing import Any

from .bag_types import ros2_typestore
from .camera import Array
from .rotation import quaternion_of


def message(name: str, /, **values: Any) -> Any:
    """Return a message object of a ROS 2 type, 'sensor_msgs/Image', from its fields."""
    return ros2_typestore().types[name.replace('/', '/msg/')](**values)


def stamp(stamp_ns: int) -> Any:
    """Return a builtin_interfaces/Time of a stamp [ns]."""
    seconds, nanoseconds = divmod(int(stamp_ns), 1_000_000_000)
    return message('builtin_interfaces/Time', sec=seconds, nanosec=nanoseconds)


def header(stamp_ns: int, frame: str) -> Any:
    """Return a std_msgs/Header of a stamp [ns] and a frame."""
    return message('std_msgs/Header', stamp=stamp(stamp_ns), frame_id=frame)


def transform(stamp_ns: int, parent: str, child: str, T_parent_child: Array) -> Any:
    """Return a geometry_msgs/TransformStamped."""
    value = message(
        'geometry_msgs/Transform',
        translation=vector(T_parent_child[:3, 3]),
        rotation=quaternion(quaternion_of(T_parent_child[:3, :3])),
    )
    return message(
        'geometry_msgs/TransformStamped', header=header(stamp_ns, parent), child_frame_id=child, transform=value
    )


def vector(values: Any) -> Any:
    """Return a geometry_msgs/Vector3."""
    return message('geometry_msgs/Vector3', **dict(zip('xyz', map(float, values), strict=True)))


def point(values: Any) -> Any:
    """Return a geometry_msgs/Point."""
    return message('geometry_msgs/Point', **dict(zip('xyz', map(float, values), strict=True)))


def quaternion(values: Any) -> Any:
    """Return a geometry_msgs/Quaternion of x, y, z, w."""
    return message('geometry_msgs/Quaternion', **dict(zip('xyzw', map(float, values), strict=True)))
