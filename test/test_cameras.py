"""What a camera_info means for the images: the traps of real bags, and when it is worked out anew."""

from types import SimpleNamespace

import numpy as np
import pytest

from depth_node.cameras import Cameras
from msg_tools.camera import Size
from msg_tools.errors import CalibrationError

TOPIC = '/camera/image_raw'


def camera_info(width=64, height=48, fx=50.0, d=(), p=None, model='plumb_bob'):
    K = [fx, 0, 31.5, 0, fx, 23.5, 0, 0, 1]
    roi = SimpleNamespace(x_offset=0, y_offset=0, height=0, width=0, do_rectify=False)
    return SimpleNamespace(
        header=SimpleNamespace(stamp=SimpleNamespace(sec=1, nanosec=0)), width=width, height=height, k=np.array(K),
        distortion_model=model, d=np.array(d, float), r=np.eye(3).reshape(-1), binning_x=0, binning_y=0, roi=roi,
        p=np.array([*K[:3], 0, *K[3:6], 0, *K[6:], 0] if p is None else p, float),
    )


def picture(height=48, width=64):
    return np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)


def test_a_pinhole_is_used_as_it_is():
    view = Cameras().of(camera_info(), TOPIC, 'auto')
    assert view.rectifier is None
    assert view.camera.fx == 50.0
    assert view.rectified.startswith('yes: ')
    rgb = picture()
    assert view.rectify(rgb) is rgb


def test_a_distorted_image_is_rectified_and_the_parameter_can_forbid_it():
    info = camera_info(d=(-0.3, 0.1, 0.0, 0.0, 0.0))
    cameras = Cameras()
    raw = cameras.of(info, TOPIC, 'auto')
    assert raw.rectifier is not None
    assert raw.rectified.startswith('no: ')
    rgb = picture()
    assert (raw.rectify(rgb) != rgb).any()
    taken = cameras.of(info, TOPIC, 'true')
    assert taken.rectifier is None
    assert 'input_rectified' in taken.rectified
    assert cameras.of(info, '/camera/image_rect', 'auto').rectifier is None


def test_rectified_kitti_bag_uses_P_not_K():
    """K's focal length is 959.8, P's 721.5: with K everything is a third too near."""
    info = camera_info(1242, 375, fx=959.79, d=(-0.369, 0.197, 0.00135, 0.000568, -0.0677))
    info.k[[2, 5]] = 696.02, 224.18
    info.p = np.array([721.54, 0, 609.56, 44.86, 0, 721.54, 172.85, 0.216, 0, 0, 1, 0.0027])
    view = Cameras().of(info, '/kitti/camera_color_left/image_raw', 'auto')
    assert view.rectifier is None
    assert view.camera.fx == pytest.approx(721.54)


def test_an_uncalibrated_camera_has_no_intrinsics_and_the_reason():
    info = camera_info(width=0, height=0)
    info.k[:] = info.p[:] = 0.0
    view = Cameras().of(info, TOPIC, 'auto')
    assert view.camera is None
    assert 'uncalibrated' in view.rectified
    rgb = picture()
    assert view.rectify(rgb) is rgb  # of a size that the driver does not tell


def test_numbers_that_are_none_are_refused():
    info = camera_info()
    info.k[0] = np.nan
    with pytest.raises(CalibrationError, match='expected finite'):
        Cameras().of(info, TOPIC, 'auto')


def test_an_image_of_another_size_is_refused():
    with pytest.raises(CalibrationError, match='same camera'):
        Cameras().of(camera_info(), TOPIC, 'auto').rectify(picture(48, 60))


def test_the_view_is_worked_out_again_only_when_the_content_changes():
    cameras = Cameras()
    first = cameras.of(camera_info(), TOPIC, 'auto')
    later = camera_info()
    later.header.stamp.sec = 99
    assert cameras.of(later, TOPIC, 'auto') is first
    assert cameras.of(camera_info(fx=51.0), TOPIC, 'auto') is not first
    assert cameras.view.size == Size(48, 64)
