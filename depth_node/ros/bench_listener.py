"""What a subscriber of the depth node sees: the ages of depth and cloud, and what the node's process uses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from sensor_msgs.msg import Image, PointCloud2

from msg_tools.errors import DepthNodeError

from ..frames import stamp_ns
from .spin import Stop, ros_context

START_S = 120.0  # the node may take so long to load
WARM_UP_S = 2.0  # of images that do not count
SAMPLE_S = 0.5


@dataclass(slots=True)
class Record:
    """What was seen: times [s] since the first counted image, ages [s], and the node's process."""

    sent: int = 0
    image: str = ''
    ages: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: {'depth': [], 'points': []})
    memory_mb: list[tuple[float, float]] = field(default_factory=list)
    cpu_s: float = 0.0
    status: dict[str, str] = field(default_factory=dict)


def measure(rate_hz: float, seconds: float, bag: Path | None, cloud: bool, settings: Sequence[str]) -> Record:
    """Run node and camera as processes of their own, listen to the node, and return what was seen.

    settings are ROS parameters as NAME:=VALUE. Raises DepthNodeError where the node or the camera fails.
    """
    namespace = f'/depth_bench_{os.getpid()}'  # apart from whatever else runs
    words = [word for setting in settings for word in ('-p', setting)]
    camera = [namespace, str(rate_hz), str(seconds + WARM_UP_S), *([str(bag)] if bag else [])]
    with ros_context([]) as stop, Command('depth_node.node', '--ros-args', '-r', f'__ns:={namespace}', *words) as node:
        listener = Listener(namespace, node, cloud)
        listener.wait_for_node(stop)
        with Command('depth_node.ros.bench_camera', *camera) as source:
            listener.listen(source, stop)
            if source.process.wait():
                raise DepthNodeError(f'expected images from the camera, got: {source.text()}')
            sent = json.loads(source.text().splitlines()[-1])
        listener.close()
    listener.record.sent, listener.record.image = sent['sent'], sent['image']
    return listener.record


class Command:
    """One of our commands in a process of its own, which is told to stop at the end, and killed if it does not."""

    def __init__(self, module: str, *arguments: str) -> None:
        call = f'import sys; from {module} import main; sys.exit(main())'
        self.output = tempfile.TemporaryFile('w+')  # noqa: SIM115 (closed in __exit__); a pipe could run full
        words = [sys.executable, '-c', call, *arguments]
        self.process = subprocess.Popen(words, stdout=self.output, stderr=self.output)

    def __enter__(self) -> Command:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.output.close()

    @property
    def runs(self) -> bool:
        """Return whether the process still runs."""
        return self.process.poll() is None

    def text(self) -> str:
        """Return what it has printed so far."""
        return Path(f'/proc/self/fd/{self.output.fileno()}').read_text().strip()


class Listener:
    """Subscribes to what the node in a namespace publishes, and looks at its process."""

    def __init__(self, namespace: str, command: Command, cloud: bool) -> None:
        self.node = Node('listener', namespace=namespace, start_parameter_services=False)
        self.command, self.pid, self.name = command, command.process.pid, f'{namespace}/depth_node'
        self.record = Record()
        self.begin_s = float('inf')  # on the monotonic clock; set by the first depth
        self.cpu_before_s = 0.0
        self.node.create_subscription(DiagnosticArray, '/diagnostics', self._on_status, 10)
        self.node.create_subscription(Image, 'depth/image_rect', lambda msg: self._on_output('depth', msg), 2)
        if cloud:
            self.node.create_subscription(PointCloud2, 'points', lambda msg: self._on_output('points', msg), 2)

    def wait_for_node(self, stop: Stop) -> None:
        """Wait until the node is active; raise DepthNodeError where it ends or fails before."""
        deadline = time.monotonic() + START_S
        while self.record.status.get('state') != 'active':
            rclpy.spin_once(self.node, timeout_sec=0.1)
            failed = 'failed' in self.record.status.get('message', '')
            if failed or stop.is_set() or not self.command.runs or time.monotonic() > deadline:
                raise DepthNodeError(f'expected the node to start, got: {self.command.text() or "nothing"}')

    def listen(self, source: Command, stop: Stop) -> None:
        """Take what comes until the camera ends."""
        next_sample_s = 0.0
        while source.runs and self.command.runs and not stop.is_set():
            rclpy.spin_once(self.node, timeout_sec=0.1)
            now = time.monotonic()
            if now >= self.begin_s and now >= next_sample_s:
                self.cpu_before_s = self.cpu_before_s or cpu_s(self.pid)
                self.record.memory_mb.append((now - self.begin_s, resident_mb(self.pid)))
                next_sample_s = now + SAMPLE_S
        self.record.cpu_s = cpu_s(self.pid) - self.cpu_before_s

    def close(self) -> None:
        """Destroy the listener's node."""
        self.node.destroy_node()

    def _on_output(self, name: str, msg: Any) -> None:
        now = time.monotonic()
        self.begin_s = min(self.begin_s, now + WARM_UP_S)
        age_ns = self.node.get_clock().now().nanoseconds - stamp_ns(msg)
        if now >= self.begin_s:
            self.record.ages[name].append((now - self.begin_s, age_ns * 1e-9))

    def _on_status(self, array: DiagnosticArray) -> None:
        for status in array.status:
            if status.hardware_id == self.name:
                self.record.status = {'message': status.message, **{item.key: item.value for item in status.values}}


def resident_mb(pid: int) -> float:
    """Return the resident memory of a process [MB]."""
    text = Path(f'/proc/{pid}/status').read_text()
    return int(text.partition('VmRSS:')[2].split()[0]) / 1000


def cpu_s(pid: int) -> float:
    """Return the processor time that a process has used [s]."""
    user, system = Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf('SC_CLK_TCK')
