"""Fixtures for tests over real DDS: a domain of their own, and commands of ours as processes."""

import gc
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from depth_node.ros.shared_memory import is_locked, stale_files

TIMEOUT_S = 60


@pytest.fixture(scope='session')
def ros_domain() -> Iterator[dict[str, str]]:
    """Return an environment whose ROS domain no other test run on this machine uses, closed to other machines."""
    pytest.importorskip('rclpy')
    with free_domain() as number, pytest.MonkeyPatch.context() as patch:
        patch.setenv('ROS_DOMAIN_ID', str(number))
        patch.setenv('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
        patch.setenv('PYTHONUNBUFFERED', '1')
        patch.setenv('PYTHONFAULTHANDLER', '1')
        yield dict(os.environ)


@pytest.fixture
def ros_context(ros_domain: dict[str, str]) -> Iterator[None]:
    """Have rclpy running, with no node in sight of the tests before.

    A lifecycle node, though destroyed, stays in the domain until Python forgets it. Its services are then found beside
    those of the test's own node, and when one goes halfway, requests and replies in the graph may differ in number: a
    client does not find the service ready then.
    """
    import rclpy

    gc.collect()
    rclpy.init()
    yield
    rclpy.shutdown()


@pytest.fixture
def ros_node(ros_context: None) -> Iterator[Any]:
    """Return a node in the test's own process."""
    import rclpy

    node = rclpy.create_node('test')
    yield node
    node.destroy_node()


def spin_until(node: Any, condition: Callable[[], bool], timeout_s: float = TIMEOUT_S) -> None:
    """Run a node's callbacks until a condition holds; fail where it never does."""
    import rclpy

    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, 'it never happened'
        rclpy.spin_once(node, timeout_sec=0.05)


@contextmanager
def free_domain() -> Iterator[int]:
    """Lock a domain's number; above 101 its ports may be taken by outgoing connections."""
    for number in random.sample(range(1, 102), 101):
        lock = os.open(Path(tempfile.gettempdir()) / f'depth_node_test_domain_{number}', os.O_CREAT | os.O_RDWR, 0o666)
        try:
            if not is_locked(lock):
                yield number
                return
        finally:
            os.close(lock)
    raise RuntimeError('all ROS domains are taken')


class Command:
    """A command of ours in a process of its own; what it prints is kept, line by line as it comes."""

    def __init__(self, module: str, *args: object, env: dict[str, str]) -> None:
        call = f'import sys; from {module} import main; sys.exit(main())'
        self.process = subprocess.Popen(
            [sys.executable, '-c', call, *map(str, args)], env=env, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        self.out: list[str] = []
        self.err: list[str] = []
        self.threads = [
            threading.Thread(target=lines.extend, args=(pipe,), daemon=True)
            for lines, pipe in ((self.out, self.process.stdout), (self.err, self.process.stderr))
        ]
        for thread in self.threads:
            thread.start()

    @property
    def stdout(self) -> str:
        """What the process has printed so far."""
        return ''.join(self.out)

    @property
    def stderr(self) -> str:
        """What the process has printed to stderr so far."""
        return ''.join(self.err)

    def wait_for(self, text: str, timeout_s: float = TIMEOUT_S) -> None:
        """Wait until the process has printed a text, to stdout or stderr."""
        deadline = time.monotonic() + timeout_s
        while text not in self.stdout + self.stderr:
            ended = self.process.poll() is not None and not any(thread.is_alive() for thread in self.threads)
            if ended or time.monotonic() > deadline:
                raise AssertionError(f'expected {text!r}, got stdout:\n{self.stdout}\nstderr:\n{self.stderr}')
            time.sleep(0.02)

    def wait(self, timeout_s: float = TIMEOUT_S) -> int:
        """Wait for the end of the process and return its exit status; where it hangs, fail with where it does."""
        try:
            status = self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGABRT)  # Python's faulthandler prints what each thread does
            status = None
        for thread in self.threads:
            thread.join(timeout_s)
        assert status is not None, f'it did not end within {timeout_s} s:\n{self.stdout}{self.stderr}'
        return status

    def stop(self, number: int = signal.SIGINT, timeout_s: float = TIMEOUT_S) -> int:
        """Send a signal, wait for the end and return the exit status."""
        self.process.send_signal(number)
        return self.wait(timeout_s)


@pytest.fixture
def run_command(ros_domain: dict[str, str]) -> Iterator[Callable[..., Command]]:
    """Return a function that starts a command: `run_command('depth_node.ros.replay', bag, '--clock')`.

    Whatever still runs at the end of the test is killed, and the shared memory that it leaves is removed.
    """
    commands: list[Command] = []

    def start(module: str, *args: object, env: dict[str, str] | None = None) -> Command:
        commands.append(Command(module, *args, env={**ros_domain, **(env or {})}))
        return commands[-1]

    yield start
    for command in commands:
        if command.process.poll() is None:
            command.process.kill()
        command.wait()
    remove_dead_shared_memory()


def remove_dead_shared_memory() -> None:
    """Remove the segments and ports whose process is gone (as `fastdds shm clean`)."""
    for path in stale_files():
        path.unlink(missing_ok=True)
