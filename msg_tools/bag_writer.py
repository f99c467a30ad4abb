"""Write rosbag2 folders that `ros2 bag info` and `ros2 bag play` of Jazzy and Kilted accept (metadata version 9)."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime
from rosbags.rosbag2 import StoragePlugin, Writer, WriterError
from rosbags.typesys import Stores, TypesysError, get_types_from_msg, get_typestore

from .errors import BagError

STORAGES = {'mcap': StoragePlugin.MCAP, 'sqlite3': StoragePlugin.SQLITE3}
METADATA_VERSION: Literal[9] = 9  # Jazzy's and Kilted's
FOREVER = QosTime(9223372036, 854775807)  # RMW_DURATION_INFINITE
QUEUE_DEPTH = 10
WRITE_ERRORS = (OSError, sqlite3.Error, WriterError)


class BagWriter:
    """Write one rosbag2 folder; it appears under its name once it is whole, and not at all after an error.

    Raises BagError where the folder exists (unless `overwrite`, and only over a bag), or cannot be written.

    >>> with BagWriter('out') as bag:                                                            # doctest: +SKIP
    ...     bag.write('/camera/image_raw', stamp_ns, image)
    """

    def __init__(self, path: Path | str, storage: str = 'mcap', overwrite: bool = False) -> None:
        self.path = Path(path)
        if storage not in STORAGES:
            raise BagError(f'expected storage {" or ".join(STORAGES)}, got {storage!r}')
        require_writable(self.path, overwrite)
        if storage == 'sqlite3' and (found := set('?#%') & set(str(path))):  # rosbags opens it as a URI, as it is
            raise BagError(f'{path}: expected a name without {"".join(found)} for sqlite3; take mcap')
        self.counts: dict[str, int] = {}
        self._types = get_typestore(Stores.ROS2_JAZZY)  # our own: `define` adds to it
        self._connections: dict[str, Any] = {}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._partial = Path(tempfile.mkdtemp(prefix=f'.{self.path.name}.', dir=self.path.parent))
            self._writer = Writer(
                self._partial / self.path.name, version=METADATA_VERSION, storage_plugin=STORAGES[storage]
            )
            self._writer.open()
        except WRITE_ERRORS as error:
            raise BagError(f'{self.path}: expected a place for a bag, got {error}') from error

    def __enter__(self) -> BagWriter:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is None:
            self.close()
        else:
            self.abort()

    def define(self, type_name: str, definition: str) -> None:
        """Make a message type known by its ROS 2 definition text, with the types that it is made of."""
        if type_name in self._types.fielddefs:
            return
        try:
            self._types.register(get_types_from_msg(definition, type_name))
        except TypesysError as error:
            raise BagError(f'{type_name}: expected a ROS 2 message definition, got {definition[:60]!r}') from error

    def add_topic(self, topic: str, type_name: str, latched: bool = False) -> None:
        """Note a topic, also where no message follows; a latched one is replayed to late subscribers too."""
        if type_name not in self._types.fielddefs:
            raise BagError(f'{topic}: expected a known message type, got {type_name!r}; see BagWriter.define')
        self._connections[topic] = self._writer.add_connection(
            topic, type_name, typestore=self._types, offered_qos_profiles=[offered_qos(latched)]
        )
        self.counts[topic] = 0

    def write(self, topic: str, stamp_ns: int, msg: Any, latched: bool = False) -> None:
        """Write a message object of rosbags at a log time [ns]; the first of a topic says whether it is latched."""
        data = self._types.serialize_cdr(msg, msg.__msgtype__)
        self.write_raw(topic, msg.__msgtype__, stamp_ns, data, latched)

    def write_raw(
        self, topic: str, type_name: str, stamp_ns: int, data: bytes | memoryview, latched: bool = False
    ) -> None:
        """Write a message's CDR bytes at a log time [ns]; the first of a topic says whether it is latched."""
        if topic not in self._connections:
            self.add_topic(topic, type_name, latched)
        if self._connections[topic].msgtype != type_name:
            raise BagError(f'{topic}: expected {self._connections[topic].msgtype} as before, got {type_name}')
        try:
            self._writer.write(self._connections[topic], stamp_ns, data)
        except WRITE_ERRORS as error:
            raise BagError(f'{self.path}: expected room for a message, got {error}') from error
        self.counts[topic] += 1

    def close(self) -> None:
        """Finish the bag and give it its name, in the place of an older one."""
        try:
            self._writer.close()
            if self.path.exists():
                shutil.rmtree(self.path)
            os.replace(self._partial / self.path.name, self.path)
        except WRITE_ERRORS as error:
            raise BagError(f'{self.path}: expected to finish the bag, got {error}') from error
        finally:
            shutil.rmtree(self._partial, ignore_errors=True)

    def abort(self) -> None:
        """Throw away what was written."""
        try:
            getattr(self._writer, 'abort', self._writer.close)()  # rosbags before 0.11.6 can only close
        finally:
            shutil.rmtree(self._partial, ignore_errors=True)


def require_writable(path: Path, overwrite: bool) -> None:
    """Raise BagError where a path holds something, unless it is a bag and may be overwritten."""
    if not path.exists():
        return
    if not overwrite:
        raise BagError(f'{path}: expected a new folder, got one that exists; see --overwrite')
    if not (path / 'metadata.yaml').is_file():
        raise BagError(f'{path}: expected a rosbag2 folder to overwrite, got something else; remove it yourself')


def offered_qos(latched: bool) -> Qos:
    """Return the quality of service that a replay shall offer: reliable, and to late subscribers too if latched."""
    return Qos(
        QosHistory.KEEP_LAST,
        1 if latched else QUEUE_DEPTH,
        QosReliability.RELIABLE,
        QosDurability.TRANSIENT_LOCAL if latched else QosDurability.VOLATILE,
        FOREVER,
        FOREVER,
        QosLiveliness.AUTOMATIC,
        FOREVER,
        False,
    )
