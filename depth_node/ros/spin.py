"""Start ROS, run a node until SIGINT or SIGTERM, and stop without a word and with exit status 0.

rclpy's own signal handling now and then prints a traceback or hangs on exit; ours sets an Event, which the loop sees.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Event
from typing import Any

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions

from msg_tools.errors import DepthNodeError

from .dds import use_large_message_profile

WAKE_UP_S = 0.1  # how late a signal may be seen
SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def ros_context(args: Sequence[str] | None = None, large_messages: bool = True) -> Iterator[Event]:
    """Start rclpy, hand out the Event that SIGINT and SIGTERM set, and shut rclpy down.

    `large_messages` is for publishers of images and clouds: see dds.py. Ask the event by `is_set()` only: `wait()`
    holds a lock that the signal handler, in the same thread, wants too. Raises DepthNodeError for wrong ROS arguments.
    """
    stop = Event()
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


def spin(node: Any, stop: Event) -> None:
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
