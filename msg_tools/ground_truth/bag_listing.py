"""List the clouds of a bag with the images nearest to them in time; only stamps are kept."""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ..bag import BagReader
from .bag_topics import Topics, header_stamp_ns
from .sources import Entry
from .time_pairs import Stamped, pair_by_time

SAME_MOMENT_NS = 5_000_000  # images of a stereo pair are stamped this near each other


class Place(NamedTuple):
    """Where a message is in a bag: the time of its record, and its own stamp [ns], which is the record's if unset."""

    log_ns: int
    stamp_ns: int


class Places(NamedTuple):
    """Where the messages of a frame are."""

    cloud: Place
    image: Place | None = None
    right: Place | None = None


def list_bag(bag: BagReader, topics: Topics, tolerance_ns: float) -> list[Entry]:
    """Read a bag once and list its clouds in the order of their stamps, with the images to them.

    A frame is named by the image's number among the topic's, or by the cloud's where no images are wanted.
    """
    found = stamps_of(bag, topics.read)
    clouds = found[topics.cloud]
    if not topics.image:
        return [_entry(cloud, None, None) for cloud in clouds]
    images, rights = found[topics.image], found.get(topics.right, [])
    merged = heapq.merge(_marked(clouds, True), _marked(images, False), key=lambda item: item[1].stamp_ns)
    return [
        _entry(cloud, image, nearest(rights, image.stamp_ns, SAME_MOMENT_NS)) if image else
        _skipped(cloud, tolerance_ns, images)
        for cloud, image in pair_by_time(merged, tolerance_ns)
    ]


def stamps_of(bag: BagReader, topics: Sequence[str]) -> dict[str, list[Stamped]]:
    """Read the messages of topics and return, sorted by stamp, (stamp, number, time of the record) of each."""
    found: dict[str, list[Stamped]] = {topic: [] for topic in topics}
    for raw in bag.raw(topics):
        items = found[raw.topic]
        items.append(Stamped(header_stamp_ns(raw.data) or raw.stamp_ns, len(items), raw.stamp_ns))
    for items in found.values():
        items.sort(key=lambda item: item.stamp_ns)
    return found


def nearest(items: Sequence[Stamped], stamp_ns: int, within_ns: float) -> Stamped | None:
    """Return the item, sorted by stamp, that is nearest to a stamp [ns], if it is near enough."""
    index = bisect_left(items, stamp_ns, key=lambda item: item.stamp_ns)
    around = items[max(index - 1, 0) : index + 1]
    found = min(around, key=lambda item: abs(item.stamp_ns - stamp_ns), default=None)
    return found if found and abs(found.stamp_ns - stamp_ns) <= within_ns else None


def _marked(items: Sequence[Stamped], mark: bool) -> Iterator[tuple[bool, Stamped]]:
    return ((mark, item) for item in items)


def _entry(cloud: Stamped, image: Stamped | None, right: Stamped | None) -> Entry:
    number = image.number if image else cloud.number
    places = Places(_place(cloud), _place(image) if image else None, _place(right) if right else None)
    return Entry(f'{number:010d}', number, image.stamp_ns if image else None, cloud.stamp_ns, places)


def _skipped(cloud: Stamped, tolerance_ns: float, images: Sequence[Stamped]) -> Entry:
    """Return the entry of a cloud without an image, and say how far away the nearest is: it may be another clock."""
    near = nearest(images, cloud.stamp_ns, float('inf'))
    where = f'the nearest is {abs(near.stamp_ns - cloud.stamp_ns) / 1e9:.3f} s away' if near else 'there are none'
    reason = f'no image within {tolerance_ns / 1e6:.0f} ms of cloud {cloud.number}: {where}'
    return Entry('', cloud.number, None, cloud.stamp_ns, Places(_place(cloud)), skip=reason)


def _place(item: Stamped) -> Place:
    return Place(item.message, item.stamp_ns)
