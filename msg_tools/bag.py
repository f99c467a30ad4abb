"""Read bags: rosbag1 files, rosbag2 folders, and single .mcap or .db3 files.

>>> with BagReader('drive.bag') as bag:                                                          # doctest: +SKIP
...     for message in bag.messages(['/kitti/velo/pointcloud']):
...         print(message.stamp_ns, cloud_to_xyz(message.msg).shape)
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from rosbags.interfaces import QosDurability
from rosbags.rosbag1 import Reader as Reader1
from rosbags.rosbag2 import Reader as Reader2

from .bag_types import RENAMED, bag_typestore, parse_text, same_layout
from .errors import BagError

STORAGE_FILES = ('.mcap', '.db3')


@dataclass(frozen=True, slots=True)
class TopicInfo:
    """What a bag holds of one topic."""

    type: str
    count: int
    latched: bool  # a late subscriber gets the last message: TRANSIENT_LOCAL in ROS 2, latching in ROS 1


class BagMessage(NamedTuple):
    """A message, its topic, and when it was recorded [ns]."""

    topic: str
    stamp_ns: int
    msg: Any


class RawMessage(NamedTuple):
    """A message as CDR bytes, as ROS 2 sends it, with its topic, time of recording [ns] and type."""

    topic: str
    stamp_ns: int
    type: str
    data: bytes | memoryview


class BagReader:
    """Read one bag in the order of its log time; the messages of rosbag1 files look like ROS 2's.

    Raises BagError where the bag is missing, empty as a file, damaged, or of an unknown kind.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        with reading(self.path):
            self._reader = open_reader(self.path)
            self._ros1 = isinstance(self._reader, Reader1)
            self._types = bag_typestore(self._reader.connections, self._ros1)
        self.topics = {name: topic_info(connections) for name, connections in self._by_topic().items()}
        self.count = sum(topic.count for topic in self.topics.values())
        self.start_ns = self._reader.start_time if self.count else 0
        self.end_ns = self._reader.end_time - 1 if self.count else 0  # of the last message; rosbags' is one later

    def __enter__(self) -> BagReader:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the bag's files."""
        self._reader.close()

    def require(self, topic: str) -> TopicInfo:
        """Return what is known of a topic; BagError names the topics that there are where it is not one of them."""
        if topic not in self.topics:
            there = ', '.join(f'{name} ({info.type})' for name, info in self.topics.items()) or 'none at all'
            raise BagError(f'{self.path}: expected topic {topic}, got a bag with: {there}')
        return self.topics[topic]

    def messages(
        self, topics: Collection[str] | None = None, start_ns: int | None = None, stop_ns: int | None = None
    ) -> Iterator[BagMessage]:
        """Yield messages of some topics (default: all) from start_ns on and before stop_ns [ns], in time order."""
        for raw in self.raw(topics, start_ns, stop_ns):
            yield BagMessage(raw.topic, raw.stamp_ns, self._decode(raw))

    def raw(
        self, topics: Collection[str] | None = None, start_ns: int | None = None, stop_ns: int | None = None
    ) -> Iterator[RawMessage]:
        """Yield messages like `messages`, as CDR bytes; nothing else is read from the disk than what is asked for."""
        names = self.topics if topics is None else topics
        connections = [c for name in names if self.require(name) for c in self._by_topic()[name]]
        if not connections:
            return
        with reading(self.path):
            for connection, stamp_ns, data in self._reader.messages(connections, start_ns, stop_ns):
                name = connection.msgtype
                cdr = self._to_cdr(data, name) if self._ros1 else data
                yield RawMessage(connection.topic, stamp_ns, RENAMED.get(name, name), cdr)

    def definition(self, type_name: str) -> str:
        """Return a message type's definition as ROS 2 text, with the types that it is made of."""
        self._require_type(type_name)
        return str(self._types.generate_msgdef(type_name, ros_version=2)[0])

    def same_type(self, type_name: str, definition: str) -> bool:
        """Tell whether a type has the same fields in the bag as in a ROS 2 definition text."""
        fields = self._types.fielddefs
        return type_name in fields and same_layout(type_name, fields, parse_text(type_name, definition))

    def _by_topic(self) -> dict[str, list[Any]]:
        """Return the connections of each topic, topics in the order of their names."""
        result: dict[str, list[Any]] = {}
        for connection in sorted(self._reader.connections, key=lambda c: c.topic):
            result.setdefault(connection.topic, []).append(connection)
        return result

    def _to_cdr(self, data: bytes, type_name: str) -> Any:
        """Turn the bytes of a ROS 1 message into CDR."""
        self._require_type(type_name)
        return self._types.ros1_to_cdr(data, type_name)

    def _decode(self, raw: RawMessage) -> Any:
        """Return the message object of CDR bytes."""
        self._require_type(raw.type)
        with reading(self.path):
            return self._types.deserialize_cdr(raw.data, raw.type)

    def _require_type(self, type_name: str) -> None:
        """Raise BagError where neither the bag nor ROS 2 defines a type."""
        if type_name not in self._types.fielddefs:
            raise BagError(f'{self.path}: expected a known message type, got {type_name!r}, of which the bag carries '
                           'no readable definition; leave its topic out')


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn whatever a damaged bag makes its reader raise into BagError."""
    try:
        yield
    except BagError:
        raise
    except Exception as error:  # its own, struct.error, AssertionError, KeyError, lz4's, apsw's: no common base
        text = str(error) or type(error).__name__
        raise BagError(f'{path}: expected a whole bag, got a damaged or unsupported one: {text}') from error


def open_reader(path: Path) -> Any:
    """Open a bag with the reader of its kind."""
    path = storage_of(path)
    reader = Reader1(path) if path.is_file() and path.suffix == '.bag' else Reader2(path)
    reader.open()
    return reader


def storage_of(path: Path) -> Path:
    """Return the file or folder to open for a path that a user named; BagError where it cannot be a bag."""
    if not path.exists():
        raise BagError(f'{path}: expected a bag, got no such file or folder')
    if path.is_dir() and not (path / 'metadata.yaml').exists():
        files = [file for file in sorted(path.iterdir()) if file.suffix in STORAGE_FILES]
        if len(files) != 1:
            raise BagError(f'{path}: expected a rosbag2 folder with metadata.yaml or one .mcap or .db3 file, '
                           f'got {len(files)} such files and no metadata.yaml (see `ros2 bag reindex`)')
        return files[0]
    if path.is_file() and path.suffix not in ('.bag', *STORAGE_FILES):
        raise BagError(f'{path}: expected a .bag, .mcap or .db3 file or a rosbag2 folder, got a {path.suffix!r} file')
    if path.is_file() and path.stat().st_size == 0:
        raise BagError(f'{path}: expected a bag, got an empty file')
    return path


def topic_info(connections: list[Any]) -> TopicInfo:
    """Return what the connections of one topic say of it."""
    name = connections[0].msgtype
    latched = connections[0].topic.endswith('/tf_static') or any(map(is_latched, connections))  # else tf2 misses it
    return TopicInfo(RENAMED.get(name, name), sum(c.msgcount for c in connections), latched)


def is_latched(connection: Any) -> bool:
    """Tell whether the publisher of a connection kept its last message for late subscribers."""
    if hasattr(connection.ext, 'latching'):
        return bool(connection.ext.latching)
    return any(qos.durability == QosDurability.TRANSIENT_LOCAL for qos in connection.ext.offered_qos_profiles)
