"""A camera for benchmarks, in a process of its own: images at a fixed rate or flat out, stamped when they go out."""

from __future__ import annotations

import argparse
import time
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import rclpy
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

from ..frames import stamp_ns
from .spin import Stop, ros_context

NAME = 'bench_camera'
KITTI = Intrinsics(721.5377, 721.5377, 609.5593, 172.854, Size(375, 1242))
MAX_IMAGES = 32  # of a bag; played again and again
FLAT_OUT = 'max'
ON_THE_WAY = 2  # images at a time when flat out: one that the node works on, and one that waits
LOST_S = 5.0  # after so long without an answer the images on the way are given up when flat out
DISCOVERY_S = 0.5  # until the publisher knows of us, too


def main(argv: list[str] | None = None) -> int:
    """Publish until the time is over or a signal comes, then print how many images went out."""
    parser = argparse.ArgumentParser(NAME)
    parser.add_argument('namespace')
    parser.add_argument('rate', help=f'images a second, or {FLAT_OUT}')
    parser.add_argument('seconds', type=float)
    parser.add_argument('stamps', type=Path, help='file to write the stamps [ns] of all images to, as .npy')
    parser.add_argument('bag', nargs='?', type=Path)
    args = parser.parse_args(argv)
    return cli.run(NAME, lambda: run(args))


def run(args: argparse.Namespace) -> None:
    """Publish the images that the arguments ask for."""
    images, info = read_images(args.bag) if args.bag else make_images()
    with ros_context([]) as stop:
        node = Node('camera', namespace=args.namespace, start_parameter_services=False)
        camera = Camera(node, images, info)
        camera.wait_for_subscribers(stop)
        if args.rate == FLAT_OUT:
            flat_out(camera, args.seconds, stop)
        else:
            at_rate(camera, float(args.rate), args.seconds, stop)
        np.save(args.stamps, np.array(camera.stamps, np.int64))  # at once: it tells the listener that this was the last
        time.sleep(0.5)  # until that one has left
        cli.print_json({'sent': len(camera.stamps), 'image': f'{info.width}x{info.height} {images[0].encoding}'})
        node.destroy_node()


class Camera:
    """Publishes images one after the other, each with its camera_info, stamped when it goes out."""

    def __init__(self, node: Node, images: Sequence[Image], info: CameraInfo) -> None:
        self.node, self.images, self.info = node, images, info
        self.stamps = array('q')  # [ns]; 8 bytes an image, however long it runs
        qos = QoSProfile(depth=1)
        self.image_publisher = node.create_publisher(Image, 'image', qos)
        self.info_publisher = node.create_publisher(CameraInfo, 'camera_info', qos)

    def wait_for_subscribers(self, stop: Stop) -> None:
        """Wait until somebody takes images and camera_infos."""
        both = self.image_publisher, self.info_publisher
        while not (stop.is_set() or all(publisher.get_subscription_count() for publisher in both)):
            time.sleep(0.05)

    def publish(self) -> None:
        """Publish the next image."""
        image = self.images[len(self.stamps) % len(self.images)]
        now = self.node.get_clock().now()
        image.header.stamp = self.info.header.stamp = now.to_msg()
        self.info.header.frame_id = image.header.frame_id
        self.info_publisher.publish(self.info)
        self.image_publisher.publish(image)
        self.stamps.append(now.nanoseconds)


def at_rate(camera: Camera, rate_hz: float, seconds: float, stop: Stop) -> None:
    """Publish images at a fixed rate; a late one does not shift those after it."""
    begin = time.monotonic()
    while not stop.is_set() and len(camera.stamps) < seconds * rate_hz:
        time.sleep(max(0.0, begin + len(camera.stamps) / rate_hz - time.monotonic()))
        camera.publish()


def flat_out(camera: Camera, seconds: float, stop: Stop) -> None:
    """Keep two images on the way: publish one for each that the node has answered, or given up.

    The node then always has work and no image waits for long: what comes out is the rate that the machine can do. An
    answer is the small depth/camera_info that comes with every depth image; a camera that took the depth itself would
    be one more subscriber to serve.
    """
    answers = Answers(camera.node, stop)
    end_s = time.monotonic() + seconds
    while not stop.is_set() and time.monotonic() < end_s:
        while len(answers.on_the_way) < ON_THE_WAY:
            camera.publish()
            answers.on_the_way.append(camera.stamps[-1])
        answers.wait()


class Answers:
    """The images on the way, by their stamps [ns]: an answer to one is the end of those before it, too."""

    def __init__(self, node: Node, stop: Stop) -> None:
        """Subscribe, and wait until the node is there: an answer that is missed costs a pause."""
        self.node, self.heard_s = node, time.monotonic()
        self.on_the_way: list[int] = []
        node.create_subscription(CameraInfo, 'depth/camera_info', self._on_answer, 10)
        while not stop.is_set() and node.count_publishers('depth/camera_info') == 0:
            time.sleep(0.05)
        time.sleep(DISCOVERY_S)

    def wait(self) -> None:
        """Wait a moment for an answer; after a long silence give up what is on the way."""
        rclpy.spin_once(self.node, timeout_sec=0.1)
        if time.monotonic() - self.heard_s > LOST_S:
            self.on_the_way, self.heard_s = [], time.monotonic()

    def _on_answer(self, info: CameraInfo) -> None:
        self.on_the_way = [stamp for stamp in self.on_the_way if stamp > stamp_ns(info)]
        self.heard_s = time.monotonic()


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
