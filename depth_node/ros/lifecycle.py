"""What rclpy's lifecycle nodes lack: errors that are told, requests that cannot kill, a start by itself."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from msg_tools.errors import DepthNodeError

Transition = Callable[[Any, LifecycleState], TransitionCallbackReturn]


class TellingNode(LifecycleNode):
    """A lifecycle node that knows its state, and why the last transition failed."""

    def __init__(self, name: str, **options: Any) -> None:
        super().__init__(name, **options)
        self.state = 'unconfigured'
        self.failure = ''
        guard_transition_requests(self)

    def start_by_itself(self) -> None:
        """Configure and activate as soon as the executor spins, whatever the ROS clock does."""

        def start() -> None:
            self.destroy_timer(timer)
            if self.state == 'unconfigured' and self.trigger_configure() == TransitionCallbackReturn.SUCCESS:
                self.trigger_activate()

        timer = self.create_timer(0.0, start, clock=Clock(clock_type=ClockType.STEADY_TIME))


def transition(goal: str) -> Callable[[Callable[[Any], None]], Transition]:
    """Make a transition callback of a method: it succeeds into the goal state, or logs why not and fails.

    rclpy swallows an exception in such a callback without a word.
    """

    def decorate(method: Callable[[Any], None]) -> Transition:
        def run(node: Any, _: LifecycleState) -> TransitionCallbackReturn:
            try:
                method(node)
            except Exception as error:  # whatever it is, the node stays in its state and says why
                text = str(error) if isinstance(error, DepthNodeError) else traceback.format_exc()
                node.failure = f'{method.__name__.removeprefix("on_")} failed: {error}'
                node.get_logger().error(f'{method.__name__.removeprefix("on_")} failed: {text}')
                return TransitionCallbackReturn.FAILURE
            node.state, node.failure = goal, ''
            return TransitionCallbackReturn.SUCCESS

        run.__doc__ = method.__doc__
        return run

    return decorate


def guard_transition_requests(node: LifecycleNode) -> None:
    """Refuse a transition that does not exist in this state; in ROS Jazzy it would raise out of spin."""
    service = node._service_change_state
    change_state = service.callback

    def guarded(request: Any, response: Any) -> Any:
        try:
            return change_state(request, response)
        except Exception as error:  # RCLError, a class that rclpy does not export
            node.get_logger().error(f'transition refused: {error}')
            response.success = False
            return response

    service.callback = guarded
