"""depth_predict: images, folders and videos to files, cameras from files and numbers, bad input."""

import json
import re

import cv2
import numpy as np
import pytest

from depth_node import predict
from depth_node.estimator import DepthEstimator
from depth_node.model import ModelConfig
from msg_tools.depth_png import MAX_DEPTH_M, read_depth_png


class TenMetres:
    """A network that sees everything at 10 m, and the left edge far away."""

    description = 'ten metres'

    def __call__(self, rgb):
        log_depth = np.full((rgb.shape[0] // 2, rgb.shape[1] // 2), np.log(10.0), np.float32)
        log_depth[:, :4] = np.log(1e4)
        return log_depth, np.zeros_like(log_depth)


@pytest.fixture(autouse=True)
def ten_metres(monkeypatch):
    """Take the fake network, trained at a focal length of 100 px."""
    model = ModelConfig(height=32, width=64, focal_px=100.0)
    monkeypatch.setattr(DepthEstimator, 'from_checkpoint', lambda *_, **__: DepthEstimator(TenMetres(), model))


@pytest.fixture
def image(tmp_path):
    path = tmp_path / 'street.png'
    cv2.imwrite(str(path), np.full((32, 64, 3), (10, 20, 30), np.uint8))
    return path


def run(*arguments):
    return predict.main([str(argument) for argument in arguments])


def test_an_image_becomes_a_kitti_png_where_the_sky_is_the_farthest(tmp_path, image):
    assert run(image, '--out', tmp_path / 'out', '--fx', 100) == 0
    depth_m = read_depth_png(tmp_path / 'out/street.png')
    assert depth_m.shape == (32, 64)
    assert depth_m[16, 40] == pytest.approx(10.0, abs=1 / 256)
    assert depth_m[16, 0] == MAX_DEPTH_M  # as 0 it would be no estimate


def test_npy_keeps_infinity_and_metres_follow_the_focal_length(tmp_path, image):
    assert run(image, '--out', tmp_path / 'out', '--fx', 50, '--format', 'npy') == 0
    depth_m = np.load(tmp_path / 'out/street.npy')
    assert depth_m.dtype == np.float32
    assert depth_m[16, 0] == np.inf
    assert depth_m[16, 40] == pytest.approx(5.0, rel=1e-4)  # of half the focal length that the network knows


def test_cloud_and_preview_are_written_beside(tmp_path, image):
    assert run(image, '--out', tmp_path / 'out', '--fx', 100, '--cloud', '--color') == 0
    assert {path.name for path in (tmp_path / 'out').iterdir()} == {'street.ply', 'street.png', 'street_color.jpg'}
    header = (tmp_path / 'out/street.ply').read_bytes().split(b'end_header')[0].decode()
    assert 0 < int(header.split('element vertex ')[1].split()[0]) < 32 * 64  # the sky is no point


def test_a_calibration_file_gives_the_camera(tmp_path, image):
    (tmp_path / 'calib.txt').write_text('P_rect_02: 50 0 32 0 0 50 16 0 0 0 1 0\nS_rect_02: 64 32\n')
    assert run(image, '--out', tmp_path / 'out', '--calib', tmp_path / 'calib.txt', '--format', 'npy') == 0
    assert np.load(tmp_path / 'out/street.npy')[16, 40] == pytest.approx(5.0, rel=1e-4)


DISTORTED = """
image_width: 64
image_height: 32
camera_matrix: {rows: 3, cols: 3, data: [50, 0, 31.5, 0, 50, 15.5, 0, 0, 1]}
distortion_model: plumb_bob
distortion_coefficients: {rows: 1, cols: 5, data: [-0.3, 0.1, 0, 0, 0]}
projection_matrix: {rows: 3, cols: 4, data: [50, 0, 31.5, 0, 0, 50, 15.5, 0, 0, 0, 1, 0]}
"""


def test_a_raw_image_is_rectified_first_unless_it_is_said_to_be(tmp_path, image, monkeypatch):
    (tmp_path / 'front.yaml').write_text(DISTORTED)
    cv2.imwrite(str(image), np.eye(32, 64, dtype=np.uint8) * 255)
    seen = []
    monkeypatch.setattr(TenMetres, '__call__', lambda _, rgb: (seen.append(rgb.copy()), ten_metres_of(rgb))[1])
    assert run(image, '--out', tmp_path / 'out', '--calib', tmp_path / 'front.yaml') == 0
    assert run(image, '--out', tmp_path / 'out', '--calib', tmp_path / 'front.yaml', '--rectified') == 0
    rectified, raw = seen
    assert np.array_equal(raw[..., 0], np.eye(32, 64, dtype=np.uint8) * 255)
    assert not np.array_equal(rectified, raw)


def ten_metres_of(rgb):
    return np.full((rgb.shape[0] // 2, rgb.shape[1] // 2), np.log(10.0), np.float32), np.zeros((16, 32), np.float32)


def test_a_video_becomes_a_map_for_each_frame(tmp_path):
    video = cv2.VideoWriter(str(tmp_path / 'drive.avi'), cv2.VideoWriter_fourcc(*'MJPG'), 10, (64, 32))
    for value in (50, 100, 150):
        video.write(np.full((32, 64, 3), value, np.uint8))
    video.release()
    assert run(tmp_path / 'drive.avi', '--out', tmp_path / 'out', '--fx', 100) == 0
    assert sorted(path.name for path in (tmp_path / 'out').iterdir()) == [f'drive_{i:06d}.png' for i in range(3)]


def test_a_broken_image_in_a_folder_is_reported_and_the_rest_goes_on(tmp_path, image, capsys):
    (tmp_path / 'broken.jpg').write_bytes(b'no image')
    assert run(tmp_path, '--out', tmp_path / 'out', '--fx', 100, '--json') == 1
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {'written': 1, 'failed': 1, 'out': str(tmp_path / 'out')}
    assert 'broken.jpg: expected an image' in captured.err
    assert (tmp_path / 'out/street.png').exists()


def test_an_unknown_camera_is_told_and_has_no_cloud(tmp_path, image, capsys):
    assert run(image, '--out', tmp_path / 'out') == 0
    assert 'no camera given' in capsys.readouterr().err
    assert run(image, '--out', tmp_path / 'out', '--cloud') == 1
    assert 'expected a camera' in capsys.readouterr().err


@pytest.mark.parametrize(('arguments', 'message'), [
    (['nowhere.png', '--fx', '100'], r'nowhere\.png: expected an image'),
    (['{image}', '--fx', '100', '--calib', 'x.txt'], 'expected --calib or --fx, got both'),
    (['{image}', '--calib', 'nowhere.txt'], 'expected a readable calibration file'),
    (['{image}', '{image}', '--fx', '100'], 'expected inputs of different names'),
    (['{image}', '--fx', '-3'], 'expected finite intrinsics with fx, fy > 0'),
])
def test_wrong_arguments_are_one_line_and_status_1(tmp_path, image, capsys, arguments, message):
    filled = [argument.replace('{image}', str(image)) for argument in arguments]
    assert run(*filled, '--out', tmp_path / 'out') == 1
    error = capsys.readouterr().err
    assert error.count('\n') == 1
    assert re.match(f'depth_predict: (error|warning): .*{message}', error)
