"""A bag as a source of velodyne_to_depth: clouds and images paired by time, extrinsics by the names of the frames."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from ..bag import BagReader, RawMessage, reading
from ..bag_types import ros2_typestore
from ..camera import Array, Intrinsics, Size
from ..camera_info import CameraModel, Rectifier, intrinsics, is_calibrated, looks_rectified
from ..cloud import cloud_to_xyz
from ..errors import BagError, CalibrationError
from ..image import to_rgb
from ..kitti_messages import CAMERA_TOPICS, CLOUD_TOPIC
from ..tf import TfTree
from .projector import ScanProjector
from .sources import Frame, Task, check_size
from .time_pairs import Stamped, pair_by_time

CLOUD_TYPE, INFO_TYPE = 'sensor_msgs/msg/PointCloud2', 'sensor_msgs/msg/CameraInfo'
IMAGE_TYPES = ('sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage')
DEFAULT_PERIOD_NS = 100_000_000

CdrMessage = tuple[str, bytes]  # type and bytes: unlike the message itself, this can go to another process


@dataclass(frozen=True)
class Topics:
    """The topics of a bag that make depth maps; `image` is '' where no images are wanted."""

    cloud: str
    image: str
    info: str

    @classmethod
    def choose(cls, bag: BagReader, camera: int, cloud: str, image: str, info: str, with_images: bool) -> Topics:
        """Fill the topics that were not named with kitti2bag's names for a camera, and check them all.

        camera_info is looked for beside the image. Raises BagError where one is missing or of another type.
        """
        raw = f'{CAMERA_TOPICS[camera]}/image_raw'
        image = image or (raw if raw in bag.topics else f'{raw}/compressed')
        base = image.removesuffix('/compressed').rpartition('/')[0]
        topics = cls(cloud or CLOUD_TOPIC, (image if image in bag.topics else raw) if with_images else '',
                     info or f'{base}/camera_info')
        topics._require(bag)
        return topics

    def _require(self, bag: BagReader) -> None:
        for topic, wanted in ((self.cloud, (CLOUD_TYPE,)), (self.image, IMAGE_TYPES), (self.info, (INFO_TYPE,))):
            if not topic:
                continue
            info = bag.require(topic)
            if info.type not in wanted:
                raise BagError(f'{bag.path}: expected {" or ".join(wanted)} on {topic}, got {info.type}')
            if not info.count:
                raise BagError(f'{bag.path}: expected messages on {topic}, got none')


@dataclass(frozen=True)
class BagSource:
    """The clouds of a bag with the nearest images, as one camera sees them; `raw_info` is set where images are raw."""

    path: Path
    topics: Topics
    projector: ScanProjector
    count: int
    tolerance_ns: float
    raw_info: CdrMessage | None = None
    warnings: tuple[str, ...] = ()

    @classmethod
    def open(cls, path: Path, camera: int, with_images: bool, topics: tuple[str, str, str]) -> BagSource:
        """Open a bag; `topics` are cloud, image and camera_info, '' for kitti2bag's.

        Raises BagError for the bag and its topics, CalibrationError for camera_info and transforms.
        """
        with BagReader(path) as bag:
            chosen = Topics.choose(bag, camera, *topics, with_images)
            info = next(bag.messages([chosen.info])).msg
            cloud_frame = next(bag.messages([chosen.cloud])).msg.header.frame_id
            rectified, reason = looks_rectified(info, chosen.image or chosen.info)
            lens, T_cam_cloud = _camera_of(chosen.info, info, rectified, TfTree.from_bag(bag), cloud_frame)
            tolerance_ns = min(period_ns(bag, topic) for topic in (chosen.cloud, chosen.image) if topic) / 2
            return cls(
                path, chosen, ScanProjector(lens.P @ T_cam_cloud, lens.size), bag.topics[chosen.cloud].count,
                tolerance_ns, None if rectified else _cdr(next(bag.raw([chosen.info]))),
                () if rectified else (f'{chosen.info}: {reason}: its images are rectified, depth is of the result',),
            )

    def tasks(self) -> Iterator[Task]:
        """Read the bag once, in order, and yield each cloud with its image, both as they are stored.

        A frame is named by the image's number among the topic's, or the cloud's where no images are wanted.
        """
        with BagReader(self.path) as bag:
            stream = self._stamped(bag.raw([topic for topic in (self.topics.cloud, self.topics.image) if topic]))
            if self.topics.image:
                yield from (self._task(*pair) for pair in pair_by_time(stream, self.tolerance_ns))
            else:
                yield from (self._task(cloud, None) for _, cloud in stream)

    def _task(self, cloud: Stamped, image: Stamped | None) -> Task:
        if not self.topics.image:
            return Task(f'{cloud.number:010d}', cloud.number, None, cloud.stamp_ns, (cloud.message, None))
        if image is None:
            reason = f'no image within {self.tolerance_ns / 1e6:.0f} ms of cloud {cloud.number}'
            return Task('', cloud.number, None, cloud.stamp_ns, skip=reason)
        messages = cloud.message, image.message
        return Task(f'{image.number:010d}', image.number, image.stamp_ns, cloud.stamp_ns, messages)

    def load(self, task: Task) -> Frame:
        """Decode cloud and image. Raises BagError, CloudError or ImageError where one of them is broken."""
        cloud, image = task.payload
        points = cloud_to_xyz(self._decode(cloud)).reshape(-1, 3)
        if image is None:
            return Frame(points)
        rgb = to_rgb(self._decode(image))
        check_size(self.topics.image, Size(*rgb.shape[:2]), self.projector.size)
        return Frame(points, image_rgb=self._rectifier.rectify(rgb) if self._rectifier else rgb)

    @cached_property
    def _rectifier(self) -> Rectifier | None:
        return Rectifier(self._decode(self.raw_info)) if self.raw_info else None

    def _decode(self, raw: CdrMessage) -> Any:
        type_name, data = raw
        with reading(self.path):
            return ros2_typestore().deserialize_cdr(data, type_name)

    def _stamped(self, messages: Iterable[RawMessage]) -> Iterator[tuple[bool, Stamped]]:
        """Number the messages of each topic and tell clouds from images."""
        numbers = {self.topics.cloud: 0, self.topics.image: 0}
        for raw in messages:
            stamp_ns = header_stamp_ns(raw.data) or raw.stamp_ns
            yield raw.topic == self.topics.cloud, Stamped(stamp_ns, numbers[raw.topic], _cdr(raw))
            numbers[raw.topic] += 1


def _cdr(raw: RawMessage) -> CdrMessage:
    return raw.type, bytes(raw.data)


def header_stamp_ns(cdr: bytes | memoryview) -> int:
    """Return the stamp [ns] of a CDR message that begins with a header, without decoding the rest; 0 where unset."""
    if len(cdr) < 12:
        return 0
    seconds, nanoseconds = struct.unpack_from('<iI' if cdr[1] & 1 else '>iI', cdr, 4)
    return int(seconds * 1_000_000_000 + nanoseconds)


def period_ns(bag: BagReader, topic: str) -> float:
    """Return the median time [ns] between the first ten messages of a topic; that of 10 Hz where there is but one."""
    stamps = [header_stamp_ns(raw.data) or raw.stamp_ns for raw in islice(bag.raw([topic]), 10)]
    return float(np.median(np.diff(stamps))) if len(stamps) > 1 else DEFAULT_PERIOD_NS


def _camera_of(
    topic: str, info: Any, rectified: bool, frames: TfTree, cloud_frame: str
) -> tuple[Intrinsics, Array]:
    """Return the intrinsics of the rectified image and T_cam_cloud (4, 4) into its frame."""
    if not is_calibrated(info):
        raise CalibrationError(f'{topic}: expected a calibrated camera, got a K of zeros')
    try:
        T_cam_cloud = frames.lookup(info.header.frame_id, cloud_frame)
        if rectified:
            return intrinsics(info, rectified=True), T_cam_cloud
        R_rect = np.eye(4)
        R_rect[:3, :3] = CameraModel.from_info(info).R
        return Rectifier(info).camera, R_rect @ T_cam_cloud
    except CalibrationError as error:
        raise CalibrationError(f'{topic}: {error}') from error
