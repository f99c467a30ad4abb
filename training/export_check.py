"""Whether an exported network says what torch says: both see the same real pictures, at the same sizes."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import nn

from depth_node.backends import Backend
from depth_node.backends.torch_backend import TorchBackend
from depth_node.estimator import confidence_of
from depth_node.model import STRIDE
from depth_node.plan import resized
from depth_node.predict import IMAGES
from msg_tools.camera import Array, Size
from msg_tools.errors import ImageError
from msg_tools.image_file import read_rgb
from msg_tools.synthetic import write_drive


@dataclass(frozen=True, slots=True)
class Difference:
    """How far two networks' answers are apart: of depth relative to it, of confidence (0..1) as it is."""

    depth_max: float
    depth_median: float
    confidence_max: float
    depth_mean: float
    confidence_mean: float


def compare(backend: Backend, model: nn.Module, images: Sequence[Array], sizes: Sequence[Size]) -> Difference:
    """Run a backend and torch on images uint8 (H, W, 3), each at every size, and return the difference."""
    torch_backend = TorchBackend(model, 'cpu', threads=0)
    depth, confidence = [], []
    for rgb in images:
        for size in sizes:
            image = resized(rgb, size)
            (log_depth, log_scale), (wanted_depth, wanted_scale) = backend(image), torch_backend(image)
            depth.append(np.abs(np.expm1(log_depth.astype(np.float64) - wanted_depth)))
            confidence.append(np.abs(confidence_of(log_scale) - confidence_of(wanted_scale)))
    if not all(np.isfinite(item).all() for item in depth):
        return Difference(*[np.inf] * 5)
    depths, confidences = (np.concatenate([item.ravel() for item in items]) for items in (depth, confidence))
    return Difference(float(depths.max()), float(np.median(depths)), float(confidences.max()),
                      float(depths.mean()), float(confidences.mean()))


def sizes_to_check(size: Size, fixed: bool) -> list[Size]:
    """Return the sizes at which a network is checked: its own, and where it takes any, another one."""
    other = Size(size.height + STRIDE, max(STRIDE, size.width // 2 // STRIDE * STRIDE))
    return [size] if fixed else [size, other]


def check_images(paths: Sequence[Path], most: int = 0) -> list[Array]:
    """Read images and folders of them, at most so many (0: all); none given: a synthetic street.

    Raises ImageError where there is no image.
    """
    files = all_images(paths)
    return [read_rgb(file) for file in spread(files, most or len(files))] if paths else [synthetic_image()]


def all_images(paths: Sequence[Path]) -> list[Path]:
    """List images and those of folders; raises ImageError where a folder has none."""
    return [file for path in paths for file in image_files(path)]


def spread(files: Sequence[Path], most: int) -> list[Path]:
    """Return at most so many files, evenly from the first to the last."""
    return [files[round(i)] for i in np.linspace(0, len(files) - 1, min(most, len(files)))]


def image_files(path: Path) -> list[Path]:
    """List the images of a folder, or the one image that a path is."""
    if not path.is_dir():
        return [path]
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in IMAGES)
    if not files:
        raise ImageError(f'{path}: expected a folder with images ({" ".join(IMAGES)}), got none in it')
    return files


def synthetic_image() -> Array:
    """Draw a picture of a street, uint8 (H, W, 3): edges, texture, near and far things, a sky."""
    with tempfile.TemporaryDirectory() as folder:
        drive = write_drive(folder, frames=1, scale=0.5, azimuths=8, supersample=1.0)
        return read_rgb(next((drive / 'image_02' / 'data').iterdir()))
