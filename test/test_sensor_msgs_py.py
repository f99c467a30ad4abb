"""Our point clouds beside ROS's sensor_msgs_py (part of every ROS 2 installation; not on PyPI)."""

import numpy as np
import pytest

from msg_tools.cloud import XYZI, cloud_to_array, cloud_to_xyz, fill_cloud, fill_cloud_fields

point_cloud2 = pytest.importorskip('sensor_msgs_py.point_cloud2', reason='needs sensor_msgs_py: source a ROS 2')
pytestmark = pytest.mark.ros

MIXED = np.dtype({'names': ['x', 'y', 'z', 'ring', 'time', 'flags'], 'offsets': [0, 4, 8, 16, 24, 32],
                  'formats': ['<f4', '<f4', '<f4', '<u2', '<f8', '<i1'], 'itemsize': 48})


def message():
    from sensor_msgs.msg import PointCloud2
    return PointCloud2()


def header():
    from std_msgs.msg import Header
    return Header(frame_id='velo_link')


def random_points(dtype, shape=(50,), seed=0):
    """Return points of arbitrary bytes but finite numbers."""
    rng = np.random.default_rng(seed)
    points = np.zeros(shape, dtype)
    for name in dtype.names:
        points[name] = rng.uniform(-100, 100, shape)
    return points


@pytest.mark.parametrize('dtype', [XYZI, MIXED], ids=['xyzi', 'mixed'])
def test_they_read_what_we_wrote(dtype):
    points = random_points(dtype)
    theirs = point_cloud2.read_points(fill_cloud_fields(message(), points))
    assert theirs.dtype.names == dtype.names
    for name in dtype.names:
        assert np.array_equal(theirs[name], points[name])


def test_we_read_what_they_wrote():
    points = random_points(XYZI)
    fields = point_cloud2.create_cloud_xyz32(header(), np.zeros((1, 3))).fields
    cloud = point_cloud2.create_cloud(header(), fields, np.stack([points[name] for name in 'xyz'], -1))
    assert np.array_equal(cloud_to_xyz(cloud), np.stack([points[name] for name in 'xyz'], -1))


def test_both_write_the_same_message():
    points = random_points(XYZI)
    ours = fill_cloud_fields(message(), points)
    theirs = point_cloud2.create_cloud(ours.header, ours.fields, points)
    assert ours == theirs


@pytest.mark.parametrize('order', ['<', '>'])
def test_both_read_either_byte_order(order):
    points = random_points(MIXED)
    cloud = fill_cloud_fields(message(), points)
    cloud.is_bigendian = order == '>'
    cloud.data[:] = type(cloud.data)('B', points.astype(MIXED.newbyteorder(order)).tobytes())
    ours, theirs = cloud_to_array(cloud), point_cloud2.read_points(cloud)
    for name in MIXED.names:
        assert np.array_equal(ours[name], points[name])
        assert np.array_equal(theirs[name], points[name])


def test_organised_clouds_have_height_first_where_theirs_are_transposed():
    xyz = np.random.default_rng(0).normal(size=(3, 5, 3)).astype(np.float32)
    ours = fill_cloud(message(), xyz)
    theirs = point_cloud2.create_cloud(header(), ours.fields, xyz)
    assert (ours.height, ours.width) == (3, 5)
    assert (theirs.height, theirs.width) == (5, 3)  # known: read back they are (width, height) again
    assert ours.data == theirs.data
    flat = point_cloud2.read_points_numpy(ours, ['x', 'y', 'z'])
    assert np.array_equal(flat, xyz.reshape(-1, 3))
