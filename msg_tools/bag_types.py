"""The message types of a bag: its own definitions, made to look like ROS 2's."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

from rosbags.interfaces import MessageDefinitionFormat, Nodetype
from rosbags.typesys import Stores, TypesysError, get_types_from_idl, get_types_from_msg, get_typestore

HEADER = 'std_msgs/msg/Header'
RENAMED = {'tf/msg/tfMessage': 'tf2_msgs/msg/TFMessage'}  # the same bytes under ROS 1's old name

Types = dict[str, Any]  # type name -> (constants, fields), as rosbags keeps them


@cache
def ros2_typestore() -> Any:
    """Return the message types of ROS 2 Jazzy; the messages of these packages are the same in Kilted."""
    return get_typestore(Stores.ROS2_JAZZY)


def bag_typestore(connections: Iterable[Any], ros1: bool) -> Any:
    """Return a typestore for a bag's CDR messages; a definition that cannot be parsed is left out.

    ROS 1 types that hold what ROS 2's type of that name holds become ROS 2's: a CameraInfo has `k`, not `K`.
    """
    types: Types = {}
    undefined = False
    for connection in connections:
        if connection.msgdef.format == MessageDefinitionFormat.NONE:
            undefined = True
        else:
            types.update(parse(connection))
    if undefined:  # old rosbag2 files name their types only
        types = {**ros2_typestore().fielddefs, **types}
    if ros1:
        types = as_ros2(types)
    store = get_typestore(Stores.EMPTY)
    store.register(types)
    return store


def parse(connection: Any) -> Types:
    """Return the types of one connection's definition, or none where rosbags cannot parse it."""
    text = connection.msgdef.data
    try:
        if connection.msgdef.format == MessageDefinitionFormat.MSG:
            return dict(get_types_from_msg(text, connection.msgtype))
        parts = [part.split('\n', 1)[1] for part in text.split('=' * 80 + '\n') if part.startswith('IDL: ')]
        return {name: fields for part in parts or [text] for name, fields in get_types_from_idl(part).items()}
    except (TypesysError, ValueError, KeyError):  # its messages are then of unknown type; the others still count
        return {}


def parse_text(type_name: str, definition: str) -> Types:
    """Return the types of a ROS 2 definition text, those of time and duration included."""
    builtin = get_typestore(Stores.EMPTY).fielddefs
    return {**builtin, **get_types_from_msg(definition, type_name)}


def as_ros2(types: Types) -> Types:
    """Return ROS 1 types with ROS 2's in the place of those that are laid out alike, Header (without seq) included."""
    ros2 = ros2_typestore().fielddefs
    result = {name: ros2[name] if same_layout(name, types, ros2) else fields for name, fields in types.items()}
    for old, new in RENAMED.items():
        if old in result:
            result[new] = ros2[new]
    return result


def same_layout(name: str, types: Types, others: Types) -> bool:
    """Tell whether a type holds the same fields in both, upper and lower case apart."""
    if name == HEADER or name not in types:  # time and duration are built in
        return name in others
    if name not in others:
        return False
    fields, other_fields = types[name][1], others[name][1]
    return len(fields) == len(other_fields) and all(
        field.lower() == other.lower() and kind == other_kind and nested_alike(kind, types, others)
        for (field, kind), (other, other_kind) in zip(fields, other_fields, strict=True)
    )


def nested_alike(kind: Any, types: Types, others: Types) -> bool:
    """Tell whether the message type inside a field, if there is one, has the same layout in both."""
    if kind[0] in (Nodetype.ARRAY, Nodetype.SEQUENCE):
        kind = kind[1][0]
    return kind[0] != Nodetype.NAME or same_layout(kind[1], types, others)
