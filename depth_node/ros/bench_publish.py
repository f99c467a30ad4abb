"""What it costs to publish depth and cloud, with a subscriber of both in another process."""

from __future__ import annotations

import os
import time
from typing import Any

from rclpy.node import Node
from sensor_msgs.msg import Image, PointCloud2

from msg_tools.errors import DepthNodeError

from ..monitor import Frame
from .bench_process import Call, Command
from .outputs import QUEUE
from .spin import ros_context

START_S = 20.0  # the subscriber may take so long
PERIOD_S = 0.05  # between two rounds, for the subscriber to take what came
WARM_UP = 5  # rounds that do not count


def measure(depth: Image, points: PointCloud2, repeat: int) -> dict[str, list[float]]:
    """Return the seconds of each publish of these messages; raises DepthNodeError where no subscriber is seen."""
    namespace = f'/depth_bench_publish_{os.getpid()}'
    with ros_context([]), Command(Call('depth_node.ros.bench_subscriber', [namespace, 'subscriber'])) as subscriber:
        node = Node('publisher', namespace=namespace, start_parameter_services=False)
        publishers = [(f'publish {name}', node.create_publisher(type(message), topic, QUEUE), message)
                      for name, topic, message in (('depth', 'depth/image_rect', depth), ('points', 'points', points))]
        wait(publishers, subscriber)
        rows = [one_round(publishers) for _ in range(repeat + WARM_UP)][WARM_UP:]
        node.destroy_node()
    return {name: [row[name] for row in rows] for name in rows[0]}


def one_round(publishers: list[tuple[str, Any, Any]]) -> dict[str, float]:
    """Publish each message once, and return the seconds."""
    frame = Frame()
    for name, publisher, message in publishers:
        frame.stage(name, publisher.publish, message)
    time.sleep(PERIOD_S)
    return frame.seconds


def wait(publishers: list[tuple[str, Any, Any]], subscriber: Command) -> None:
    """Wait until every publisher has its subscriber."""
    deadline = time.monotonic() + START_S
    while not all(publisher.get_subscription_count() for _, publisher, _ in publishers):
        if time.monotonic() > deadline or not subscriber.runs:
            raise DepthNodeError(f'expected a subscriber, got: {subscriber.text() or "nothing"}')
        time.sleep(0.05)
