"""Frames in memory and batches out of them: drives drawn by the root of their size, views and colours at random."""

from __future__ import annotations

import queue
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from msg_tools.camera import Size
from msg_tools.cli import progress

from .augment import jitter, random_view, sample
from .config import TrainConfig
from .datasets.frame import DatasetError, Frame, Points
from .datasets.images import folder_labels, image_frame
from .datasets.kitti import kitti_frame, read_index
from .sky import sky_points


@dataclass(frozen=True, slots=True)
class Batch:
    """rgb float (B, 3, h, w) in 0..255; target [m, canonical] and weight (B, 1, h/2, w/2)."""

    rgb: Tensor
    target: Tensor
    weight: Tensor


def load_frames(config: TrainConfig) -> list[Frame]:
    """Read every labelled image of the training split into memory, a little larger than the network sees it."""
    focal_px = config.focal_px * min(config.max_zoom, 1.2)
    frames = []
    for part in ('training', 'images'):
        root = Path(config.data) / 'kitti' / part
        rows = [row for row in read_index(root) if row['split'] not in ('val', 'test')]
        for row in progress(rows, text=f'reading {part}', unit='image'):
            frame = image_frame(root, row, focal_px) if part == 'images' else kitti_frame(root, row, focal_px)
            frame = replace(frame, labels=[*frame.labels, *map_labels(frame, part, config)])
            if frame.labels:
                frames.append(frame)
    if not frames:
        raise DatasetError(f'{config.data}: expected labelled images in kitti/training or kitti/images, got none')
    return frames


def map_labels(frame: Frame, part: str, config: TrainConfig) -> list[Points]:
    """Return the labels of a frame that come from folders of maps, by falling trust: sky, stereo, teacher."""
    stereo: list[Points] = []
    teacher: list[Points] = []
    if config.stereo:
        stereo = folder_labels(Path(config.stereo) / part, frame, config.stereo_weight, config.stereo_far_m, 2)
    if config.teacher:
        teacher = folder_labels(Path(config.teacher) / part, frame, config.teacher_weight, config.teacher_far_m)
    sky = [sky_points(frame, teacher[0])] if config.sky and teacher else []
    return [*sky, *stereo, *teacher]  # matching says 60 to 100 m of a sky


def drive_chances(frames: Sequence[Frame]) -> np.ndarray:
    """Return the chance (N,) of each frame: a drive weighs as the root of its number of frames."""
    sizes = Counter(frame.drive for frame in frames)
    weights = np.array([sizes[frame.drive] ** -0.5 for frame in frames])
    return weights / weights.sum()


def batches(frames: Sequence[Frame], config: TrainConfig, count: int, seed: int) -> Iterator[Batch]:
    """Yield `count` batches; which ones depends on the seed alone."""
    rng = np.random.default_rng(seed)
    chances = drive_chances(frames)
    for _ in range(count):
        yield make_batch([frames[i] for i in rng.choice(len(frames), config.batch, p=chances)], config, rng)


def make_batch(frames: Sequence[Frame], config: TrainConfig, rng: np.random.Generator) -> Batch:
    """Draw a view of each frame and stack inputs and targets."""
    size = Size(config.height, config.crop_width or config.width)
    samples = []
    for frame in frames:
        view = random_view(frame.camera, size, config.focal_px, config.max_zoom, rng)
        drawn = sample(frame, view, config.focal_px)
        samples.append(replace(drawn, rgb=jitter(drawn.rgb, rng, config.jitter)))
    rgb = torch.from_numpy(np.stack([item.rgb for item in samples])).permute(0, 3, 1, 2)  # channels last already
    target, weight = (torch.from_numpy(np.stack([getattr(item, name) for item in samples]))[:, None]
                      for name in ('target', 'weight'))
    return Batch(rgb.float(), target, weight)


def ahead(items: Iterator[Batch], depth: int = 3) -> Iterator[Batch]:
    """Make the next items in a thread while the caller works on this one; an error in there is raised here."""
    ready: queue.Queue = queue.Queue(depth)

    def work() -> None:
        try:
            for item in items:
                ready.put(item)
            ready.put(None)
        except Exception as error:
            ready.put(error)

    threading.Thread(target=work, daemon=True).start()
    while (item := ready.get()) is not None:
        if isinstance(item, Exception):
            raise item
        yield item
