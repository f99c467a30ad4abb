"""From arriving messages to frames to work on: pair image and camera_info, keep the newest, hand it to a thread.

Knows no ROS: a message is anything with `header.stamp.sec` and `.nanosec`.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar('T')

RECENT_INFOS = 10
NO_INFO = 'no camera_info yet'
OLD_INFO = 'camera_info too old'


def stamp_ns(message: Any) -> int:
    """Return the time stamp of a message [ns]."""
    stamp = message.header.stamp
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)


@dataclass(frozen=True, slots=True)
class Pair:
    """An image and the camera_info that belongs to it."""

    image: Any
    info: Any


class Pairing:
    """Finds each image's camera_info: the one with its stamp, else the last that came.

    A camera_info describes a camera, not a moment: many drivers publish it once, late, or less often than images. So
    an image waits only where there is none, or where the nearest is older than max_age_ns (0: any age will do); if the
    next image comes first, `drop` is told why the waiting one is given up.
    """

    def __init__(self, drop: Callable[[str], None]) -> None:
        self.drop = drop
        self.infos: deque[Any] = deque(maxlen=RECENT_INFOS)
        self.waiting: Any = None

    def add_image(self, image: Any, max_age_ns: int = 0) -> Pair | None:
        """Return the image with its camera_info, or None where it has to wait for one."""
        if self.waiting is not None:
            self.drop(OLD_INFO if self.infos else NO_INFO)
        info = self._info_of(image, max_age_ns)
        self.waiting = image if info is None else None
        return None if info is None else Pair(image, info)

    def add_info(self, info: Any, max_age_ns: int = 0) -> Pair | None:
        """Return the image that waited for this camera_info, if one did."""
        self.infos.append(info)
        image, self.waiting = self.waiting, None
        return None if image is None else self.add_image(image, max_age_ns)

    def _info_of(self, image: Any, max_age_ns: int) -> Any:
        stamp = stamp_ns(image)
        for info in reversed(self.infos):
            if stamp_ns(info) == stamp:
                return info
        last = self.infos[-1] if self.infos else None
        fresh = last is not None and (not max_age_ns or abs(stamp_ns(last) - stamp) <= max_age_ns)
        return last if fresh else None


class Newest(Generic[T]):
    """A place for one item between two threads: a newer one replaces the one that waits."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._item: T | None = None
        self._closed = False

    def put(self, item: T) -> bool:
        """Leave an item; return whether it replaced one that nobody took."""
        with self._condition:
            replaced = self._item is not None
            self._item = item
            self._condition.notify()
            return replaced

    def take(self) -> T | None:
        """Wait for an item and take it; None where the place was closed."""
        with self._condition:
            self._condition.wait_for(lambda: self._closed or self._item is not None)
            item, self._item = self._item, None
            return None if self._closed else item

    def close(self) -> None:
        """Wake whoever waits, with None."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()


class Worker(Generic[T]):
    """A thread that gives the newest item to a function, one at a time, so that no queue can grow."""

    def __init__(self, function: Callable[[T], None], name: str) -> None:
        self.function = function
        self.newest: Newest[T] = Newest()
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.thread.start()

    def put(self, item: T) -> bool:
        """Hand over an item; return whether it replaced one that was not begun."""
        return self.newest.put(item)

    def stop(self) -> None:
        """Finish the item at work, forget the one that waits, and end the thread."""
        self.newest.close()
        self.thread.join()

    def _run(self) -> None:
        while (item := self.newest.take()) is not None:
            self.function(item)
