"""What /diagnostics says about the node: whether depth flows, and if not, why not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from ..monitor import IDLE, SUPERSEDED, Snapshot

STALE_S = 3.0
PLAUSIBLE_AGE_MS = 60_000.0  # beyond it the stamps are of another clock, e.g. of a bag
HARMLESS = (IDLE, SUPERSEDED)


@dataclass(frozen=True, slots=True)
class Facts:
    """What the node knows about itself beside the frames."""

    state: str  # of the lifecycle
    failure: str = ''  # why configure failed
    network: str = ''  # checkpoint, backend and why
    image: str = ''  # its topic, QoS and publishers
    info: str = ''
    rectified: str = ''
    uncalibrated: bool = False


class Diagnostics:
    """Publishes one status each period, in every state of the lifecycle and whatever the ROS clock does."""

    def __init__(self, node: Node, period_s: float, observe: Callable[[], tuple[Facts, Snapshot]]) -> None:
        self.node, self.observe = node, observe
        self.publisher = node.create_publisher(DiagnosticArray, '/diagnostics', 10)
        self.timer = node.create_timer(period_s, self.publish, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self.before: dict[str, int] = {}

    def publish(self) -> None:
        """Publish what is so now."""
        facts, frames = self.observe()
        level, message = judge(facts, frames, self.before)
        self.before = frames.dropped
        status = DiagnosticStatus(level=level, name=f'{self.node.get_name()}: depth', message=message)
        status.hardware_id = self.node.get_fully_qualified_name()
        status.values = [KeyValue(key=key, value=value) for key, value in describe(facts, frames).items()]
        array = DiagnosticArray(status=[status])
        array.header.stamp = self.node.get_clock().now().to_msg()
        self.publisher.publish(array)


def judge(facts: Facts, frames: Snapshot, dropped_before: dict[str, int]) -> tuple[bytes, str]:
    """Return the level and one sentence: the worst thing first."""
    if facts.failure:
        return DiagnosticStatus.ERROR, facts.failure
    if facts.state != 'active':
        return DiagnosticStatus.OK, facts.state
    if frames.silence_s is None or frames.silence_s > STALE_S:
        since = 'yet' if frames.silence_s is None else f'for {frames.silence_s:.0f} s'
        return DiagnosticStatus.WARN, (f'no image {since} on {facts.image}; is it published, with a matching '
                                       'type and QoS, and does its host use a transport for large messages?')
    new = {name: n - dropped_before.get(name, 0) for name, n in frames.dropped.items() if name not in HARMLESS}
    if any(new.values()):
        worst = max(new, key=lambda name: new[name])
        return DiagnosticStatus.WARN, f'{new[worst]} images dropped: {worst}. {frames.last_error}'.strip()
    if facts.uncalibrated:
        return DiagnosticStatus.WARN, facts.rectified
    if frames.dropped.get(IDLE, 0) > dropped_before.get(IDLE, 0):
        return DiagnosticStatus.OK, f'idle: {IDLE}'
    return DiagnosticStatus.OK, f'{frames.published_hz:.1f} depth images a second'


def describe(facts: Facts, frames: Snapshot) -> dict[str, str]:
    """Return the details as keys and values."""
    values = {
        'state': facts.state,
        'image topic': facts.image,
        'camera_info topic': facts.info,
        'network': facts.network,
        'rectified': facts.rectified,
        'received': str(frames.received),
        'published': str(frames.published),
        'received [Hz]': f'{frames.received_hz:.1f}',
        'published [Hz]': f'{frames.published_hz:.1f}',
        'last error': frames.last_error,
    }
    values.update({f'dropped: {reason}': str(count) for reason, count in sorted(frames.dropped.items())})
    for name, spread in frames.stages.items():
        other_clock = name.endswith(' age') and abs(spread.p50) > PLAUSIBLE_AGE_MS
        text = "stamps are not of this clock (a bag? then use_sim_time and its /clock)" if other_clock else str(spread)
        values[f'{name} p50 / p90 / p99 / max [ms]'] = text
    return {key: value for key, value in values.items() if value}
