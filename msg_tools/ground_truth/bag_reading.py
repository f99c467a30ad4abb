"""Read the messages of some frames of a bag in one stream: only their topics, only their time, a few at once."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..bag import BagReader, RawMessage, reading
from ..bag_types import ros2_typestore
from ..errors import BagError
from .bag_listing import Place
from .bag_topics import header_stamp_ns

Key = tuple[str, Place]  # a topic, and a message of it
CdrMessage = tuple[str, bytes]  # type and bytes


def opened(path: Path) -> BagReader:
    """Return a reader of a bag that is this process's and thread's own: forks and threads must not share a file."""
    return _opened(path, os.getpid(), threading.get_ident())


@lru_cache(maxsize=4)
def _opened(path: Path, process: int, thread: int) -> BagReader:
    return BagReader(path)


def read_messages(path: Path, frames: Iterable[Sequence[Key]]) -> Iterator[dict[Key, CdrMessage] | BagError]:
    """Yield the messages of each frame, whatever order they are stored in, or what is wrong with the bag there.

    After an error the reading goes on with the next frame.
    """
    frames = list(frames)
    waiting: dict[Key, CdrMessage] = {}
    stream: Iterator[RawMessage] | None = None
    for index, keys in enumerate(frames):
        try:
            if stream is None:
                wanted = {key for rest in frames[index:] for key in rest}
                stream, waiting = _stream(path, wanted), {}
            while any(key not in waiting for key in keys):
                raw = next(stream, None)
                if raw is None:
                    raise BagError(f'{path}: expected message {_missing(keys, waiting)}, got none; was the bag changed '
                                   'meanwhile?')
                key = raw.topic, _place_of(raw)
                if key in wanted:
                    waiting.setdefault(key, (raw.type, bytes(raw.data)))
            yield {key: waiting.pop(key) for key in keys}
        except BagError as error:
            stream = None
            yield error


def decode(path: Path, message: CdrMessage) -> Any:
    """Return the message object of CDR bytes. Raises BagError where it is damaged."""
    type_name, data = message
    with reading(path):
        return ros2_typestore().deserialize_cdr(data, type_name)


def _stream(path: Path, wanted: set[Key]) -> Iterator[RawMessage]:
    times = [place.log_ns for _, place in wanted]
    return opened(path).raw(sorted({topic for topic, _ in wanted}), min(times), max(times) + 1)


def _place_of(raw: RawMessage) -> Place:
    return Place(raw.stamp_ns, header_stamp_ns(raw.data) or raw.stamp_ns)


def _missing(keys: Sequence[Key], waiting: dict[Key, CdrMessage]) -> str:
    topic, place = next(key for key in keys if key not in waiting)
    return f'of {topic} recorded at {place.log_ns} ns'
