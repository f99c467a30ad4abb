"""From arriving messages to frames to work on: each image with its camera_info.

Knows no ROS: a message is anything with `header.stamp.sec` and `.nanosec`.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

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
    found_s: float = field(default_factory=time.perf_counter, compare=False)  # when, on the performance counter


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
