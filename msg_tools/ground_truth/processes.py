"""Do the work in several processes of this machine; one that dies is replaced, and its frames are done again.

Rows come back one by one, so that it is known which frame a process was at when it died: out of memory, mostly. A frame
at which several died is given up, and the rest goes on.
"""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

import cv2

from ..errors import DepthNodeError, OutputError
from .manifest import Row
from .maps import Failure
from .sources import Entry
from .spans import Span
from .work import Work

TRIES = 3  # processes that may die at a frame before it is given up
DEATHS_PER_SCAN = 9  # in a row, with no frame done in between; a bad scan is read for each that it is added to
ONE_THREAD = 'OPENBLAS_NUM_THREADS', 'OMP_NUM_THREADS', 'MKL_NUM_THREADS', 'NUMBA_NUM_THREADS'
GRACE_S = 10.0


@dataclass
class Worker:
    """A process, the line to it, and what is left of the span that it is at."""

    process: BaseProcess
    line: Connection
    span: Span | None = None

    def give(self, span: Span, entries: Sequence[Entry], accumulate: int) -> None:
        """Hand out a span; a process that is dead already is noticed when it is listened to."""
        self.span = span
        with suppress(OSError):
            self.line.send(span.chunk(entries, accumulate))


def rows_of_processes(
    work: Work, entries: Sequence[Entry], todo: Iterable[Span], jobs: int
) -> Iterator[tuple[int, Row]]:
    """Yield the index and row of each frame of the spans as they are done by `jobs` processes.

    Raises OutputError where the output cannot be written, DepthNodeError where the processes keep dying.
    """
    pool = Pool(work, entries, todo)
    try:
        pool.start(jobs)
        yield from pool.rows()
    finally:
        pool.stop()


class Pool:
    """The processes at work, the spans that wait, and how often processes died at a frame."""

    def __init__(self, work: Work, entries: Sequence[Entry], todo: Iterable[Span]) -> None:
        self.work, self.entries = work, entries
        self.accumulate = work.maker.settings.accumulate
        self.todo = iter(todo)
        self.again: deque[Span] = deque()
        self.workers: list[Worker] = []
        self.deaths: dict[int, int] = {}
        self.deaths_in_a_row = 0

    def start(self, count: int) -> None:
        """Start processes, each with a span, as long as there is one."""
        for _ in range(count):
            if (span := self._next()) is not None:
                self.workers.append(start_worker(self.work))
                self.workers[-1].give(span, self.entries, self.accumulate)

    def rows(self) -> Iterator[tuple[int, Row]]:
        """Yield rows as they come, hand out spans, and replace processes that die."""
        while self.workers:
            for line in wait([worker.line for worker in self.workers]):
                worker = next(worker for worker in self.workers if worker.line is line)
                try:
                    message = worker.line.recv()
                except (EOFError, OSError):
                    yield from self._bury(worker)
                    continue
                if isinstance(message, OutputError):
                    raise message
                yield self._done(worker, message)

    def stop(self) -> None:
        """Let the processes end after the frame that they are at."""
        for worker in self.workers:
            worker.line.close()
        for worker in self.workers:
            worker.process.join(GRACE_S)
            if worker.process.is_alive():
                worker.process.kill()

    def _next(self) -> Span | None:
        return self.again.popleft() if self.again else next(self.todo, None)

    def _done(self, worker: Worker, row: Row) -> tuple[int, Row]:
        assert worker.span is not None
        index = worker.span.start
        self.deaths_in_a_row = 0
        worker.span = Span(index + 1, worker.span.stop)
        if worker.span.start == worker.span.stop:
            span = self._next()
            if span is None:
                self._dismiss(worker)
            else:
                worker.give(span, self.entries, self.accumulate)
        return index, row

    def _dismiss(self, worker: Worker) -> None:
        self.workers.remove(worker)
        worker.line.close()
        worker.process.join(GRACE_S)

    def _bury(self, worker: Worker) -> Iterator[tuple[int, Row]]:
        """Put the rest of a dead process's span back, without the frame if too many died at it, and replace it."""
        self._dismiss(worker)
        assert worker.span is not None
        index = worker.span.start
        self.deaths[index] = self.deaths.get(index, 0) + 1
        self.deaths_in_a_row += 1
        if self.deaths_in_a_row >= DEATHS_PER_SCAN * (2 * self.accumulate + 1):
            raise DepthNodeError(f'expected the worker processes to live, got {self.deaths_in_a_row} that ended in a '
                                 f'row, the last with {worker.process.exitcode}; is there enough memory? (fewer --jobs '
                                 'need less)')
        rest = worker.span
        if self.deaths[index] >= TRIES:
            rest = Span(index + 1, rest.stop)
            reason = (f'expected its process to live, got {TRIES} that ended, the last with '
                      f'{worker.process.exitcode}; was it out of memory?')
            yield index, self.work.without_map(Failure(self.entries[index], reason))
        if rest.start < rest.stop:
            self.again.append(rest)
        self.start(1)


def start_worker(work: Work) -> Worker:
    """Start a process that waits for chunks."""
    for name in ONE_THREAD:
        os.environ.setdefault(name, '1')  # read when the process imports NumPy
    context = get_context('spawn')
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(work, theirs), daemon=True)
    with uninterrupted():
        process.start()
    theirs.close()  # so that its end is seen when the process ends
    return Worker(process, ours)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold Ctrl-C back for a moment: a process that starts meanwhile never sees it, not even before it is at work."""
    if not hasattr(signal, 'pthread_sigmask'):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def serve(work: Work, line: Any) -> None:
    """Do the chunks that come along a line, sending each row back, until the line is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the main process ends the work
    cv2.setNumThreads(1)
    try:
        while True:
            for row in work.rows(line.recv()):
                line.send(row)
    except OutputError as error:
        with suppress(OSError):  # another process told the main one before
            line.send(error)
    except (EOFError, OSError):  # the main process is done, or gone
        pass
