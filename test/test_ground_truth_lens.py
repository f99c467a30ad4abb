"""Points through lenses: OpenCV's own functions are the reference, and what a polynomial does beyond its reach."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from msg_tools.camera import Intrinsics, Size
from msg_tools.camera_info import CameraModel
from msg_tools.errors import CalibrationError
from msg_tools.ground_truth.kernels import on_image, pixel_of
from msg_tools.ground_truth.lens import BROWN, FISHEYE, Lens, radial_limit

K = np.array([[300.0, 0, 320], [0, 310, 240], [0, 0, 1]])
PLUMB_BOB = [-0.28, 0.09, 0.001, -0.002, -0.01]
RATIONAL = [0.3, 0.05, 0.0004, 0.0002, 0.001, 0.6, 0.12, 0.004]
EQUIDISTANT = [-0.02, 0.01, -0.008, 0.002]


def model(name: str, D: list[float]) -> CameraModel:
    roi = SimpleNamespace(x_offset=0, y_offset=0, width=0, height=0)
    return CameraModel.from_info(SimpleNamespace(
        k=K.ravel(), d=D, r=np.eye(3).ravel(), p=np.c_[K, np.zeros(3)].ravel(), distortion_model=name, width=640,
        height=480, binning_x=0, binning_y=0, roi=roi))


def points(reach: float) -> np.ndarray:
    rng = np.random.default_rng(1)
    z = rng.uniform(1, 30, 200)
    return np.stack([*(rng.uniform(-reach, reach, (2, 200)) * z), z], -1)


@pytest.mark.parametrize(('name', 'D'), [('plumb_bob', PLUMB_BOB), ('rational_polynomial', RATIONAL)])
def test_same_pixels_as_opencv(name, D):
    lens = Lens.of_raw(model(name, D))
    expected = cv2.projectPoints(points(0.9), np.zeros(3), np.zeros(3), K, np.array(D))[0][:, 0]
    assert np.allclose([pixel_of(*p, lens.numbers, lens.model) for p in points(0.9)], expected, atol=1e-9)


def test_same_pixels_as_opencv_fisheye_far_to_the_side():
    lens = Lens.of_raw(model('equidistant', EQUIDISTANT))
    cloud = points(5.0)
    expected = cv2.fisheye.projectPoints(cloud[:, None], np.zeros(3), np.zeros(3), K, np.array(EQUIDISTANT))[0][:, 0]
    assert np.allclose([pixel_of(*p, lens.numbers, lens.model) for p in cloud], expected, atol=1e-9)


def test_a_camera_without_distortion_is_a_pinhole():
    lens = Lens.of_raw(model('plumb_bob', [0.0] * 5))
    assert pixel_of(1.0, -1.0, 10.0, lens.numbers, lens.model) == (350.0, 209.0)


def test_points_beyond_the_reach_of_the_polynomial_do_not_fall_in_again():
    lens = Lens.of_raw(model('plumb_bob', [-0.28, 0.0, 0.0, 0.0, 0.0]))  # r (1 - 0.28 r^2) falls from r = 1.09 on
    assert lens.limit == pytest.approx(np.sqrt(1 / (3 * 0.28)), abs=0.005)
    back_inside = cv2.projectPoints(np.array([[1.8, 0.0, 1.0]]), np.zeros(3), np.zeros(3), K, lens.D[:5])[0][0, 0]
    assert 0 < back_inside[0] < 640  # where OpenCV would put it
    fell = on_image(np.array([[1.8, 0.0, 1.0], [0.1, 0.0, 1.0]]), np.eye(4)[:3], lens.numbers, lens.model, 480, 640)
    assert fell[0].tolist() == [240 * 640 + round(320 + 300 * 0.1 * (1 - 0.28 * 0.01))]


def test_limits_of_lenses_that_never_turn_back():
    assert radial_limit(BROWN, np.zeros(12)) == 10.0
    assert radial_limit(FISHEYE, np.zeros(12)) == pytest.approx(np.pi)


def test_prism_terms_are_refused_by_name():
    with pytest.raises(CalibrationError, match='thin prism'):
        Lens.of_raw(model('rational_polynomial', [*RATIONAL, 0.01, 0, 0, 0]))


def test_pinhole_numbers():
    lens = Lens(Intrinsics(100, 110, 50, 60, Size(120, 100)))
    assert lens.numbers[:5].tolist() == [100, 110, 50, 60, np.inf]
