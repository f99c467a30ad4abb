"""The node in this process, over real DDS, with a network that always sees a wall 10 m away."""

import threading
from array import array

import cv2
import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy')
pytest.register_assert_rewrite('fixtures_node')

from fixtures_node import (  # noqa: E402
    CX,
    CY,
    FOCAL_PX,
    HEIGHT,
    WIDTH,
    FlatBackend,
    make_image,
    make_info,
    stamp,
)
from lifecycle_msgs.srv import ChangeState  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy, qos_profile_sensor_data  # noqa: E402
from sensor_msgs.msg import CameraInfo, CompressedImage, Image  # noqa: E402

from depth_node.checkpoint import save_checkpoint  # noqa: E402
from depth_node.estimator import DepthEstimator  # noqa: E402
from depth_node.model import ModelConfig, build_model  # noqa: E402
from depth_node.monitor import IDLE, SUPERSEDED  # noqa: E402
from msg_tools.cloud import cloud_to_array, cloud_to_xyz  # noqa: E402
from msg_tools.compressed_depth import compressed_depth_to_m  # noqa: E402
from msg_tools.errors import BackendError, CheckpointError, ConfigError  # noqa: E402
from msg_tools.image import image_to_array, image_to_depth_m  # noqa: E402

pytest_plugins = ['fixtures_node']
pytestmark = pytest.mark.ros

LOAD = DepthEstimator.from_checkpoint
OUTPUTS = ('depth/image_rect', '/depth/image_rect/compressedDepth', 'depth/camera_info', 'points', 'confidence',
           'depth/image_color')
OK, WARN, ERROR = 0, 1, 2


def test_all_outputs_carry_the_stamp_and_frame_of_their_image(make_rig):
    rig = make_rig()
    rig.activate()
    rig.listen(*OUTPUTS)
    rig.send(make_info(12.5), make_image(12.5))
    rig.wait(lambda: all(rig.got[topic] for topic in OUTPUTS))
    headers = {topic: rig.got[topic][0].header for topic in OUTPUTS}
    assert {(h.stamp.sec, h.stamp.nanosec, h.frame_id) for h in headers.values()} == {(12, 500_000_000, 'camera')}


def test_depth_is_metres_and_camera_info_fits_it(make_rig):
    rig = make_rig()
    rig.activate()
    rig.listen('depth/image_rect', 'depth/camera_info')
    rig.send(make_info(), make_image())
    rig.wait(lambda: rig.got['depth/image_rect'] and rig.got['depth/camera_info'])
    depth, info = rig.got['depth/image_rect'][0], rig.got['depth/camera_info'][0]
    assert depth.encoding == '32FC1'
    np.testing.assert_allclose(image_to_array(depth), np.full((HEIGHT, WIDTH), 10.0), rtol=1e-5)
    assert (info.height, info.width) == (HEIGHT, WIDTH)
    assert info.k.tolist() == [FOCAL_PX, 0, CX, 0, FOCAL_PX, CY, 0, 0, 1]
    assert info.p.tolist() == [FOCAL_PX, 0, CX, 0, 0, FOCAL_PX, CY, 0, 0, 0, 1, 0]
    assert not any(info.d)


@pytest.mark.parametrize(('depth_encoding', 'compressed_depth'), [('32FC1', 'png'), ('32FC1', 'rvl'), ('16UC1', 'png')])
def test_compressed_depth_is_the_depth(make_rig, depth_encoding, compressed_depth):
    rig = make_rig(depth_encoding=depth_encoding, compressed_depth=compressed_depth)
    rig.activate()
    rig.listen('/depth/image_rect/compressedDepth')
    rig.send(make_info(), make_image())
    rig.wait(lambda: rig.got['/depth/image_rect/compressedDepth'])
    (msg,) = rig.got['/depth/image_rect/compressedDepth']
    assert msg.format == f'{depth_encoding}; compressedDepth {compressed_depth}'
    np.testing.assert_allclose(compressed_depth_to_m(msg), np.full((HEIGHT, WIDTH), 10.0), atol=0.002)


def test_points_are_where_the_pixels_look_to(make_rig):
    rig = make_rig(cloud_stride=4)
    rig.activate()
    rig.listen('points')
    rig.send(make_info(), make_image())
    rig.wait(lambda: rig.got['points'])
    cloud = rig.got['points'][0]
    xyz = cloud_to_xyz(cloud)
    assert (cloud.height, cloud.width, cloud.is_dense) == (32, 48, False)
    assert [field.name for field in cloud.fields] == ['x', 'y', 'z']
    np.testing.assert_allclose(xyz[16, 24], [0.0, 0.0, 10.0], atol=1e-5)  # pixel (96, 64), on the axis
    np.testing.assert_allclose(xyz[0, 0], [-4.8, -3.2, 10.0], rtol=1e-5)  # 96 px of 200 px at 10 m


def test_points_beyond_the_range_are_nan_and_color_is_the_images(make_rig):
    rig = make_rig(cloud_colored=True, cloud_max_range_m=10.5)
    rig.activate()
    rig.listen('points')
    rig.send(make_info(), make_image())
    rig.wait(lambda: rig.got['points'])
    points = cloud_to_array(rig.got['points'][0])
    assert points.dtype.names == ('x', 'y', 'z', 'rgb')
    assert set(points['rgb'].view('<u4').reshape(-1).tolist()) == {0x636363}
    assert np.isfinite(points['z']).all()
    set_parameters(rig, cloud_max_range_m=9.5)
    rig.send(make_info(2.0), make_image(2.0))
    rig.wait(lambda: len(rig.got['points']) == 2)
    assert np.isnan(cloud_to_xyz(rig.got['points'][1])).all()


def test_what_nobody_subscribes_to_is_not_computed(make_rig):
    rig = make_rig()
    rig.activate()
    rig.send(make_info(), make_image())
    rig.wait(lambda: rig.frames().dropped.get(IDLE))
    assert rig.backend.calls == 0
    rig.listen('depth/image_rect')
    rig.send(make_info(2.0), make_image(2.0))
    rig.wait(lambda: rig.got['depth/image_rect'])
    assert rig.backend.calls == 1


def wrong_step(image, info):
    image.step = 10


def short_data(image, info):
    image.data = array('B', bytes(100))


def no_data(image, info):
    image.data = array('B')


def unknown_encoding(image, info):
    image.encoding = 'hyperspectral'


def depth_as_input(image, info):
    image.encoding = '16UC1'
    image.step = 2 * WIDTH


def no_pixels(image, info):
    image.height = image.width = image.step = 0
    image.data = array('B')


def nan_in_k(image, info):
    info.k = [float('nan')] * 9


def nan_in_p(image, info):
    info.p = [float('nan')] * 12


def another_size(image, info):
    info.height, info.width = 100, 100


def unknown_distortion(image, info):
    info.distortion_model, info.d = 'magic', [0.1, 0.2]


@pytest.mark.parametrize(('spoil', 'reason', 'text'), [
    (wrong_step, 'bad image', 'step of at least 576'), (short_data, 'bad image', 'cut short'),
    (no_data, 'bad image', 'cut short'), (unknown_encoding, 'bad image', 'hyperspectral'),
    (depth_as_input, 'bad image', '16UC1'), (no_pixels, 'bad image', '0x0'),
    (nan_in_k, 'bad camera_info', 'finite'), (nan_in_p, 'bad camera_info', 'finite'),
    (another_size, 'bad camera_info', 'same camera'), (unknown_distortion, 'bad camera_info', 'magic'),
])
def test_a_bad_frame_is_dropped_counted_and_reported_and_the_next_one_works(rig, spoil, reason, text):
    rig.listen('/diagnostics')
    image, info = make_image(1.0), make_info(1.0)
    spoil(image, info)
    rig.send(info, image)
    rig.wait(lambda: rig.frames().dropped.get(reason))
    assert text in rig.frames().last_error
    rig.wait(lambda: any(reason in status.message for array in rig.got['/diagnostics'] for status in array.status))
    rig.send(make_info(2.0), make_image(2.0))
    rig.wait(lambda: rig.got['depth/image_rect'])
    assert rig.frames().published == 1


def test_a_bug_in_the_core_costs_one_frame(rig):
    def fail():
        rig.backend.before = lambda: None
        raise ZeroDivisionError('a bug')

    rig.backend.before = fail
    rig.send(make_info(1.0), make_image(1.0))
    rig.wait(lambda: rig.frames().dropped.get('internal error'))
    rig.send(make_image(2.0))
    rig.wait(lambda: rig.got['depth/image_rect'])


def test_where_the_network_fails_for_good_its_spare_goes_on_and_diagnostics_say_so(rig):
    """As where a GPU is gone: the frame at work is not lost."""
    rig.listen('/diagnostics')
    rig.backend.before = lambda: (_ for _ in ()).throw(BackendError('CUDA error: device lost'))
    rig.node.estimator.spare = lambda: FlatBackend(20.0)
    rig.send(make_info(), make_image())
    rig.wait(lambda: rig.got['depth/image_rect'])
    np.testing.assert_allclose(image_to_depth_m(rig.got['depth/image_rect'][0]), 20.0, rtol=1e-5)
    assert rig.frames().dropped == {}
    assert 'another one failed: CUDA error: device lost' in rig.status()[2]['network']


def test_an_uncalibrated_camera_gives_depth_but_no_cloud_and_diagnostics_say_why(make_rig):
    rig = make_rig()
    rig.activate()
    rig.listen('depth/image_rect', 'depth/camera_info', 'points', '/diagnostics')
    info = make_info(focal_px=0.0)
    rig.send(info, make_image())
    rig.wait(lambda: rig.got['depth/image_rect'] and rig.got['depth/camera_info'])
    assert not rig.got['points']
    assert not rig.got['depth/camera_info'][0].k.any()
    level, message, _ = rig.status()
    assert level == WARN
    assert 'uncalibrated' in message


def test_an_image_waits_for_the_first_camera_info(rig):
    rig.publisher(CameraInfo, 'camera_info')
    rig.send(make_image(1.0))
    rig.spin(0.2)
    rig.send(make_info(1.0))
    rig.wait(lambda: rig.got['depth/image_rect'])


def test_images_without_camera_info_are_counted_and_diagnostics_say_so(rig):
    rig.listen('/diagnostics')
    for i in range(2):
        rig.send(make_image(float(i)))
        rig.wait(lambda i=i: rig.frames().received == i + 1)
    rig.wait(lambda: rig.frames().dropped.get('no camera_info yet'))
    rig.wait(lambda: any('no camera_info yet' in array.status[0].message for array in rig.got['/diagnostics']))


def test_a_latched_camera_info_from_before_the_start_is_received(make_rig):
    rig = make_rig(autostart=False)
    qos = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    rig.client.create_publisher(CameraInfo, 'camera_info', qos).publish(make_info(0.0))
    rig.spin(0.3)
    rig.node.trigger_configure()
    rig.node.trigger_activate()
    rig.listen('depth/image_rect')
    rig.send(make_image(50.0))
    rig.wait(lambda: rig.got['depth/image_rect'])


def test_the_newest_image_is_taken_and_the_others_are_counted(rig):
    begun, go = threading.Event(), threading.Event()
    rig.backend.before = lambda: (begun.set(), go.wait(10))
    rig.send(make_info(0.0), make_image(0.0))
    rig.wait(begun.is_set)
    for i in range(1, 5):
        rig.send(make_image(float(i)))
        rig.wait(lambda i=i: rig.frames().received == i + 1)
    go.set()
    rig.wait(lambda: len(rig.got['depth/image_rect']) == 2)
    assert [msg.header.stamp.sec for msg in rig.got['depth/image_rect']] == [0, 4]
    assert rig.frames().dropped == {SUPERSEDED: 3}


def test_stamps_that_jump_back_wedge_nothing(rig):
    for i, stamp_s in enumerate((100.0, 100.1, 3.0, 3.1), 1):
        rig.send(make_info(stamp_s), make_image(stamp_s))
        rig.wait(lambda i=i: len(rig.got['depth/image_rect']) == i)


@pytest.mark.parametrize(('qos', 'reliability'), [
    (qos_profile_sensor_data, ReliabilityPolicy.BEST_EFFORT), (QoSProfile(depth=1), ReliabilityPolicy.RELIABLE),
])
def test_the_subscription_follows_the_publishers_reliability(rig, qos, reliability):
    rig.publisher(Image, 'image', qos)
    rig.wait(lambda: rig.node.inputs.image.offered and rig.node.inputs.image.offered[0] == reliability)
    rig.send(make_info(), make_image())
    rig.wait(lambda: rig.got['depth/image_rect'])


def test_compressed_images_come_on_the_topic_of_image_transport(make_rig):
    rig = make_rig(image_transport='compressed', arguments=('-r', 'image:=/front/image_raw'))
    rig.activate()
    rig.listen('depth/image_rect')
    jpeg = cv2.imencode('.jpg', np.full((HEIGHT, WIDTH, 3), 99, np.uint8))[1]
    image = CompressedImage(format='jpeg', data=array('B', jpeg.tobytes()))
    stamp(image, 1.0)
    rig.send(make_info(), image, image='/front/image_raw/compressed')
    rig.wait(lambda: rig.got['depth/image_rect'])
    assert rig.got['depth/image_rect'][0].header.frame_id == 'camera'


def set_parameters(rig, **values):
    results = rig.node.set_parameters([Parameter(name, value=value) for name, value in values.items()])
    return [(result.successful, result.reason) for result in results]


def test_live_parameters_take_effect_on_the_next_frame(rig):
    rig.send(make_info(1.0), make_image(1.0))
    rig.wait(lambda: len(rig.got['depth/image_rect']) == 1)
    assert set_parameters(rig, depth_encoding='16UC1') == [(True, '')]
    rig.send(make_image(2.0))
    rig.wait(lambda: len(rig.got['depth/image_rect']) == 2)
    millimetres = rig.got['depth/image_rect'][1]
    assert millimetres.encoding == '16UC1'
    assert set(image_to_array(millimetres).reshape(-1).tolist()) <= {9999, 10000, 10001}
    set_parameters(rig, max_depth_m=9.0)
    rig.send(make_image(3.0))
    rig.wait(lambda: len(rig.got['depth/image_rect']) == 3)
    assert np.isnan(image_to_depth_m(rig.got['depth/image_rect'][2])).all()  # +Inf has no millimetres
    set_parameters(rig, depth_encoding='32FC1')
    rig.send(make_image(4.0))
    rig.wait(lambda: len(rig.got['depth/image_rect']) == 4)
    assert np.isposinf(image_to_array(rig.got['depth/image_rect'][3])).all()


def test_a_parameter_that_does_not_fit_is_refused_with_the_reason(make_rig):
    rig = make_rig(autostart=False)
    ((successful, reason),) = set_parameters(rig, depth_encoding='float')
    assert (successful, reason) == (False, "depth_encoding: expected one of 32FC1, 16UC1, got 'float'")
    ((successful, reason),) = set_parameters(rig, min_depth_m=5.0, max_depth_m=5000.0)[1:]
    assert not successful
    assert 'range' in reason
    assert not set_parameters(rig, backend='torch')[0][0]  # read-only
    assert not set_parameters(rig, max_depth_m=80)[0][0]  # an int
    assert rig.node.config.min_depth_m == 5.0
    ((successful, reason),) = set_parameters(rig, max_depth_m=4.0)
    assert reason == 'expected min_depth_m < max_depth_m, got 5.0 and 4.0'
    assert rig.node.config.max_depth_m == 80.0


def test_a_bare_true_is_understood_where_auto_true_and_false_are_meant(make_rig):
    rig = make_rig(autostart=False, input_rectified=True)
    assert rig.node.config.input_rectified == 'true'
    assert set_parameters(rig, input_rectified=False) == [(True, '')]
    assert rig.node.config.input_rectified == 'false'
    assert not set_parameters(rig, input_rectified=3)[0][0]


@pytest.mark.parametrize(('name', 'value', 'text'), [
    ('max_depth_m', 80, 'max_depth_m: expected float'), ('cloud_stride', 0, 'cloud_stride: expected int'),
    ('device', 'gpu', 'device: expected one of auto, cpu, cuda'), ('min_depth_m', 9.0, None),
])
def test_a_wrong_parameter_at_the_start_is_a_config_error(make_rig, name, value, text):
    others = {} if text else {'max_depth_m': 5.0}
    with pytest.raises(ConfigError, match=text or 'expected min_depth_m < max_depth_m'):
        make_rig(**{name: value, **others})


def test_every_parameter_is_described(make_rig):
    rig = make_rig(autostart=False)
    stride = rig.node.describe_parameter('cloud_stride')
    assert (stride.integer_range[0].from_value, stride.integer_range[0].to_value) == (1, 16)
    assert not stride.read_only
    device = rig.node.describe_parameter('device')
    assert device.read_only
    assert device.additional_constraints == 'one of: auto, cpu, cuda'
    assert rig.node.describe_parameter('max_depth_m').floating_point_range[0].to_value == 1000.0


def test_a_lifecycle_manager_can_drive_it(make_rig):
    rig = make_rig(autostart=False)
    rig.listen('/diagnostics')
    rig.spin(0.2)
    assert rig.node.state == 'unconfigured'
    for _ in range(2):
        for request, state in (('configure', 'inactive'), ('activate', 'active'), ('deactivate', 'inactive'),
                               ('activate', 'active'), ('deactivate', 'inactive'), ('cleanup', 'unconfigured')):
            assert change_state(rig, request)
            assert rig.node.state == state
    assert change_state(rig, 'configure')
    assert change_state(rig, 'activate')
    rig.listen('depth/image_rect')
    rig.send(make_info(), make_image())
    rig.wait(lambda: rig.got['depth/image_rect'])
    assert change_state(rig, 'shutdown')
    assert rig.node.state == 'finalized'
    assert rig.status()[1] == 'finalized'


def test_nothing_is_published_while_inactive(rig):
    rig.send(make_info(1.0), make_image(1.0))
    rig.wait(lambda: rig.got['depth/image_rect'])
    rig.node.trigger_deactivate()
    rig.publishers['image'].publish(make_image(2.0))
    rig.spin(0.3)
    assert rig.frames().received == 1
    rig.node.trigger_activate()
    rig.wait(lambda: rig.publishers['image'].get_subscription_count())
    rig.spin(0.6)
    rig.send(make_info(3.0), make_image(3.0))
    rig.wait(lambda: len(rig.got['depth/image_rect']) == 2)


def test_a_transition_that_does_not_exist_is_refused_and_the_node_lives_on(rig):
    assert not change_state(rig, 'configure')
    assert not change_state(rig, 'nonsense')
    rig.send(make_info(), make_image())
    rig.wait(lambda: rig.got['depth/image_rect'])


def test_an_exception_that_jazzy_lets_through_a_transition_request_is_an_answer():
    """There the service's callback raises RCLError, which ends spin and with it the node."""
    from types import SimpleNamespace

    from depth_node.ros.lifecycle import guard_transition_requests

    def raises(request, response):
        raise RuntimeError('Transition is not registered')

    logged = []
    node = SimpleNamespace(_service_change_state=SimpleNamespace(callback=raises),
                           get_logger=lambda: SimpleNamespace(error=logged.append))
    guard_transition_requests(node)
    response = node._service_change_state.callback(None, SimpleNamespace(success=True))
    assert response.success is False
    assert 'not registered' in logged[0]


def change_state(rig, label: str) -> bool:
    """Ask the node for a transition as `ros2 lifecycle set` does."""
    client = rig.client.create_client(ChangeState, 'depth_node/change_state')
    rig.wait(client.service_is_ready)
    request = ChangeState.Request()
    request.transition.label = label
    future = client.call_async(request)
    rig.wait(future.done)
    rig.client.destroy_client(client)
    return future.result().success


def test_a_checkpoint_that_fails_stops_configure_with_the_reason_and_can_be_mended(make_rig, monkeypatch):
    rig = make_rig(autostart=False)
    good = DepthEstimator.from_checkpoint

    def fails(*_):
        raise CheckpointError('weights.safetensors: expected a checkpoint, got nothing')

    monkeypatch.setattr(DepthEstimator, 'from_checkpoint', fails)
    rig.listen('/diagnostics')
    assert not change_state(rig, 'configure')
    assert rig.node.state == 'unconfigured'
    level, message, values = rig.status()
    assert level == ERROR
    assert message == 'configure failed: weights.safetensors: expected a checkpoint, got nothing'
    assert values['state'] == 'unconfigured'
    monkeypatch.setattr(DepthEstimator, 'from_checkpoint', good)
    assert change_state(rig, 'configure')
    assert rig.status()[0] == OK


@pytest.mark.parametrize(('content', 'reason'), [
    (None, 'No such file'), (b'', 'whole safetensors file'),
    (b'\x80\x05pickled', 'pickle'), (b'PK\x03\x04zip', 'pickle'),
    ('truncated', 'cut short'), ('another network', 'another network'),
], ids=['missing', 'empty', 'pickle', 'pth', 'truncated', 'architecture'])
def test_each_bad_checkpoint_fails_configure_with_its_reason(make_rig, monkeypatch, tmp_path, content, reason):
    path = tmp_path / 'weights.safetensors'
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content:
        write_bad_checkpoint(path, content)
    rig = make_rig(autostart=False, checkpoint=str(path))
    monkeypatch.setattr(DepthEstimator, 'from_checkpoint', LOAD)
    rig.node.trigger_configure()
    assert rig.node.state == 'unconfigured'
    assert str(path) in rig.node.failure
    assert reason in rig.node.failure


def write_bad_checkpoint(path, kind):
    """Write the first half of a checkpoint, or the weights of one network under the name of another."""
    narrow = ModelConfig(decoder=(8, 8, 8, 8))
    if kind == 'truncated':
        save_checkpoint(path, build_model(narrow), narrow, {})
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    else:
        save_checkpoint(path, build_model(narrow), ModelConfig(), {})


def test_diagnostics_tell_counts_rates_times_and_decisions(rig):
    rig.listen('/diagnostics')
    for i in range(5):
        rig.send(make_info(float(i)), make_image(float(i)))
        rig.wait(lambda i=i: len(rig.got['depth/image_rect']) == i + 1)
    level, message, values = rig.status()
    assert level == OK
    assert message.endswith('depth images a second')
    assert (values['received'], values['published']) == ('5', '5')
    assert values['network'] == 'a wall'
    assert values['rectified'].startswith('yes: ')
    assert values['image topic'] == '/image (RELIABLE, VOLATILE; 1 publishers)'
    for stage in ('convert', 'infer', 'publish', 'total'):
        assert len(values[f'{stage} p50 / p90 / p99 / max [ms]'].split('/')) == 4
    assert 'use_sim_time' in values['receive age p50 / p90 / p99 / max [ms]']  # stamps near 1970


def test_diagnostics_name_the_topic_where_no_image_comes(make_rig):
    rig = make_rig(arguments=('-r', 'image:=/front/image_raw'))
    rig.listen('/diagnostics')
    rig.activate()
    level, message, _ = rig.status()
    assert level == WARN
    assert 'no image yet on /front/image_raw (BEST_EFFORT, VOLATILE; 0 publishers)' in message


def test_simulated_time_that_stands_still_stops_nothing(make_rig):
    rig = make_rig(use_sim_time=True)
    rig.listen('/diagnostics')
    rig.activate()
    rig.listen('depth/image_rect')
    rig.send(make_info(), make_image())
    rig.wait(lambda: rig.got['depth/image_rect'])
    assert rig.status()[0] == OK


def test_namespaces_and_remapping_are_followed(make_rig):
    rig = make_rig(arguments=('-r', '__ns:=/car', '-r', 'depth/image_rect:=/front/depth'))
    rig.activate()
    topics = {output.publisher.topic_name for output in rig.node.outputs.all}
    assert topics == {'/front/depth', '/front/depth/compressedDepth', '/car/depth/camera_info', '/car/points',
                      '/car/confidence', '/car/depth/image_color'}
    assert rig.node.inputs.image.topic == '/car/image'


def test_the_qos_of_outputs_can_be_overridden(make_rig):
    rig = make_rig(**{'qos_overrides./points.publisher.reliability': 'best_effort'})
    rig.activate()
    (offered,) = rig.client.get_publishers_info_by_topic('/points')
    assert offered.qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT
