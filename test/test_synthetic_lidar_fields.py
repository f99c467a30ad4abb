"""A scan as the common drivers publish theirs: fields, kinds of time, stamps, and the way through a message."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from msg_tools.cloud import cloud_to_array, cloud_to_xyz, fill_cloud_fields
from msg_tools.errors import CloudError
from msg_tools.synthetic_lidar_fields import DRIVERS, as_driver, ring_of
from msg_tools.synthetic_rays import scanner_grids

STAMP_NS = 1_317_045_600_123_456_789
TIME = {'velodyne': ('time', '<f4'), 'ouster': ('t', '<u4'), 'livox': ('offset_time', '<u4'),
        'hesai': ('timestamp', '<f8'), 'robosense': ('timestamp', '<f8')}


def three_points():
    """Return points of the highest beam ahead, the lowest ahead, and the highest to the right, 25 ms later."""
    low, high = np.deg2rad([-24.8, 2.0])
    points = np.array([[10 * np.cos(high), 0, 10 * np.sin(high), 0.5], [5 * np.cos(low), 0, 5 * np.sin(low), 1.0],
                       [0, -8 * np.cos(high), 8 * np.sin(high), 0.0]], np.float32)
    return points[[2, 0, 1]], np.array([0.025, 0.0, 0.0], np.float32)


def seconds(cloud, driver):
    """Return the absolute time of each point, as who knows the driver reads it [s]."""
    values = cloud.points[TIME[driver][0]]
    if driver in ('hesai', 'robosense'):
        return values
    return cloud.stamp_ns * 1e-9 + values.astype(float) * (1 if driver == 'velodyne' else 1e-9)


@pytest.mark.parametrize('driver', DRIVERS)
def test_every_driver_tells_the_time_of_each_point_in_its_own_way(driver):
    points, offsets_s = three_points()
    cloud = as_driver(points, offsets_s, STAMP_NS, driver)
    name, kind = TIME[driver]
    assert cloud.points.dtype[name] == np.dtype(kind)
    assert cloud.stamp_ns == STAMP_NS  # of the first point
    hit = cloud.points[np.abs(cloud.points['x']) + np.abs(cloud.points['y']) > 0]
    told = seconds(cloud, driver)[np.abs(cloud.points['x']) + np.abs(cloud.points['y']) > 0]
    assert np.sort(told - STAMP_NS * 1e-9) == pytest.approx([0, 0, 0.025], abs=1e-6)
    last = hit[np.argmax(told)]
    assert [last[axis] for axis in 'xyz'] == pytest.approx([0, -7.995, 0.279], abs=1e-3)
    assert hit['intensity'].max() == 255


def test_the_stamp_is_that_of_the_first_shot_not_of_the_middle_of_the_turn():
    points, offsets_s = three_points()
    cloud = as_driver(points, offsets_s - np.float32(0.05), STAMP_NS, 'livox')
    assert cloud.stamp_ns == pytest.approx(STAMP_NS - 50_000_000, abs=5)  # what is left of float32
    assert cloud.points['offset_time'].tolist() == pytest.approx([0, 0, 25_000_000], abs=5)


def test_an_ouster_cloud_is_organised_and_zero_where_nothing_returned():
    points, offsets_s = three_points()
    cloud = as_driver(points, offsets_s, STAMP_NS, 'ouster').points
    assert cloud.shape == (64, 2)
    assert cloud['range'][[0, 63, 0], [0, 0, 1]].tolist() == [10_000, 5_000, 8_000]
    assert np.count_nonzero(cloud['range']) == 3
    assert (cloud['t'] == [0, 25_000_000]).all()
    assert cloud['ring'][:, 0].tolist() == list(range(64))
    assert [cloud[axis][5, 0] for axis in 'xyz'] == [0, 0, 0]


def test_every_beam_is_known_by_its_elevation():
    sector = scanner_grids(np.eye(4), 16)[0]
    points = sector.directions(np.arange(64 * 4)) * np.float32(30)
    assert ring_of(points).tolist() == np.repeat(np.arange(64), 4).tolist()


@pytest.mark.parametrize('driver', DRIVERS)
def test_a_drivers_cloud_passes_through_a_message(driver):
    points, offsets_s = three_points()
    cloud = as_driver(points, offsets_s, STAMP_NS, driver).points
    msg = fill_cloud_fields(SimpleNamespace(data=None, fields=[]), cloud)
    np.testing.assert_array_equal(cloud_to_array(msg), cloud)
    assert cloud_to_xyz(msg).shape == (*cloud.shape, 3)


def test_other_drivers_and_scans_without_times_are_refused():
    points, offsets_s = three_points()
    with pytest.raises(CloudError, match='expected one of the drivers velodyne, ouster'):
        as_driver(points, offsets_s, STAMP_NS, 'sick')
    with pytest.raises(CloudError, match='got 3 points, 2 times'):
        as_driver(points, offsets_s[:2], STAMP_NS, 'velodyne')
    with pytest.raises(CloudError, match='got 0 points'):
        as_driver(points[:0], offsets_s[:0], STAMP_NS, 'velodyne')
