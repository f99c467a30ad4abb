"""Do the work on the workers of a Dask scheduler, wherever they are: on SLURM with dask-jobqueue, by SSH, by hand.

Who does what, and again when a worker is lost, Dask decides. The work goes to each worker once, also to those that come
later (a worker plugin); a task is a span of frames, and writes whole files, so that it may be done twice. Workers must
see source and output under the same paths, and have the same version of this package.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import Any, NamedTuple, cast

import cv2
from distributed import Client, Future, Worker, as_completed, get_worker
from distributed.diagnostics.plugin import WorkerPlugin
from distributed.scheduler import KilledWorker

from ..cli import package_version
from ..errors import ClusterError, DepthNodeError
from .manifest import Row
from .maps import Chunk, Failure
from .sources import Entry
from .spans import Span, span_length, spans
from .work import Work

CHATTY = 'distributed.client', 'distributed.utils', 'distributed.core'  # tracebacks for what our one error says
CONNECT_S, WORKERS_S = 10.0, 60.0
WAITING_PER_THREAD = 2  # tasks handed out ahead: what bounds the scheduler's memory


class Share(WorkerPlugin):  # type: ignore[misc]
    """The work as it lies on a worker, and what stands in its way there: '' for nothing."""

    def __init__(self, work: Work, version: str, probe: Path) -> None:
        self.work, self.version, self.probe = work, version, probe
        self.problem, self.stopped = '', False

    def setup(self, worker: Worker) -> None:
        """Look whether the work can be done on this worker."""
        cv2.setNumThreads(1)
        self.problem = self._problem()

    def teardown(self, worker: Worker) -> None:
        """Let tasks end after the frame that they are at."""
        self.stopped = True

    def _problem(self) -> str:
        if package_version() != self.version:
            return f'expected depth_node {self.version}, got {package_version()}'
        if not self.work.maker.source.path.exists():
            return f'expected to find {self.work.maker.source.path}; do the workers share the storage?'
        if not self.probe.exists():
            return f'expected to find the output, {self.probe.parent}; do the workers share the storage?'
        try:
            written = self.probe.with_name(f'{self.probe.name}.{token_hex(4)}.part')
            written.write_bytes(b'')
            written.unlink()
        except OSError as error:
            return f'expected to write to {self.probe.parent}, got: {error.strerror}'
        return ''


class Done(NamedTuple):
    """What came of a task: the rows of its frames, and what ended it before the last."""

    rows: list[Row]
    error: DepthNodeError | None = None


def do_chunk(token: str, chunk: Chunk) -> Done:
    """Do a chunk on a worker."""
    share = cast(Share, get_worker().plugins[token])
    if share.problem:
        return Done([], ClusterError(f'{get_worker().address}: {share.problem}'))
    rows = []
    try:
        for row in share.work.rows(chunk):
            rows.append(row)
            if share.stopped:
                break
    except DepthNodeError as error:
        return Done(rows, error)
    return Done(rows)


def rows_of_cluster(work: Work, entries: Sequence[Entry], todo: Any, address: str) -> Iterator[tuple[int, Row]]:
    """Yield the index and row of each frame to be done (N,) as the workers of a scheduler do them.

    Raises ClusterError where the scheduler cannot be reached or a worker cannot do the work, OutputError where the
    output cannot be written.
    """
    with connected(address) as client:
        threads = sum(client.nthreads().values())
        length = span_length(len(todo), max(1, threads), work.maker.settings.accumulate)
        with shared(client, work) as token:
            yield from Tasks(client, token, work, entries, spans(todo, length)).rows()


@contextmanager
def connected(address: str) -> Iterator[Client]:
    """Connect to a scheduler that has workers. Raises ClusterError where there is none, or no worker comes."""
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        client = Client(address, timeout=CONNECT_S, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise ClusterError(f'{address}: expected a Dask scheduler, got none within {CONNECT_S:.0f} s '
                           f'({" ".join(str(error).split())}); is it running, and reachable from here?') from error
    try:
        try:
            client.wait_for_workers(1, timeout=WORKERS_S)
        except TimeoutError as error:
            raise ClusterError(f'{address}: expected a worker, got none within {WORKERS_S:.0f} s; '
                               'start some with: dask worker ADDRESS') from error
        yield client
    finally:
        client.close()


@contextmanager
def shared(client: Client, work: Work) -> Iterator[str]:
    """Send the work to all workers, present and to come, under a name. Raises ClusterError where one cannot do it."""
    token = f'depth_node-{token_hex(4)}'
    probe = work.output.folder / f'.{token}.part'
    probe.write_bytes(b'')
    try:
        try:
            client.register_plugin(Share(work, package_version(), probe), name=token)
            problems = client.run(problem_on, token)
        except Exception as error:  # whatever the workers' Python raises, such as ModuleNotFoundError
            raise ClusterError(f'expected workers with depth_node {package_version()}, got {type(error).__name__}: '
                               f'{" ".join(str(error).split())}; is it installed there?') from error
        for worker, problem in problems.items():
            if problem:
                raise ClusterError(f'{worker}: {problem}')
        yield token
    finally:
        with suppress(Exception):  # the scheduler may be gone
            client.unregister_worker_plugin(token)
        probe.unlink(missing_ok=True)


def problem_on(token: str, dask_worker: Worker) -> str:
    """Return what stands in the way of the work on a worker."""
    return cast(Share, dask_worker.plugins[token]).problem


class Tasks:
    """The tasks of a run: some handed out, the others waiting."""

    def __init__(self, client: Client, token: str, work: Work, entries: Sequence[Entry], todo: Iterable[Span]) -> None:
        self.client, self.token, self.work, self.entries = client, token, work, entries
        self.todo = iter(todo)
        self.at_work: dict[str, Span] = {}
        self.completed = as_completed(loop=client.loop)

    def rows(self) -> Iterator[tuple[int, Row]]:
        """Hand out tasks and yield the rows of those that are done; on any end, take back those that are not."""
        try:
            self._hand_out()
            for future in self.completed:
                yield from self._rows_of(future, self.at_work.pop(future.key))
                future.release()
                self._hand_out()
        finally:
            with suppress(Exception):
                self.client.cancel([Future(key, self.client) for key in self.at_work], force=True)

    def _hand_out(self) -> None:
        limit = WAITING_PER_THREAD * max(1, sum(self.client.nthreads().values()))
        while len(self.at_work) < limit and (span := next(self.todo, None)) is not None:
            self._submit(span)

    def _submit(self, span: Span) -> None:
        chunk = span.chunk(self.entries, self.work.maker.settings.accumulate)
        key = f'{self.token}-{span.start}-{span.stop}'
        self.at_work[key] = span
        self.completed.add(self.client.submit(do_chunk, self.token, chunk, key=key, pure=False))

    def _rows_of(self, future: Future, span: Span) -> Iterator[tuple[int, Row]]:
        """Yield the rows of a task; where the workers that had it kept dying, do its frames one at a time."""
        if future.status == 'cancelled':
            raise ClusterError('expected the scheduler to stay, got an end of the connection; is it still running?')
        error = future.exception()
        if isinstance(error, KilledWorker):
            yield from self._killed(span)
            return
        if error is not None:
            raise ClusterError(f'expected a worker to do its task, got {type(error).__name__}: '
                               f'{" ".join(str(error).split())}') from error
        done: Done = future.result()
        yield from enumerate(done.rows, span.start)
        if done.error is not None:
            raise done.error

    def _killed(self, span: Span) -> Iterator[tuple[int, Row]]:
        if span.stop - span.start > 1:
            for start in range(span.start, span.stop):
                self._submit(Span(start, start + 1))
            return
        reason = 'expected its worker to live, got several that died; were they out of memory?'
        yield span.start, self.work.without_map(Failure(self.entries[span.start], reason))
