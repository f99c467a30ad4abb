"""Counts, rates and percentiles of frames, with a clock that the test moves."""

import threading

import numpy as np
import pytest

from depth_node.monitor import RATE_WINDOW_S, WINDOW, Monitor, Spread
from msg_tools.errors import BackendError, CalibrationError, CheckpointError, ImageError


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def reported():
    return []


@pytest.fixture
def monitor(clock, reported):
    return Monitor(lambda reason, error: reported.append((reason, str(error))), clock)


def test_percentiles_of_a_hundred_and_one_numbers_are_those_numbers():
    assert Spread.of(np.arange(101) / 1000) == Spread(50.0, 90.0, 99.0, 100.0)
    assert Spread.of([0.002]) == Spread(2.0, 2.0, 2.0, 2.0)
    assert str(Spread(1.0, 2.25, 3.0, 4.0)) == '1.0 / 2.2 / 3.0 / 4.0'


def test_nothing_yet(monitor):
    frames = monitor.snapshot()
    assert (frames.received, frames.published, frames.dropped, frames.stages) == (0, 0, {}, {})
    assert frames.silence_s is None
    assert frames.received_hz == 0.0


def test_a_frame_is_counted_and_its_stages_are_timed(monitor):
    monitor.receive(age_s=0.004)
    with monitor.frame() as frame:
        assert frame.stage('convert', max, 1, 2) == 2
        frame.stage('infer', min, 1, 2)
    frames = monitor.snapshot()
    assert (frames.received, frames.published) == (1, 1)
    assert list(frames.stages) == ['receive age', 'convert', 'infer', 'total']
    assert frames.stages['receive age'].p50 == 4.0
    assert frames.stages['total'].max >= frames.stages['convert'].max


def test_ten_a_second_are_ten_hertz(monitor, clock):
    for _ in range(31):
        monitor.receive(0.0)
        clock.now += 0.1
    assert monitor.snapshot().received_hz == pytest.approx(10.0)
    assert monitor.snapshot().silence_s == pytest.approx(0.1)
    clock.now += RATE_WINDOW_S
    assert monitor.snapshot().received_hz == 0.0


@pytest.mark.parametrize(('error', 'reason'), [
    (ImageError('short data'), 'bad image'),
    (CalibrationError('no focal length'), 'bad camera_info'),
    (BackendError('out of memory'), 'network failed'),
    (CheckpointError('odd'), 'internal error'),
    (ZeroDivisionError('a bug of ours'), 'internal error'),
])
def test_a_frame_that_raises_is_dropped_counted_and_reported_and_the_next_one_works(monitor, reported, error, reason):
    def fail():
        raise error

    with monitor.frame() as frame:
        frame.stage('convert', fail)
    with monitor.frame() as frame:
        frame.stage('convert', int)
    frames = monitor.snapshot()
    assert frames.dropped == {reason: 1}
    assert frames.published == 1
    assert frames.last_error == f'{type(error).__name__}: {error}'
    assert reported == [(reason, str(error))]


def test_an_interrupt_is_not_taken_for_a_bad_frame(monitor):
    with pytest.raises(KeyboardInterrupt), monitor.frame():
        raise KeyboardInterrupt
    assert monitor.snapshot().dropped == {}


def test_drops_are_counted_by_reason(monitor):
    for reason in ('idle', 'late', 'idle'):
        monitor.drop(reason)
    assert monitor.snapshot().dropped == {'idle': 2, 'late': 1}


def test_a_snapshot_does_not_change_afterwards(monitor):
    before = monitor.snapshot()
    monitor.drop('late')
    assert before.dropped == {}


def test_percentiles_describe_the_latest_frames_and_memory_is_bounded(monitor):
    for age_s in [1.0] * WINDOW + [0.001] * WINDOW:
        monitor.receive(age_s)
    assert monitor.snapshot().stages['receive age'].max == 1.0e0
    assert monitor.snapshot().received == 2 * WINDOW


def test_threads_may_count_at_once(monitor):
    threads = [threading.Thread(target=lambda: [monitor.receive(0.0) for _ in range(1000)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert monitor.snapshot().received == 4000
