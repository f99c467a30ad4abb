"""Our image conversions beside ROS's cv_bridge, in this Python or the system's (Debian: python3-cv-bridge)."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from msg_tools.image import compressed_to_rgb, fill_image, image_to_array, image_to_rgb
from msg_tools.image_encodings import ENCODINGS, encoding

SIZES = [(48, 62), (4, 6), (101, 320)]  # rows, columns: around SIMD widths, odd heights, the smallest demosaicable
OPENCV = ['8UC1', '8UC2', '8UC3', '8UC4', '8UC7', '8SC1', '16UC1', '16UC3', '16SC2', '32SC1', '32FC1', '32FC3', '64FC1']
PLANAR = ['nv12', 'nv21', 'nv24']  # unknown to cv_bridge
UYVY = {'uyvy', 'yuv422'}
YUY2 = {'yuyv', 'yuv422_yuy2'}  # unknown to older cv_bridge: given to it as the other order
CASES = [(name, size, big) for name in [*ENCODINGS, *OPENCV] if name not in PLANAR for size in SIZES
         for big in ((False, True) if encoding(name).dtype.itemsize > 1 else (False,))]
COMPRESSED = ['jpg', 'png']


def pixels_of(name, size, seed=0):
    """Return random pixels (H, W[, C]): no two neighbours alike, so that nothing swapped goes unseen."""
    meaning = encoding(name)
    shape = size if meaning.channels == 1 else (*size, meaning.channels)
    values = np.random.default_rng(seed).integers(0, 256, (*shape, meaning.dtype.itemsize), np.uint8)
    if meaning.dtype.kind == 'f':
        return values[..., 0].astype(meaning.dtype) - meaning.dtype.type(100.25)
    return values.view(meaning.dtype)[..., 0]


def our_message(name, size, big, padding):
    """Return an image message whose rows end in padding."""
    pixels = pixels_of(name, size)
    rows = np.ascontiguousarray(pixels.byteswap() if big else pixels).view(np.uint8).reshape(size[0], -1)
    rows = np.pad(rows, ((0, 0), (0, padding)), constant_values=77)
    return SimpleNamespace(height=size[0], width=size[1], encoding=name, step=rows.shape[1], is_bigendian=int(big),
                           data=rows.tobytes())


def picture(suffix):
    image = cv2.GaussianBlur(pixels_of('bgr8', (64, 96)), (9, 9), 0)
    return cv2.imencode('.' + suffix, image)[1]


def key_of(name, size, big):
    return f'{name}-{size[0]}x{size[1]}-{big}'


@pytest.fixture(scope='module')
def theirs(tmp_path_factory):
    """Return cv_bridge's results for all cases, computed in one run of the Python that has it."""
    folder = tmp_path_factory.mktemp('cv_bridge')
    cases = {}
    for name, size, big in CASES:
        pixels = pixels_of(name, size)
        cases |= {f'{key_of(name, size, big)}/encoding': 'yuv422' if name in UYVY | YUY2 else name,
                  f'{key_of(name, size, big)}/pixels': pixels[..., ::-1] if name in YUY2 else pixels,
                  f'{key_of(name, size, big)}/is_bigendian': big}
    for suffix in COMPRESSED:
        cases |= {f'{suffix}/format': suffix, f'{suffix}/bytes': picture(suffix)}
    np.savez(folder / 'in.npz', **cases)
    script = Path(__file__).with_name('cv_bridge_reference.py')
    subprocess.run([python_with_cv_bridge(), script, folder / 'in.npz', folder / 'out.npz'], check=True)
    return np.load(folder / 'out.npz')


def python_with_cv_bridge():
    """Return a Python with a cv_bridge that works (PyPI's does not: it has no compiled part)."""
    for python in (sys.executable, '/usr/bin/python3'):
        probe = [python, '-c', 'from cv_bridge.boost.cv_bridge_boost import getCvType']
        if Path(python).exists() and subprocess.run(probe, capture_output=True, check=False).returncode == 0:
            return python
    pytest.skip('no cv_bridge: source a ROS installation, or on Debian apt install python3-cv-bridge')


@pytest.mark.parametrize(('name', 'size', 'big'), CASES)
def test_pixels_are_those_of_cv_bridge(theirs, name, size, big):
    wanted = theirs[f'{key_of(name, size, big)}/array']
    ours = image_to_array(our_message(name, size, big, padding=6 * encoding(name).dtype.itemsize))
    if name in YUY2:
        wanted = wanted[..., ::-1]
    assert ours.dtype == wanted.dtype
    assert np.array_equal(ours, wanted)


@pytest.mark.parametrize(('name', 'size', 'big'), [c for c in CASES if c[0] in ENCODINGS and c[0] not in YUY2])
def test_rgb_is_that_of_cv_bridge_to_the_bit(theirs, name, size, big):
    wanted = theirs[f'{key_of(name, size, big)}/rgb']
    assert np.array_equal(image_to_rgb(our_message(name, size, big, padding=6)), wanted)


@pytest.mark.parametrize('name', sorted(YUY2))
@pytest.mark.parametrize('size', SIZES)
def test_yuy2_is_cv_bridges_uyvy_with_bytes_swapped(theirs, name, size):
    wanted = theirs[f'{key_of(name, size, False)}/rgb']
    assert np.array_equal(image_to_rgb(our_message(name, size, False, padding=6)), wanted)


@pytest.mark.parametrize(('name', 'size', 'big'), [c for c in CASES if not c[2] and c[0] not in {*YUY2, '8UC7'}])
def test_data_filled_in_is_that_of_cv_bridge(theirs, name, size, big):
    ours = fill_image(SimpleNamespace(data=b''), pixels_of(name, size), name)
    assert np.array_equal(ours.data, theirs[f'{key_of(name, size, big)}/data'])
    assert (ours.height, ours.width) == size
    assert ours.step * ours.height == len(ours.data)


@pytest.mark.parametrize('suffix', COMPRESSED)
def test_compressed_images_are_those_of_cv_bridge(theirs, suffix):
    ours = compressed_to_rgb(SimpleNamespace(format=suffix, data=picture(suffix).tobytes()))
    assert np.array_equal(ours, theirs[f'{suffix}/rgb'])


def test_every_named_encoding_is_compared():
    assert {name for name, _, _ in CASES} | set(PLANAR) >= set(ENCODINGS)
