"""What happened to the frames: received, published, dropped and why, and how long each stage took. Knows no ROS."""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from msg_tools.errors import BackendError, CalibrationError, ImageError

T = TypeVar('T')

WINDOW = 300  # how many of the latest frames the percentiles describe
RATE_WINDOW_S = 5.0
SUPERSEDED = 'superseded by a newer image'
IDLE = 'nobody subscribes'
REASONS = {ImageError: 'bad image', CalibrationError: 'bad camera_info', BackendError: 'network failed'}


@dataclass(frozen=True, slots=True)
class Spread:
    """How a duration was distributed over the latest frames [ms]."""

    p50: float
    p90: float
    p99: float
    max: float

    @classmethod
    def of(cls, seconds: Any) -> Spread:
        """Summarise durations [s], at least one.

        >>> Spread.of([0.001, 0.002, 0.003])
        Spread(p50=2.0, p90=2.8, p99=2.98, max=3.0)
        """
        values = np.fromiter(seconds, float) * 1e3
        return cls(*(round(float(value), 3) for value in (*np.percentile(values, (50, 90, 99)), values.max())))

    def __str__(self) -> str:
        return f'{self.p50:.1f} / {self.p90:.1f} / {self.p99:.1f} / {self.max:.1f}'


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state of the monitor at one moment."""

    received: int
    published: int
    dropped: dict[str, int]
    received_hz: float
    published_hz: float
    stages: dict[str, Spread]  # in the order in which they first ran
    silence_s: float | None  # since the last image; None: none ever came
    last_error: str


class Frame:
    """One frame on its way; `stage` runs a step of it and notes how long that took.

    begin_s: when it began, on the performance counter, if that was before now.
    """

    def __init__(self, begin_s: float | None = None) -> None:
        self.begin_s = time.perf_counter() if begin_s is None else begin_s
        self.seconds: dict[str, float] = {}

    def stage(self, name: str, function: Callable[..., T], *args: Any) -> T:
        """Call the function and return what it returns."""
        start = time.perf_counter()
        try:
            return function(*args)
        finally:
            self.seconds[name] = time.perf_counter() - start


class Monitor:
    """Counts and times frames; safe to use from several threads.

    >>> monitor = Monitor()
    >>> monitor.receive(age_s=0.01)
    >>> with monitor.frame() as frame:
    ...     frame.stage('convert', int, 'not a number')
    >>> monitor.snapshot().dropped
    {'internal error': 1}
    """

    def __init__(
        self, report: Callable[[str, Exception], None] | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.report = report
        self.clock = clock
        self._lock = threading.Lock()
        self._received = self._published = 0
        self._dropped: Counter[str] = Counter()
        self._receipts: deque[float] = deque(maxlen=WINDOW)
        self._publications: deque[float] = deque(maxlen=WINDOW)
        self._stages: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=WINDOW))
        self._last_error = ''

    def receive(self, age_s: float) -> None:
        """Count an image that arrived this long [s] after its stamp."""
        with self._lock:
            self._received += 1
            self._receipts.append(self.clock())
            self._stages['receive age'].append(age_s)

    def drop(self, reason: str) -> None:
        """Count an image that will not be published."""
        with self._lock:
            self._dropped[reason] += 1

    @contextmanager
    def frame(self, frame: Frame | None = None, last: bool = True) -> Iterator[Frame]:
        """Time one frame, or a part of its work; if it raises, count it as dropped, report the error, and go on.

        After the last part without an error it counts as published.
        """
        frame = frame or Frame()
        try:
            yield frame
        except Exception as error:  # one bad frame, whatever is wrong with it, must not stop the ones after it
            self._fail(error)
        else:
            if last:
                self._finish({**frame.seconds, 'total': time.perf_counter() - frame.begin_s})

    def _fail(self, error: Exception) -> None:
        reason = next((text for kind, text in REASONS.items() if isinstance(error, kind)), 'internal error')
        with self._lock:
            self._dropped[reason] += 1
            self._last_error = f'{type(error).__name__}: {error}'
        if self.report:
            self.report(reason, error)

    def _finish(self, seconds: dict[str, float]) -> None:
        with self._lock:
            self._published += 1
            self._publications.append(self.clock())
            for name, duration in seconds.items():
                self._stages[name].append(duration)

    def snapshot(self) -> Snapshot:
        """Return the counts since the start and the rates and times of the latest frames."""
        now = self.clock()
        with self._lock:  # held for the copies alone: the frame at work must not wait for the percentiles
            received, published, dropped = self._received, self._published, dict(self._dropped)
            receipts, publications, last_error = list(self._receipts), list(self._publications), self._last_error
            stages = {name: list(values) for name, values in self._stages.items()}
        return Snapshot(
            received=received,
            published=published,
            dropped=dropped,
            received_hz=rate_hz(receipts, now),
            published_hz=rate_hz(publications, now),
            stages={name: Spread.of(values) for name, values in stages.items()},
            silence_s=now - receipts[-1] if receipts else None,
            last_error=last_error,
        )


def rate_hz(times: list[float], now: float) -> float:
    """Return how often per second something happened over the last seconds, from the times [s] when it did."""
    recent = [t for t in times if now - t <= RATE_WINDOW_S]
    if len(recent) < 2 or recent[-1] == recent[0]:
        return 0.0
    return (len(recent) - 1) / (recent[-1] - recent[0])
