"""A bag as a source of velodyne_to_depth: clouds and images paired by time, extrinsics by the names of the frames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from ..bag import BagReader
from ..camera import Array, Size
from ..cloud import cloud_to_array, cloud_to_xyz
from ..errors import CloudError, DepthNodeError
from ..image import to_rgb
from ..image_header import encoded_size
from ..kitti_messages import CLOUD_TOPIC, VELODYNE
from ..tf import clean
from .bag_camera import BagCamera, Extrinsics, bag_camera, bag_rig, baseline_m, extrinsics
from .bag_listing import Places, list_bag
from .bag_poses import bag_trajectory, fixed_transform
from .bag_reading import CdrMessage, Key, decode, opened, read_messages
from .bag_topics import BagOptions, Topics, period_ns, tolerance_ns
from .point_times import TimeField
from .sources import Entry, Frame, View, check_size
from .trajectory import Trajectory

DEFAULTS = BagOptions()
FIRST_CLOUDS = 10  # among which one tells what the points' times are


@dataclass(frozen=True, eq=False)
class BagSource:
    """The clouds of a bag with the nearest images, as one camera sees them.

    >>> BagSource.open(Path('drive.bag'), BagOptions(cloud='/lidar', image='/front/image_raw'))  # doctest: +SKIP
    """

    path: Path
    topics: Topics
    camera: BagCamera
    extrinsics: Extrinsics
    cloud_frame: str
    tolerance_ns: float
    times: TimeField | None = None
    turn_s: tuple[float, float] | None = None
    baseline_m: float | None = None
    warnings: tuple[str, ...] = ()
    exposure: str = 'image'

    @classmethod
    def open(cls, path: Path, options: BagOptions = DEFAULTS) -> BagSource:
        """Open a bag. Raises BagError for the bag and its topics, CalibrationError for camera_info and transforms."""
        rig = bag_rig(options)
        with BagReader(path) as bag:
            topics = Topics.choose(bag, options)
            camera = bag_camera(bag, topics, options.raw_images, rig)
            cloud_frame = str(next(bag.messages([topics.cloud])).msg.header.frame_id)
            where = Extrinsics(rig.T_cam_scanner) if rig else extrinsics(bag, topics, camera.frame, cloud_frame)
            times = None if options.time_field == 'off' else time_field(bag, topics.cloud, options.time_field)
            kitti = topics.cloud == CLOUD_TOPIC or clean(cloud_frame) == VELODYNE
            turn_s = period_ns(bag, topics.cloud) * 1e-9 if kitti and options.turn_s is None else options.turn_s
            return cls(
                Path(path), topics, camera, where, cloud_frame, tolerance_ns(bag, topics, options.tolerance_s), times,
                (-turn_s / 2, turn_s / 2) if turn_s else None, baseline_m(bag, topics),
                camera.warnings + where.warnings, 'cloud' if kitti else 'image')

    def entries(self) -> list[Entry]:
        """List the clouds in the order of their stamps; one without an image in time says so in `skip`."""
        with BagReader(self.path) as bag:
            return list_bag(bag, self.topics, self.tolerance_ns)

    def read(self, entries: Sequence[Entry]) -> Iterator[Frame]:
        """Read clouds and images of entries; a broken message, or a hole in the bag, is that frame's error."""
        found = read_messages(self.path, [self._keys(entry.payload) for entry in entries])
        for entry, messages in zip(entries, found, strict=True):
            try:
                if isinstance(messages, DepthNodeError):
                    raise messages
                yield self._frame(entry, messages)
            except DepthNodeError as error:
                yield Frame(entry, error=error)

    def view(self, entry: Entry) -> View:
        """Return the camera; where links between it and the scanner move, as they are at the cloud's stamp."""
        T_lens_scanner = self.camera.T_lens_cam @ self.extrinsics.at(entry.cloud_stamp_ns)
        return View(self.camera.lens, T_lens_scanner, self.baseline_m)

    def trajectory(self) -> Trajectory:
        """Return where the scanner was, from /tf or the bag's only odometry. Raises PosesError where there is none."""
        with BagReader(self.path) as bag:
            return bag_trajectory(bag, self.cloud_frame)

    def T_body_scanner(self, body: str) -> Array:
        """Return where the scanner is to what poses may be of: 'scanner', 'camera' (raw), or a frame of /tf by name.

        Raises PosesError where the transforms do not say.
        """
        if body == 'scanner':
            return np.eye(4)
        if body == 'camera' and self.extrinsics.fixed is not None:
            return self.extrinsics.fixed
        with BagReader(self.path) as bag:
            frame = self.camera.frame if body == 'camera' else body
            return fixed_transform(bag, 'the pose file', frame, self.cloud_frame)

    def _keys(self, places: Places) -> list[Key]:
        topics = self.topics.cloud, self.topics.image, self.topics.right
        return [(topic, place) for topic, place in zip(topics, places, strict=True) if place]

    def _frame(self, entry: Entry, messages: dict[Key, CdrMessage]) -> Frame:
        by_topic = {topic: message for (topic, _), message in messages.items()}
        cloud = by_topic[self.topics.cloud]
        assert entry.cloud_stamp_ns is not None
        points, offsets_s = points_of(decode(self.path, cloud), self.times, entry.cloud_stamp_ns)
        turn_s = self.turn_s if offsets_s is None else None
        image, right = (self._picture(topic, by_topic[topic]) if topic in by_topic else None
                        for topic in (self.topics.image, self.topics.right))
        return Frame(entry, points, offsets_s, turn_s, image, right)

    def _picture(self, topic: str, message: CdrMessage) -> BagPicture:
        picture = BagPicture(self, topic, message)
        size = picture.size()
        if size is not None:
            check_size(topic, size, self.camera.lens.size)
        return picture

    @cached_property
    def _rectifiers(self) -> dict[str, Any]:
        """Return what rectifies the images of each topic, built when first needed."""
        return {}

    def rectify(self, topic: str, rgb: Array) -> Array:
        """Return an image as the camera's lens sees it: rectified where that is asked for and needed."""
        if self.camera.info is None:
            return rgb
        if topic not in self._rectifiers:
            if topic == self.topics.image:
                self._rectifiers[topic] = self.camera.rectifier()
            else:
                right = Topics(self.topics.cloud, topic, self.topics.right_info)
                self._rectifiers[topic] = bag_camera(opened(self.path), right).rectifier()
        rectifier = self._rectifiers[topic]
        return rgb if rectifier is None else np.asarray(rectifier.rectify(rgb))


@dataclass(frozen=True, eq=False)
class BagPicture:
    """An image message that is decoded when it is called."""

    source: BagSource
    topic: str
    message: CdrMessage

    def __call__(self) -> Array:
        """Return the image uint8 (H, W, 3), rectified if need be. Raises ImageError or BagError where it is broken."""
        rgb = to_rgb(decode(self.source.path, self.message))
        check_size(self.topic, Size(*rgb.shape[:2]), self.source.camera.lens.size)
        return self.source.rectify(self.topic, rgb)

    def size(self) -> Size | None:
        """Return the image's size without decoding its pixels; None where that cannot be told."""
        msg = decode(self.source.path, self.message)
        return Size(msg.height, msg.width) if hasattr(msg, 'encoding') else encoded_size(msg.data)


def points_of(msg: Any, times: TimeField | None, stamp_ns: int) -> tuple[Array, Array | None]:
    """Return the points float32 (N, 3) [m] of a cloud, organised or not, and when each was measured if it says so.

    Raises CloudError where the cloud is broken or empty, or its times cannot be.
    """
    points = np.ascontiguousarray(cloud_to_xyz(msg).reshape(-1, 3))
    if not len(points):
        raise CloudError('expected a cloud with points, got none')
    return points, times.offsets_s(cloud_to_array(msg), stamp_ns) if times else None


def time_field(bag: BagReader, topic: str, name: str = '') -> TimeField | None:
    """Return the field of the points' times in a topic's clouds, from the first that tells. Raises CloudError."""
    clouds = []
    for message in islice(bag.messages([topic]), FIRST_CLOUDS):
        try:
            clouds.append(cloud_to_array(message.msg))
        except CloudError:  # a broken one fails when its turn comes
            continue
        if {'x', 'y', 'z'} <= set(clouds[-1].dtype.names or ()) and (found := TimeField.find(clouds[-1:], name)):
            return found
    return None
