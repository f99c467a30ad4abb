"""The ROS 2 node: newest image in, depth and cloud out. Thin: what it decides, other modules decide."""

from __future__ import annotations

import math
import time
import traceback
from typing import Any

from msg_tools.camera import Array, Size
from msg_tools.errors import DepthNodeError

from ..cameras import Cameras, View
from ..config import NodeConfig
from ..estimator import DepthEstimator, DepthResult, Limits
from ..frames import Pair, stamp_ns
from ..monitor import IDLE, SUPERSEDED, Frame, Monitor, Snapshot
from ..threads import Relay, Worker
from . import dds
from .diagnostics import Diagnostics, Facts
from .images import to_rgb
from .inputs import Inputs
from .lifecycle import TellingNode, transition
from .outputs import SLOTS, Job, Outputs, Scene
from .parameters import Parameters

NAME = 'depth_node'
WARNING_PERIOD_S = 5.0  # between two warnings of the same reason


class DepthNode(TellingNode):
    """Subscribes to image and camera_info and publishes metric depth, cloud, confidence and preview."""

    estimator: DepthEstimator  # this and the outputs exist when configured
    outputs: Outputs
    inputs: Inputs  # this and the threads exist when active
    worker: Worker[Pair]
    publishing: Relay[Job]

    def __init__(self, **options: Any) -> None:
        """Declare the parameters; raises ConfigError where one has a wrong value."""
        super().__init__(NAME, **options)
        self.parameters = Parameters(self)
        self.monitor = Monitor(self.report)
        self.cameras = Cameras()
        self.slot = 0  # of the messages that the next frame fills
        self.warned_s: dict[str, float] = {}
        for text in dds.warnings():
            self.get_logger().warning(text)
        self.diagnostics = Diagnostics(self, self.config.diagnostics_period_s, self.observe)
        if self.config.autostart:
            self.start_by_itself()

    @property
    def config(self) -> NodeConfig:
        """Return the settings as they are now."""
        return self.parameters.config

    @transition('inactive')
    def on_configure(self) -> None:
        """Load the network, run it once, and announce the outputs."""
        config = self.config
        self.estimator = DepthEstimator.from_checkpoint(
            config.checkpoint, config.device, config.backend, config.threads, config.precision
        )
        self.get_logger().info(f'network: {self.estimator.description}')
        self.outputs = Outputs(self)

    @transition('active')
    def on_activate(self) -> None:
        """Subscribe, and start the threads that work on the newest image and publish the last one's depth."""
        self.publishing = Relay(self.on_depth, f'{NAME}_publish')
        self.worker = Worker(self.on_frame, NAME)
        self.inputs = Inputs(self, self.parameters, self.on_image, self.on_pair, self.on_drop)
        self.get_logger().info(f'waiting for {self.inputs.image.topic} and {self.inputs.info.topic}')

    @transition('inactive')
    def on_deactivate(self) -> None:
        """Unsubscribe, and finish the frame at work."""
        self.stop()

    @transition('unconfigured')
    def on_cleanup(self) -> None:
        """Let go of the network and the outputs."""
        self.release()

    @transition('finalized')
    def on_shutdown(self) -> None:
        """Stop whatever runs."""
        self.stop()
        self.release()

    def stop(self) -> None:
        """Unsubscribe, and finish the frame at work, if the node is active."""
        if self.state == 'active':
            self.inputs.destroy()
            self.worker.stop()
            self.publishing.stop()
            self.state = 'inactive'

    def release(self) -> None:
        """Let go of the network and the outputs, if the node is configured."""
        if self.state == 'inactive':
            self.outputs.destroy()
            del self.outputs, self.estimator
            self.state = 'unconfigured'

    def destroy_node(self) -> None:
        """End the thread before the publishers that it uses go."""
        self.stop()
        super().destroy_node()

    def on_image(self, image: Any) -> None:
        """Count an image that has just arrived."""
        self.monitor.receive(self.age_s(image))

    def on_pair(self, pair: Pair) -> None:
        """Leave an image for the thread; the one that still waits, if any, will never be used."""
        if self.worker.put(pair):
            self.monitor.drop(SUPERSEDED)

    def on_drop(self, reason: str) -> None:
        """Count an image that found no camera_info, and say so."""
        self.monitor.drop(reason)
        self.warn(reason, str(self.inputs.info))

    def on_frame(self, pair: Pair) -> None:
        """Turn the newest image into depth and cloud; a bad one is counted, reported and forgotten."""
        wanted, config = self.outputs.wanted(), self.config
        if not wanted:
            self.monitor.drop(IDLE)
            return
        with self.monitor.frame(Frame(pair.found_s), last=False) as frame:
            frame.seconds['wait'] = time.perf_counter() - frame.begin_s
            view = self.view_of(pair, config)
            rgb = frame.stage('convert', to_rectified_rgb, pair.image, view)
            result = frame.stage('infer', self.infer, rgb, view, config)
            self.publishing.put(Job(frame, wanted, Scene(rgb, result, config), pair.image.header, self.slot))
            self.slot = (self.slot + 1) % SLOTS

    def on_depth(self, job: Job) -> None:
        """Publish a frame, while the next one is worked on."""
        with self.monitor.frame(job.frame) as frame:
            frame.stage('publish', self.outputs.publish, job)
            frame.seconds['publish age'] = self.age_s(job)

    def view_of(self, pair: Pair, config: NodeConfig) -> View:
        """Return how images of this camera are used; log it when it is new."""
        before = self.cameras.view
        view = self.cameras.of(pair.info, self.inputs.image.topic, config.input_rectified)
        if view is not before:
            self.get_logger().info(f'camera of {view.size}; rectified: {view.rectified}')
        return view

    def infer(self, rgb: Array, view: View, config: NodeConfig) -> DepthResult:
        """Estimate depth, into the memory of the outgoing message where that is float; say where a spare took over."""
        self.estimator.limits = Limits(config.min_depth_m, config.max_depth_m, config.min_confidence)
        network = self.estimator.description
        result = self.estimator(rgb, view.camera, self.outputs.depth_buffer(Size(*rgb.shape[:2]), config, self.slot))
        if self.estimator.description != network:
            self.get_logger().warning(f'network: {self.estimator.description}')
        return result

    def age_s(self, image: Any) -> float:
        """Return how long ago [s] on the ROS clock the image was taken."""
        return (self.get_clock().now().nanoseconds - stamp_ns(image)) * 1e-9

    def report(self, reason: str, error: Exception) -> None:
        """Say why an image was dropped; with a traceback where we did not foresee it."""
        known = isinstance(error, DepthNodeError)
        self.warn(reason, str(error) if known else ''.join(traceback.format_exception(error)))

    def warn(self, reason: str, text: str) -> None:
        """Log a warning, those of one reason at most every few seconds."""
        now = time.monotonic()
        if now - self.warned_s.get(reason, -math.inf) >= WARNING_PERIOD_S:
            self.warned_s[reason] = now
            self.get_logger().warning(f'image dropped: {reason}: {text}')

    def observe(self) -> tuple[Facts, Snapshot]:
        """Return what diagnostics tell."""
        view = self.cameras.view
        active, configured = self.state == 'active', self.state in ('active', 'inactive')
        facts = Facts(
            state=self.state,
            failure=self.failure,
            network=self.estimator.description if configured else '',
            image=str(self.inputs.image) if active else '',
            info=str(self.inputs.info) if active else '',
            rectified=view.rectified if view else '',
            uncalibrated=view is not None and view.camera is None,
        )
        return facts, self.monitor.snapshot()


def to_rectified_rgb(image: Any, view: View) -> Array:
    """Return the pixels of an Image or CompressedImage as rectified RGB uint8 (H, W, 3)."""
    return view.rectify(to_rgb(image))
