"""Message classes of this Python by the names that bags and the ROS graph have for them."""

from __future__ import annotations

import importlib
import re
from typing import Any

PRIMITIVES = {'boolean': 'bool', 'octet': 'byte', 'float': 'float32', 'double': 'float64'}
SEQUENCE = re.compile(r'sequence<(?P<item>.+?)(, (?P<bound>\d+))?>$')
ARRAY = re.compile(r'(?P<item>.+)\[(?P<size>\d+)\]$')
RULE = '=' * 80
EMPTY = 'structure_needs_at_least_one_member'  # what the generators put into a message without fields


def message_class(type_name: str) -> Any | None:
    """Return the class of a message type, 'sensor_msgs/msg/Image', or None where it is not installed."""
    package, _, name = type_name.partition('/msg/')
    try:
        return getattr(importlib.import_module(f'{package}.msg'), name, None)
    except ImportError:
        return None


def definition(cls: Any) -> str:
    """Return the definition of a message class as ROS 2 text, with the types that it is made of.

    It is made from the class, for lack of the .msg file: without constants, defaults and comments.
    """
    parts = [fields_text(cls)]
    parts += [f'{RULE}\nMSG: {name}\n{fields_text(nested)}' for name, nested in nested_classes(cls).items()]
    return '\n'.join(parts)


def fields_text(cls: Any) -> str:
    """Return a line 'type name' for each field of a class."""
    fields = cls.get_fields_and_field_types().items()
    return ''.join(f'{msg_type(kind)} {name}\n' for name, kind in fields if name != EMPTY)


def msg_type(kind: str) -> str:
    """Return a field's type as .msg files have it: 'sequence<double>' is 'float64[]'."""
    if match := SEQUENCE.match(kind):
        return f'{msg_type(match["item"])}[{"<=" + match["bound"] if match["bound"] else ""}]'
    if match := ARRAY.match(kind):
        return f'{msg_type(match["item"])}[{match["size"]}]'
    if match := re.match(r'string<(\d+)>$', kind):
        return f'string<={match[1]}'
    return PRIMITIVES.get(kind, kind)


def nested_classes(cls: Any) -> dict[str, Any]:
    """Return the message classes inside a class, at any depth, by 'package/Name'."""
    result: dict[str, Any] = {}
    for kind in cls.get_fields_and_field_types().values():
        name = msg_type(kind).partition('[')[0]
        if '/' in name and name not in result and (nested := message_class(name.replace('/', '/msg/'))):
            result[name] = nested
            result.update(nested_classes(nested))
    return result
