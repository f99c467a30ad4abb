"""The node's publishers: a message is made only if somebody subscribes, in memory kept from frame to frame."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2

from msg_tools.camera import Array, Intrinsics, Size, cloud_of, scaled_rays
from msg_tools.camera_info import fill_camera_info
from msg_tools.cloud import cloud_buffer, fill_cloud
from msg_tools.colors import depth_colors
from msg_tools.compressed_depth import fill_compressed_depth
from msg_tools.image import fill_image
from msg_tools.message_data import data_buffer

from ..config import NodeConfig
from ..estimator import DepthResult
from ..monitor import Frame

SLOTS = 2  # messages of each kind: one is filled while the other one is published
QUEUE = 2  # a slow subscriber gets the newest frames, not old ones
MM_PER_M = 1000.0
MAX_MM = 65535
NEAR_TO_FAR = 40.0  # the preview's colors span 2 to 80 m where 80 m is the maximum


@dataclass(frozen=True, slots=True)
class Scene:
    """What the messages of one frame are made of."""

    rgb: Array  # uint8 (H, W, 3), rectified
    result: DepthResult
    config: NodeConfig

    @property
    def camera(self) -> Intrinsics | None:
        """Return the intrinsics of the rectified image; None: uncalibrated."""
        return self.result.plan.camera


class Output:
    """One publisher, its message, and the function that fills it; False from that: there is nothing to publish."""

    def __init__(self, node: Node, kind: type, topic: str, fill: Callable[[Any, Scene], bool]) -> None:
        qos = QoSProfile(depth=QUEUE, reliability=ReliabilityPolicy.RELIABLE)
        options = QoSOverridingOptions.with_default_policies()
        self.publisher: Any = node.create_publisher(kind, topic, qos, qos_overriding_options=options)
        self.topic, self.fill = topic, fill
        self.messages = tuple(kind() for _ in range(SLOTS))

    @property
    def wanted(self) -> bool:
        """Return whether anybody subscribes."""
        return self.publisher.get_subscription_count() > 0

    def publish(self, scene: Scene, header: Any, slot: int) -> None:
        """Make the message of this frame and publish it."""
        message = self.messages[slot]
        if self.fill(message, scene):
            message.header = header
            self.publisher.publish(message)


@dataclass(frozen=True, slots=True)
class Job:
    """A frame whose depth is known, to be published."""

    frame: Frame
    wanted: list[Output]
    scene: Scene
    header: Any
    slot: int  # which of the messages is its own


class Outputs:
    """All that the node publishes about a frame."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.depth = Output(node, Image, 'depth/image_rect', fill_depth)
        compressed = f'{node.resolve_topic_name(self.depth.topic)}/compressedDepth'  # as image_transport names it
        self.all = (
            self.depth,
            Output(node, CompressedImage, compressed, fill_compressed),
            Output(node, CameraInfo, 'depth/camera_info', fill_info),
            Output(node, PointCloud2, 'points', CloudFiller()),
            Output(node, Image, 'confidence', fill_confidence),
            Output(node, Image, 'depth/image_color', fill_color),
        )

    def wanted(self) -> list[Output]:
        """Return the outputs that somebody subscribes to."""
        return [output for output in self.all if output.wanted]

    def depth_buffer(self, size: Size, config: NodeConfig, slot: int) -> Array | None:
        """Return the memory float32 (H, W) of an outgoing depth image, for the estimator to write to."""
        if config.depth_encoding != '32FC1':
            return None
        return data_buffer(self.depth.messages[slot], size.pixels * 4).view(np.float32).reshape(size.shape)

    def publish(self, job: Job) -> None:
        """Publish the outputs of one frame, with the stamp and frame_id of its image."""
        for output in job.wanted:
            output.publish(job.scene, job.header, job.slot)

    def destroy(self) -> None:
        """Take the publishers down."""
        for output in self.all:
            self.node.destroy_publisher(output.publisher)


def fill_depth(msg: Image, scene: Scene) -> bool:
    """Fill the depth image: 32FC1 in metres, or 16UC1 in millimetres."""
    fill_image(msg, encoded(scene), scene.config.depth_encoding)
    return True


def fill_compressed(msg: CompressedImage, scene: Scene) -> bool:
    """Fill the depth image as image_transport compresses it."""
    config = scene.config
    fill_compressed_depth(msg, encoded(scene), config.depth_encoding, config.compressed_depth, config.min_depth_m)
    return True


def encoded(scene: Scene) -> Array:
    """Return the depth (H, W) in the encoding that is asked for: float32 [m] or uint16 [mm]."""
    depth_m = scene.result.depth_m
    return depth_m if scene.config.depth_encoding == '32FC1' else millimetres(depth_m)


def fill_info(msg: CameraInfo, scene: Scene) -> bool:
    """Fill the camera_info of the depth image; K of zeros where the camera is uncalibrated."""
    if scene.camera is not None:
        fill_camera_info(msg, scene.camera)
        return True
    msg.height, msg.width = scene.result.plan.size.shape
    msg.k, msg.p = np.zeros(9), np.zeros(12)
    return True


def fill_confidence(msg: Image, scene: Scene) -> bool:
    """Fill the confidence image, 32FC1 in 0..1."""
    fill_image(msg, scene.result.confidence, '32FC1')
    return True


def fill_color(msg: Image, scene: Scene) -> bool:
    """Fill the color preview of the depth."""
    far_m = scene.config.max_depth_m
    fill_image(msg, depth_colors(scene.result.depth_m, far_m / NEAR_TO_FAR, far_m), 'rgb8')
    return True


class CloudFiller:
    """Fills the organised cloud: the rays of the pixels, kept as long as the camera stays, times their depth."""

    def __init__(self) -> None:
        self._made_for: tuple[Intrinsics, int] | None = None
        self._rays: Array = np.empty((0, 0, 3), np.float32)
        self._z: Array = np.empty((0, 0), np.float32)
        self._beyond: Array = np.empty((0, 0), bool)

    def __call__(self, msg: PointCloud2, scene: Scene) -> bool:
        if scene.camera is None:
            return False
        stride = scene.config.cloud_stride
        self._prepare(scene.camera, stride)
        z = self._in_range(scene.result.depth_m[::stride, ::stride], scene.config.cloud_max_range_m)
        if scene.config.cloud_colored:
            fill_cloud(msg, cloud_of(z, self._rays), scene.rgb[::stride, ::stride])
        else:
            scaled_rays(self._rays, z, cloud_buffer(msg, *z.shape))
        return True

    def _prepare(self, camera: Intrinsics, stride: int) -> None:
        """Make the points at 1 m depth (H, W, 3) of every stride-th pixel, and memory for their depth."""
        if self._made_for != (camera, stride):
            self._rays, self._made_for = camera.rays(stride), (camera, stride)
            self._z = np.empty(self._rays.shape[:2], np.float32)
            self._beyond = np.empty(self._z.shape, bool)

    def _in_range(self, depth_m: Array, max_range_m: float) -> Array:
        """Return the depth (H, W), in memory that is kept, with NaN for what is farther than the range or +Inf."""
        np.copyto(self._z, depth_m)
        np.greater(self._z, np.float32(max_range_m), out=self._beyond)
        np.putmask(self._z, self._beyond, np.float32(np.nan))
        return self._z


def millimetres(depth_m: Array) -> Array:
    """Return depth (H, W) [m] as uint16 [mm]: 0 where it is not finite or does not fit.

    >>> millimetres(np.float32([[1.5, np.nan], [np.inf, 70.0]])).tolist()
    [[1500, 0], [0, 0]]
    """
    depth_mm = np.rint(depth_m * np.float32(MM_PER_M))
    return np.where(depth_mm <= MAX_MM, depth_mm, np.float32(0)).astype(np.uint16)
