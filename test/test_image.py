import array
import contextlib
import doctest
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import msg_tools.image
from msg_tools.errors import ImageError
from msg_tools.image import (
    compressed_to_rgb,
    fill_image,
    image_fields,
    image_to_array,
    image_to_depth_m,
    image_to_rgb,
    to_rgb,
)
from msg_tools.image_encodings import ENCODINGS, encoding

RED, GREEN, BLUE, WHITE = [255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]


def image(name, height, width, data, step=None, big=False):
    """Return an image message of these bytes."""
    step = len(data) // height if step is None else step
    return SimpleNamespace(height=height, width=width, encoding=name, step=step, is_bigendian=int(big), data=data)


def blank():
    """Return a message that nothing was filled into, its data as rclpy has it."""
    return SimpleNamespace(data=array.array('B'))


def compressed(pixels, suffix='.png', text='png'):
    return SimpleNamespace(format=text, data=cv2.imencode(suffix, pixels)[1].tobytes())


@pytest.mark.parametrize(('name', 'data', 'rgb'), [
    ('rgb8', [1, 2, 3, 4, 5, 6], [[1, 2, 3], [4, 5, 6]]),
    ('bgr8', [1, 2, 3, 4, 5, 6], [[3, 2, 1], [6, 5, 4]]),
    ('rgba8', [1, 2, 3, 9, 4, 5, 6, 9], [[1, 2, 3], [4, 5, 6]]),
    ('bgra8', [1, 2, 3, 9, 4, 5, 6, 9], [[3, 2, 1], [6, 5, 4]]),
    ('mono8', [1, 2], [[1, 1, 1], [2, 2, 2]]),
    ('8UC1', [1, 2], [[1, 1, 1], [2, 2, 2]]),
    ('8UC3', [1, 2, 3, 4, 5, 6], [[3, 2, 1], [6, 5, 4]]),
    ('8UC4', [1, 2, 3, 9, 4, 5, 6, 9], [[3, 2, 1], [6, 5, 4]]),
    ('mono16', [255, 255, 1, 1], [[255] * 3, [1] * 3]),  # 65535 is 255, 257 is 1
    ('rgb16', [0, 0, 1, 1, 255, 255] * 2, [[0, 1, 255]] * 2),
    ('bgr16', [0, 0, 1, 1, 255, 255] * 2, [[255, 1, 0]] * 2),
    ('bgra16', [0, 0, 1, 1, 255, 255, 9, 9] * 2, [[255, 1, 0]] * 2),
    ('yuv422', [128, 16, 128, 235], [[0] * 3, [255] * 3]),  # U Y V Y; luma goes from 16 to 235
    ('uyvy', [128, 16, 128, 235], [[0] * 3, [255] * 3]),
    ('yuv422_yuy2', [16, 128, 235, 128], [[0] * 3, [255] * 3]),
    ('yuyv', [16, 128, 235, 128], [[0] * 3, [255] * 3]),
])
def test_two_pixels_of_each_encoding(name, data, rgb):
    assert image_to_rgb(image(name, 1, 2, bytes(data))).tolist() == [rgb]


@pytest.mark.parametrize(('pattern', 'first'), [('rggb', 'rg'), ('bggr', 'bg'), ('gbrg', 'gb'), ('grbg', 'gr')])
@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
def test_bayer_pattern_names_the_first_pixels(pattern, first, dtype):
    """A scene all red lights up just the red sites of the mosaic; demosaiced it is red again, and so on."""
    bits = 8 * np.dtype(dtype).itemsize
    for channel, color in zip('rgb', (RED, GREEN, BLUE), strict=True):
        tile = np.array([[letter == channel for letter in pattern[:2]], [letter == channel for letter in pattern[2:]]])
        mosaic = np.tile(tile, (4, 4)).astype(dtype) * np.iinfo(dtype).max
        rgb = image_to_rgb(image(f'bayer_{pattern}{bits}', 8, 8, mosaic.tobytes()))
        assert np.array_equal(rgb, np.tile(np.uint8(color), (8, 8, 1)))


@pytest.mark.parametrize(('name', 'chroma'), [('nv12', [90, 240]), ('nv21', [240, 90])])
def test_nv12_has_u_before_v_and_nv21_v_before_u(name, chroma):
    rgb = image_to_rgb(image(name, 2, 2, bytes([82] * 4 + chroma), step=2))  # BT.601's red: Y 82, U 90, V 240
    assert np.abs(rgb.astype(int) - RED).max() <= 2


def test_nv24_has_chroma_for_every_pixel():
    data = bytes([82, 145, 90, 240, 54, 34])  # red, green
    rgb = image_to_rgb(image('nv24', 1, 2, data, step=2))
    assert np.abs(rgb.astype(int) - [[RED, GREEN]]).max() <= 2


def test_nv24_and_nv12_agree_on_flat_colors():
    y, u, v = 120, 200, 60
    nv12 = image('nv12', 2, 2, bytes([y] * 4 + [u, v]), step=2)
    nv24 = image('nv24', 2, 2, bytes([y] * 4 + [u, v] * 4), step=2)
    assert np.array_equal(image_to_rgb(nv12), image_to_rgb(nv24))


def test_nv24_padding_is_at_the_end_of_a_double_row():
    tight = image('nv24', 2, 2, bytes([1, 2, 3, 4, 10, 11, 12, 13, 14, 15, 16, 17]), step=2)
    padded = image('nv24', 2, 2, bytes([1, 2, 0, 3, 4, 0, 10, 11, 12, 13, 0, 0, 14, 15, 16, 17, 0, 0]), step=3)
    assert np.array_equal(image_to_array(tight), image_to_array(padded))


def test_16_bits_of_either_order():
    assert image_to_array(image('16UC1', 1, 2, bytes([1, 2, 3, 4]))).tolist() == [[0x0201, 0x0403]]
    assert image_to_array(image('16UC1', 1, 2, bytes([1, 2, 3, 4]), big=True)).tolist() == [[0x0102, 0x0304]]


def test_a_byte_has_no_order():
    assert image_to_rgb(image('rgb8', 1, 1, b'\x01\x02\x03', big=True)).tolist() == [[[1, 2, 3]]]


def test_floats_of_either_order():
    little, big = np.array([[1.5, -2.25]], '<f4'), np.array([[1.5, -2.25]], '>f4')
    assert image_to_array(image('32FC1', 1, 2, little.tobytes())).tolist() == [[1.5, -2.25]]
    swapped = image_to_array(image('32FC1', 1, 2, big.tobytes(), big=True))
    assert swapped.tolist() == [[1.5, -2.25]]
    assert swapped.dtype.isnative


def test_padding_at_the_end_of_rows_is_left_out():
    data = bytes([1, 2, 3, 0, 0, 4, 5, 6, 0, 0])
    assert image_to_array(image('rgb8', 2, 1, data, step=5)).tolist() == [[[1, 2, 3]], [[4, 5, 6]]]


def test_a_step_that_is_no_multiple_of_the_pixel():
    data = bytes([1, 1, 2, 2, 9, 3, 3, 4, 4, 9])
    assert image_to_array(image('16UC1', 2, 2, data, step=5)).tolist() == [[257, 514], [771, 1028]]
    assert image_to_rgb(image('mono16', 2, 2, data, step=5))[..., 0].tolist() == [[1, 2], [3, 4]]
    data = bytes([1, 1, 2, 2, 3, 3, 9] * 2)
    assert image_to_rgb(image('bgr16', 2, 1, data, step=7)).tolist() == [[[3, 2, 1]]] * 2


def test_more_data_than_needed_is_ignored():
    assert image_to_array(image('mono8', 1, 2, bytes([1, 2, 3]), step=2)).tolist() == [[1, 2]]


@pytest.mark.parametrize('kind', [bytes, bytearray, memoryview, list, tuple, 'array', 'ndarray'])
def test_any_kind_of_data(kind):
    data = bytes([1, 2, 3, 4, 5, 6])
    made = {'array': lambda: array.array('B', data), 'ndarray': lambda: np.frombuffer(data, np.uint8)}
    msg = image('bgr8', 1, 2, made[kind]() if isinstance(kind, str) else kind(data))
    assert image_to_rgb(msg).tolist() == [[[3, 2, 1], [6, 5, 4]]]


@pytest.mark.parametrize('padding', [0, 3])
def test_pixels_are_a_view_of_the_message(padding):
    data = array.array('B', bytes(2 * (6 + padding)))
    pixels = image_to_rgb(image('rgb8', 2, 2, data))
    data[0] = 200
    assert pixels[0, 0, 0] == 200


def test_view_of_bytes_is_read_only():
    assert not image_to_array(image('mono8', 1, 2, b'ab')).flags.writeable


def test_depth_in_millimetres_becomes_metres_and_zero_nan():
    depth_m = image_to_depth_m(image('16UC1', 1, 3, np.array([1500, 0, 65535], '<u2').tobytes()))
    assert depth_m.dtype == np.float32
    assert np.array_equal(depth_m, np.float32([[1.5, np.nan, 65.535]]), equal_nan=True)


def test_mono16_is_depth_too():
    assert image_to_depth_m(image('mono16', 1, 1, b'\xe8\x03')).tolist() == [[1.0]]


def test_depth_in_metres_keeps_its_values():
    values = np.float32([[1.5, np.nan, np.inf]])
    assert np.array_equal(image_to_depth_m(image('32FC1', 1, 3, values.tobytes())), values, equal_nan=True)
    assert image_to_depth_m(image('64FC1', 1, 3, values.astype('<f8').tobytes())).dtype == np.float32


def test_png_and_jpeg():
    pixels = np.full((16, 16, 3), (10, 100, 200), np.uint8)  # BGR for OpenCV
    assert compressed_to_rgb(compressed(pixels))[0, 0].tolist() == [200, 100, 10]
    jpeg = compressed_to_rgb(compressed(pixels, '.jpg', 'rgb8; jpeg compressed bgr8'))
    assert np.abs(jpeg.astype(int) - [200, 100, 10]).max() <= 3


def test_a_file_that_holds_rgb_as_if_it_were_bgr():
    stored = np.full((2, 2, 3), (1, 2, 3), np.uint8)
    assert compressed_to_rgb(compressed(stored, text='bgr8; png compressed rgb8'))[0, 0].tolist() == [1, 2, 3]


def test_compressed_gray_alpha_and_16_bits():
    assert compressed_to_rgb(compressed(np.full((2, 2), 7, np.uint8), text='mono8; png compressed '))[0, 0].tolist() \
        == [7, 7, 7]
    assert compressed_to_rgb(compressed(np.full((2, 2), 257 * 9, np.uint16)))[0, 0].tolist() == [9, 9, 9]
    assert compressed_to_rgb(compressed(np.full((2, 2, 4), (1, 2, 3, 4), np.uint8)))[0, 0].tolist() == [3, 2, 1]


def test_compressed_bayer_is_demosaiced():
    mosaic = np.tile(np.uint8([[255, 0], [0, 0]]), (4, 4))
    rgb = compressed_to_rgb(compressed(mosaic, text='bayer_rggb8; png compressed bayer_rggb8'))
    assert np.array_equal(rgb, np.tile(np.uint8(RED), (8, 8, 1)))


def test_to_rgb_takes_either_message():
    assert to_rgb(image('bgr8', 1, 1, b'\x01\x02\x03')).tolist() == [[[3, 2, 1]]]
    assert to_rgb(compressed(np.zeros((2, 2, 3), np.uint8))).shape == (2, 2, 3)
    with pytest.raises(ImageError, match='expected a sensor_msgs Image or CompressedImage, got SimpleNamespace'):
        to_rgb(SimpleNamespace(data=b''))


@pytest.mark.parametrize(('msg', 'text'), [
    (image('rgb9', 1, 1, b'abc'), r"expected an encoding out of rgb8, .*nv24 or OpenCV's like 16UC1, got 'rgb9'"),
    (image('8UC', 1, 1, b'abc'), "got '8UC'"),
    (image('8UC0', 1, 1, b'abc'), "got '8UC0'"),
    (image('8UC600', 1, 1, b'abc'), "got '8UC600'"),
    (image('', 1, 1, b'abc'), "got ''"),
    (image('rgb8', 2, 2, bytes(12), step=5), 'expected a step of at least 6 bytes for 2 pixels of rgb8, got 5'),
    (image('rgb8', 2, 2, bytes(11), step=6), 'expected 12 bytes of data for 2 rows of 6 bytes in rgb8, got 11; is the'),
    (image('nv12', 2, 2, bytes(5), step=2), 'expected 6 bytes of data'),
    (image('rgb8', 2, 2, b'', step=6), 'expected 12 bytes of data for 2 rows of 6 bytes in rgb8, got 0'),
    (image('rgb8', 0, 4, b'', step=12), 'expected an image with pixels, got 4x0'),
    (image('rgb8', 4, 0, b'', step=0), 'expected an image with pixels, got 0x4'),
    (image('yuyv', 1, 3, bytes(6)), 'expected an even size for yuyv, got 3x1'),
    (image('nv12', 3, 2, bytes(8), step=2), 'expected an even size for nv12, got 2x3'),
    (image('32FC1', 1, 1, bytes(4)), "expected a color or mono image, got encoding '32FC1'; is it a depth image"),
    (image('16UC1', 1, 1, bytes(2)), "got encoding '16UC1'"),
])
def test_bad_images(msg, text):
    with pytest.raises(ImageError, match=text):
        image_to_rgb(msg)


def test_color_is_not_depth():
    with pytest.raises(ImageError, match=r"expected a depth image of 32FC1 \[m\] or 16UC1 \[mm\], got encoding 'rgb8'"):
        image_to_depth_m(image('rgb8', 1, 1, b'abc'))


@pytest.mark.parametrize('data', [b'', b'\xff\xd8\xff', b'not an image', bytes(100)])
def test_compressed_data_that_is_none(data):
    with pytest.raises(ImageError, match=f"expected a JPEG or PNG .* of format 'jpeg', got {len(data)} bytes"):
        compressed_to_rgb(SimpleNamespace(format='jpeg', data=data))


def test_cut_png_is_an_error_or_a_picture_but_no_crash():
    whole = compressed(np.random.default_rng(0).integers(0, 255, (40, 40, 3), np.uint8))
    with pytest.raises(ImageError, match='cannot decode'):
        compressed_to_rgb(SimpleNamespace(format='png', data=whole.data[:30]))


def test_compressed_depth_is_named():
    with pytest.raises(ImageError, match='which is depth; subscribe to the color image'):
        compressed_to_rgb(SimpleNamespace(format='16UC1; compressedDepth png', data=b'1'))


def test_fill_sets_every_field():
    msg = fill_image(blank(), np.uint8([[[1, 2, 3], [4, 5, 6]]]), 'bgr8')
    assert (msg.height, msg.width, msg.encoding, msg.step, msg.is_bigendian) == (1, 2, 'bgr8', 6, 0)
    assert msg.data == array.array('B', [1, 2, 3, 4, 5, 6])


def test_filling_again_keeps_the_memory_and_filling_another_size_does_not_break():
    msg = fill_image(blank(), np.zeros((4, 4), np.float32), '32FC1')
    kept = msg.data
    assert fill_image(msg, np.ones((4, 4), np.float32), '32FC1').data is kept
    assert image_to_array(msg).tolist() == np.ones((4, 4)).tolist()
    view = image_to_array(msg)
    fill_image(msg, np.uint8([[1, 2]]), 'mono8')  # while somebody looks at the old data
    assert image_to_array(msg).tolist() == [[1, 2]]
    assert view.tolist() == np.ones((4, 4)).tolist()


def test_filled_message_shares_nothing_with_the_array():
    pixels = np.zeros((2, 2), np.uint8)
    for msg in (blank(), SimpleNamespace(data=np.empty(0, np.uint8)), SimpleNamespace(data=b'')):
        fill_image(msg, pixels, 'mono8')
        pixels += 1
        assert len(set(bytes(msg.data))) == 1
        assert bytes(msg.data)[0] != pixels[0, 0]


def test_fields_for_a_constructor():
    fields = image_fields(np.float32([[1.0]]), '32FC1')
    assert fields.pop('data').tolist() == [0, 0, 128, 63]
    assert fields == {'height': 1, 'width': 1, 'encoding': '32FC1', 'is_bigendian': 0, 'step': 4}


def test_arrays_of_other_layout_are_written_in_order():
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    for view in (pixels[:, ::2], pixels[:, :, ::-1], np.asfortranarray(pixels)):
        assert np.array_equal(image_to_array(fill_image(blank(), view, 'rgb8')), view)
    big = np.array([[1.5]], '>f4')
    assert image_to_array(fill_image(blank(), big, '32FC1')).tolist() == [[1.5]]


@pytest.mark.parametrize(('pixels', 'name', 'text'), [
    (np.zeros((2, 2), np.float64), '32FC1', r"expected float32 \(H, W\) pixels for encoding '32FC1', got float64 \(2,"),
    (np.zeros((2, 2), np.uint8), 'rgb8', r'expected uint8 \(H, W, 3\) pixels'),
    (np.zeros((2, 2, 4), np.uint8), 'rgb8', r'got uint8 \(2, 2, 4\)'),
    (np.zeros((2, 2, 3, 1), np.uint8), 'rgb8', r'got uint8 \(2, 2, 3, 1\)'),
    (np.zeros((0, 2), np.uint8), 'mono8', r'got uint8 \(0, 2\)'),
    (np.zeros((4, 2), np.uint8), 'nv12', r'got uint8 \(4, 2\)'),
    (np.zeros((2, 2), np.uint8), 'mono9', "got 'mono9'"),
])
def test_pixels_that_do_not_fit(pixels, name, text):
    with pytest.raises(ImageError, match=text):
        fill_image(blank(), pixels, name)


def sizes(name):
    even, any_length = st.integers(1, 6).map(lambda n: 2 * n), st.integers(1, 9)
    length = even if ENCODINGS[name].color in ('yuv422', 'yuv420') else any_length
    return st.tuples(length, length)


@given(st.data(), st.sampled_from(sorted(ENCODINGS)), st.integers(0, 7), st.booleans())
def test_every_encoding_comes_back(data, name, padding, big):
    """Fill, then pad the rows and swap the bytes by hand: the pixels stay what they were."""
    meaning = encoding(name)
    height, width = data.draw(sizes(name))
    rows = meaning.rows(height)
    shape = (rows, width) if meaning.channels == 1 else (rows, width, meaning.channels)
    pixels = data.draw(hnp.arrays(meaning.dtype, shape))
    msg = fill_image(blank(), pixels, name)
    assert (msg.height, msg.width) == (height, width)
    if meaning.color != 'yuv444':
        written = np.frombuffer(msg.data, meaning.dtype)
        written = (written.byteswap() if big else written).view(np.uint8).reshape(rows, -1)
        padded = np.pad(written, ((0, 0), (0, padding)))
        msg = image(name, height, width, padded.tobytes(), step=padded.shape[1], big=big)
    assert np.array_equal(image_to_array(msg), pixels)
    assert image_to_rgb(msg).shape == (height, width, 3)
    assert image_to_rgb(msg).dtype == np.uint8


small = st.integers(0, 6)


@given(st.binary(max_size=60), small, small, st.integers(0, 40), st.sampled_from(sorted(ENCODINGS)))
def test_arbitrary_messages_give_pixels_or_our_error(data, height, width, step, name):
    with contextlib.suppress(ImageError):
        assert image_to_rgb(image(name, height, width, data, step)).shape == (height, width, 3)


def test_examples_in_the_docstring():
    assert doctest.testmod(msg_tools.image).failed == 0


@pytest.mark.ros
@pytest.mark.parametrize('strict', [{}, {'check_fields': True}], ids=['', 'strict'])
def test_rclpys_message(strict):
    sensor_msgs = pytest.importorskip('sensor_msgs.msg')
    if strict and '_check_fields' not in sensor_msgs.Image.__slots__:
        pytest.skip('messages of this ROS always check')
    pixels = np.random.default_rng(0).integers(0, 255, (5, 7, 3), np.uint8)
    msg = fill_image(sensor_msgs.Image(**strict), pixels, 'rgb8')
    assert isinstance(msg.data, array.array)
    assert np.array_equal(image_to_rgb(msg), pixels)
    png = sensor_msgs.CompressedImage(format='png', data=array.array('B', cv2.imencode('.png', pixels)[1].tobytes()))
    assert np.array_equal(to_rgb(png), pixels[..., ::-1])


def test_rosbags_message():
    stores = pytest.importorskip('rosbags.typesys')
    store = stores.get_typestore(stores.Stores.ROS2_JAZZY)
    header = store.types['std_msgs/msg/Header'](store.types['builtin_interfaces/msg/Time'](0, 0), 'camera')
    pixels = np.random.default_rng(0).integers(0, 65535, (5, 7), np.uint16)
    msg = store.types['sensor_msgs/msg/Image'](header=header, **image_fields(pixels, '16UC1'))
    again = store.deserialize_cdr(store.serialize_cdr(msg, msg.__msgtype__), msg.__msgtype__)
    assert np.array_equal(image_to_array(again), pixels)
    assert fill_image(msg, pixels[:2], '16UC1').data.dtype == np.uint8


def test_real_bag_of_a_robot(shared_data):
    """A Raspberry Pi's JPEG images in a ROS 1 bag."""
    from rosbags.highlevel import AnyReader
    with AnyReader([shared_data / 'bags/aruco_images.bag']) as reader:
        connections = [c for c in reader.connections if c.msgtype.endswith('CompressedImage')]
        connection, _, raw = next(reader.messages(connections))
        msg = reader.deserialize(raw, connection.msgtype)
    rgb = to_rgb(msg)
    assert rgb.ndim == 3
    assert rgb.std() > 10
