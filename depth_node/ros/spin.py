"""Start ROS, run a node until SIGINT or SIGTERM, and stop without a word and with exit status 0.

rclpy's own signal handling now and then prints a traceback or hangs on exit; ours raises a flag, which the loop sees.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions

from msg_tools.errors import DepthNodeError

from .dds import use_large_message_profile

WAKE_UP_S = 0.1  # how late a signal may be seen
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stop:
    """A flag that a signal handler may raise at any moment.

    Not threading.Event: setting one takes a lock, and a second signal in that moment waits for it in the same thread,
    for ever.
    """

    def __init__(self) -> None:
        self._is_set = False

    def set(self) -> None:
        """Ask the loop to end."""
        self._is_set = True

    def is_set(self) -> bool:
        """Tell whether the loop is to end."""
        return self._is_set


@contextmanager
def ros_context(args: Sequence[str] | None = None, large_messages: bool = True) -> Iterator[Stop]:
    """Start rclpy, hand out the flag that SIGINT and SIGTERM raise, and shut rclpy down.

    `large_messages` is for publishers of images and clouds: see dds.py. Raises DepthNodeError for wrong ROS arguments.
    """
    stop = Stop()
    came: list[int] = []

    def on_signal(number: int, _: Any) -> None:
        came.append(number)
        stop.set()

    handlers = {number: signal.signal(number, on_signal) for number in SIGNALS}
    if large_messages:
        use_large_message_profile()
    try:
        start(args)
        yield stop
    finally:
        rclpy.try_shutdown()
        for number, handler in handlers.items():  # a second Ctrl-C must not cut short the exit that the first began
            signal.signal(number, signal.SIG_IGN if came else handler)


def start(args: Sequence[str] | None) -> None:
    """Start rclpy without its signal handlers. Raises DepthNodeError where the ROS arguments are wrong."""
    try:
        rclpy.init(args=None if args is None else list(args), signal_handler_options=SignalHandlerOptions.NO)
    except (RuntimeError, ValueError) as error:  # rclpy's own classes are private
        raise DepthNodeError(f'expected ROS arguments, got {" ".join(args or sys.argv[1:])}: {error}') from error


def spin(node: Any, stop: Stop) -> None:
    """Run a node's callbacks in this thread until `stop` is set; then destroy the node."""
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    try:
        while not stop.is_set() and rclpy.ok():
            executor.spin_once(timeout_sec=WAKE_UP_S)
    except ExternalShutdownException:
        pass
    finally:
        executor.shutdown()
        node.destroy_node()
