"""The node's settings as ROS parameters: declared from NodeConfig's fields, checked by it, changed while it runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import Field, fields, replace
from difflib import get_close_matches
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.exceptions import ParameterException
from rclpy.node import Node
from rclpy.parameter import Parameter

from msg_tools.errors import ConfigError

from ..config import NodeConfig

OF_ROS = ('use_sim_time', 'start_type_description_service', 'qos_overrides.')  # what rclpy declares itself
FIELDS: dict[str, Field[Any]] = {item.name: item for item in fields(NodeConfig)}


class Parameters:
    """Keeps `config` equal to the node's parameters; a change that NodeConfig refuses is refused with its reason."""

    def __init__(self, node: Node) -> None:
        """Declare the parameters; raises ConfigError where a file or the command line gives one a wrong value."""
        self.config = NodeConfig(**{name: declare(node, item) for name, item in FIELDS.items()})
        node.add_on_set_parameters_callback(self._check)
        node.add_post_set_parameters_callback(self._take)
        warn_of_unknown(node)

    def _check(self, parameters: Sequence[Parameter]) -> SetParametersResult:
        try:
            self._changed(parameters)
        except ConfigError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _take(self, parameters: Sequence[Parameter]) -> None:
        self.config = self._changed(parameters)

    def _changed(self, parameters: Sequence[Parameter]) -> NodeConfig:
        return replace(self.config, **{p.name: plain(FIELDS[p.name], p.value) for p in parameters if p.name in FIELDS})


def declare(node: Node, item: Field[Any]) -> Any:
    """Declare one setting as a parameter and return its value."""
    try:
        return plain(item, node.declare_parameter(item.name, item.default, describe(item)).value)
    except ParameterException as error:
        raise ConfigError(f'{item.name}: expected {type(item.default).__name__} ({item.metadata["text"]}), '
                          f'got: {error}') from error


def describe(item: Field[Any]) -> ParameterDescriptor:
    """Return the descriptor of a setting: what it means, its range or choices, and whether it may change."""
    about = item.metadata
    descriptor = ParameterDescriptor(
        description=about['text'],
        read_only=not about['live'],
        additional_constraints=f'one of: {", ".join(about["choices"])}' if about['choices'] else '',
        dynamic_typing='true' in about['choices'],  # YAML and the command line read a bare true as a bool
    )
    if about['low'] is not None and isinstance(item.default, float):
        descriptor.floating_point_range = [FloatingPointRange(from_value=about['low'], to_value=about['high'])]
    elif about['low'] is not None:
        descriptor.integer_range = [IntegerRange(from_value=about['low'], to_value=about['high'], step=1)]
    return descriptor


def plain(item: Field[Any], value: Any) -> Any:
    """Return a parameter's value as NodeConfig has it: the text 'true' for the bool that YAML makes of it."""
    return str(value).lower() if isinstance(value, bool) and isinstance(item.default, str) else value


def warn_of_unknown(node: Node) -> None:
    """Log the parameters that were given but that no one declares: ROS ignores a misspelt name without a word."""
    given = getattr(node, '_parameter_overrides', {})
    for name in given:
        if name not in FIELDS and not name.startswith(OF_ROS):
            near = get_close_matches(name, FIELDS, 1)
            node.get_logger().warning(f'parameter {name} is unknown and ignored'
                                      + (f'; did you mean {near[0]}?' if near else ''))
