"""Messages for the depth node, and a camera and a listener around one that runs in this process."""

import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

TIMEOUT_S = 30.0
HEIGHT, WIDTH, FOCAL_PX = 128, 192, 200.0  # twice the model's size, so that its depth is taken as it is
CX, CY = 96.0, 64.0


class FlatBackend:
    """A network that sees a wall everywhere, `depth_m` away."""

    description = 'a wall'

    def __init__(self, depth_m: float = 10.0) -> None:
        self.depth_m = depth_m
        self.calls = 0
        self.before: Callable[[], None] = lambda: None

    def __call__(self, rgb):
        self.calls += 1
        self.before()
        shape = rgb.shape[0] // 2, rgb.shape[1] // 2
        return np.full(shape, np.log(self.depth_m), np.float32), np.full(shape, np.log(0.1), np.float32)


def make_image(stamp_s: float = 1.0, encoding: str = 'rgb8', height: int = HEIGHT, width: int = WIDTH):
    """Return a grey Image."""
    from sensor_msgs.msg import Image

    from msg_tools.image import fill_image

    msg = fill_image(Image(), np.full((height, width, 3), 99, np.uint8), encoding)
    stamp(msg, stamp_s)
    return msg


def make_info(stamp_s: float = 1.0, height: int = HEIGHT, width: int = WIDTH, focal_px: float = FOCAL_PX):
    """Return the CameraInfo of a pinhole."""
    from sensor_msgs.msg import CameraInfo

    K = [focal_px, 0.0, CX, 0.0, focal_px, CY, 0.0, 0.0, 1.0]
    P = [*K[:3], 0.0, *K[3:6], 0.0, *K[6:], 0.0]
    msg = CameraInfo(height=height, width=width, distortion_model='plumb_bob', k=K, p=P)
    msg.d = [0.0] * 5
    msg.r = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    stamp(msg, stamp_s)
    return msg


def stamp(msg, stamp_s: float, frame_id: str = 'camera') -> None:
    msg.header.stamp.sec, msg.header.stamp.nanosec = int(stamp_s), round(stamp_s % 1 * 1e9)
    msg.header.frame_id = frame_id


class Rig:
    """A depth node over a network whose answer is known, a camera before it and a listener behind it."""

    def __init__(self, backend: FlatBackend, arguments: tuple[str, ...] = (), **parameters) -> None:
        import rclpy
        from rclpy.executors import SingleThreadedExecutor
        from rclpy.parameter import Parameter

        from depth_node.ros.node import DepthNode

        self.backend = backend
        parameters = {'diagnostics_period_s': 0.1, **parameters}
        self.node = DepthNode(
            parameter_overrides=[Parameter(name, value=value) for name, value in parameters.items()],
            cli_args=['--ros-args', *arguments],
        )
        self.client = rclpy.create_node('client')
        self.executor = SingleThreadedExecutor()
        for node in (self.node, self.client):
            self.executor.add_node(node)
        self.got: dict[str, list] = {}
        self.publishers: dict[str, object] = {}

    def listen(self, *topics: str) -> None:
        """Subscribe to outputs, and wait until the node knows."""
        from diagnostic_msgs.msg import DiagnosticArray
        from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2

        kinds = {'/depth/image_rect/compressedDepth': CompressedImage, 'points': PointCloud2,
                 'depth/camera_info': CameraInfo, '/diagnostics': DiagnosticArray}
        for topic in topics:
            self.got[topic] = []
            self.client.create_subscription(kinds.get(topic, Image), topic, self.got[topic].append, 10)
        if self.node.state in ('inactive', 'active'):
            outputs = [output for output in self.node.outputs.all if output.topic in topics]
            self.wait(lambda: all(output.wanted for output in outputs))

    def publisher(self, kind, topic: str, qos=1):
        """Return a publisher whose QoS the node's subscription has followed."""
        if topic not in self.publishers:
            made = self.publishers[topic] = self.client.create_publisher(kind, topic, qos)
            self.wait(lambda: any(info.qos_profile.reliability == made.qos_profile.reliability
                                  for info in self.client.get_subscriptions_info_by_topic(topic)))
            self.wait(lambda: made.get_subscription_count() == 1)
        return self.publishers[topic]

    def send(self, *messages, image: str = 'image') -> None:
        """Publish messages, each on the topic of its kind."""
        for msg in messages:
            topic = 'camera_info' if type(msg).__name__ == 'CameraInfo' else image
            self.publisher(type(msg), topic).publish(msg)

    def wait(self, condition: Callable[[], object]) -> None:
        """Spin until a condition holds."""
        deadline = time.monotonic() + TIMEOUT_S
        while not condition():
            assert time.monotonic() < deadline, (
                f'waited in vain; {self.node.monitor.snapshot()}; {self.node.failure}; '
                f'nodes in the domain: {self.client.get_node_names()}')
            self.executor.spin_once(timeout_sec=0.01)

    def spin(self, seconds: float) -> None:
        """Spin for a while."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.executor.spin_once(timeout_sec=0.01)

    def activate(self) -> None:
        """Wait until the node has started by itself."""
        self.wait(lambda: self.node.state == 'active')

    def frames(self):
        """Return what the node's monitor has counted."""
        return self.node.monitor.snapshot()

    def status(self):
        """Return level, message and values of the next diagnostics."""
        seen = self.got['/diagnostics']
        count = len(seen)
        self.wait(lambda: len(seen) > count + 1)
        status = seen[-1].status[0]
        return int.from_bytes(status.level, 'little'), status.message, {item.key: item.value for item in status.values}

    def close(self) -> None:
        """Destroy both nodes."""
        self.executor.shutdown()
        self.node.destroy_node()
        self.client.destroy_node()


@pytest.fixture
def make_rig(ros_context, monkeypatch) -> Iterator[Callable[..., Rig]]:
    """Return a function that makes a Rig: `make_rig(depth_m=5.0, cloud_stride=4)`."""
    from depth_node.estimator import DepthEstimator
    from depth_node.model import ModelConfig
    from depth_node.ros import inputs

    model = ModelConfig(height=HEIGHT // 2, width=WIDTH // 2, focal_px=FOCAL_PX / 2)
    rigs: list[Rig] = []
    monkeypatch.setattr(inputs, 'CHECK_PERIOD_S', 0.05)

    def make(depth_m: float = 10.0, arguments: tuple[str, ...] = (), **parameters) -> Rig:
        backend = FlatBackend(depth_m)
        monkeypatch.setattr(DepthEstimator, 'from_checkpoint', lambda *_: DepthEstimator(backend, model))
        rigs.append(Rig(backend, arguments, **parameters))
        return rigs[-1]

    yield make
    for rig in rigs:
        rig.close()


@pytest.fixture
def rig(make_rig) -> Rig:
    """Return a Rig that is active, with the listener on depth."""
    made = make_rig()
    made.activate()
    made.listen('depth/image_rect')
    return made
