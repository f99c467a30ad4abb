"""Which topics of a bag make a dataset: those that the user named, known by their types, or the only ones there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from msg_tools.bag import BagReader
from msg_tools.ground_truth.bag_topics import CLOUD_TYPE, IMAGE_TYPES, INFO_TYPE
from msg_tools.image_encodings import ENCODINGS
from msg_tools.kitti_messages import CAMERA_TOPICS, CLOUD_TOPIC

from .frame import DatasetError

KITTI_LEFT = f'{CAMERA_TOPICS[2]}/image_raw'
PACKED = '/compressed'


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of one camera: its images and camera_info, the cloud and the right images, '' where there are none."""

    image: str
    info: str
    cloud: str = ''
    right: str = ''
    right_info: str = ''


def choose_topics(bag: BagReader, names: Sequence[str] = ()) -> list[Topics]:
    """Return the topics of each camera to use; raises DatasetError where a name is none, or it is not clear which."""
    unknown = [name for name in names if name not in bag.topics]
    named = {kind: [name for name in names if name not in unknown and bag.topics[name].type in types]
             for kind, types in (('image', IMAGE_TYPES), ('cloud', (CLOUD_TYPE,)), ('info', (INFO_TYPE,)))}
    other = [name for name in names if not any(name in found for found in named.values())]
    if other or max(len(named['cloud']), len(named['info'])) > 1:
        raise DatasetError(f'{bag.path}: expected topics of images, one PointCloud2 and one camera_info, '
                           f'got {", ".join(other or names)}; there are {listed(bag, list(bag.topics))}')
    images = named['image'] or [the_image(bag)]
    return [camera_topics(bag, image, named['cloud'], named['info']) for image in images]


def camera_topics(bag: BagReader, image: str, clouds: Sequence[str], infos: Sequence[str]) -> Topics:
    """Return the topics that belong to those of images; raises DatasetError where there is no camera_info."""
    info = infos[0] if infos else info_beside(image)
    if not has_messages(bag, info):
        raise DatasetError(f'{bag.path}: expected camera_info of {image} on {info}, got no such messages; name its '
                           f'topic: bag:PATH#{image},TOPIC')
    right = right_of(image)
    stereo = bool(right) and has_messages(bag, right) and has_messages(bag, info_beside(right))
    return Topics(image, info, clouds[0] if clouds else the_cloud(bag, image), *((right, info_beside(right)) * stereo))


def the_image(bag: BagReader) -> str:
    """Return the topic of images that nobody had to name: kitti2bag's, or the only one with colours or grey."""
    for name in (KITTI_LEFT, KITTI_LEFT + PACKED):
        if has_messages(bag, name):
            return name
    found = [name for name, info in bag.topics.items() if info.type in IMAGE_TYPES and shows_colors(bag, name)]
    found = [name for name in found if name.removesuffix(PACKED) not in found or not name.endswith(PACKED)]
    left = [name for name in found if name not in map(right_of, found)]
    if len(left) != 1:
        what = 'got these; choose by bag:PATH#TOPIC' if left else 'got none'
        raise DatasetError(f'{bag.path}: expected one topic of images, {what}: {listed(bag, left or list(bag.topics))}')
    return left[0]


def the_cloud(bag: BagReader, image: str) -> str:
    """Return the topic of clouds that nobody had to name, '' where there is none; raises DatasetError for several."""
    if has_messages(bag, CLOUD_TOPIC):
        return CLOUD_TOPIC
    frame = frame_of(bag, image)  # clouds in the camera's own frame come from a depth camera, or from depth_node
    found = [name for name, info in bag.topics.items()
             if info.type == CLOUD_TYPE and info.count and frame_of(bag, name) != frame]
    if len(found) > 1:
        raise DatasetError(f'{bag.path}: expected one topic of LiDAR clouds, got {", ".join(found)}; '
                           f'choose by bag:PATH#{image},TOPIC')
    return found[0] if found else ''


def right_of(image: str) -> str:
    """Return the name that the right camera's topic would have; '' for one that is not called left."""
    return image.replace('left', 'right') if 'left' in image else ''


def info_beside(image: str) -> str:
    """Return the topic of camera_info beside one of images."""
    return f'{image.removesuffix(PACKED).rpartition("/")[0]}/camera_info'


def has_messages(bag: BagReader, topic: str) -> bool:
    """Tell whether a topic is there, and not empty."""
    return topic in bag.topics and bag.topics[topic].count > 0


def shows_colors(bag: BagReader, topic: str) -> bool:
    """Tell whether the images of a topic show colours or grey, and not depth."""
    first = next(bag.messages([topic]), None)
    if first is None:
        return False
    if hasattr(first.msg, 'format'):
        return 'compressedDepth' not in first.msg.format
    meaning = ENCODINGS.get(first.msg.encoding)
    return meaning is not None and meaning.color is not None


def frame_of(bag: BagReader, topic: str) -> str:
    """Return the coordinate frame of a topic's first message."""
    return str(next(bag.messages([topic])).msg.header.frame_id)


def listed(bag: BagReader, names: Sequence[str]) -> str:
    """Say which topics there are."""
    return ', '.join(f'{name} ({bag.topics[name].type})' for name in names) or 'none'
