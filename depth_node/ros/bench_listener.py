"""What a subscriber of the depth node sees: the ages of depth and cloud, and what the node's process uses."""

from __future__ import annotations

import json
import os
import tempfile
import time
from array import array
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from sensor_msgs.msg import Image, PointCloud2

from msg_tools.camera import Array
from msg_tools.errors import DepthNodeError

from ..frames import stamp_ns
from .bench_process import Call, Command, Usage, resident_mb, usage
from .spin import Stop, ros_context

START_S = 120.0  # the node may take so long to load
WARM_UP_S = 2.0  # of images that do not count
SAMPLE_S = 0.5
QUIET_S, SETTLE_S = 2.5, 20.0  # after the camera's end: until nothing comes any more, and at most


@dataclass(frozen=True, slots=True)
class Setup:
    """A run: the node's command, images a second or 'max', how long, and who listens beside this process."""

    node: Call
    rate: str
    seconds: float
    bag: Path | None = None
    cloud: bool = True
    subscribers: int = 1  # of depth and cloud; the first is this process


@dataclass(slots=True)
class Series:
    """Values over time, 16 bytes for each, however long it runs."""

    times: array[float] = field(default_factory=lambda: array('d'))
    values: array[float] = field(default_factory=lambda: array('d'))

    def add(self, time_s: float, value: float) -> None:
        """Note a value."""
        self.times.append(time_s)
        self.values.append(value)

    def __len__(self) -> int:
        return len(self.times)


@dataclass(slots=True)
class Record:
    """What was seen: times [s] since the first counted image, ages [s], stamps [ns], and the node's process."""

    image: str = ''
    sent_ns: Array = field(default_factory=lambda: np.empty(0, np.int64))  # of all images, warm-up included
    depth_ns: array[int] = field(default_factory=lambda: array('q'))  # of the depth images that came and counted
    ages: dict[str, Series] = field(default_factory=lambda: {'depth': Series(), 'points': Series()})
    memory_mb: Series = field(default_factory=Series)
    used: Usage = field(default_factory=Usage)  # from the first sample of the memory to the last
    frames: int = 0  # depth images in that time
    status: dict[str, str] = field(default_factory=dict)  # the last of all, which has every count
    steady: dict[str, str] = field(default_factory=dict)  # the last while the camera ran, for the times of stages


def measure(setup: Setup) -> Record:
    """Run node and camera as processes of their own, listen to the node, and return what was seen.

    Raises DepthNodeError where the node or the camera fails.
    """
    namespace = f'/depth_bench_{os.getpid()}'  # apart from whatever else runs
    arguments = [*setup.node.arguments, '--ros-args', '-r', f'__ns:={namespace}']
    with ros_context([]) as stop, ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        node = stack.enter_context(Command(replace(setup.node, arguments=arguments)))
        listener = Listener(namespace, node, setup.cloud)
        listener.wait_for_node(stop)
        for call in others(setup, namespace):
            stack.enter_context(Command(call))
        stamps = Path(folder) / 'stamps.npy'
        bag = [str(setup.bag)] if setup.bag else []
        words = [namespace, setup.rate, str(setup.seconds + WARM_UP_S), str(stamps), *bag]
        source = stack.enter_context(Command(Call('depth_node.ros.bench_camera', words)))
        listener.listen(source, stamps, stop)
        if source.process.wait():
            raise DepthNodeError(f'expected images from the camera, got: {source.text()}')
        listener.record.image = json.loads(source.text().splitlines()[-1])['image']
        listener.record.sent_ns = np.load(stamps)
        listener.close()
    return listener.record


def others(setup: Setup, namespace: str) -> list[Call]:
    """Return the subscribers beside this process."""
    quiet = [] if setup.cloud else ['--no-cloud']
    return [Call('depth_node.ros.bench_subscriber', [namespace, f'subscriber_{i}', *quiet])
            for i in range(1, setup.subscribers)]


class Listener:
    """Subscribes to what the node in a namespace publishes, and looks at its process."""

    def __init__(self, namespace: str, command: Command, cloud: bool) -> None:
        self.node = Node('listener', namespace=namespace, start_parameter_services=False)
        self.command, self.pid, self.prefix = command, command.process.pid, f'{namespace}/'
        self.record = Record()
        self.begin_s = float('inf')  # on the monotonic clock; set by the first depth
        self.heard_s, self.counts = 0.0, True
        self.before: tuple[Usage, int] | None = None  # at the first sample, and the frames until then
        self.node.create_subscription(DiagnosticArray, '/diagnostics', self._on_status, 10)
        self.node.create_subscription(Image, 'depth/image_rect', self._on_depth, 2)
        if cloud:
            self.node.create_subscription(PointCloud2, 'points', self._on_points, 2)

    def wait_for_node(self, stop: Stop) -> None:
        """Wait until the node is active; raise DepthNodeError where it ends or fails before."""
        deadline = time.monotonic() + START_S
        while self.record.status.get('state') != 'active':
            rclpy.spin_once(self.node, timeout_sec=0.1)
            failed = 'failed' in self.record.status.get('message', '')
            if failed or stop.is_set() or not self.command.runs or time.monotonic() > deadline:
                raise DepthNodeError(f'expected the node to start, got: {self.command.text() or "nothing"}')

    def listen(self, source: Command, stamps: Path, stop: Stop) -> None:
        """Take what comes until the camera has written its stamps, which is its end, and see the rest off.

        What a queue still held then does not count: nothing newer comes any more, so its age would grow without end.
        """
        next_sample_s = 0.0
        while source.runs and self.command.runs and not stop.is_set():
            rclpy.spin_once(self.node, timeout_sec=0.1)
            now = time.monotonic()
            self.counts = self.counts and not stamps.exists()
            if self.counts and now >= max(self.begin_s, next_sample_s):
                self._sample(now - self.begin_s)
                next_sample_s = now + SAMPLE_S
        end_s = time.monotonic()
        while time.monotonic() - max(end_s, self.heard_s) < QUIET_S and time.monotonic() - end_s < SETTLE_S:
            rclpy.spin_once(self.node, timeout_sec=0.1)

    def close(self) -> None:
        """Destroy the listener's node."""
        self.node.destroy_node()

    def _sample(self, time_s: float) -> None:
        record, used = self.record, usage(self.pid)
        self.before = self.before or (used, len(record.depth_ns))
        record.memory_mb.add(time_s, resident_mb(self.pid))
        record.used, record.frames = used.since(self.before[0]), len(record.depth_ns) - self.before[1]

    def _on_depth(self, msg: Image) -> None:
        if self._on_output('depth', msg):
            self.record.depth_ns.append(stamp_ns(msg))

    def _on_points(self, msg: PointCloud2) -> None:
        self._on_output('points', msg)

    def _on_output(self, name: str, msg: Any) -> bool:
        now = self.heard_s = time.monotonic()
        self.begin_s = min(self.begin_s, now + WARM_UP_S)
        age_ns = self.node.get_clock().now().nanoseconds - stamp_ns(msg)
        counts = self.counts and now >= self.begin_s
        if counts:
            self.record.ages[name].add(now - self.begin_s, age_ns * 1e-9)
        return counts

    def _on_status(self, array: DiagnosticArray) -> None:
        for status in array.status:
            if status.hardware_id.startswith(self.prefix):
                self.record.status = {'message': status.message, **{item.key: item.value for item in status.values}}
                self.record.steady = self.record.status if self.counts else self.record.steady


def parameters(settings: Sequence[str]) -> list[str]:
    """Return ROS parameters, given as NAME:=VALUE, as words of a command line."""
    return ['--ros-args', *(word for setting in settings for word in ('-p', setting)), '--'] if settings else []
