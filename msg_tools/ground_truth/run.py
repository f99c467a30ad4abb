"""Make the depth maps of a source's frames: here, in several processes, or on a cluster; and the manifest of them."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2

from ..errors import CalibrationError, ClusterError, OutputError
from .lens import Lens
from .manifest import FORMATS, Row, write_manifest
from .maps import MapMaker
from .output import Output, write_lens, writing
from .processes import rows_of_processes
from .records import Records
from .resume import clean, only_run, reopen, write_settings
from .sources import Entry, Source
from .spans import Span, span_length, spans
from .work import Work

SAMPLES = 16  # frames whose cameras are compared to tell whether they all have the same


@dataclass(frozen=True)
class Engine:
    """Who does the work: this process, `jobs` of them, or the workers of a Dask scheduler's address."""

    jobs: int = 1
    scheduler: str = ''

    def rows(self, work: Work, entries: Sequence[Entry], todo: Any) -> Iterator[tuple[int, Row]]:
        """Yield the index and row of each frame to be done, as they are. Raises OutputError, ClusterError."""
        accumulate = work.maker.settings.accumulate
        if self.scheduler:
            yield from _rows_of_cluster()(work, entries, todo, self.scheduler)
            return
        todo_spans = spans(todo, span_length(len(todo), self.jobs, accumulate))
        if self.jobs > 1 and len(todo) > 1:
            yield from rows_of_processes(work, entries, todo_spans, self.jobs)
        else:
            yield from rows_here(work, entries, todo_spans)


def _rows_of_cluster() -> Any:
    """Return what does the work on a cluster. Raises ClusterError where Dask, an extra, is missing."""
    try:
        from .cluster import rows_of_cluster
    except ImportError as error:
        raise ClusterError(f'expected Dask for --scheduler, got: {error}; pip install "depth_node[cluster]"') from error
    return rows_of_cluster


def rows_here(work: Work, entries: Sequence[Entry], todo: Iterator[Span]) -> Iterator[tuple[int, Row]]:
    """Yield the index and row of each frame of the spans, done in this process."""
    cv2.setNumThreads(1)
    for span in todo:
        yield from enumerate(work.rows(span.chunk(entries, work.maker.settings.accumulate)), span.start)


class Run:
    """A data set in the making: what is done, what is left, and the manifest at the end, however it comes."""

    def __init__(self, work: Work, entries: Sequence[Entry], records: Records, settings: dict[str, Any]) -> None:
        self.work, self.entries, self.records, self.settings = work, entries, records, settings
        self.todo = records.missing()
        self.kept = len(entries) - len(self.todo)

    def rows(self, engine: Engine) -> Generator[Row, None, None]:
        """Do what is left and yield the rows as they come. Raises OutputError, ClusterError."""
        for index, row in engine.rows(self.work, self.entries, self.todo):
            with writing(self.records.journal.path):
                self.records.add(index, row)
            yield row

    def finish(self, suffix: str) -> Path:
        """Write the manifest of what is done and drop the journal. Raises OutputError where that is not possible."""
        folder = self.work.output.folder
        path = folder / f'manifest.{suffix}'
        self.records.mark_partial()
        with writing(path):
            clean(self.work.output)
            write_manifest(path, self.records.rows, self.settings)
            for other in FORMATS:
                if other != suffix:
                    (folder / f'manifest.{other}').unlink(missing_ok=True)
            self.records.journal.path.unlink()
        return path


@contextmanager
def opened(maker: MapMaker, output: Output, settings: dict[str, Any], digest: str, overwrite: bool) -> Iterator[Run]:
    """Prepare the output's folder, with what an earlier run left there, for a run that is alone in it.

    `settings` is what settings.json holds. Raises OutputError where the folder cannot be written to, or holds maps
    made with other settings; DepthNodeError for a manifest that cannot be read.
    """
    entries = maker.source.entries()
    lens, per_frame = camera_of(maker.source, entries)
    output = replace(output, camera_per_frame=per_frame)
    refuse_inside(maker.source.path, output.folder)
    output.make_folders()
    with only_run(output.folder):
        clean(output)
        records = reopen(output, entries, digest, settings, overwrite)
        try:
            if overwrite:
                forget(output, entries)
            write_settings(output.folder, settings)
            if lens is not None and not per_frame:
                write_lens(output.folder / 'intrinsics', lens)
            yield Run(Work(maker, output, digest, lens), entries, records, settings)
        finally:
            records.journal.close()


def camera_of(source: Source, entries: Sequence[Entry]) -> tuple[Lens | None, bool]:
    """Return the lens of the first frame that has one, and whether others have another, by some that are looked at."""
    lenses = []
    for entry in entries[:: max(1, len(entries) // SAMPLES)]:
        try:
            lenses.append(source.view(entry).lens)
        except (CalibrationError, OSError):  # what is wrong with a frame is told when it is its turn
            continue
    numbers = {(lens.model, lens.size, *lens.numbers.tolist()) for lens in lenses}
    return lenses[0] if lenses else None, len(numbers) > 1


def refuse_inside(source: Path, folder: Path) -> None:
    """Raise OutputError where the output lies in the source's folder: a source's files stay as they are."""
    source, folder = source.resolve(), folder.resolve()
    if source.is_dir() and folder.is_relative_to(source):
        raise OutputError(f'{folder}: expected a folder outside the source, got one in {source}; name another')


def forget(output: Output, entries: Sequence[Entry]) -> None:
    """Remove the depth maps that are to be made again: an end before that must not leave old ones among new ones."""
    for entry in entries:
        if not entry.skip:
            path = output.depth_path(entry.name)
            with writing(path):
                path.unlink(missing_ok=True)
