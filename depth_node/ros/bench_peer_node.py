"""A depth node as the usual wrappers of published networks are written, for benchmarks to set beside ours.

Written as these do it, in our own words: github.com/polatztrk/depth_anything_ros (subscription with a queue of 10,
everything in its callback, the cloud from all points with tobytes) and github.com/grupo-avispa/depth_anything_v2_ros2
(queue of 1; cv_bridge's conversions). Kinder than the first in loading the network once. It asks for no
camera_info's stamp, checks no size, and drops nothing itself: what its queue overwrites, nobody counts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image, PointCloud2, PointField

from msg_tools.camera import Array, Size

from ..frames import stamp_ns
from ..monitor import Monitor, Snapshot
from .diagnostics import Diagnostics, Facts
from .spin import ros_context, spin

MEAN = np.array([0.485, 0.456, 0.406], np.float32)  # ImageNet's
STD = np.array([0.229, 0.224, 0.225], np.float32)
POINT = np.dtype(np.float32).itemsize * 3  # bytes
PERIOD_S = 1.0  # of the diagnostics, as ours


@dataclass(frozen=True, slots=True)
class Network:
    """A network from a float32 input (1, 3, h, w) to one map of that size or less."""

    infer: Callable[[Array], Array]
    size: Size  # of the input
    description: str


class PeerNode(Node):
    """Subscribes to image and camera_info, and publishes depth, its camera_info and a cloud from the callback."""

    def __init__(self, network: Network, queue: int, stride: int) -> None:
        """Subscribe with a queue of this depth; the cloud has every stride-th pixel, as ours has."""
        super().__init__('peer_node')
        self.network, self.stride = network, stride
        self.info: CameraInfo | None = None
        self.monitor = Monitor()
        self.depth_publisher = self.create_publisher(Image, 'depth/image_rect', 10)
        self.info_publisher = self.create_publisher(CameraInfo, 'depth/camera_info', 10)
        self.cloud_publisher = self.create_publisher(PointCloud2, 'points', 10)
        self.create_subscription(CameraInfo, 'camera_info', self.on_info, 10)
        self.create_subscription(Image, 'image', self.on_image, queue)
        self.diagnostics = Diagnostics(self, PERIOD_S, self.observe)

    def on_info(self, info: CameraInfo) -> None:
        """Keep the camera's intrinsics."""
        self.info = info

    def on_image(self, image: Image) -> None:
        """Make depth and cloud of an image and publish them."""
        self.monitor.receive(self.age_s(image))
        with self.monitor.frame() as frame:
            rgb = frame.stage('convert', to_rgb, image)
            values = frame.stage('prepare', prepared, rgb, self.network.size)
            raw = frame.stage('infer', self.network.infer, values)
            depth = frame.stage('resize', resized, raw, rgb.shape[:2])
            frame.stage('publish', self.publish, depth, image.header)
            frame.seconds['publish age'] = self.age_s(image)

    def publish(self, depth: Array, header: Any) -> None:
        """Publish depth, its camera_info, and a cloud if somebody subscribes to one."""
        self.depth_publisher.publish(depth_message(depth, header))
        if self.info is not None:
            self.info.header = header
            self.info_publisher.publish(self.info)
            if self.cloud_publisher.get_subscription_count():
                self.cloud_publisher.publish(cloud_message(depth, self.info, self.stride, header))

    def age_s(self, image: Image) -> float:
        """Return how long ago [s] the image was taken."""
        return (self.get_clock().now().nanoseconds - stamp_ns(image)) * 1e-9

    def observe(self) -> tuple[Facts, Snapshot]:
        """Return what diagnostics tell."""
        return Facts(state='active', network=self.network.description), self.monitor.snapshot()


def run(network: Network, queue: int, stride: int, ros_args: Sequence[str]) -> None:
    """Run the node until SIGINT or SIGTERM; its publishers have the DDS profile that ours have."""
    with ros_context(ros_args) as stop:
        spin(PeerNode(network, queue, stride), stop)


def to_rgb(image: Image) -> Array:
    """Return rgb8 or bgr8 pixels as RGB uint8 (H, W, 3), as cv_bridge does."""
    pixels = np.ndarray((image.height, image.width, 3), np.uint8, image.data, 0, (image.step, 3, 1))
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB) if image.encoding == 'bgr8' else pixels


def prepared(rgb: Array, size: Size) -> Array:
    """Return an image as the input float32 (1, 3, h, w) of a network."""
    values = cv2.resize(rgb.astype(np.float32) / 255.0, (size.width, size.height), interpolation=cv2.INTER_CUBIC)
    return np.ascontiguousarray(((values - MEAN) / STD).transpose(2, 0, 1)[None], np.float32)


def resized(raw: Array, shape: Sequence[int]) -> Array:
    """Return a network's map, whatever axes of length 1 it has, as float32 (H, W) of the image's size."""
    return cv2.resize(np.squeeze(raw), (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR).astype(np.float32)


def depth_message(depth: Array, header: Any) -> Image:
    """Return a 32FC1 image, as cv_bridge makes it."""
    height, width = depth.shape
    message = Image(header=header, height=height, width=width, encoding='32FC1', step=width * 4)
    message.data.frombytes(depth.tobytes())
    return message


def cloud_message(depth: Array, info: CameraInfo, stride: int, header: Any) -> PointCloud2:
    """Return the cloud of every stride-th pixel, from grids and divisions made for each image."""
    z = depth[::stride, ::stride]
    v, u = np.mgrid[: depth.shape[0] : stride, : depth.shape[1] : stride]
    x, y = (u - info.k[2]) * z / info.k[0], (v - info.k[5]) * z / info.k[4]
    points = np.stack([x, y, z], -1).astype(np.float32)
    fields = [PointField(name=name, offset=4 * i, datatype=PointField.FLOAT32, count=1) for i, name in enumerate('xyz')]
    height, width = z.shape
    message = PointCloud2(header=header, height=height, width=width, fields=fields, is_dense=False, point_step=POINT,
                          row_step=POINT * width)
    message.data.frombytes(points.tobytes())
    return message
