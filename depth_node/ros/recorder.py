"""Write what topics say to a rosbag2, as the bytes that arrive."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from msg_tools.bag_writer import BagWriter

from .spin import Stop
from .typesupport import definition, message_class

LOOK_S = 0.1  # how often new topics are looked for, and whether it is time to end
QUEUE_DEPTH = 50


class Recorder:
    """Record topics of the node's ROS domain as soon as somebody publishes them, until `stop` is set.

    The log time is the time of arrival by the node's clock. With simulated time, what arrives before the clock runs is
    kept and gets the clock's first time.
    """

    def __init__(
        self,
        node: Any,
        bag: BagWriter,
        topics: Sequence[str] | None,  # None: all, but for ROS's own
        stop: Stop,
        duration_s: float = 0.0,  # 0: no end
        until_idle_s: float = 0.0,
        tell: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.node, self.bag, self.stop, self.tell = node, bag, stop, tell
        self.topics = None if topics is None else [node.resolve_topic_name(topic) for topic in topics]
        self.latched: dict[str, bool] = {}  # of the topics that are subscribed to
        self.not_installed: dict[str, str] = {}
        self.duration_s, self.until_idle_s = duration_s, until_idle_s
        self._early: list[tuple[str, str, bytes]] = []
        self._begin_s, self._newest_s = time.monotonic(), 0.0
        node.create_timer(LOOK_S, self._look, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def finish(self) -> None:
        """Write what waits for a clock that never ran, at time 0."""
        self._write_early(0)

    def _look(self) -> None:
        """Subscribe to what is new, and stop when it is time."""
        for topic, types in self.node.get_topic_names_and_types():
            wanted = topic in self.topics if self.topics is not None else topic not in ('/rosout', '/parameter_events')
            if wanted and topic not in self.latched and topic not in self.not_installed:
                self._subscribe(topic, types[0])
        now_s = time.monotonic()
        idle = bool(self.until_idle_s and self._newest_s and now_s - self._newest_s > self.until_idle_s)
        if idle or (self.duration_s and now_s - self._begin_s > self.duration_s):
            self.stop.set()

    def _subscribe(self, topic: str, type_name: str) -> None:
        """Subscribe to a topic that has a publisher by now, with what all its publishers offer."""
        offers = [info.qos_profile for info in self.node.get_publishers_info_by_topic(topic)]
        if not offers:
            return
        cls = message_class(type_name)
        if cls is None:
            self.not_installed[topic] = type_name
            self.tell(f'{topic} is left out: {type_name} is not installed')
            return
        qos = subscriber_qos(offers)
        self.latched[topic] = qos.durability == DurabilityPolicy.TRANSIENT_LOCAL
        self.bag.define(type_name, definition(cls))
        self.bag.add_topic(topic, type_name, self.latched[topic])
        self.node.create_subscription(cls, topic, lambda data: self._on_message(topic, type_name, data), qos, raw=True)
        self.tell(f'recording {topic}')

    def _on_message(self, topic: str, type_name: str, data: bytes) -> None:
        """Write a message, or keep it until the clock runs."""
        self._newest_s = time.monotonic()
        stamp_ns = self.node.get_clock().now().nanoseconds
        self._early.append((topic, type_name, data))
        if stamp_ns:
            self._write_early(stamp_ns)

    def _write_early(self, stamp_ns: int) -> None:
        """Write what has been kept."""
        for topic, type_name, data in self._early:
            self.bag.write_raw(topic, type_name, stamp_ns, data)
        self._early.clear()


def subscriber_qos(offers: Sequence[QoSProfile]) -> QoSProfile:
    """Return the most that all publishers of a topic offer: reliable, and with what was said before."""
    reliable = all(qos.reliability == ReliabilityPolicy.RELIABLE for qos in offers)
    latched = all(qos.durability == DurabilityPolicy.TRANSIENT_LOCAL for qos in offers)
    return QoSProfile(
        depth=QUEUE_DEPTH,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )
