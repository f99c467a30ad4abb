"""KITTI's depth PNGs: hand-made values, what does not fit, other programs' files, broken files."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from msg_tools.depth_png import (
    MAX_DEPTH_M,
    beyond_as_largest,
    depth_to_steps,
    encode_depth_png,
    encode_depth_steps,
    read_depth_png,
    read_depth_steps,
    write_depth_png,
)
from msg_tools.errors import DepthPngError

DEPTH_M = np.array([[0.0, 1.0, 2.5], [80.0, 0.0, 255.0]], np.float32)


def test_file_holds_metres_times_256_as_opencv_reads_it(tmp_path):
    write_depth_png(tmp_path / 'depth.png', DEPTH_M)
    image = cv2.imread(str(tmp_path / 'depth.png'), cv2.IMREAD_UNCHANGED)
    assert image.dtype == np.uint16
    assert image.tolist() == [[0, 256, 640], [20480, 0, 65280]]


def test_file_of_opencv_is_read(tmp_path):
    cv2.imwrite(str(tmp_path / 'depth.png'), np.array([[0, 256], [384, 65535]], np.uint16))
    depth_m = read_depth_png(tmp_path / 'depth.png')
    assert depth_m.dtype == np.float32
    assert depth_m.tolist() == [[0.0, 1.0], [1.5, 65535 / 256]]


def test_rounds_to_the_nearest_step():
    assert depth_to_steps(np.array([1.0 + 0.4 / 256, 1.0 + 0.6 / 256])).tolist() == [256, 257]


def test_too_near_becomes_none():
    assert depth_to_steps(np.array([0.4 / 256, 0.6 / 256, -3.0, -0.0])).tolist() == [0, 1, 0, 0]


def test_too_far_becomes_none_and_does_not_wrap():
    far = np.array([MAX_DEPTH_M, 255.999, 256.0, 257.0, 1e9, 1e300])
    assert depth_to_steps(far).tolist() == [65535, 0, 0, 0, 0, 0]


def test_nan_and_inf_become_none():
    assert depth_to_steps(np.array([np.nan, np.inf, -np.inf], np.float32)).tolist() == [0, 0, 0]


def test_a_prediction_of_nothing_within_range_is_the_largest_value():
    steps = depth_to_steps(beyond_as_largest(np.array([np.inf, 7.0, np.nan], np.float32)))
    assert steps.tolist() == [65535, 7 * 256, 0]


@given(arrays.arrays(np.uint16, st.tuples(st.integers(1, 9), st.integers(1, 9))))
def test_any_steps_come_back(steps):
    assert np.array_equal(cv2.imdecode(np.frombuffer(encode_depth_steps(steps), np.uint8), -1), steps)


@pytest.mark.parametrize('shape', [(2, 3, 1), (6,), (0, 5)])
def test_array_of_another_shape(shape):
    with pytest.raises(DepthPngError, match=r'expected a uint16 array of shape \(H, W\)'):
        encode_depth_png(np.ones(shape))


def test_missing_file(tmp_path):
    with pytest.raises(DepthPngError, match='No such file'):
        read_depth_png(tmp_path / 'depth.png')


@pytest.mark.parametrize('picture', [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.uint16)])
def test_picture_of_depth_is_not_depth(tmp_path, picture):
    cv2.imwrite(str(tmp_path / 'picture.png'), picture)
    with pytest.raises(DepthPngError, match='expected 16-bit grey'):
        read_depth_png(tmp_path / 'picture.png')


def test_broken_files(tmp_path):
    path, whole = tmp_path / 'depth.png', encode_depth_png(DEPTH_M)
    damaged = bytearray(whole)
    damaged[45] ^= 0xFF
    for data in (b'', b'JFIF', whole[:-1], whole[:50], bytes(damaged)):
        path.write_bytes(data)
        with pytest.raises(DepthPngError, match='expected a whole PNG'):
            read_depth_steps(path)


def test_failed_write_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / 'depth.png'
    write_depth_png(path, DEPTH_M)
    before = path.read_bytes()
    monkeypatch.setattr('os.replace', lambda *_: (_ for _ in ()).throw(OSError(28, 'No space left on device')))
    with pytest.raises(OSError, match='No space'):
        write_depth_png(path, DEPTH_M + 1)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
