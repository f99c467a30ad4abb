"""A bag (rosbag1, rosbag2, .mcap, .db3) as a dataset: record, train, drive. Nothing is unpacked.

Source: bag:PATH#TOPIC,TOPIC. Without # the image topic is kitti2bag's left colour camera or the bag's only colour
images, and the cloud topic kitti2bag's or the only one that is not in the camera's own frame, as a depth camera's or
depth_node's is. Named topics are known by their types: images, PointCloud2, camera_info (else: beside the image).

A bag with clouds gives a frame for each cloud that has an image in time, the cloud's points being its labels, through
the bag's transforms; one without gives every image, for a teacher or for stereo: where an image topic's name has
`left` in it, the topic with `right` is looked for. Raw images are rectified. Opening a bag reads it once for the stamps
in its headers; frames are then read from where they are, by their time, in any process.
"""

from __future__ import annotations

import os
import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from msg_tools import cli
from msg_tools.bag import BagReader
from msg_tools.camera import Array, Intrinsics, Size
from msg_tools.camera_info import Rectifier, intrinsics, looks_rectified
from msg_tools.cloud import cloud_to_xyz
from msg_tools.errors import CalibrationError
from msg_tools.ground_truth.bag_source import BagSource
from msg_tools.ground_truth.bag_topics import BagOptions, header_stamp_ns
from msg_tools.ground_truth.sources import check_size
from msg_tools.ground_truth.time_pairs import Stamped, pair_by_time
from msg_tools.image import to_rgb

from .bag_topics import Topics, choose_topics
from .frame import DatasetError, Frame, Item, Points, dataset_errors
from .scan import scan_points

SAME_MOMENT_NS = 5_000_000  # images of a stereo pair are stamped this near each other


@dataclass(frozen=True, slots=True)
class BagCamera:
    """A camera of a bag: its images' topic and camera_info's, the rectified image's intrinsics, P's last entry of x."""

    path: Path
    topic: str
    info: str
    camera: Intrinsics
    rectified: bool
    Tx: float

    def rgb(self, at: Stamped) -> Array:
        """Read an image, rectified, uint8 (H, W, 3)."""
        rgb = to_rgb(read_message(self.path, self.topic, at))
        check_size(f'{self.path}: {self.topic}', Size(*rgb.shape[:2]), self.camera.size)
        return rgb if self.rectified else rectifier(self.path, self.info).rectify(rgb)


@dataclass(frozen=True, slots=True)
class Clouds:
    """The clouds of a bag: topic, projection (3, 4) into the camera's image, how far [ns] an image may be from one."""

    topic: str
    P_cloud_to_image: Array
    tolerance_ns: float


@dataset_errors
def bag_items(path: Path, split: str = '') -> list[Item]:
    """List the frames of a bag, as one drive; `split` names topics where it is not clear which are meant."""
    with BagReader(path) as bag:
        cameras = choose_topics(bag, split.split(',') if split else ())
        entries = read_stamps(bag, {topic for topics in cameras for topic in (topics.image, topics.cloud, topics.right)
                                    if topic})
        return [item for topics in cameras for item in camera_items(bag, topics, entries)]


def camera_items(bag: BagReader, topics: Topics, entries: Sequence[tuple[str, Stamped]]) -> Iterator[Item]:
    """List the frames of one camera."""
    name = bag.path.stem if bag.path.is_file() else bag.path.name
    camera, clouds = bag_camera(bag, topics.image, topics.info), None
    if topics.cloud:
        options = BagOptions(cloud=topics.cloud, image=topics.image, info=topics.info, time_field='off')
        clouds = clouds_of(BagSource.open(bag.path, options))
    right = bag_camera(bag, topics.right, topics.right_info) if topics.right else None
    baseline_m = stereo_baseline_m(camera, right) if right else 0.0
    rights = [at for topic, at in entries if topic == topics.right] if baseline_m > 0 else []
    for image, cloud in pairs(entries, topics.image, clouds):
        partner = nearest(rights, image.stamp_ns)
        label = f'{topics.image.strip("/")}/{image.number:010d}'
        yield Item(name, name, label, partial(bag_frame, name, label, camera, image, clouds, cloud),
                   partial(right_image, right, partner) if right and partner else None,
                   baseline_m if partner else 0.0, bag.path)


def clouds_of(source: BagSource) -> Clouds:
    """Return the clouds of a bag as a camera that sees them always from one place; DatasetError where it does not."""
    if source.extrinsics.fixed is None:
        raise DatasetError(f'{source.path}: expected a camera that is fixed to the scanner, got {source.camera.frame} '
                           f'that moves against {source.cloud_frame}')
    T_cam_cloud = source.camera.T_lens_cam @ source.extrinsics.fixed
    return Clouds(source.topics.cloud, source.camera.lens.camera.P @ T_cam_cloud, source.tolerance_ns)


def bag_camera(bag: BagReader, topic: str, info: str) -> BagCamera:
    """Read a camera of a bag. Raises DatasetError where it is not calibrated."""
    message = next(bag.messages([info])).msg
    rectified, _ = looks_rectified(message, topic)
    try:
        camera = intrinsics(message, rectified=True) if rectified else Rectifier(message).camera
    except CalibrationError as error:
        raise DatasetError(f'{bag.path}: {info}: {error}') from error
    P = np.asarray(message.p, float).reshape(3, 4)
    return BagCamera(bag.path, topic, info, camera, rectified, float(P[0, 3] / P[0, 0]) if P[0, 0] else 0.0)


def stereo_baseline_m(left: BagCamera, right: BagCamera) -> float:
    """Return how far [m] the right camera of a rectified pair is from the left one; 0 where they are no such pair."""
    alike = left.camera.size == right.camera.size and np.allclose(left.camera.K, right.camera.K, atol=0.01)
    return left.Tx - right.Tx if alike else 0.0


def read_stamps(bag: BagReader, topics: set[str]) -> list[tuple[str, Stamped]]:
    """Read the stamps of some topics: (topic, (stamp of its header [ns], number there, time of its record [ns]))."""
    numbers: Counter[str] = Counter()
    entries = []
    total = sum(bag.topics[topic].count for topic in topics)
    for raw in cli.progress(bag.raw(topics), total=total, unit='message', text=f'reading {bag.path.name}'):
        stamp_ns = header_stamp_ns(raw.data) or raw.stamp_ns
        entries.append((raw.topic, Stamped(stamp_ns, numbers[raw.topic], raw.stamp_ns)))
        numbers[raw.topic] += 1
    return entries


def pairs(entries: Sequence[tuple[str, Stamped]], image: str, clouds: Clouds | None
          ) -> Iterator[tuple[Stamped, Stamped | None]]:
    """Yield each image to use, with its cloud where the bag has clouds."""
    if clouds is None:
        yield from ((at, None) for topic, at in entries if topic == image)
        return
    stream = ((topic == clouds.topic, at) for topic, at in entries if topic in (image, clouds.topic))
    yield from ((found, cloud) for cloud, found in pair_by_time(stream, clouds.tolerance_ns) if found)


def nearest(entries: Sequence[Stamped], stamp_ns: int) -> Stamped | None:
    """Return the entry, in the order of time, that was taken at the same moment as a stamp [ns]."""
    index = bisect_left(entries, stamp_ns, key=lambda at: at.stamp_ns)
    around = entries[max(index - 1, 0) : index + 1]
    found = min(around, key=lambda at: abs(at.stamp_ns - stamp_ns), default=None)
    return found if found and abs(found.stamp_ns - stamp_ns) <= SAME_MOMENT_NS else None


@dataset_errors
def bag_frame(drive: str, name: str, camera: BagCamera, image: Stamped, clouds: Clouds | None, cloud: Stamped | None
              ) -> Frame:
    """Read an image of a bag and the points of its cloud."""
    rgb = camera.rgb(image)
    labels: tuple[Points, ...] = ()
    if clouds and cloud:
        points = cloud_to_xyz(read_message(camera.path, clouds.topic, cloud)).reshape(-1, 3)
        source = f'{camera.path}: {clouds.topic} {cloud.number}'
        labels = (scan_points(points, clouds.P_cloud_to_image, camera.camera, source),)
    return Frame(drive, name, rgb, camera.camera, labels)


@dataset_errors
def right_image(camera: BagCamera, at: Stamped) -> Array:
    """Read the right image of a pair."""
    return camera.rgb(at)


def read_message(path: Path, topic: str, at: Stamped) -> Any:
    """Read one message of a bag from where it is; raises DatasetError where it is not there any more."""
    for found in opened(path).messages([topic], at.message, at.message + 1):
        header_ns = found.msg.header.stamp.sec * 1_000_000_000 + found.msg.header.stamp.nanosec
        if (header_ns or found.stamp_ns) == at.stamp_ns:
            return found.msg
    raise DatasetError(f'{path}: expected message {at.number} of {topic}, recorded at {at.message} ns, got none; '
                       'was the bag changed meanwhile?')


def opened(path: Path) -> BagReader:
    """Return a reader of a bag that is this process's and thread's own: forks and threads must not share a file."""
    return _opened(path, os.getpid(), threading.get_ident())


@lru_cache(maxsize=16)
def _opened(path: Path, process: int, thread: int) -> BagReader:
    return BagReader(path)


@lru_cache(maxsize=16)
def rectifier(path: Path, info: str) -> Rectifier:
    """Return the rectification of a camera of a bag, built once in each process."""
    return Rectifier(next(opened(path).messages([info])).msg)
