"""What the node does with one image, timed by stage without DDS, in turns with the network alone."""

from __future__ import annotations

import resource
import time
import tracemalloc
from collections.abc import Callable, Sequence
from typing import Any

from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

from msg_tools.camera import Size
from msg_tools.message_data import data_buffer

from ..cameras import Cameras
from ..config import NodeConfig
from ..estimator import DepthEstimator, Limits
from ..monitor import Frame
from ..plan import network_input
from .node import to_rectified_rgb
from .outputs import CloudFiller, Scene, fill_depth, fill_info

WARM_UP = 5  # runs that do not count
NETWORK, TOTAL = 'network alone', 'callback'


class Callback:
    """The node's work on one image: from its bytes to filled messages of depth, camera_info and cloud."""

    def __init__(self, estimator: DepthEstimator, info: CameraInfo, config: NodeConfig) -> None:
        self.estimator, self.config = estimator, config
        self.view = Cameras().of(info, 'image_rect', config.input_rectified)
        self.depth, self.info, self.points = Image(), CameraInfo(), PointCloud2()
        self.fill_points = CloudFiller()
        estimator.limits = Limits(config.min_depth_m, config.max_depth_m, config.min_confidence)

    def __call__(self, image: Image) -> dict[str, float]:
        """Return the seconds that each stage took; the network's answer lies in our memory when its stage ends."""
        frame, start = Frame(), time.perf_counter()
        rgb = frame.stage('convert', to_rectified_rgb, image, self.view)
        size = Size(*rgb.shape[:2])
        out = data_buffer(self.depth, size.pixels * 4).view('<f4').reshape(size.shape)
        result = frame.stage('infer', self.estimator, rgb, self.view.camera, out)
        scene = Scene(rgb, result, self.config)
        frame.stage('fill depth', fill_depth, self.depth, scene)
        frame.stage('fill camera_info', fill_info, self.info, scene)
        frame.stage('fill points', self.fill_points, self.points, scene)
        return {**frame.seconds, TOTAL: time.perf_counter() - start}

    def alone(self, image: Image) -> float:
        """Return the seconds of the network alone, its input ready made."""
        rgb = to_rectified_rgb(image, self.view)
        ready = network_input(rgb, self.estimator.plan(Size(*rgb.shape[:2]), self.view.camera))
        start = time.perf_counter()
        self.estimator.backend(ready)
        return time.perf_counter() - start

    def serialised(self, image: Image) -> dict[str, float]:
        """Return the seconds that rclpy takes to serialise the messages as they are now, and to read them again.

        An image comes to the node as bytes, and depth and cloud to its subscribers.
        """
        frame = Frame()
        for name, message in (('image', image), ('depth', self.depth), ('points', self.points)):
            raw = frame.stage(f'serialise {name}', serialize_message, message)
            frame.stage(f'deserialise {name}', deserialize_message, raw, type(message))
        return frame.seconds


def measure(callback: Callback, images: Sequence[Any], repeat: int) -> dict[str, list[float]]:
    """Return the seconds of every stage, run by run, and of the network alone and rclpy's serialisation in between."""
    rows = []
    for i in range(repeat + WARM_UP):
        image = images[i % len(images)]
        rows.append({NETWORK: callback.alone(image), **callback(image), **callback.serialised(image)})
    return {name: [row[name] for row in rows[WARM_UP:]] for name in rows[0]}


def memory_of(callback: Callable[[Any], object], images: Sequence[Any], repeat: int) -> dict[str, float]:
    """Return the minor page faults of an image and the most that Python and NumPy hold during one [MB], on top.

    Runs of their own, after those that are timed: to trace allocations takes time.
    """
    for image in images[:WARM_UP]:
        callback(image)
    before = faults()
    for i in range(repeat):
        callback(images[i % len(images)])
    per_frame = (faults() - before) / repeat
    return {'faults_per_frame': round(per_frame, 1), 'allocated_mb': round(allocated_mb(callback, images), 3)}


def allocated_mb(callback: Callable[[Any], object], images: Sequence[Any]) -> float:
    """Return the most that Python and NumPy hold during one image [MB], on top of what they held before it."""
    tracemalloc.start()
    try:
        callback(images[0])  # what it keeps from now on is traced
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        callback(images[-1])
        return (tracemalloc.get_traced_memory()[1] - held) / 1e6
    finally:
        tracemalloc.stop()


def faults() -> int:
    """Return the minor page faults of this process since it began."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
