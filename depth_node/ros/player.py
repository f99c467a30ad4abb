"""Publish a bag through rclpy, message by message at its own pace, as the bytes that it holds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rclpy.duration import Duration
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock

from msg_tools.bag import BagReader, RawMessage, TopicInfo
from msg_tools.errors import BagError

from .spin import Stop
from .typesupport import definition, message_class

NANO = 1_000_000_000
QUEUE_DEPTH, LATCHED_DEPTH = 10, 100
LONGEST_SLEEP_S = 0.05  # how late a signal may be seen
SETTLE_S = 0.5  # a subscriber that we see may not yet see us
ACKNOWLEDGE_S = 2
CLOCK = '/clock'


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """How to replay a bag."""

    topics: Sequence[str] | None = None  # all
    rate: float = 1.0  # 0: as fast as it goes
    start_s: float = 0.0
    loop: bool = False
    clock_hz: float = 0.0  # 0: no /clock
    remap: Mapping[str, str] = field(default_factory=dict)


@dataclass
class ReplayReport:
    """What was published, what could not be, and how late."""

    counts: dict[str, int] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)  # topic -> why
    seconds: float = 0.0
    max_late_s: float = 0.0
    sum_late_s: float = 0.0

    @property
    def mean_late_s(self) -> float:
        """Return how late a message was on average [s]."""
        return self.sum_late_s / max(1, sum(self.counts.values()))

    def add(self, topic: str, late_s: float) -> None:
        """Count a message that was published so late [s]."""
        self.counts[topic] += 1
        self.max_late_s = max(self.max_late_s, late_s)
        self.sum_late_s += late_s


class Player:
    """Replay one bag from one node, in the thread that calls `run`; nothing of the node needs to spin.

    Latched topics are published transient local, with what they said before the start too. A topic whose message class
    this Python lacks, or has with other fields, is left out: see `report.left_out`.
    """

    def __init__(self, node: Any, bag: BagReader, options: ReplayOptions, stop: Stop) -> None:
        self.bag, self.options, self.stop, self.report = bag, options, stop, ReplayReport()
        self.publishers: dict[str, Any] = {}
        for topic in bag.topics if options.topics is None else options.topics:
            self._add(node, topic, bag.require(topic))
        self._clock = node.create_publisher(Clock, CLOCK, QoSProfile(depth=1)) if options.clock_hz else None
        self._start_ns = bag.start_ns + round(options.start_s * NANO)
        self._pace = Pace(self._start_ns, options.rate)
        self._next_clock_s = 0.0

    def _add(self, node: Any, topic: str, info: TopicInfo) -> None:
        """Create a topic's publisher, or note why there is none."""
        if topic == CLOCK and self.options.clock_hz:
            return  # ours instead, as `ros2 bag play` does
        cls = message_class(info.type)
        if cls is None:
            self.report.left_out[topic] = f'{info.type} is not installed'
        elif not self.bag.same_type(info.type, definition(cls)):
            self.report.left_out[topic] = f'{info.type} is unknown, or has other fields, in the bag'
        else:
            name = self.options.remap.get(topic, topic)
            self.publishers[topic] = node.create_publisher(cls, name, publisher_qos(info))
            self.report.counts[topic] = 0

    def require(self, topic: str) -> None:
        """Raise BagError where a topic is not among those that are published."""
        if topic not in self.publishers:
            raise BagError(f'expected a topic that is published, got {topic}; they are {", ".join(self.publishers)}')

    def wait_for(self, topics: Sequence[str]) -> None:
        """Wait until each of these topics has a subscriber."""
        while not self.stop.is_set() and not all(self.publishers[t].get_subscription_count() for t in topics):
            time.sleep(LONGEST_SLEEP_S)
        self._sleep_until(time.monotonic() + SETTLE_S)

    def run(self, on_message: Callable[[], object] = lambda: None) -> None:
        """Publish everything once, or for ever with `loop`: the bag's time, and /clock, then start anew each time."""
        begin_s = time.monotonic()
        while not self.stop.is_set():
            self._pace.begin()
            self._run_once(on_message)
            if not self.options.loop:
                break
        self.report.seconds = time.monotonic() - begin_s
        self._finish()

    def _run_once(self, on_message: Callable[[], object]) -> None:
        """Publish everything once, until the end or the signal to stop."""
        for raw in self._messages():
            due_s = self._pace.due_s(raw.stamp_ns)
            self._sleep_until(due_s, raw.stamp_ns)
            if self.stop.is_set():
                return
            self.publishers[raw.topic].publish(bytes(raw.data))
            timed = self.options.rate and raw.stamp_ns >= self._start_ns
            self.report.add(raw.topic, max(0.0, time.monotonic() - due_s) if timed else 0.0)
            on_message()

    def _messages(self) -> Iterator[RawMessage]:
        """Yield what latched topics said before the start, then everything from there on."""
        latched = [topic for topic in self.publishers if self.bag.topics[topic].latched]
        yield from self.bag.raw(latched, stop_ns=self._start_ns)
        yield from self.bag.raw(list(self.publishers), start_ns=self._start_ns)

    def _sleep_until(self, due_s: float, stamp_ns: int | None = None) -> None:
        """Sleep until a time of the monotonic clock or a signal, and keep /clock going."""
        while not self.stop.is_set():
            now_s = time.monotonic()
            if stamp_ns is not None and self._clock is not None and now_s >= self._next_clock_s:
                self._publish_clock(self._pace.bag_ns(now_s, stamp_ns))
                self._next_clock_s = now_s + 1.0 / self.options.clock_hz
            if now_s >= due_s:
                return
            time.sleep(min(due_s - now_s, LONGEST_SLEEP_S, max(self._next_clock_s - now_s, 0.001)))

    def _publish_clock(self, stamp_ns: int) -> None:
        """Publish a time of the bag [ns] as the time of everybody."""
        message = Clock()
        message.clock.sec, message.clock.nanosec = divmod(stamp_ns, NANO)
        self._clock.publish(message)  # type: ignore[union-attr]

    def _finish(self) -> None:
        """Wait until the subscribers have the last messages."""
        deadline_s = time.monotonic() + (0.0 if self.stop.is_set() else ACKNOWLEDGE_S)
        for publisher in self.publishers.values():
            publisher.wait_for_all_acked(Duration(seconds=max(0.0, deadline_s - time.monotonic())))


class Pace:
    """The relation between the bag's time [ns] and the monotonic clock [s]; a rate of 0 is as fast as it goes."""

    def __init__(self, start_ns: int, rate: float) -> None:
        self.start_ns, self.rate, self.begin_s = start_ns, rate, 0.0

    def begin(self) -> None:
        """Let the bag's start be now."""
        self.begin_s = time.monotonic()

    def due_s(self, stamp_ns: int) -> float:
        """Return when a stamp of the bag is due."""
        return self.begin_s + (stamp_ns - self.start_ns) / NANO / self.rate if self.rate else self.begin_s

    def bag_ns(self, now_s: float, upcoming_ns: int) -> int:
        """Return what time it is in the bag; without a rate, that of the message to come."""
        if not self.rate:
            return max(upcoming_ns, self.start_ns)
        return self.start_ns + round((now_s - self.begin_s) * self.rate * NANO)


def publisher_qos(info: TopicInfo) -> QoSProfile:
    """Return what suits every subscriber: reliable, and for latched topics with all that was said."""
    if info.latched:
        depth = max(1, min(info.count, LATCHED_DEPTH))
        return QoSProfile(
            depth=depth, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL
        )
    return QoSProfile(depth=QUEUE_DEPTH, reliability=ReliabilityPolicy.RELIABLE)
