import array
import contextlib
import doctest
import struct
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import msg_tools.cloud
from msg_tools.cloud import (
    DATATYPES,
    XYZI,
    PointField,
    cloud_buffer,
    cloud_to_array,
    cloud_to_xyz,
    fill_cloud,
    fill_cloud_fields,
    point_fields,
)
from msg_tools.errors import CloudError

FLOAT32, FLOAT64, UINT16, UINT8 = 7, 8, 4, 2


def cloud(fields, point_step, data, height=1, width=None, row_step=None, big=False):
    """Return a PointCloud2 message of (name, offset, datatype[, count]) fields and bytes."""
    width = len(data) // point_step // height if width is None else width
    row_step = point_step * width if row_step is None else row_step
    return SimpleNamespace(
        height=height, width=width, point_step=point_step, row_step=row_step,
        fields=[PointField(*(field if len(field) == 4 else (*field, 1))) for field in fields],
        is_bigendian=big, is_dense=True, data=data)


def xyz_cloud(data, **options):
    return cloud([('x', 0, FLOAT32), ('y', 4, FLOAT32), ('z', 8, FLOAT32)], 12, data, **options)


def blank():
    return SimpleNamespace(data=array.array('B'), fields=[])


def test_two_points():
    msg = xyz_cloud(struct.pack('<6f', 1, 2, 3, 4, 5, 6))
    assert cloud_to_xyz(msg).tolist() == [[1, 2, 3], [4, 5, 6]]
    assert cloud_to_array(msg)['y'].tolist() == [2, 5]


def test_fields_in_any_order_with_gaps():
    fields = [('ring', 20, UINT16), ('z', 8, FLOAT32), ('x', 12, FLOAT32), ('y', 0, FLOAT32)]
    msg = cloud(fields, 24, struct.pack('<ffffIHH', 2.0, -1, 3.0, 1.0, 0, 7, 0))
    assert cloud_to_xyz(msg).tolist() == [[1, 2, 3]]
    points = cloud_to_array(msg)
    assert points.dtype.names == ('ring', 'z', 'x', 'y')
    assert points['ring'].tolist() == [7]


def test_big_endian_becomes_native():
    msg = xyz_cloud(struct.pack('>3f', 1, 2, 3), big=True)
    assert cloud_to_xyz(msg).tolist() == [[1, 2, 3]]
    assert cloud_to_array(msg)['x'].dtype.isnative


def test_doubles_become_float32():
    fields = [('x', 0, FLOAT64), ('y', 8, FLOAT64), ('z', 16, FLOAT64)]
    xyz = cloud_to_xyz(cloud(fields, 24, struct.pack('<3d', 1, 2, 3)))
    assert xyz.dtype == np.float32
    assert xyz.tolist() == [[1, 2, 3]]


def test_organised_cloud_with_padded_rows():
    rows = [struct.pack('<6f', *range(6 * row, 6 * row + 6)) + b'pads' for row in range(3)]
    msg = xyz_cloud(b''.join(rows), height=3, width=2, row_step=28)
    assert cloud_to_array(msg).shape == (3, 2)
    assert cloud_to_xyz(msg).tolist() == np.arange(18.0).reshape(3, 2, 3).tolist()


def test_every_datatype_and_count():
    formats = {1: 'b', 2: 'B', 3: 'h', 4: 'H', 5: 'i', 6: 'I', 7: 'f', 8: 'd'}
    for number, code in formats.items():
        msg = cloud([('a', 0, number, 2)], 2 * struct.calcsize(code), struct.pack(f'<4{code}', 1, 2, 3, 4))
        assert cloud_to_array(msg)['a'].tolist() == [[1, 2], [3, 4]]
    assert formats.keys() == DATATYPES.keys()


def test_nameless_and_repeated_fields_get_numbers():
    msg = cloud([('_', 0, UINT8), ('_', 1, UINT8), ('', 2, UINT8)], 3, b'abc')
    assert cloud_to_array(msg).dtype.names == ('_', '__1', 'unnamed_2')


def test_empty_clouds_are_no_error():
    assert cloud_to_xyz(xyz_cloud(b'')).shape == (0, 3)
    assert cloud_to_xyz(xyz_cloud(b'', height=2, width=0)).shape == (2, 0, 3)


def test_points_are_a_view_of_the_message():
    data = array.array('B', bytes(24))
    msg = xyz_cloud(data)
    xyz, points = cloud_to_xyz(msg), cloud_to_array(msg)
    data[:4] = array.array('B', struct.pack('<f', 2.5))
    assert xyz[0, 0] == points['x'][0] == 2.5
    assert not cloud_to_xyz(xyz_cloud(bytes(24))).flags.writeable


@pytest.mark.parametrize(('msg', 'text'), [
    (cloud([('x', 0, FLOAT32), ('y', 4, FLOAT32)], 8, bytes(8)), 'expected a cloud with fields x, y and z, got x, y'),
    (cloud([], 4, bytes(8)), 'got none'),
    (xyz_cloud(bytes(23), width=2), 'expected 24 bytes of data for 1 rows of 24 bytes, got 23; is the message cut'),
    (xyz_cloud(b'', width=2), 'expected 24 bytes of data for 1 rows of 24 bytes, got 0'),
    (xyz_cloud(bytes(24), row_step=23), 'expected a row step of at least 24 bytes for 2 points of 12 bytes, got 23'),
    (cloud([('x', 0, 9)], 4, bytes(4)), "expected a datatype of 1 to 8 for field 'x', got 9"),
    (cloud([('x', 2, FLOAT32)], 4, bytes(4)), "expected a point step of at least 6 bytes for field 'x' at offset 2"),
    (cloud([('x', 0, FLOAT32)], 0, b'', width=3), 'expected a point step of at least 4'),
])
def test_bad_clouds(msg, text):
    with pytest.raises(CloudError, match=text):
        cloud_to_xyz(msg)


def test_xyz_is_written_row_by_row():
    xyz = np.arange(18, dtype=np.float32).reshape(2, 3, 3)
    msg = fill_cloud(blank(), xyz)
    assert (msg.height, msg.width, msg.point_step, msg.row_step) == (2, 3, 12, 36)
    assert (msg.is_dense, msg.is_bigendian) == (False, False)
    assert msg.fields == [PointField('x', 0, 7, 1), PointField('y', 4, 7, 1), PointField('z', 8, 7, 1)]
    assert msg.data.tobytes() == struct.pack('<18f', *range(18))


def test_rgb_is_packed_as_pcl_and_rviz_have_it():
    msg = fill_cloud(blank(), np.float32([[[1, 2, 3]]]), np.uint8([[[0x11, 0x22, 0x33]]]))
    assert (msg.point_step, msg.row_step) == (16, 16)
    assert (msg.fields[3].name, msg.fields[3].offset, msg.fields[3].datatype) == ('rgb', 12, FLOAT32)
    assert msg.data.tobytes() == struct.pack('<3fI', 1, 2, 3, 0x00112233)


def test_holes_stay_nan_beside_colors():
    xyz = np.full((2, 2, 3), np.nan, np.float32)
    msg = fill_cloud(blank(), xyz, np.full((2, 2, 3), 255, np.uint8))
    assert np.isnan(cloud_to_xyz(msg)).all()
    assert cloud_to_array(msg)['rgb'].view(np.uint32).tolist() == [[0xFFFFFF] * 2] * 2


def test_strided_input_is_taken():
    xyz = np.random.default_rng(0).normal(size=(8, 10, 3)).astype(np.float32)
    rgb = np.random.default_rng(1).integers(0, 255, (8, 10, 3), np.uint8)
    for colors in (None, rgb[::2, ::2]):
        assert np.array_equal(cloud_to_xyz(fill_cloud(blank(), xyz[::2, ::2], colors)), xyz[::2, ::2])


def test_filling_again_keeps_the_memory():
    msg = fill_cloud(blank(), np.zeros((4, 5, 3), np.float32))
    kept = msg.data
    fill_cloud(msg, np.ones((4, 5, 3), np.float32))
    assert msg.data is kept
    assert (cloud_to_xyz(msg) == 1).all()


def test_cloud_computed_in_place():
    msg = blank()
    cloud_buffer(msg, 2, 3)[...] = 7
    assert cloud_to_xyz(msg).tolist() == np.full((2, 3, 3), 7).tolist()
    assert cloud_buffer(msg, 2, 3, colored=True).shape == (2, 3, 4)


@pytest.mark.parametrize(('xyz', 'rgb', 'text'), [
    (np.zeros((4, 3)), None, r'expected xyz \(H, W, 3\) and rgb uint8 of the same shape or none, got \(4, 3\)'),
    (np.zeros((4, 3, 4)), None, r'got \(4, 3, 4\)'),
    (np.zeros((4, 3, 3)), np.zeros((2, 3, 3), np.uint8), r'got \(4, 3, 3\) and uint8 \(2, 3, 3\)'),
    (np.zeros((4, 3, 3)), np.zeros((4, 3, 3)), 'and float64'),
])
def test_shapes_that_do_not_fit(xyz, rgb, text):
    with pytest.raises(CloudError, match=text):
        fill_cloud(blank(), xyz, rgb)


def test_kitti_scan_as_x_y_z_i():
    scan = np.arange(8, dtype=np.float32).reshape(2, 4)
    msg = fill_cloud_fields(blank(), scan.view(XYZI)[:, 0])
    assert (msg.height, msg.width, msg.point_step, msg.row_step) == (1, 2, 16, 32)
    assert [field.name for field in msg.fields] == ['x', 'y', 'z', 'i']
    assert msg.data.tobytes() == scan.tobytes()
    assert cloud_to_xyz(msg).tolist() == [[0, 1, 2], [4, 5, 6]]


def test_empty_scan():
    msg = fill_cloud_fields(blank(), np.empty(0, XYZI))
    assert (msg.width, len(msg.data)) == (0, 0)
    assert cloud_to_xyz(msg).shape == (0, 3)


@pytest.mark.parametrize(('points', 'text'), [
    (np.zeros((4, 3)), r'expected a structured array \(N,\) or \(H, W\), got float64 \(4, 3\)'),
    (np.zeros((1, 1, 1), XYZI), 'expected a structured array'),
    (np.zeros(2, [('id', 'i8')]), 'expected fields of 8 to 32 bit integers or 32 and 64 bit floats, got id int64'),
    (np.zeros(2, [('ok', '?')]), 'got ok bool'),
])
def test_arrays_that_no_cloud_can_hold(points, text):
    with pytest.raises(CloudError, match=text):
        fill_cloud_fields(blank(), points)


@st.composite
def structured_arrays(draw):
    """Draw points of a few fields of any type, order, count and gap, flat or organised."""
    names = draw(st.lists(st.sampled_from('xyzirgb'), min_size=1, max_size=5, unique=True))
    kinds = [draw(st.sampled_from(sorted(DATATYPES.values()))) for _ in names]
    formats = [(kind, draw(st.sampled_from([(), (2,), (3,)]))) for kind in kinds]
    offsets, end = [], 0
    for entry in formats:
        offsets.append(end + draw(st.integers(0, 5)))
        end = offsets[-1] + np.dtype(entry).itemsize
    end += draw(st.integers(0, 5))
    dtype = np.dtype({'names': names, 'formats': formats, 'offsets': offsets, 'itemsize': end})
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=2, max_side=4).filter(lambda s: len(s) == 1 or s[0] > 1))
    return draw(hnp.arrays(dtype, shape))


@given(structured_arrays(), st.booleans(), st.integers(0, 9))
def test_any_fields_come_back(points, big, padding):
    """Fill, then pad the rows and swap the bytes by hand: every field stays what it was."""
    msg = fill_cloud_fields(blank(), points)
    stored = points.astype(points.dtype.newbyteorder('>')) if big else points
    rows = np.ascontiguousarray(stored).reshape(msg.height, -1).view(np.uint8)
    rows = np.pad(rows, ((0, 0), (0, padding)))
    msg.data, msg.row_step, msg.is_bigendian = rows.tobytes(), rows.shape[1], big
    again = cloud_to_array(msg)
    assert again.shape == points.shape
    for name in points.dtype.names:
        assert np.array_equal(again[name], points[name], equal_nan=points[name].dtype.kind == 'f')


small = st.integers(0, 5)
fields = st.lists(st.tuples(st.sampled_from(['x', 'y', 'z', '']), st.integers(0, 9), st.integers(0, 9)), max_size=4)


@given(fields, st.integers(0, 24), st.binary(max_size=80), small, small, st.integers(0, 80), st.booleans())
def test_arbitrary_messages_give_points_or_our_error(fields, point_step, data, height, width, row_step, big):
    with contextlib.suppress(CloudError):
        cloud_to_xyz(cloud(fields, point_step, data, height, width, row_step, big))


def test_examples_in_the_docstring():
    assert doctest.testmod(msg_tools.cloud).failed == 0


@pytest.mark.ros
@pytest.mark.parametrize('strict', [{}, {'check_fields': True}], ids=['', 'strict'])
def test_rclpys_message_gets_rclpys_fields(strict):
    sensor_msgs = pytest.importorskip('sensor_msgs.msg')
    if strict and '_check_fields' not in sensor_msgs.PointCloud2.__slots__:
        pytest.skip('messages of this ROS always check')
    xyz = np.random.default_rng(0).normal(size=(3, 4, 3)).astype(np.float32)
    msg = fill_cloud(sensor_msgs.PointCloud2(**strict), xyz)
    assert isinstance(msg.fields[0], sensor_msgs.PointField)
    assert np.array_equal(cloud_to_xyz(msg), xyz)


def test_rosbags_message():
    stores = pytest.importorskip('rosbags.typesys')
    store = stores.get_typestore(stores.Stores.ROS2_JAZZY)
    header = store.types['std_msgs/msg/Header'](store.types['builtin_interfaces/msg/Time'](0, 0), 'velo_link')
    points = np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32).view(XYZI)[:, 0]
    msg = store.types['sensor_msgs/msg/PointCloud2'](header, 0, 0, [], False, 0, 0, np.empty(0, np.uint8), False)
    fill_cloud_fields(msg, points)
    assert isinstance(msg.fields[0], store.types['sensor_msgs/msg/PointField'])
    again = store.deserialize_cdr(store.serialize_cdr(msg, msg.__msgtype__), msg.__msgtype__)
    assert np.array_equal(cloud_to_array(again), points)


def test_fields_of_another_class():
    made = point_fields(np.dtype([('a', '<u2', (3,))]), dict)
    assert made == [{'name': 'a', 'offset': 0, 'datatype': UINT16, 'count': 3}]
