"""The node's subscriptions: newest image and camera_info, with the QoS that their publishers offer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from ..frames import RECENT_INFOS, Pair, Pairing
from .parameters import Parameters

IMAGE_QUEUE = 4  # images are only stored on arrival; were it 1, one that DDS replaced after a hiccup would go uncounted
CHECK_PERIOD_S = 0.5  # how soon another publisher's QoS is followed


class Inputs:
    """Subscribes to image and camera_info and gives each image with its camera_info to `on_pair`, without delay."""

    def __init__(
        self,
        node: Node,
        parameters: Parameters,
        on_image: Callable[[Any], None],
        on_pair: Callable[[Pair], None],
        on_drop: Callable[[str], None],
    ) -> None:
        """Subscribe at once; on_image sees every image, on_drop the reason why one got no camera_info."""
        self.node, self.parameters, self.on_image, self.on_pair = node, parameters, on_image, on_pair
        self.pairing = Pairing(on_drop)
        kind, topic = image_source(node, parameters.config.image_transport)
        self.image = FollowingSubscription(node, kind, topic, IMAGE_QUEUE, self._on_image)
        self.info = FollowingSubscription(node, CameraInfo, 'camera_info', RECENT_INFOS, self._on_info)
        self.timer = node.create_timer(CHECK_PERIOD_S, self._follow, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self._follow()

    def destroy(self) -> None:
        """Unsubscribe."""
        self.node.destroy_timer(self.timer)
        self.image.destroy()
        self.info.destroy()

    def _follow(self) -> None:
        reliability = self.parameters.config.reliability
        self.image.follow(reliability)
        self.info.follow(reliability)

    def _on_image(self, image: Any) -> None:
        self.on_image(image)
        self._forward(self.pairing.add_image(image, self._max_age_ns()))

    def _on_info(self, info: CameraInfo) -> None:
        self._forward(self.pairing.add_info(info, self._max_age_ns()))

    def _forward(self, pair: Pair | None) -> None:
        if pair is not None:
            self.on_pair(pair)

    def _max_age_ns(self) -> int:
        return int(self.parameters.config.camera_info_max_age_s * 1e9)


class FollowingSubscription:
    """A subscription that is made again when the publishers of its topic offer another QoS."""

    def __init__(self, node: Node, kind: type, topic: str, depth: int, callback: Callable[[Any], None]) -> None:
        self.node, self.kind, self.depth, self.callback = node, kind, depth, callback
        self.topic = node.resolve_topic_name(topic)
        self.subscription: Any = None
        self.offered: tuple[ReliabilityPolicy, DurabilityPolicy] | None = None

    def follow(self, reliability: str) -> None:
        """Subscribe with what all publishers offer; BEST_EFFORT, which every publisher matches, until there is one."""
        publishers = self.node.get_publishers_info_by_topic(self.topic)
        offered = wanted_policies(publishers, reliability)
        if self.subscription is None or (publishers and offered != self.offered):
            self.destroy()
            qos = QoSProfile(
                history=HistoryPolicy.KEEP_LAST, depth=self.depth, reliability=offered[0], durability=offered[1]
            )
            self.subscription = self.node.create_subscription(self.kind, self.topic, self.callback, qos)
            self.offered = offered

    def destroy(self) -> None:
        """Unsubscribe."""
        if self.subscription is not None:
            self.node.destroy_subscription(self.subscription)
        self.subscription = self.offered = None

    def __str__(self) -> str:
        """Say which topic, how it is subscribed to and by how many publishers it is served."""
        policies = ', '.join(policy.name for policy in self.offered) if self.offered else 'not subscribed'
        return f'{self.topic} ({policies}; {self.node.count_publishers(self.topic)} publishers)'


def wanted_policies(publishers: list[Any], reliability: str) -> tuple[ReliabilityPolicy, DurabilityPolicy]:
    """Return the strictest reliability and durability that every one of these publishers offers."""
    reliable = bool(publishers) and all(p.qos_profile.reliability == ReliabilityPolicy.RELIABLE for p in publishers)
    if reliability != 'auto':
        reliable = reliability == 'reliable'
    latched = bool(publishers) and all(
        p.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL for p in publishers
    )
    return (
        ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        DurabilityPolicy.TRANSIENT_LOCAL if latched and reliable else DurabilityPolicy.VOLATILE,
    )


def image_source(node: Node, transport: str) -> tuple[type, str]:
    """Return type and topic of the images, named as image_transport does: remapped, then the transport appended."""
    topic = node.resolve_topic_name('image')
    return (CompressedImage, f'{topic}/compressed') if transport == 'compressed' else (Image, topic)
