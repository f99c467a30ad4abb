"""Image files: their pixels, their size, and files that are missing, cut short, or something else."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from msg_tools.camera import Size
from msg_tools.errors import ImageError
from msg_tools.image_file import image_size, read_rgb

RED = (0, 0, 255)  # in OpenCV's order


def image_file(path: Path, pixels=None) -> Path:
    """Write an image of 40x30 noise with a red corner, or the pixels."""
    if pixels is None:
        pixels = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
        pixels[:8, :8] = RED
    cv2.imwrite(str(path), pixels)
    return path


@pytest.mark.parametrize('name', ['a.png', 'a.jpg', 'a.bmp'])
def test_pixels_are_rgb_and_the_size_is_known(tmp_path, name):
    path = image_file(tmp_path / name)
    rgb = read_rgb(str(path))
    assert rgb.shape == (30, 40, 3)
    assert rgb.dtype == np.uint8
    assert rgb.flags.c_contiguous
    np.testing.assert_allclose(rgb[3, 3], (255, 0, 0), atol=30)  # JPEG is not exact
    assert image_size(path) == Size(30, 40)


def test_grey_16_bits_and_alpha_become_8_bit_rgb(tmp_path):
    grey = image_file(tmp_path / 'grey.png', np.full((3, 4), 51 * 257, np.uint16))
    assert read_rgb(grey).tolist() == [[[51, 51, 51]] * 4] * 3
    alpha = image_file(tmp_path / 'alpha.png', np.full((3, 4, 4), (1, 2, 3, 0), np.uint8))
    assert read_rgb(alpha)[0, 0].tolist() == [3, 2, 1]


@pytest.mark.parametrize('name', ['a.png', 'a.jpg'])
def test_a_file_that_was_cut_short_is_no_image(tmp_path, name):
    """OpenCV 4 fills the rest of a JPEG with grey and goes on."""
    path = image_file(tmp_path / name)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ImageError, match='expected an image, got a broken file of'):
        read_rgb(path)


@pytest.mark.parametrize(('content', 'message'), [(b'', 'of 0 bytes'), (b'no image', 'of 8 bytes'),
                                                  (None, 'No such file')])
def test_what_is_no_image_is_named(tmp_path, content, message):
    path = tmp_path / 'a.jpg'
    if content is not None:
        path.write_bytes(content)
    for read in (read_rgb, image_size):
        with pytest.raises(ImageError, match=rf'a\.jpg: expected an image, got.*{message}'):
            read(path)


def test_a_folder_is_no_image(tmp_path):
    with pytest.raises(ImageError, match='Is a directory'):
        read_rgb(tmp_path)
