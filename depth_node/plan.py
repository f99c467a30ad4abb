"""How the images of a camera go through the network: at which size, and what that does to its metres."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass

import cv2
import numpy as np

from msg_tools.camera import Array, Intrinsics, Size
from msg_tools.errors import CalibrationError

from .model_config import STRIDE, ModelConfig

log = logging.getLogger(__name__)

Kept = dict[tuple[Size, int], Array]  # images by size and by how they were made

MAX_GROWTH = 1.5  # an input may have this many times the pixels that the network was trained on
MAX_ZOOM = 1.2  # and a narrow view this many times its focal length: it has seen such views, too


@dataclass(frozen=True, slots=True)
class Plan:
    """How images of one camera go through the network."""

    size: Size  # of the image
    camera: Intrinsics | None  # None: unknown, so that the canonical focal length is assumed
    input_size: Size  # of the network
    content_size: Size  # of the image in it; what is left around it, where a network takes one size only, is black
    log_correction: float  # adds to log depth: ln(focal at the input / canonical focal)

    @property
    def offset(self) -> tuple[int, int]:
        """Return the row and column of the image's first pixel in the input, both even; it is in the middle."""
        return ((self.input_size.height - self.content_size.height) // 4 * 2,
                (self.input_size.width - self.content_size.width) // 4 * 2)


def make_plan(size: Size, camera: Intrinsics | None, model: ModelConfig, fixed_size: Size | None = None) -> Plan:
    """Choose the input size at which the focal length is the canonical one, or the nearest that is affordable."""
    if camera is None:
        log.warning('no intrinsics for images of %s: metres hold only if the field of view is that of the training '
                    'images', size)
        assumed = model.focal_px * size.width / model.width
        known = Intrinsics(assumed, assumed, size.width / 2, size.height / 2, size)
    else:
        known = camera
    if known.size != size:
        raise CalibrationError(f'expected intrinsics for images of {size}, got those for {known.size}')
    content = choose_input_size(known, model)
    if fixed_size and content != fixed_size:
        content = choose_content_size(known, model, fixed_size)
    correction = math.log(known.resized(content).focal_px / model.focal_px)
    return Plan(size, camera, fixed_size or content, content, correction)


def choose_input_size(camera: Intrinsics, model: ModelConfig) -> Size:
    """Return the network's input size for a camera: multiples of 32, focal length as trained, not too many pixels.

    Rounding the sides brings more than padding them to multiples of 32.
    """
    ideal = ideal_lengths(camera, model)
    affordable = math.sqrt(MAX_GROWTH * model.height * model.width / (ideal[0] * ideal[1]))
    zoom = min(magnification(ideal, model), affordable)
    return Size(*(max(STRIDE, round(length * zoom / STRIDE) * STRIDE) for length in ideal))


def choose_content_size(camera: Intrinsics, model: ModelConfig, room: Size) -> Size:
    """Return the size of a camera's image in an input of one size: focal length as trained, or nearly; less to fit in.

    The sides are even: a pixel of the network's answer stands for two by two of its input.
    """
    ideal = ideal_lengths(camera, model)
    zoom = min(magnification(ideal, model), room.height / ideal[0], room.width / ideal[1])
    height, width = (max(2, 2 * round(length * zoom / 2)) for length in ideal)
    return Size(min(height, room.height), min(width, room.width))


def ideal_lengths(camera: Intrinsics, model: ModelConfig) -> tuple[float, float]:
    """Return the height and width [px] at which a camera's fx and fy both are the canonical focal length."""
    return camera.size.height * model.focal_px / camera.fy, camera.size.width * model.focal_px / camera.fx


def magnification(ideal: tuple[float, float], model: ModelConfig) -> float:
    """Return by how much to magnify a view that is smaller than the training's in both directions; others: by 1.

    On crops of images that brings more than an exact focal length does.
    """
    return max(1.0, min(MAX_ZOOM, model.height / ideal[0], model.width / ideal[1]))


def network_input(rgb: Array, plan: Plan, kept: Kept | None = None) -> Array:
    """Resize an image uint8 (H, W, 3) for the network; where its size is fixed, in the middle of a black one.

    kept: see resized.
    """
    small = resized(rgb, plan.content_size, kept)
    if plan.content_size == plan.input_size:
        return small
    top, left = plan.offset
    canvas = np.zeros((*plan.input_size.shape, 3), np.uint8)
    canvas[top : top + plan.content_size.height, left : left + plan.content_size.width] = small
    return canvas


def cut(item: Array, plan: Plan) -> Array:
    """Cut the image's part out of a map of the network, float32 (h/2, w/2)."""
    if plan.content_size == plan.input_size:
        return item
    (top, left), (height, width) = plan.offset, plan.content_size.shape
    return np.ascontiguousarray(item[top // 2 : (top + height) // 2, left // 2 : (left + width) // 2])


def resized(rgb: Array, size: Size, kept: Kept | None = None) -> Array:
    """Resize an image uint8 (H, W, 3) without aliasing: as good as INTER_AREA, which is slow but for exact halves.

    kept holds the memory from image to image: the result is then overwritten by the next one of this size.
    """
    rgb = np.ascontiguousarray(rgb)
    while reduction(rgb, size) >= 3:
        rgb = resized_to(Size(rgb.shape[0] // 2, rgb.shape[1] // 2), rgb, cv2.INTER_AREA, kept)
    if reduction(rgb, size) >= 1.5:
        twice = resized_to(Size(2 * size.height, 2 * size.width), rgb, cv2.INTER_LINEAR, kept)
        return resized_to(size, twice, cv2.INTER_AREA, kept)
    return resized_to(size, rgb, cv2.INTER_LINEAR, kept)


def reduction(rgb: Array, size: Size) -> float:
    """Return by which factor an image becomes smaller at this size, in the direction where that is least."""
    return min(rgb.shape[0] / size.height, rgb.shape[1] / size.width)


def resized_to(size: Size, rgb: Array, interpolation: int, kept: Kept | None = None) -> Array:
    """Resize an image (H, W, C) by one of OpenCV's methods, into memory that is kept, if any is."""
    memory = None if kept is None else kept.get((size, interpolation))
    result = cv2.resize(rgb, (size.width, size.height), dst=memory, interpolation=interpolation)
    if kept is not None:
        kept[size, interpolation] = result
    return result
