"""When points were measured: the fields of the common drivers, their units and what they are relative to."""

import numpy as np
import pytest

from msg_tools.errors import CloudError
from msg_tools.ground_truth.point_times import TimeField
from msg_tools.synthetic_lidar_fields import DRIVERS, as_driver

STAMP_NS = 1_700_000_000_123_456_789
SECONDS = np.array([0.0, 0.025, 0.05, 0.1])


def cloud(times, name='time', **columns):
    """Return a structured cloud of four points with a time field of its own type."""
    times = np.asarray(times)
    points = np.zeros(len(times), [('x', 'f4'), ('y', 'f4'), ('z', 'f4'), (name, times.dtype)])
    points['x'], points[name] = 1.0, times
    for key, values in columns.items():
        points[key] = values
    return points


def offsets(points, stamp_ns=STAMP_NS, name=''):
    return TimeField.find([points], name).offsets_s(points, stamp_ns)


@pytest.mark.parametrize(('name', 'times', 'unit_s'), [
    ('time', SECONDS.astype(np.float32), 1.0),  # velodyne
    ('time', (SECONDS - 0.1).astype(np.float32), 1.0),  # its stamp of the last packet
    ('t', (SECONDS * 1e9).astype(np.uint32), 1e-9),  # ouster
    ('offset_time', (SECONDS * 1e9).astype(np.uint32), 1e-9),  # livox
    ('time_offset', (SECONDS * 1e6).astype(np.uint32), 1e-6),
    ('offset_time', (SECONDS * 1e3).astype(np.float32), 1e-3),
    ('timestamp', STAMP_NS + SECONDS * 1e9, 1e-9),  # livox 2
    ('timestamp', STAMP_NS * 1e-9 + SECONDS, 1.0),  # hesai, robosense
])
def test_drivers_fields(name, times, unit_s):
    found = TimeField.find([cloud(times, name)])
    assert (found.name, found.unit_s) == (name, unit_s)
    result = found.offsets_s(cloud(times, name), STAMP_NS)
    assert result.dtype == np.float32
    expected = SECONDS - 0.1 if times[0] < 0 else SECONDS
    assert np.abs(result - expected).max() < 5e-7


@pytest.mark.parametrize('driver', DRIVERS)
def test_synthetic_scans_of_every_driver(driver):
    angle = np.linspace(0, 2 * np.pi, 200)
    points = np.stack([10 * np.cos(angle), 10 * np.sin(angle), np.zeros(200), np.ones(200)], 1).astype(np.float32)
    times = np.linspace(-0.05, 0.05, 200).astype(np.float32)
    made = as_driver(points, times, STAMP_NS, driver)
    result = offsets(made.points, made.stamp_ns) + (made.stamp_ns - STAMP_NS) * 1e-9
    xyz = np.stack([made.points[name].ravel() for name in 'xyz'], 1)
    valid = xyz.any(1)
    order = [int(np.argmin(np.abs(points[:, :3] - p).sum(1))) for p in xyz[valid][:100:7]]
    assert np.abs(result[valid][:100:7] - times[order]).max() < 1e-6


def test_float32_seconds_come_out_bit_for_bit():
    times = np.array([0.0123456, -0.05, 0.0499999], np.float32)
    assert offsets(cloud(times)).tobytes() == times.tobytes()


def test_one_time_for_all_is_no_time():
    assert TimeField.find([cloud(np.zeros(4, np.float32))]) is None
    assert TimeField.find([cloud(np.zeros(4, np.float32)), cloud(SECONDS)]).unit_s == 1.0  # the first that tells
    found = TimeField('t', 1e-9)
    assert found.offsets_s(cloud(np.full(4, 7, np.uint32), 't'), STAMP_NS) is None


def test_no_field_is_no_time():
    assert TimeField.find([cloud(SECONDS, 'ring')]) is None
    assert TimeField.find([]) is None


def test_points_that_are_none_do_not_count():
    points = cloud(np.array([0.0, STAMP_NS * 1e-9, STAMP_NS * 1e-9 + 0.1, 0.0]), 'timestamp')
    points['x'][0], points['x'][3] = np.nan, 0.0
    assert offsets(points).tolist() == pytest.approx([0, 0, 0.1, 0], abs=1e-6)


@pytest.mark.parametrize(('times', 'name', 'message'), [
    (SECONDS * 1e11, 'time', 'a scan of at most 1 s, got one of 10 s'),
    (STAMP_NS * 1e-9 + 100 + SECONDS, 'timestamp', r"got 100\.1\d* s away in 'timestamp'; are the two of different"),
])
def test_times_that_cannot_be(times, name, message):
    with pytest.raises(CloudError, match=message):
        offsets(cloud(times, name))


def test_longer_scan_than_the_first_ones():
    found = TimeField.find([cloud(SECONDS)])
    with pytest.raises(CloudError, match='expected a scan of at most 1 s, got one of 2 s'):
        found.offsets_s(cloud(SECONDS * 20), STAMP_NS)


def test_field_by_name():
    points = cloud(SECONDS.astype(np.float32), 'when')
    assert TimeField.find([points]) is None
    assert offsets(points, name='when')[3] == np.float32(0.1)
    with pytest.raises(CloudError, match="expected a field 'then' with the time of each point, got x, y, z, when"):
        TimeField.find([points], 'then')
    with pytest.raises(CloudError, match="expected a field 'when' as in the clouds before, got x, y, z, time"):
        TimeField('when', 1.0).offsets_s(cloud(SECONDS), STAMP_NS)
