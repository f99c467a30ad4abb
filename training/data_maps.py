"""Make a depth map for each frame of some sources, once: OUT/SOURCE/NAME.npy, and OUT/maps.json: how they were made."""

from __future__ import annotations

import io
import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from msg_tools import cli
from msg_tools.camera import Array
from msg_tools.errors import DepthNodeError
from msg_tools.whole_file import write_whole

from .datasets.depth_file import check_unit
from .datasets.frame import DatasetError, Item

NOTE = 'maps.json'
MAX_WIDTH = 640  # of a map: no network here sees more, and a folder of them has to fit on a disk
WAITING_PER_JOB = 2  # frames read ahead: what bounds the memory


@dataclass(frozen=True, slots=True)
class Maker:
    """How a kind of map comes about: read(item) here, make(*what was read) -> depth_m (h, w) in a thread.

    `settings` name all that changes a map: a folder holds maps of one maker and one set of settings.
    """

    settings: Mapping[str, Any]
    read: Callable[[Item], tuple[Any, ...]]
    make: Callable[..., Array]


@dataclass(slots=True)
class Summary:
    """What became of the frames: maps made now, kept from before, and failed ones by name with the reason."""

    made: int = 0
    kept: int = 0
    failed: dict[str, str] = field(default_factory=dict)


def make_maps(items: Sequence[Item], maker: Maker, out: Path, jobs: int = 1) -> Iterator[Summary]:
    """Make the maps that OUT lacks in `jobs` threads and yield the summary after each frame; a bad one is named in it.

    Raises DatasetError where OUT holds maps of other settings, DepthNodeError where it cannot be written.
    """
    claim(out, maker.settings)
    summary = Summary()
    waiting: deque[tuple[Item, Future[Array]]] = deque()
    with ThreadPoolExecutor(jobs) as pool:
        try:
            for item in items:
                if map_path(out, item).exists():
                    summary.kept += 1
                    yield summary
                    continue
                try:
                    waiting.append((item, pool.submit(maker.make, *maker.read(item))))
                except DepthNodeError as error:
                    summary.failed[f'{item.source}/{item.name}'] = str(error)
                    yield summary
                while len(waiting) > WAITING_PER_JOB * jobs:
                    yield finish(*waiting.popleft(), out, summary)
            while waiting:
                yield finish(*waiting.popleft(), out, summary)
        finally:
            for _, future in waiting:
                future.cancel()


def finish(item: Item, future: Future[Array], out: Path, summary: Summary) -> Summary:
    """Write a map that is ready, or note why there is none."""
    try:
        depth_m = checked(future.result(), item)
    except DepthNodeError as error:
        summary.failed[f'{item.source}/{item.name}'] = str(error)
    else:
        write_map(map_path(out, item), depth_m)
        summary.made += 1
    return summary


def map_path(out: Path, item: Item) -> Path:
    """Return where the map of a frame lies, without an ending that a name's own dots could swallow."""
    return out / item.source / f'{item.name}.npy'


def checked(depth_m: Any, item: Item) -> Array:
    """Return a map as float32 (h, w) [m]; raises DatasetError where a maker gave something else."""
    depth_m = np.asarray(depth_m)
    if depth_m.ndim != 2 or depth_m.dtype.kind != 'f':
        raise DatasetError(f'{item.name}: expected a depth map float (h, w) [m], got {depth_m.dtype} {depth_m.shape}')
    depth_m = depth_m.astype(np.float32)
    check_unit(depth_m, item.name)
    return depth_m


def write_map(path: Path, depth_m: Array) -> None:
    """Write every n-th pixel of a map, MAX_WIDTH of them at most, in half precision: no depth is made up between.

    Of n x n it is the middle one, since who reads the map takes each of its pixels for the middle of what it covers.
    """
    step = -(-depth_m.shape[1] // MAX_WIDTH)
    kept = slice((step - 1) // 2, None, step)
    data = io.BytesIO()
    np.save(data, depth_m[kept, kept].astype(np.float16))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, data.getvalue())
    except OSError as error:
        raise DepthNodeError(f'{path}: expected to write a map, got: {error}; is the disk full?') from error


def claim(out: Path, settings: Mapping[str, Any]) -> None:
    """Note in a folder how its maps are made; raises DatasetError where it says that they were made otherwise."""
    found = read_note(out)
    if found and found != dict(settings):
        raise DatasetError(f'{out}: expected maps of {dict(settings)}, got a folder of {found}; '
                           'name another folder, or remove that one')
    if not found:
        try:
            out.mkdir(parents=True, exist_ok=True)
            write_whole(out / NOTE, json.dumps(dict(settings), indent=1).encode() + b'\n')
        except OSError as error:
            raise DatasetError(f'{out}: expected a folder for maps, got: {error}; is the disk full?') from error


def read_note(out: Path) -> dict[str, Any]:
    """Return how a folder's maps were made, nothing where it has none. Raises DatasetError for a broken note."""
    path = out / NOTE
    try:
        found = json.loads(path.read_text()) if path.exists() else {}
    except (OSError, ValueError) as error:
        raise DatasetError(f'{path}: expected how the maps beside were made, got: {error}') from error
    if not isinstance(found, dict):
        raise DatasetError(f'{path}: expected how the maps beside were made, got {found!r}')
    return found


def run(name: str, items: Sequence[Item], maker: Maker, out: Path, jobs: int) -> Summary:
    """Make maps with a progress bar and a warning for each frame that failed."""
    summary = Summary()
    warned = 0
    for summary in cli.progress(make_maps(items, maker, out, jobs), total=len(items)):
        for frame, reason in list(summary.failed.items())[warned:]:
            cli.warn(name, f'{frame}: {reason}')
        warned = len(summary.failed)
    return summary


def report(out: Path, summary: Summary, as_json: bool) -> int:
    """Print what was made, for people or as JSON; return 1 where a frame failed."""
    if as_json:
        cli.print_json({'out': str(out), 'made': summary.made, 'kept': summary.kept, 'failed': summary.failed})
    else:
        print(f'{out}: {summary.made} maps made, {summary.kept} were there, {len(summary.failed)} failed')
    return int(bool(summary.failed))
