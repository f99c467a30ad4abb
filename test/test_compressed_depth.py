"""compressedDepth: hand-made bytes, round trips, broken messages."""

import struct
from contextlib import suppress
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from msg_tools import rvl
from msg_tools.compressed_depth import HEADER, compressed_depth_to_m, fill_compressed_depth
from msg_tools.errors import ImageError

NAN, INF = np.float32(np.nan), np.float32(np.inf)
DEPTH_M = np.float32([[0.5, 1.0, 80.0], [NAN, INF, 10.0]])


def message(**fields):
    return SimpleNamespace(**{'data': None, 'format': '', **fields})


def sent(depth, name='32FC1', method='png', **options):
    return fill_compressed_depth(message(), depth, name, method, **options)


def test_rvl_by_hand():
    """Two zeros, three others: 5, +1, -2, each doubled, minus one where negative; one zero, and none after it."""
    numbers = [2, 3, 10, 2, 3, 1, 0]  # 10 is 1 010: the nibbles 1010 0001
    assert rvl.to_numbers(np.uint16([0, 0, 5, 6, 4, 0])).tolist() == numbers
    assert rvl.to_nibbles(np.uint32(numbers)).tolist() == [2, 3, 0b1010, 1, 2, 3, 1, 0]
    assert rvl.compress(np.uint16([0, 0, 5, 6, 4, 0])).tobytes() == bytes.fromhex('23a12310')[::-1]


def test_rvl_as_image_transports_own_code_writes_it():
    """What RvlCodec::CompressRVL of image_transport_plugins (7404d77) made of these values."""
    values = np.uint16([0, 0, 5, 6, 4, 0, 65535, 1, 0, 0, 30000, 30007, 29000])
    assert rvl.compress(values).tobytes().hex() == '1223a123bff3ffeeeb23f3ffdbe1e19d000000f3'


@pytest.mark.parametrize('values', [[0], [7], [0, 0, 0], [65535, 0, 1], [1, 65535, 1], [0, 3], [3, 0]])
def test_rvl_comes_back(values):
    assert rvl.decompress(rvl.compress(np.uint16(values)), len(values)).tolist() == values


@given(arrays.arrays(np.uint16, st.integers(1, 200), elements=st.one_of(st.just(0), st.integers(0, 65535))))
def test_rvl_of_anything_comes_back(values):
    assert np.array_equal(rvl.decompress(rvl.compress(values), values.size), values)


@given(st.binary(max_size=64), st.integers(1, 200))
def test_rvl_of_anything_else_is_an_error_or_values(data, size):
    with suppress(ImageError):
        assert rvl.decompress(np.frombuffer(data, np.uint8), size).shape == (size,)


@pytest.mark.parametrize('method', ['png', 'rvl'])
def test_metres_come_back_with_holes_and_sky(method):
    msg = sent(DEPTH_M, method=method)
    assert msg.format == f'32FC1; compressedDepth {method}'
    depth_m = compressed_depth_to_m(msg)
    assert depth_m.dtype == np.float32
    assert np.isnan(depth_m[1, 0])
    assert depth_m[1, 1] == np.inf
    np.testing.assert_allclose(depth_m[0], [0.5, 1.0, 80.0], rtol=0.0013)


@pytest.mark.parametrize('method', ['png', 'rvl'])
def test_millimetres_come_back_exactly(method):
    depth_mm = np.uint16([[0, 1, 65535], [1500, 80, 0]])
    depth_m = compressed_depth_to_m(sent(depth_mm, '16UC1', method))
    np.testing.assert_array_equal(depth_m, np.float32([[NAN, 0.001, 65.535], [1.5, 0.08, NAN]]))


def test_the_bytes_are_a_header_and_a_png_of_inverse_depth():
    data = sent(DEPTH_M, near_m=0.5).data.tobytes()
    assert struct.unpack('<iff', data[:12]) == (0, 32767.0, 1.0)
    codes = cv2.imdecode(np.frombuffer(data[12:], np.uint8), cv2.IMREAD_UNCHANGED)
    assert codes.tolist() == [[65535, 32768, 411], [0, 1, 3278]]


def test_what_is_nearer_than_the_nearest_is_cut_to_it():
    assert compressed_depth_to_m(sent(np.float32([[0.1, 0.4]]), near_m=0.5)).tolist() == [[0.5, 0.5]]


@pytest.mark.parametrize('method', ['png', 'rvl'])
def test_a_message_of_image_transports_own_quantisation_is_read(method):
    """Its a and b of depth_quantization 100 and depth_max 10: code 1001 is a / (1001 + 1009) = 5.025 m."""
    a, b = 10100.0, 1 - 10100.0 / 10
    data = sent(np.uint16([[0, 1001]]), '16UC1', method).data
    data[: HEADER.size] = np.frombuffer(HEADER.pack(0, a, b), np.uint8)
    depth_m = compressed_depth_to_m(message(data=data, format=f'32FC1; compressedDepth {method}'))
    assert np.isnan(depth_m[0, 0])
    assert depth_m[0, 1] == pytest.approx(10100.0 / 2010, rel=1e-6)


@pytest.mark.parametrize('name', ['16UC1', '16UC1; compressedDepth', '16UC1; compressedDepth png'])
def test_older_formats_are_png(name):
    data = sent(np.uint16([[7]]), '16UC1').data
    assert compressed_depth_to_m(message(data=data, format=name)).tolist() == [[np.float32(0.007)]]


@pytest.mark.parametrize(('depth', 'name', 'method'), [
    (np.zeros((2, 2)), '32FC1', 'png'), (np.zeros((2, 2), np.float32), '16UC1', 'png'),
    (np.zeros(4, np.float32), '32FC1', 'png'), (np.zeros((0, 2), np.float32), '32FC1', 'png'),
    (np.zeros((2, 2), np.float32), '64FC1', 'png'), (np.zeros((2, 2), np.float32), '32FC1', 'jpeg'),
])
def test_what_cannot_be_sent(depth, name, method):
    with pytest.raises(ImageError, match=r'expected \(H, W\) float32 for 32FC1'):
        sent(depth, name, method)


@pytest.mark.parametrize(('kind', 'data', 'expected'), [
    ('rgb8; jpeg compressed bgr8', b'x' * 40, 'compressedDepth png'),
    ('32FC1; compressedDepth zstd', b'x' * 40, "got '32FC1; compressedDepth zstd'"),
    ('32FC1; compressedDepth png', b'x' * 8, 'at least 12 bytes, got 8'),
    ('32FC1; compressedDepth png', b'x' * 12, '16-bit PNG, got 0 bytes'),
    ('32FC1; compressedDepth png', b'x' * 40, '16-bit PNG, got 28 bytes'),
    ('32FC1; compressedDepth rvl', b'\0' * 40, 'got 28 bytes for 0x0'),
    ('32FC1; compressedDepth rvl', b'\xff' * 40, 'for 4294967295x4294967295'),
    ('16UC1; compressedDepth rvl', bytes(12) + struct.pack('<II', 4, 4) + bytes(4), 'cut short'),
    ('16UC1; compressedDepth rvl', bytes(12) + struct.pack('<II', 4, 4) + b'\x99' * 8 + b'\x11' * 4, 'nibbles'),
])
def test_what_cannot_be_read(kind, data, expected):
    with pytest.raises(ImageError, match='expected') as error:
        compressed_depth_to_m(message(data=data, format=kind))
    assert expected in str(error.value)


@given(arrays.arrays(np.float32, (3, 5), elements=st.floats(0.5, 200.0, width=32)), st.sampled_from(['png', 'rvl']))
def test_the_error_is_at_most_half_a_step(depth_m, method):
    back = compressed_depth_to_m(sent(depth_m, method=method))
    assert (abs(back - depth_m) <= 0.51 * depth_m**2 / 32767 + 1e-5).all()
