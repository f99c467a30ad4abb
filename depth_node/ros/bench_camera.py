"""A camera for benchmarks, in a process of its own: images at a fixed rate, stamped when they are published."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CameraInfo, Image

from msg_tools import cli
from msg_tools.bag import BagReader
from msg_tools.camera import Intrinsics, Size
from msg_tools.camera_info import fill_camera_info
from msg_tools.errors import BagError
from msg_tools.image import fill_image

from .spin import Stop, ros_context

NAME = 'bench_camera'
KITTI = Intrinsics(721.5377, 721.5377, 609.5593, 172.854, Size(375, 1242))
MAX_IMAGES = 32  # of a bag; played again and again


def main(argv: list[str] | None = None) -> int:
    """Publish until the time is over or a signal comes, then print how many images went out."""
    parser = argparse.ArgumentParser(NAME)
    parser.add_argument('namespace')
    parser.add_argument('rate_hz', type=float)
    parser.add_argument('seconds', type=float)
    parser.add_argument('bag', nargs='?', type=Path)
    args = parser.parse_args(argv)
    return cli.run(NAME, lambda: run(args))


def run(args: argparse.Namespace) -> None:
    """Publish the images that the arguments ask for."""
    images, info = read_images(args.bag) if args.bag else make_images()
    with ros_context([]) as stop:
        node = Node('camera', namespace=args.namespace, start_parameter_services=False)
        sent = publish(node, images, info, args.rate_hz, args.seconds, stop)
        cli.print_json({'sent': sent, 'image': f'{images[0].width}x{images[0].height} {images[0].encoding}'})
        node.destroy_node()


def publish(node: Node, images: Sequence[Image], info: CameraInfo, rate_hz: float, seconds: float, stop: Stop) -> int:
    """Publish images at a fixed rate and return their number; a late one does not shift those after it."""
    qos = QoSProfile(depth=1)
    publishers = node.create_publisher(Image, 'image', qos), node.create_publisher(CameraInfo, 'camera_info', qos)
    while not (stop.is_set() or all(publisher.get_subscription_count() for publisher in publishers)):
        time.sleep(0.05)
    begin = time.monotonic()
    count = 0
    while not stop.is_set() and count < seconds * rate_hz:
        time.sleep(max(0.0, begin + count / rate_hz - time.monotonic()))
        image = images[count % len(images)]
        image.header.stamp = info.header.stamp = node.get_clock().now().to_msg()
        info.header.frame_id = image.header.frame_id
        publishers[1].publish(info)
        publishers[0].publish(image)
        count += 1
    time.sleep(0.5)  # until the last one has left
    return count


def make_images() -> tuple[list[Image], CameraInfo]:
    """Return a few different images of KITTI's size."""
    rng = np.random.default_rng(0)
    images = []
    for _ in range(4):
        small = rng.integers(0, 256, (24, 80, 3), np.uint8)
        pixels = cv2.resize(small, (KITTI.size.width, KITTI.size.height), interpolation=cv2.INTER_CUBIC)
        images.append(fill_image(Image(), pixels, 'rgb8'))
        images[-1].header.frame_id = 'camera'
    return images, fill_camera_info(CameraInfo(), KITTI)


def read_images(path: Path) -> tuple[list[Image], CameraInfo]:
    """Return the first images of a bag's first image topic that has a camera_info beside it."""
    with BagReader(path) as bag:
        for topic, about in bag.topics.items():
            info_topic = topic.rpartition('/')[0] + '/camera_info'
            if about.type == 'sensor_msgs/msg/Image' and info_topic in bag.topics:
                images = first_messages(bag, topic, Image, MAX_IMAGES)
                return images, first_messages(bag, info_topic, CameraInfo, 1)[0]
    raise BagError(f'{path}: expected a sensor_msgs/msg/Image topic with a camera_info beside it, got none')


def first_messages(bag: BagReader, topic: str, kind: type, count: int) -> list[Any]:
    """Return the first messages of a topic."""
    return [deserialize_message(bytes(raw.data), kind) for raw, _ in zip(bag.raw([topic]), range(count), strict=False)]


if __name__ == '__main__':
    raise SystemExit(main())
