"""The same scene as another camera would give it: does a network's metre hold when the image is resized or cropped?

Each view changes a frame's image and its intrinsics alike, asks the network, and lays what it says back over the whole
frame. A crop is compared on its own pixels, so what the network says of them in the whole image stands beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from depth_node.plan import resized
from msg_tools.camera import Array, Intrinsics, Size
from msg_tools.errors import ConfigError

from .evaluate_data import Measured
from .evaluate_predictors import Prediction, Predictor, stretched

SCALES = (0.7, 1.5)  # of the image's size
WHOLE = ', whole'  # after a crop's name: what the network says of its pixels in the whole image
WIDTH, HEIGHT = 0.6, 0.8  # of the image that crops keep: the middle of its width; the lower part of its height


@dataclass(frozen=True, slots=True)
class Window:
    """A part of an image [px]."""

    top: int
    left: int
    size: Size

    @property
    def index(self) -> tuple[slice, slice]:
        """Return the index of the part in an array (H, W, ...)."""
        return slice(self.top, self.top + self.size.height), slice(self.left, self.left + self.size.width)


def middle(size: Size) -> Window:
    """Return the middle of an image's width."""
    width = round(WIDTH * size.width)
    return Window(0, (size.width - width) // 2, Size(size.height, width))


def lower(size: Size) -> Window:
    """Return the lower part of an image's height."""
    height = round(HEIGHT * size.height)
    return Window(size.height - height, 0, Size(height, size.width))


def views(network: Predictor, whole: Predictor) -> dict[str, Predictor]:
    """Return what a network says of a frame in each view, by the view's name; `whole`: what it says of all of it."""
    scaled = {f'scale {factor:g}': scaled_view(network, factor) for factor in SCALES}
    crops = {f'width {WIDTH:g}': middle, f'height {HEIGHT:g}': lower}
    pairs = ({name: cropped_view(network, window), f'{name}{WHOLE}': whole_view(whole, window)}
             for name, window in crops.items())
    return {**scaled, **{name: view for pair in pairs for name, view in pair.items()}}


def last_kept(network: Predictor) -> Predictor:
    """Return a network that runs once for a frame that it is asked about several times in a row."""
    kept: list[tuple[Measured, Prediction | None]] = []

    def predict(frame: Measured) -> Prediction | None:
        if not kept or kept[0][0] is not frame:
            kept[:] = [(frame, network(frame))]
        return kept[0][1]

    return predict


def scaled_view(network: Predictor, factor: float) -> Predictor:
    """Return what a network says of a frame that is resized, as large as the frame again."""

    def predict(frame: Measured) -> Prediction | None:
        rgb, camera = needed(frame)
        size = Size(*rgb.shape[:2])
        small = Size(round(size.height * factor), round(size.width * factor))
        found = network(replace(frame, rgb=resized(rgb, small), camera=camera.resized(small)))
        return found and mapped(found, lambda part: stretched(part, size))

    return predict


def cropped_view(network: Predictor, window_of: Callable[[Size], Window]) -> Predictor:
    """Return what a network says of a part of a frame alone; no estimate around it."""

    def predict(frame: Measured) -> Prediction | None:
        rgb, camera = needed(frame)
        window = window_of(Size(*rgb.shape[:2]))
        part = replace(frame, rgb=np.ascontiguousarray(rgb[window.index]),
                       camera=camera.cropped(window.top, window.left, window.size))
        return laid(network(part), window, frame)

    return predict


def whole_view(network: Predictor, window_of: Callable[[Size], Window]) -> Predictor:
    """Return what a network says of a whole frame, but of a part of it only; no estimate around it."""

    def predict(frame: Measured) -> Prediction | None:
        window = window_of(Size(*frame.truth_m.shape))
        found = network(frame)
        return laid(found and mapped(found, lambda part: part[window.index]), window, frame)

    return predict


def mapped(found: Prediction, change: Callable[[Array], Array]) -> Prediction:
    """Return a prediction whose maps are changed."""
    return Prediction(change(found.depth_m), None if found.confidence is None else change(found.confidence))


def needed(frame: Measured) -> tuple[Array, Intrinsics]:
    """Return the image and the camera of a frame; raises ConfigError where it lacks one."""
    if frame.rgb is None or frame.camera is None:
        raise ConfigError(f'{frame.name}: --views expected an image and its intrinsics, got '
                          f'{"no image" if frame.rgb is None else "no intrinsics"}')
    return frame.rgb, frame.camera


def laid(found: Prediction | None, window: Window, frame: Measured) -> Prediction | None:
    """Lay a prediction of a window into one of the whole frame, NaN and confidence 0 around it."""
    if found is None:
        return None
    depth_m = np.full(frame.truth_m.shape, np.nan, np.float32)
    depth_m[window.index] = found.depth_m
    if found.confidence is None:
        return Prediction(depth_m)
    confidence = np.zeros(frame.truth_m.shape, np.float32)
    confidence[window.index] = found.confidence
    return Prediction(depth_m, confidence)
