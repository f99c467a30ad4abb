from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from msg_tools.camera import Intrinsics, Size
from msg_tools.camera_info import (
    Rectifier,
    camera_info_fields,
    check_size,
    fill_camera_info,
    intrinsics,
    is_calibrated,
    looks_rectified,
)
from msg_tools.errors import CalibrationError

SIZE = Size(48, 64)
K = [100.0, 0, 32, 0, 100, 24, 0, 0, 1]
P = [80.0, 0, 30, 0, 0, 80, 20, 0, 0, 0, 1, 0]
IDENTITY = np.eye(3).reshape(-1).tolist()

# KITTI raw 2011_09_26, as kitti2bag writes it: P and the size of the rectified image, K and D of the raw 1392x512 one.
KITTI_SIZE = Size(375, 1242)
KITTI_P = [721.5377, 0, 609.5593, 44.85728, 0, 721.5377, 172.854, 0.2163791, 0, 0, 1, 0.002745884]
KITTI_02 = {
    'k': [959.791, 0, 696.0217, 0, 956.9251, 224.1806, 0, 0, 1],
    'd': [-0.3691481, 0.1968681, 0.001353473, 0.0005677587, -0.06770705],
    'r': [0.9998817, 0.01511453, -0.002841595, -0.01511724, 0.9998853, -0.000933851,
          0.002827154, 0.0009766976, 0.9999955],
    'p': KITTI_P,
}
KITTI_03 = {
    'k': [903.7596, 0, 695.7519, 0, 901.9653, 224.2509, 0, 0, 1],
    'd': [-0.3639558, 0.1788651, 0.0006029694, -0.0003922424, -0.0538246],
    'r': [0.9998321, -0.007193136, 0.01685599, 0.007232804, 0.9999712, -0.002293585,
          -0.01683901, 0.002415116, 0.9998553],
    'p': KITTI_P,
}


def info(size=SIZE, k=K, d=(), r=IDENTITY, p=P, model='plumb_bob', binning=(0, 0), roi=(0, 0, 0, 0)):
    """Return a CameraInfo message; roi is x_offset, y_offset, width, height."""
    window = dict(zip(('x_offset', 'y_offset', 'width', 'height'), roi, strict=True), do_rectify=False)
    return SimpleNamespace(
        height=size.height, width=size.width, distortion_model=model, d=list(d), k=np.array(k, float),
        r=np.array(r, float), p=np.array(p, float), binning_x=binning[0], binning_y=binning[1],
        roi=SimpleNamespace(**window))


def plain(size=SIZE):
    """Return the CameraInfo of an image that needs no rectification."""
    return info(size, p=np.hstack([np.reshape(K, (3, 3)), np.zeros((3, 1))]).reshape(-1))


def lens(fx, size, d, alpha, cx_off=0.0, cy_off=0.0, model='plumb_bob', r=None):
    """Return an honest CameraInfo of a raw image, its P chosen by OpenCV: 0 keeps valid pixels only, 1 keeps all."""
    matrix = np.array([[fx, 0, size.width / 2 + cx_off], [0, fx, size.height / 2 + cy_off], [0, 0, 1.0]])
    coefficients, shape = np.array(d, float), (size.width, size.height)
    if model == 'equidistant':
        view = cv2.fisheye.estimateNewCameraMatrixForUndistortRectify(
            matrix, coefficients, shape, np.eye(3), balance=alpha)
    else:
        view, _ = cv2.getOptimalNewCameraMatrix(matrix, coefficients, shape, alpha)
    p = np.hstack([view, np.zeros((3, 1))]).reshape(-1)
    return info(size, matrix.reshape(-1), d, IDENTITY if r is None else r, p, model)


def numbers(camera):
    return camera.fx, camera.fy, camera.cx, camera.cy, camera.size


def test_rectified_images_have_p_and_raw_ones_k():
    assert numbers(intrinsics(info(), rectified=True)) == (80, 80, 30, 20, SIZE)
    assert numbers(intrinsics(info(), rectified=False)) == (100, 100, 32, 24, SIZE)


def test_ros_1_has_upper_case_names():
    old = info()
    for name in 'kdrp':
        setattr(old, name.upper(), getattr(old, name))
        delattr(old, name)
    assert intrinsics(old, rectified=True).fx == 80
    assert is_calibrated(old)
    assert fill_camera_info(old, intrinsics(old, rectified=True)).K[0] == 80


def test_binning_halves_the_image_and_its_pixels():
    """The middle of the first two pixels, 0.5, is the middle of the first bin, 0."""
    camera = intrinsics(info(k=[100, 0, 0.5, 0, 100, 0.5, 0, 0, 1], binning=(2, 4)), rectified=False)
    assert numbers(camera) == (50, 25, 0, -0.25, Size(12, 32))


def test_region_of_interest_moves_the_principal_point():
    camera = intrinsics(info(roi=(10, 4, 20, 30)), rectified=False)
    assert numbers(camera) == (100, 100, 22, 20, Size(30, 20))


def test_k_of_zeros_is_uncalibrated():
    blank = info(k=np.zeros(9), p=np.zeros(12))
    assert not is_calibrated(blank)
    assert is_calibrated(info())
    for use in (lambda: intrinsics(blank, True), lambda: intrinsics(blank, False), lambda: Rectifier(blank)):
        with pytest.raises(CalibrationError, match='expected a calibrated camera, got camera_info with K of zeros'):
            use()
    assert looks_rectified(blank) == (True, 'the camera is not calibrated: there is nothing to rectify with')


@pytest.mark.parametrize(('changes', 'text'), [
    ({'k': [np.nan] * 9}, 'expected finite numbers for K of camera_info, got .*nan'),
    ({'p': [np.inf] * 12}, 'expected finite numbers for P'),
    ({'d': [np.nan] * 5}, 'expected finite numbers for D'),
    ({'r': [np.nan] * 9}, 'expected finite numbers for R'),
    ({'k': K[:8]}, 'expected 9 numbers for K of camera_info, got 8'),
    ({'k': [-100.0, *K[1:]], 'p': np.zeros(12)}, 'expected finite intrinsics with fx, fy > 0, got fx=-100.0'),
    ({'size': Size(0, 0)}, 'expected the size of the image in camera_info, got 0x0'),
    ({'d': [0.1] * 5, 'model': 'brown'}, 'expected a distortion model out of plumb_bob, rational_polynomial, equ'),
    ({'d': [0.1] * 5, 'model': ''}, "got '' with D"),
    ({'d': [0.1] * 6}, 'expected at most 5 numbers in D for plumb_bob, got 6'),
    ({'d': [0.1] * 5, 'model': 'equidistant'}, 'expected at most 4 numbers in D for equidistant, got 5'),
])
def test_impossible_calibrations(changes, text):
    with pytest.raises(CalibrationError, match=text):
        Rectifier(info(**changes))


def test_distortion_of_a_rectified_image_does_not_matter():
    assert intrinsics(info(d=[0.1] * 5, model='brown'), rectified=True).fx == 80


def test_p_left_out_is_k_where_nothing_distorts():
    assert intrinsics(info(p=np.zeros(12)), rectified=True).fx == 100
    assert looks_rectified(info(p=np.zeros(12)))[0]
    with pytest.raises(CalibrationError, match='expected a P for a rectified image of a camera with distortion'):
        intrinsics(info(d=[0.1, 0, 0, 0, 0], p=np.zeros(12)), rectified=True)
    assert Rectifier(info(d=[0.1, 0, 0, 0, 0], p=np.zeros(12), r=np.zeros(9))).camera.fx == 100


@pytest.mark.parametrize(('topic', 'rectified'), [
    ('/camera/image_rect', True),
    ('/camera/image_rect_color', True),
    ('/camera/infra1/image_rect_raw', True),
    ('/camera/image_rect/compressed', True),
    ('/zed/rgb/color/rect/image', True),
    ('image_rectified', True),
    ('/camera/image_raw', False),
    ('/camera/image_unrectified', False),
    ('/camera/direct/image', False),
    ('/rectangle_bot/image', False),
    ('', False),
])
def test_topics_called_rectified(topic, rectified):
    raw = lens(500, Size(480, 640), [-0.3, 0.1, 0, 0, 0], 0)
    assert looks_rectified(raw, topic)[0] == rectified


def test_nothing_to_rectify():
    assert looks_rectified(plain()) == (True, 'camera_info has no distortion and no rotation, and P is K')
    assert looks_rectified(info(d=[0.0] * 5, p=plain().p, r=np.zeros(9)))[0]
    assert not looks_rectified(info())[0]  # P is another view than K
    assert not looks_rectified(info(p=plain().p, r=cv2.Rodrigues(np.array([0, 0.05, 0]))[0].reshape(-1)))[0]


@pytest.mark.parametrize('camera', [KITTI_02, KITTI_03], ids=['image_02', 'image_03'])
def test_rectified_kitti_bag_uses_P_not_K(camera):  # K's focal is 959.8, P's is 721.5: a third too near
    kitti = info(KITTI_SIZE, **camera)
    rectified, reason = looks_rectified(kitti, '/kitti/camera_color_left/image_raw')
    assert rectified
    assert 'K and D cannot belong to an image of 1242x375: the view of P would lie' in reason
    assert intrinsics(kitti, rectified).fx == 721.5377


def test_a_kitti_bag_with_k_of_the_rectified_image_is_rectified_too():
    kitti = info(KITTI_SIZE, k=np.reshape(KITTI_P, (3, 4))[:, :3].reshape(-1), p=KITTI_P)
    assert looks_rectified(kitti, '/kitti/camera_color_left/image_raw')[0]


@pytest.mark.parametrize('alpha', [0, 0.5, 1])
@pytest.mark.parametrize('camera', [
    (500, Size(480, 640), [-0.3, 0.1, 0, 0, 0]),
    (400, Size(480, 640), [-0.3, 0.1, 0.001, 0.001, 0], 7, -12),
    (600, Size(720, 1280), [-0.25, 0.06, 0, 0, 0], -20, 15),
    (330, Size(480, 640), [-0.35, 0.13, 0, 0, -0.02], 10, 10),
    (1000, Size(1080, 1920), [0.1, -0.2, 0, 0, 0], 7, -12),  # folds at the image's corners
    (1000, Size(1080, 1920), [0.1, -0.2, 0, 0, 0], 102, 0),  # folds well within: OpenCV's P for alpha 1 is absurd
    (700, Size(480, 640), [0.05, -0.1, 0, 0, 0], 30, 20),
    (800, Size(720, 1280), [0.5, -0.3, 0.0001, 0.0001, 0.01, 0.8, -0.2, 0.02], 5, 5, 'rational_polynomial'),
    (285, Size(800, 848), [-0.01, 0.04, -0.04, 0.006], -4, 3, 'equidistant'),
], ids=str)
def test_raw_images_of_ordinary_cameras_are_raw(camera, alpha):
    made = lens(*camera[:3], alpha, *camera[3:])
    assert looks_rectified(made, '/camera/image_raw') == (False, 'camera_info describes a raw image')


@pytest.mark.parametrize('degrees', [-8, -4, 4, 8])
@pytest.mark.parametrize('axis', [(0, 1, 0), (1, 0, 0)])
def test_raw_images_of_a_squinting_stereo_camera_are_raw(degrees, axis):
    """P's view lies off the image because the camera looks aside, not because K is another image's."""
    rotation = cv2.Rodrigues(np.radians(degrees) * np.array(axis, float))[0].reshape(-1)
    made = lens(500, Size(480, 640), [-0.2, 0.05, 0, 0, 0], 0, cx_off=8, cy_off=-6, r=rotation)
    assert not looks_rectified(made, '/left/image_raw')[0]


def test_view_off_to_the_other_side_than_the_principal_point_is_no_sign_of_a_larger_image():
    rotation = cv2.Rodrigues(np.radians([0, -8.0, 0]))[0].reshape(-1)
    made = lens(500, Size(480, 640), [-0.2, 0.05, 0, 0, 0], 0, cx_off=-40, r=rotation)
    assert not looks_rectified(made, '/left/image_raw')[0]


def test_rectifier_of_a_plain_camera_changes_nothing():
    image = np.random.default_rng(0).integers(0, 255, (*SIZE.shape, 3), np.uint8)
    rectifier = Rectifier(plain())
    assert np.array_equal(rectifier.rectify(image), image)
    assert numbers(rectifier.camera) == (100, 100, 32, 24, SIZE)


def test_rectifier_scales_from_k_to_p():
    """A P of half the focal length shows the image at half the size around the principal point, black around it."""
    image = np.full((*SIZE.shape, 3), 200, np.uint8)
    half = Rectifier(info(p=[50, 0, 32, 0, 0, 50, 24, 0, 0, 0, 1, 0])).rectify(image)
    assert (half[12:36, 16:48] == 200).all()
    assert not half[:11].any()
    assert not half[:, :15].any()


def lens_pixel(x, y, model, d):
    """Return where the ray (x, y, 1) falls, by the models' definitions written out."""
    r2 = x * x + y * y
    if model == 'equidistant':
        theta = np.arctan(np.sqrt(r2))
        scale = theta * (1 + sum(k * theta ** (2 * i + 2) for i, k in enumerate(d))) / np.sqrt(r2)
        return x * scale, y * scale
    k1, k2, p1, p2, k3, *more = d
    below = 1 + sum(k * r2 ** (i + 1) for i, k in enumerate(more))
    radial = (1 + k1 * r2 + k2 * r2**2 + k3 * r2**3) / below
    return (x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x), y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y)


@pytest.mark.parametrize(('model', 'd'), [
    ('plumb_bob', [-0.3, 0.1, 0.002, -0.001, 0.01]),
    ('rational_polynomial', [0.5, -0.3, 0.001, 0.001, 0.01, 0.8, -0.2, 0.02]),
    ('equidistant', [-0.01, 0.04, -0.04, 0.006]),
])
def test_rectified_dot_lies_where_the_lens_model_says(model, d):
    """Draw a dot where a lens puts a known ray; it must come out where P puts that ray, rotated by R."""
    size, focal, center = Size(240, 320), 200.0, np.array([160.0, 120.0])
    R = cv2.Rodrigues(np.array([0.02, -0.03, 0.05]))[0]
    ray = np.array([0.3, -0.2, 1.0])
    dot = np.array(lens_pixel(ray[0], ray[1], model, d)) * focal + center
    v, u = np.mgrid[: size.height, : size.width]
    image = (255 * np.exp(-((u - dot[0]) ** 2 + (v - dot[1]) ** 2) / 8)).astype(np.uint8)
    k = [focal, 0, center[0], 0, focal, center[1], 0, 0, 1]
    p = [150.0, 0, 170, 0, 0, 150, 110, 0, 0, 0, 1, 0]
    rectifier = Rectifier(info(size, k, d, R.reshape(-1), p, model))
    found = rectifier.rectify(image).astype(float)
    rotated = R @ ray
    wanted = rotated[:2] / rotated[2] * 150 + (170, 110)
    assert np.allclose([(found * u).sum() / found.sum(), (found * v).sum() / found.sum()], wanted, atol=0.1)


def test_maps_are_made_once_and_are_small():
    rectifier = Rectifier(lens(500, Size(480, 640), [-0.3, 0.1, 0, 0, 0], 0))
    assert rectifier._maps[0].dtype == np.int16


def test_rectifier_wants_the_size_of_camera_info():
    with pytest.raises(CalibrationError, match='expected an image of 64x48 as camera_info says, got 32x24; do'):
        Rectifier(info()).rectify(np.zeros((24, 32, 3), np.uint8))
    check_size(np.zeros((48, 64)), SIZE)


def test_cropped_and_binned_images_rectify_to_the_same_window():
    full = lens(200, Size(240, 320), [-0.2, 0.05, 0, 0, 0], 0)
    image = np.random.default_rng(0).integers(0, 255, (240, 320, 3), np.uint8)
    image = cv2.GaussianBlur(image, (21, 21), 0)
    wanted = Rectifier(full).rectify(image)
    cropped = info(Size(240, 320), full.k, full.d, full.r, full.p, roi=(40, 20, 200, 160))
    found = Rectifier(cropped).rectify(image[20:180, 40:240])
    assert np.abs(found[20:-20, 20:-20].astype(int) - wanted[40:160, 60:220]).max() <= 2
    binned = info(Size(240, 320), full.k, full.d, full.r, full.p, binning=(2, 2))
    found = Rectifier(binned).rectify(cv2.resize(image, (160, 120), interpolation=cv2.INTER_AREA))
    wanted = cv2.resize(wanted, (160, 120), interpolation=cv2.INTER_AREA)
    assert np.abs(found[20:-20, 20:-20].astype(int) - wanted[20:-20, 20:-20]).max() <= 3


def test_filled_camera_info_says_rectified():
    camera = Intrinsics(80.0, 81.0, 30.0, 20.0, Size(24, 32))
    msg = fill_camera_info(info(d=[0.1] * 5, binning=(2, 2), roi=(1, 1, 5, 5)), camera)
    assert (msg.height, msg.width, msg.distortion_model) == (24, 32, 'plumb_bob')
    assert np.asarray(msg.d).tolist() == [0] * 5
    assert msg.k.tolist() == [80, 0, 30, 0, 81, 20, 0, 0, 1]
    assert msg.r.tolist() == IDENTITY
    assert msg.p.tolist() == [80, 0, 30, 0, 0, 81, 20, 0, 0, 0, 1, 0]
    assert looks_rectified(msg)[0]
    assert intrinsics(msg, rectified=True) == camera


def test_filled_camera_info_keeps_a_stereo_baseline():
    camera = Intrinsics(80.0, 80.0, 30.0, 20.0, SIZE)
    P = camera.P
    P[0, 3] = -40.0
    assert fill_camera_info(info(), camera, P).p[3] == -40.0
    assert camera_info_fields(camera, P)['p'].tolist()[3] == -40.0


focal, center, length = st.floats(10, 2000), st.floats(0, 2000), st.integers(1, 4)


@given(focal, focal, center, center, length, length)
def test_intrinsics_come_back(fx, fy, cx, cy, height, width):
    camera = Intrinsics(fx, fy, cx, cy, Size(height, width))
    assert intrinsics(fill_camera_info(info(), camera), rectified=True) == camera
    assert intrinsics(fill_camera_info(info(), camera), rectified=False) == camera


@pytest.mark.ros
@pytest.mark.parametrize('strict', [{}, {'check_fields': True}], ids=['', 'strict'])
def test_rclpys_message(strict):
    sensor_msgs = pytest.importorskip('sensor_msgs.msg')
    if strict and '_check_fields' not in sensor_msgs.CameraInfo.__slots__:
        pytest.skip('messages of this ROS always check')
    camera = Intrinsics(80.0, 81.0, 30.0, 20.0, Size(24, 32))
    msg = sensor_msgs.CameraInfo(**strict)
    assert not is_calibrated(msg)
    assert intrinsics(fill_camera_info(msg, camera), rectified=True) == camera
    assert looks_rectified(msg)[0]


def test_rosbags_message():
    stores = pytest.importorskip('rosbags.typesys')
    store = stores.get_typestore(stores.Stores.ROS2_JAZZY)
    header = store.types['std_msgs/msg/Header'](store.types['builtin_interfaces/msg/Time'](0, 0), 'camera')
    roi = store.types['sensor_msgs/msg/RegionOfInterest'](0, 0, 0, 0, False)
    camera = Intrinsics(80.0, 81.0, 30.0, 20.0, Size(24, 32))
    msg = store.types['sensor_msgs/msg/CameraInfo'](
        header=header, binning_x=0, binning_y=0, roi=roi, **camera_info_fields(camera))
    again = store.deserialize_cdr(store.serialize_cdr(msg, msg.__msgtype__), msg.__msgtype__)
    assert intrinsics(again, rectified=True) == camera


def test_real_ros_1_bag(shared_data):
    """A Raspberry Pi's camera_info in a ROS 1 bag."""
    from rosbags.highlevel import AnyReader
    with AnyReader([shared_data / 'bags/aruco_images.bag']) as reader:
        connection, _, raw = next(reader.messages([c for c in reader.connections if c.msgtype.endswith('CameraInfo')]))
        msg = reader.deserialize(raw, connection.msgtype)
    assert intrinsics(msg, looks_rectified(msg, connection.topic)[0]).fx > 100
