"""Read back what was recorded of the node: depth and clouds frame by frame, how old they were, what was dropped."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from msg_tools.bag import BagReader
from msg_tools.camera import Array
from msg_tools.cloud import cloud_to_xyz
from msg_tools.image import image_to_depth_m
from msg_tools.kitti_messages import CAMERA_TOPICS

from ..frames import stamp_ns
from .drives import CAMERA

DEPTH, CLOUD, INFO_OUT, DIAGNOSTICS = '/depth/image_rect', '/points', '/depth/camera_info', '/diagnostics'
IMAGE_IN, INFO_IN = (f'{CAMERA_TOPICS[CAMERA]}/{name}' for name in ('image_raw', 'camera_info'))
DROPPED = 'dropped: '  # the beginning of the keys in /diagnostics that count by reason
TOPICS = (DEPTH, INFO_OUT, CLOUD, DIAGNOSTICS, INFO_IN)


@dataclass(frozen=True, slots=True)
class Recorded:
    """The outputs of one image: its stamp [ns], depth (H, W) [m] and the organised cloud (h, w, 3) [m]."""

    stamp_ns: int
    depth_m: Array
    cloud: Array


@dataclass(frozen=True, slots=True)
class Flow:
    """What went in and came out: stamps [ns] of the recorded depth, ages [ms], the node's own counts."""

    stamps_ns: tuple[int, ...]
    ages_ms: tuple[float, ...]
    received: int
    published: int
    dropped: dict[str, int]
    network: str

    def age_ms(self, percent: float) -> float:
        """Return a percentile of the age of the depth images when they arrived [ms]; NaN where none is known."""
        return float(np.percentile(self.ages_ms, percent)) if self.ages_ms else float('nan')


def recorded_frames(path: Path) -> Iterator[Recorded]:
    """Yield depth and cloud of each image, in order, as soon as both have been read; one bag message at a time."""
    waiting: dict[int, dict[str, Any]] = {}
    with BagReader(path) as bag:
        for message in bag.messages([DEPTH, CLOUD]):
            stamp = stamp_ns(message.msg)
            pair = waiting.setdefault(stamp, {})
            pair[message.topic] = message.msg
            if len(pair) == 2:
                del waiting[stamp]
                yield Recorded(stamp, image_to_depth_m(pair[DEPTH]).copy(), cloud_to_xyz(pair[CLOUD]))


def flow(path: Path) -> Flow:
    """Return what a recording tells of the flow of frames.

    The age of a depth image is the time from the arrival of its input's camera_info, which is published just before the
    image, to its own arrival at the recorder.
    """
    arrived: dict[str, dict[int, int]] = {INFO_IN: {}, DEPTH: {}}
    counts: dict[str, str] = {}
    with BagReader(path) as bag:
        for message in bag.messages([topic for topic in (INFO_IN, DEPTH, DIAGNOSTICS) if topic in bag.topics]):
            if message.topic == DIAGNOSTICS:
                counts.update({item.key: item.value for status in message.msg.status for item in status.values})
            else:
                arrived[message.topic].setdefault(stamp_ns(message.msg), message.stamp_ns)
    outs = arrived[DEPTH]
    ages = [(outs[stamp] - since) / 1e6 for stamp, since in arrived[INFO_IN].items() if stamp in outs]
    dropped = {key.removeprefix(DROPPED): int(value) for key, value in counts.items() if key.startswith(DROPPED)}
    received, published = (int(counts.get(key, 0)) for key in ('received', 'published'))
    return Flow(tuple(sorted(outs)), tuple(ages), received, published, dropped, counts.get('network', ''))
