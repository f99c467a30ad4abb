"""From sources to batches: frames in memory, and a dataset in which sample i depends on the seed and i alone.

So a run that is resumed at step k asks for the samples from k * batch on, and two processes that share a batch draw
what one would have drawn: nothing about the order has to be saved or sent.
"""

from __future__ import annotations

import logging
import sys
from collections import Counter
from collections.abc import Iterator, Sequence

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from msg_tools import cli
from msg_tools.camera import Size

from .augment import Sample, jitter, joined, random_view, sample
from .batch import Batch
from .config import TrainConfig
from .datasets import open_sources
from .datasets.frame import DatasetError, Item
from .labels import Labelled, read_labelled, require_maps, shrunk

log = logging.getLogger(__name__)

TRIES = 20  # files that can't be read one after the other before a run stops, whatever on_error says


class Frames:
    """The labelled frames of a run: read when wanted, shrunk to what the network can use, kept while there is room."""

    def __init__(self, items: Sequence[Item], config: TrainConfig) -> None:
        self.items = items
        self.config = config
        self.kept: dict[int, Labelled] = {}
        self.room = config.cache_gb * 2**30
        sizes = Counter(item.drive for item in items)
        weights = np.array([sizes[item.drive] ** -0.5 for item in items])
        self.chances = weights / weights.sum()  # a drive weighs as the root of its number of frames

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Labelled:
        if index in self.kept:
            return self.kept[index]
        frame = self.read(self.items[index])
        size = sum(array.nbytes for array in (frame.rgb, frame.uv, frame.depth_m, frame.weight))
        if size <= self.room and frame.weight.size:  # one without labels is not asked for again
            self.room -= size
            self.kept[index] = frame
        return frame

    def read(self, item: Item) -> Labelled:
        """Read a frame, a little larger than the network sees it; raises DatasetError for a file that can't be read."""
        config = self.config
        focal_px = config.focal_px * min(config.max_zoom, 1.2)
        return shrunk(read_labelled(item, config.labels, config.maps, config.align), focal_px)

    def fill(self) -> Frames:
        """Read every frame once and return those with a label: faults are seen before a long run, not during it."""
        labelled = []
        for index in cli.progress(range(len(self)), unit='image', text='reading'):
            try:
                if self[index].weight.size:
                    labelled.append(index)
            except DatasetError as error:
                if self.config.on_error == 'stop':
                    raise
                log.warning('left out: %s', error)
        if not labelled:
            raise DatasetError(f'expected labelled images, got {len(self)} images without a label; '
                               'name folders of maps (maps.stereo=, maps.teacher=) or a source with LiDAR')
        chosen = Frames([self.items[index] for index in labelled], self.config)
        chosen.kept = {new: self.kept[old] for new, old in enumerate(labelled) if old in self.kept}
        chosen.room = self.room
        return chosen

    def under(self, config: TrainConfig) -> Frames:
        """Return these frames for a run of other settings that reads the same; what it keeps beside is its own."""
        frames = Frames(self.items, config)
        frames.kept, frames.room = dict(self.kept), self.room
        return frames


class Samples(Dataset):
    """Every sample of a run by its number."""

    def __init__(self, frames: Frames, config: TrainConfig) -> None:
        self.frames = frames
        self.config = config

    def __getitem__(self, number: int) -> Sample:
        rng = np.random.default_rng([self.config.seed, number])
        drawn = self.view(self.draw(rng), rng)
        if rng.random() < self.config.mix:
            width = drawn.rgb.shape[1]
            column = 2 * int(rng.integers(width // 8, width * 3 // 8 + 1))
            drawn = joined(drawn, self.view(self.draw(rng), rng), column)
        return drawn

    def draw(self, rng: np.random.Generator) -> Labelled:
        """Draw a frame; one that can't be read stops the run, or with on_error=skip the next is drawn."""
        for _ in range(TRIES):
            index = int(rng.choice(len(self.frames), p=self.frames.chances))
            try:
                return self.frames[index]
            except DatasetError as error:
                if self.config.on_error == 'stop':
                    raise
                log.warning('skipped: %s', error)
        raise DatasetError(f'expected frames that can be read, got {TRIES} bad ones in a row; is the disk still there?')

    def view(self, frame: Labelled, rng: np.random.Generator) -> Sample:
        """Look at a frame at random: where from, mirrored or not, in which light."""
        config = self.config
        size = Size(config.height, config.crop_width or config.width)
        view = random_view(frame.camera, size, config.focal_px, rng, config.min_zoom, config.max_zoom,
                           config.max_tilt_deg)
        drawn = sample(frame, view, config.focal_px)
        return Sample(jitter(drawn.rgb, rng, config.jitter), drawn.target, drawn.weight)


class Share:
    """The numbers of the samples that one of `world` processes makes of each batch, from a step on."""

    def __init__(self, config: TrainConfig, start: int, rank: int, world: int) -> None:
        self.config, self.start, self.rank, self.world = config, start, rank, world

    def __iter__(self) -> Iterator[list[int]]:
        size = self.config.batch // self.world
        for step in range(self.start, self.config.steps):
            first = step * self.config.batch + self.rank * size
            yield list(range(first, first + size))

    def __len__(self) -> int:
        return self.config.steps - self.start


def load_frames(config: TrainConfig) -> Frames:
    """Read the labelled frames of a run's training sources."""
    items = open_sources(config.train, config.data)
    require_maps(items, config.maps)
    return Frames(items, config).fill()


def batches(frames: Frames, config: TrainConfig, start: int = 0, rank: int = 0, world: int = 1) -> Iterator[Batch]:
    """Yield the batches from step `start` on, or this process's share of each; DatasetError names a bad file."""
    forked = config.workers and sys.platform == 'linux'  # a worker shares what is kept; spawned, it would get a copy
    loader = DataLoader(
        Samples(frames, config), batch_sampler=Share(config, start, rank, world), collate_fn=stack,  # type: ignore[arg-type]
        num_workers=config.workers, worker_init_fn=one_thread, prefetch_factor=4 if config.workers else None,
        multiprocessing_context='fork' if forked else None,
    )
    try:
        yield from loader
    except DatasetError as error:  # a worker's has its whole traceback for a text, which ends in what it said
        raise DatasetError(str(error).rpartition(f'{DatasetError.__name__}: ')[2].strip()) from error


def stack(samples: Sequence[Sample]) -> Batch:
    """Stack samples to a batch; the images are channels-last in memory as they were on disk.

    torch's own memory is aligned, NumPy's now and then is not: a sum over it differs in the last bit from run to run.
    """
    rgb, target, weight = (torch.stack([torch.from_numpy(getattr(item, name)) for item in samples])
                           for name in ('rgb', 'target', 'weight'))
    return Batch(rgb.permute(0, 3, 1, 2), target[:, None], weight[:, None])


def one_thread(worker: int) -> None:
    """Keep a worker to one core: the others are the network's."""
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
