"""Which topics of a bag make depth maps, what was asked for, and what a message says of itself undecoded."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from ..bag import BagReader
from ..errors import BagError
from ..kitti_messages import CAMERA_TOPICS, CLOUD_TOPIC

CLOUD_TYPE, INFO_TYPE = 'sensor_msgs/msg/PointCloud2', 'sensor_msgs/msg/CameraInfo'
IMAGE_TYPES = ('sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage')
DEFAULT_PERIOD_NS = 100_000_000
PACKED = '/compressed'


@dataclass(frozen=True, slots=True)
class BagOptions:
    """What is wanted of a bag; topics that are '' are kitti2bag's, camera_info is looked for beside the image.

    `right` is the topic of the stereo pair's other image, 'auto' where the image's is called left. `turn_s` is how
    long a turn of a scanner without point times takes, clockwise from the rear, the stamp in its middle; `time_field`
    names the field of the points' times where it is not found by itself, 'off' takes none. `calibration` is a file
    with what the bag lacks: see calibration_rig.
    """

    camera: int = 2
    with_images: bool = True
    cloud: str = ''
    image: str = ''
    info: str = ''
    right: str = ''
    raw_images: bool = False
    tolerance_s: float | None = None
    turn_s: float | None = None
    time_field: str = ''
    calibration: Path | None = None


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of a bag that make depth maps, '' where one is not wanted or, of camera_info, not there."""

    cloud: str
    image: str
    info: str
    right: str = ''
    right_info: str = ''

    @classmethod
    def choose(cls, bag: BagReader, options: BagOptions) -> Topics:
        """Fill the topics that were not named with kitti2bag's names for a camera, and check them all.

        Raises BagError where one is missing or of another type.
        """
        raw = f'{CAMERA_TOPICS[options.camera]}/image_raw'
        image = options.image or (raw if raw in bag.topics else f'{raw}{PACKED}')
        info = options.info or info_beside(image)
        if options.calibration and not options.info and info not in bag.topics:
            info = ''
        right = _right_of(bag, image) if options.right == 'auto' else options.right
        shown = image if image in bag.topics or options.image else raw
        topics = cls(options.cloud or CLOUD_TOPIC, shown if options.with_images else '', info,
                     right if options.with_images else '', info_beside(right) if right and options.with_images else '')
        topics._require(bag)
        return topics

    @property
    def read(self) -> list[str]:
        """Return the topics whose messages make the frames."""
        return [topic for topic in (self.cloud, self.image, self.right) if topic]

    def _require(self, bag: BagReader) -> None:
        wanted = ((self.cloud, (CLOUD_TYPE,)), (self.image, IMAGE_TYPES), (self.info, (INFO_TYPE,)),
                  (self.right, IMAGE_TYPES), (self.right_info, (INFO_TYPE,)))
        for topic, types in wanted:
            if not topic:
                continue
            info = bag.require(topic)
            if info.type not in types:
                raise BagError(f'{bag.path}: expected {" or ".join(types)} on {topic}, got {info.type}')
            if not info.count:
                raise BagError(f'{bag.path}: expected messages on {topic}, got none')


def info_beside(image: str) -> str:
    """Return the topic of camera_info beside one of images."""
    return f'{image.removesuffix(PACKED).rpartition("/")[0]}/camera_info'


def _right_of(bag: BagReader, image: str) -> str:
    """Return the topic of the right camera where an image's is called left and the bag has both; else ''."""
    right = image.replace('left', 'right')
    return right if right != image and right in bag.topics and info_beside(right) in bag.topics else ''


def header_stamp_ns(cdr: bytes | memoryview) -> int:
    """Return the stamp [ns] of a CDR message that begins with a header, without decoding the rest; 0 where unset."""
    if len(cdr) < 12:
        return 0
    seconds, nanoseconds = struct.unpack_from('<iI' if cdr[1] & 1 else '>iI', cdr, 4)
    return int(seconds * 1_000_000_000 + nanoseconds)


def period_ns(bag: BagReader, topic: str) -> float:
    """Return the median time [ns] between the first ten messages of a topic; that of 10 Hz where there is but one."""
    stamps = [header_stamp_ns(raw.data) or raw.stamp_ns for raw in islice(bag.raw([topic]), 10)]
    steps = np.diff(sorted(stamps))
    return float(np.median(steps)) if len(steps) and np.median(steps) > 0 else DEFAULT_PERIOD_NS


def tolerance_ns(bag: BagReader, topics: Topics, tolerance_s: float | None = None) -> float:
    """Return how far [ns] an image may be from its cloud: as asked for, or half the shorter period of the two."""
    if tolerance_s is not None:
        return tolerance_s * 1e9
    return min(period_ns(bag, topic) for topic in (topics.cloud, topics.image) if topic) / 2
