"""Make depth maps of a source's frames, here or in several processes: OUT/depth, OUT/image, OUT/overlay, a manifest."""

from __future__ import annotations

import csv
import io
import os
import shutil
import signal
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, fields, replace
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np

from ..camera import Array
from ..colors import overlay
from ..depth_png import STEPS_PER_M, encode_depth_steps
from ..errors import CloudError, DepthNodeError
from ..image_file import encode_rgb
from ..whole_file import replacing, write_whole
from .projector import MODES
from .scan_extent import ScanExtent, scan_extent, usual_extent
from .sources import Frame, Source, Task

IMAGE_CHOICES = ('link', 'copy', 'none')
WAITING_PER_JOB = 4  # frames handed out ahead: what bounds the memory


@dataclass(frozen=True, slots=True)
class Output:
    """Where the results go and which of them are wanted."""

    folder: Path
    mode: str = 'nearest'
    images: str = 'link'
    overlay: bool = False

    def make_folders(self) -> None:
        """Make the output's folders. Raises DepthNodeError where that is not possible."""
        wanted = {'depth': True, 'image': self.images != 'none', 'overlay': self.overlay}
        try:
            for name in (name for name, is_wanted in wanted.items() if is_wanted):
                (self.folder / name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DepthNodeError(f'{self.folder}: expected a folder to write to, got: {error}') from error


@dataclass(frozen=True, slots=True)
class Row:
    """What became of a frame: a line of the manifest. `status` is ok, partial, skipped (no partner) or failed."""

    name: str
    frame: int
    image_stamp_ns: int | None
    cloud_stamp_ns: int | None
    points: int | None = None
    pixels: int | None = None
    coverage: float | None = None
    turn_deg: float | None = None
    lowest_deg: float | None = None
    png_bytes: int | None = None
    status: str = 'ok'
    reason: str = ''

    @property
    def extent(self) -> ScanExtent:
        """Return what the scan covers; NaN where there is none."""
        nan = float('nan')
        return ScanExtent(nan if self.turn_deg is None else self.turn_deg,
                          nan if self.lowest_deg is None else self.lowest_deg)


def run(source: Source, output: Output, jobs: int = 1) -> Iterator[Row]:
    """Make the depth maps of all frames in `jobs` processes and yield their rows in order; one process works here.

    A frame that fails has a row that says why. Raises DepthNodeError where the source itself breaks off.
    """
    output.make_folders()
    if jobs > 1:
        yield from _run_processes(source, output, jobs)
    else:
        cv2.setNumThreads(1)
        yield from (make_frame(source, output, task) for task in source.tasks())


def make_frame(source: Source, output: Output, task: Task) -> Row:
    """Load one frame, draw its depth map, write its files, and return its row, whatever went wrong."""
    row = Row(task.name, task.frame, task.image_stamp_ns, task.cloud_stamp_ns)
    if task.skip:
        return replace(row, status='skipped', reason=task.skip)
    try:
        frame = source.load(task)
        steps = MODES[output.mode](source.projector, frame.points)
        if not steps.any():
            raise CloudError(f'expected points on the image, got none of {len(frame.points)}; '
                             'are the scan and the transform to the camera right?')
        png_bytes = write_frame(output, task.name, frame, steps)
    except (DepthNodeError, OSError) as error:
        return replace(row, status='failed', reason=' '.join(str(error).split()))
    extent, pixels = scan_extent(frame.points), int(np.count_nonzero(steps))
    return replace(row, points=len(frame.points), pixels=pixels, coverage=round(pixels / steps.size, 5),
                   turn_deg=extent.turn_deg, lowest_deg=round(extent.lowest_deg, 2), png_bytes=png_bytes)


def write_frame(output: Output, name: str, frame: Frame, steps: Array) -> int:
    """Write a frame's files, the depth map last, so that where it is, all is; return its size in bytes."""
    if output.images != 'none':
        place_image(output.folder / 'image', name, frame, link=output.images == 'link')
    if output.overlay:
        picture = overlay(frame.rgb(), steps / np.float32(STEPS_PER_M))
        write_whole(output.folder / f'overlay/{name}.png', encode_rgb(picture))
    png = encode_depth_steps(steps)
    write_whole(output.folder / f'depth/{name}.png', png)
    return len(png)


def place_image(folder: Path, name: str, frame: Frame, link: bool) -> None:
    """Put a frame's image into a folder: linked or copied where it is a file, as a PNG where it came in a message."""
    if frame.image_file is None:
        write_whole(folder / f'{name}.png', encode_rgb(frame.rgb()))
        return
    with replacing(folder / f'{name}{frame.image_file.suffix}') as temporary:
        if not (link and _link(frame.image_file, temporary)):
            shutil.copyfile(frame.image_file, temporary)


def _link(file: Path, link: Path) -> bool:
    """Make a hard link, or a symbolic one (another disk); return whether there is a link now."""
    for make in (os.link, os.symlink):
        try:
            make(file, link)
        except OSError:  # not on this file system, or not allowed
            continue
        return True
    return False


def mark_partial(rows: Iterable[Row]) -> list[Row]:
    """Mark the frames whose scan covers clearly less than the median of all: see scan_extent."""
    rows = list(rows)
    usual = usual_extent(row.extent for row in rows)
    missing = [row.extent.missing(usual) if row.status == 'ok' else '' for row in rows]
    return [
        replace(row, status='partial', reason=reason) if reason else row
        for row, reason in zip(rows, missing, strict=True)
    ]


def write_manifest(path: Path, rows: Iterable[Row]) -> None:
    """Write the rows as a CSV file, whole or not at all."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [item.name for item in fields(Row)], lineterminator='\n')
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    write_whole(path, text.getvalue().encode())


_worker: tuple[Source, Output] | None = None  # of a worker process, set once at its start


def _run_processes(source: Source, output: Output, jobs: int) -> Iterator[Row]:
    os.environ.setdefault('OPENBLAS_NUM_THREADS', '1')  # read when the workers import NumPy
    pool = ProcessPoolExecutor(jobs, get_context('spawn'), _start_worker, (source, output))
    waiting: deque[Future[Row]] = deque()
    try:
        for task in source.tasks():
            waiting.append(pool.submit(_do_task, task))
            if len(waiting) >= WAITING_PER_JOB * jobs:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool as error:
        raise DepthNodeError('expected the worker processes to live, got one that ended; '
                             'was it out of memory? (fewer --jobs need less)') from error
    finally:
        pool.shutdown(cancel_futures=True)


def _start_worker(source: Source, output: Output) -> None:
    global _worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the main process ends the work
    cv2.setNumThreads(1)
    _worker = source, output


def _do_task(task: Task) -> Row:
    assert _worker is not None
    return make_frame(*_worker, task)
