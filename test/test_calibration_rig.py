"""Where a scanner sits to a camera, from files of every kind that is read, and what is said of wrong ones."""

import numpy as np
import pytest
from fixtures_kitti import write_tiny_drive

from msg_tools.calibration_rig import read_rig
from msg_tools.errors import CalibrationError
from msg_tools.kitti_calibration import KittiCalibration

P2 = '50 0 47.5 3 0 50 15.5 0 0 0 1 0.0025'
TURN = '0 -1 0 0 0 0 -1 -0.08 1 0 0 -0.27'  # x forward to z forward
T = np.array([[0, -1, 0, 0], [0, 0, -1, -0.08], [1, 0, 0, -0.27], [0, 0, 0, 1]])


def rig_of(tmp_path, text, name='calib.txt', camera=2):
    (tmp_path / name).write_text(text)
    return read_rig(tmp_path / name, camera)


@pytest.mark.parametrize('text', [
    f'P2: {P2}\nTr: {TURN}\n',
    f'P2: {P2}\nR0_rect: 1 0 0 0 1 0 0 0 1\nTr_velo_to_cam: {TURN}\n',
    f'P2: {P2}\nR_rect 1 0 0 0 1 0 0 0 1\nTr_velo_cam {TURN}\n',
    f'P_rect_02: {P2}\nTr_velo_to_cam_rect: {TURN}\n',
], ids=['odometry', 'object', 'tracking', 'rectified'])
def test_benchmarks_files(tmp_path, text):
    rig = rig_of(tmp_path, text)
    assert np.allclose(rig.T_cam0_scanner, T)
    # P's last column over K: x 3 / 50 - 47.5 * 0.0025 / 50 = 0.057625, y -15.5 * 0.0025 / 50 = -0.000775, z 0.0025
    assert np.allclose(rig.T_cam_scanner[:3, 3], [0.057625, -0.08 - 0.000775, -0.27 + 0.0025])
    assert rig.camera.p[0] == 50


def test_rectifying_rotation_comes_after_the_transform(tmp_path):
    half_turn = '-1 0 0 0 -1 0 0 0 1'
    rig = rig_of(tmp_path, f'P2: 1 0 0 0 0 1 0 0 0 0 1 0\nR0_rect: {half_turn}\nTr_velo_to_cam: {TURN}\n')
    assert np.allclose(rig.T_cam_scanner, np.diag([-1, -1, 1, 1]) @ T)


def test_raw_datas_files(tmp_path):
    day = write_tiny_drive(tmp_path).parent
    rig = read_rig(day / 'calib_velo_to_cam.txt', 3)
    calibration = KittiCalibration.load(day)
    assert np.array_equal(rig.T_cam_scanner, calibration.T_cam_velo(3))
    assert (rig.camera.width, rig.camera.height) == (96, 32)


@pytest.mark.parametrize('text', [
    'T_cam_scanner: [[0, -1, 0, 0], [0, 0, -1, -0.08], [1, 0, 0, -0.27], [0, 0, 0, 1]]',
    'T_cam_scanner: [0, -1, 0, 0, 0, 0, -1, -0.08, 1, 0, 0, -0.27, 0, 0, 0, 1]',
    'translation: [0, -0.08, -0.27]\nrotation: [0.5, -0.5, 0.5, 0.5]',
], ids=['rows', 'numbers', 'quaternion'])
def test_yaml(tmp_path, text):
    rig = rig_of(tmp_path, text, 'rig.yaml')
    assert np.allclose(rig.T_cam_scanner, T)
    assert rig.camera is None


@pytest.mark.parametrize(('name', 'text', 'message'), [
    ('calib.txt', f'P2: {P2}\n', r'expected a line Tr, .* or Tr_velo_to_cam_rect .*, got P2'),
    ('calib.txt', f'Tr: {TURN}\n', 'expected a line P_rect_02 or P2, got Tr'),
    ('calib.txt', f'P2: {P2}\nTr: 1 2 3\n', 'expected 12 numbers for Tr'),
    ('calib.txt', f'P2: {P2}\nTr: {"0 " * 12}\n', 'calib.txt: Tr: expected a rotation and a translation'),
    ('calib.txt', f'P2: {P2}\nTr: nan {TURN[2:]}\n', 'expected finite numbers for Tr'),
    ('calib.txt', f'P2: {"0 " * 12}\nTr: {TURN}\n', 'expected a P that can be inverted for camera 2'),
    ('rig.yaml', 'camera: front', 'got camera: translation and rotation missing'),
    ('rig.yaml', 'translation: [0, 0, 0]', 'got translation: rotation missing'),
    ('rig.yaml', 'translation: [0, 0]\nrotation: [0, 0, 0, 1]', 'expected 3 numbers for translation'),
    ('rig.yaml', 'translation: [0, 0, 0]\nrotation: [0, 0, 0, 0]', 'rig.yaml: rotation: expected a rotation'),
    ('rig.yaml', 'T_cam_scanner: [[2, 0, 0, 0], [0, 2, 0, 0], [0, 0, 2, 0], [0, 0, 0, 1]]', 'is the matrix scaled'),
    ('rig.yaml', 'T_cam_scanner: [', 'expected YAML'),
])
def test_what_is_missing_or_impossible_is_named(tmp_path, name, text, message):
    with pytest.raises(CalibrationError, match=message):
        rig_of(tmp_path, text, name)


def test_no_file(tmp_path):
    with pytest.raises(CalibrationError, match='expected a readable calibration file'):
        read_rig(tmp_path / 'calib.txt')
