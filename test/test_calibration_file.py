"""Calibration files: KITTI's text and ROS's YAML, whole and broken."""

import numpy as np
import pytest

from msg_tools.calibration_file import read_calibration
from msg_tools.camera import Size
from msg_tools.errors import CalibrationError

YAML = """
image_width: 64
image_height: 48
camera_name: front
camera_matrix: {rows: 3, cols: 3, data: [50., 0., 32., 0., 50., 24., 0., 0., 1.]}
distortion_model: plumb_bob
distortion_coefficients: {rows: 1, cols: 5, data: [-0.1, 0.01, 0., 0., 0.]}
rectification_matrix: {rows: 3, cols: 3, data: [1., 0., 0., 0., 1., 0., 0., 0., 1.]}
projection_matrix: {rows: 3, cols: 4, data: [40., 0., 31., 0., 0., 42., 23., 0., 0., 0., 1., 0.]}
"""


def test_kitti_raw_calibration_gives_the_chosen_rectified_camera(tmp_path):
    path = tmp_path / 'calib_cam_to_cam.txt'
    path.write_text('calib_time: 09-Jan-2012 13:57:47\nS_rect_02: 1.242e+03 3.75e+02\n'
                    'P_rect_02: 7e2 0 6e2 4.5e1 0 7.1e2 1.7e2 2e-1 0 0 1 3e-3\n'
                    'S_rect_03: 1.242e+03 3.75e+02\nP_rect_03: 8e2 0 6e2 0 0 8e2 1.7e2 0 0 0 1 0\n')
    left, right = (read_calibration(path, camera) for camera in (2, 3))
    assert (left.width, left.height, left.distorted) == (1242, 375, False)
    assert left.intrinsics(Size(375, 1242)).fy == 710.0
    assert right.intrinsics(Size(375, 1242)).fx == 800.0


def test_kitti_object_calibration_has_no_size_and_takes_the_images(tmp_path):
    path = tmp_path / '000000.txt'
    path.write_text('P2: 700 0 600 45 0 700 170 0 0 0 1 0\n')
    assert read_calibration(path).intrinsics(Size(375, 1242)).size == Size(375, 1242)


def test_yaml_uses_P_and_knows_that_the_image_is_distorted(tmp_path):
    path = tmp_path / 'front.yaml'
    path.write_text(YAML)
    camera = read_calibration(path)
    intrinsics = camera.intrinsics(Size(48, 64))
    assert camera.distorted
    assert (intrinsics.fx, intrinsics.fy, intrinsics.cx) == (40.0, 42.0, 31.0)


def test_an_image_of_half_the_size_gets_half_the_focal_length(tmp_path):
    path = tmp_path / 'front.yaml'
    path.write_text(YAML)
    assert read_calibration(path).intrinsics(Size(24, 32)).fx == 20.0


def test_yaml_without_projection_matrix_uses_K(tmp_path):
    path = tmp_path / 'front.yml'
    path.write_text('\n'.join(line for line in YAML.splitlines() if not line.startswith('projection')))
    assert np.array_equal(read_calibration(path).p.reshape(3, 4)[:, :3].ravel(), read_calibration(path).k)


@pytest.mark.parametrize(('name', 'text', 'message'), [
    ('a.txt', 'R_02: 1 0 0\n', 'expected a line P_rect_02 or P2, got R_02'),
    ('a.txt', 'P2: 1 2 3\n', 'expected 12 finite numbers for P2, got 3'),
    ('a.txt', 'P2: 1 2 3 4 5 6 7 8 9 10 11 nan\n', 'expected 12 finite numbers'),
    ('a.txt', 'P2: 1 2 3 4 5 6 7 8 9 10 11 twelve\n', 'expected 12 numbers'),
    ('a.yaml', 'image_width: 3\n', 'camera_matrix'),
    ('a.yaml', '{', 'camera_matrix'),
])
def test_a_broken_file_is_named_with_what_was_expected(tmp_path, name, text, message):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(CalibrationError, match=message) as caught:
        read_calibration(path)
    assert name in str(caught.value)


def test_a_missing_file_is_a_calibration_error(tmp_path):
    with pytest.raises(CalibrationError, match=r'nowhere\.txt'):
        read_calibration(tmp_path / 'nowhere.txt')
