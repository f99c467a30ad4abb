"""The node benchmark: its figures from made-up samples, and short runs for real of our node and of a plain one."""

import json
import os
from types import SimpleNamespace

import numpy as np
import pytest
from torch import nn

from depth_node.checkpoint import save_checkpoint
from depth_node.model import ModelConfig, build_model
from depth_node_training.bench import main as bench
from depth_node_training.bench_node import command, table
from depth_node_training.bench_node_figures import by_thirds, evenness, figures, slope_per_min, spread, stages
from msg_tools.errors import DepthNodeError

STATUS = {
    'message': '10.0 depth images a second', 'received': '10', 'published': '9', 'network': 'a wall',
    'dropped: bad image': '2', 'infer p50 / p90 / p99 [ms]': '1.0 / 2.0 / 3.0',
}
PERIOD_NS = 100_000_000


class Samples(SimpleNamespace):
    """A bench_listener.Series, which needs rclpy."""

    def __len__(self):
        return len(self.times)


def series(values, period_s=1.0):
    return Samples(times=[i * period_s for i in range(len(values))], values=list(values))


def record(ages_s, cloud=False, memory_mb=(300.0, 310.0, 305.0), period_s=1.0):
    return SimpleNamespace(
        image='64x48 rgb8', sent_ns=np.arange(11) * PERIOD_NS, depth_ns=[i * PERIOD_NS for i in range(len(ages_s))],
        ages={'depth': series(ages_s, period_s), 'points': series(ages_s if cloud else [])},
        memory_mb=series(memory_mb, period_s), used=SimpleNamespace(cpu_s=1.0, faults=30), frames=10, status=STATUS,
        steady=STATUS)


def run_of(seen):
    return {'rate': '10', 'seconds': 9.0, 'subscribers': 1, 'stride': 2, 'load': 0.1, **figures(seen)}


def test_ages_are_told_for_each_third_in_milliseconds():
    thirds = by_thirds([0.01] * 5 + [0.02] * 5 + [0.03] * 5)
    assert {name: part['p50'] for name, part in thirds.items()} == {'first': 10.0, 'second': 20.0, 'third': 30.0}


def test_a_spread_has_its_tail_and_how_far_that_is_from_the_median():
    """Of 0..100 ms the percentiles are their own numbers."""
    assert spread([i / 1000 for i in range(101)]) == {
        'p50': 50.0, 'p90': 90.0, 'p99': 99.0, 'max': 100.0, 'p99_of_p50': 1.98}
    assert spread([0.0, 0.0])['p99_of_p50'] == 0.0  # no division by it


def test_the_figures_have_counts_memory_and_the_nodes_own_times():
    result = figures(record([0.05] * 9, cloud=True))
    assert (result['sent'], result['received'], result['lost'], result['published']) == (11, 10, 1, 9)
    assert result['dropped'] == {'bad image': 2}
    assert result['published_hz'] == 10.0
    assert result['process'] == {'cpu_cores': 0.5, 'faults_per_frame': 3.0, 'memory_start_mb': 300.0,
                                 'memory_end_mb': 305.0, 'memory_most_mb': 310.0, 'memory_mb_per_min': None}
    assert result['stages_ms'] == {'infer': {'p50': 1.0, 'p90': 2.0, 'p99': 3.0}}
    assert result['age_ms']['points']['all']['p50'] == 50.0
    assert result['minutes'] == []
    json.dumps(result)


def test_the_table_says_the_same():
    text = table(run_of(record([0.05] * 9)))
    assert '11 images sent, 10 received, 9 depth images published (10.0 Hz), dropped: 2 bad image' in text
    assert '0.5 cores, 3.0 page faults a frame, 300 MB at the start, 305 MB at the end' in text
    assert 'change a minute' not in text  # too short for a trend
    assert 'points' not in text


def test_a_run_too_short_for_the_process_still_has_a_table():
    assert 'page faults' not in table(run_of(record([0.05] * 9, memory_mb=(300.0,))))


@pytest.mark.parametrize(('keys', 'expected'), [
    ('p50 / p90 / p99', {'p50': 1.0, 'p90': 2.5, 'p99': 3.0}),
    ('p50 / p90 / p99 / max', {'p50': 1.0, 'p90': 2.5, 'p99': 3.0, 'max': 40.5}),
])
def test_stages_are_read_with_and_without_the_greatest(keys, expected):
    values = ' / '.join(str(value) for value in expected.values())
    assert stages({f'publish age {keys} [ms]': values}) == {'publish age': expected}


def test_words_in_place_of_times_are_left_out():
    assert stages({'receive age p50 / p90 / p99 [ms]': 'stamps are not of this clock', 'state': 'active'}) == {}
    assert stages({'receive age p50 / p90 / p99 [ms]': '-0.1 / 0.2 / 0.3'}) == {
        'receive age': {'p50': -0.1, 'p90': 0.2, 'p99': 0.3}}  # clocks of two processes may differ by that


def test_even_drops_and_a_stall_look_different():
    sent = np.arange(12) * PERIOD_NS
    assert evenness(sent, sent[::2]) == {
        'missing': 5, 'of': 11, 'longest_run': 1, 'gap_ms': {'p50': 200.0, 'max': 200.0}}
    stalled = np.delete(sent, [3, 4, 5, 6, 7])
    assert evenness(sent, stalled) == {
        'missing': 5, 'of': 12, 'longest_run': 5, 'gap_ms': {'p50': 100.0, 'max': 600.0}}
    assert evenness(sent, sent)['longest_run'] == 0


def test_images_before_the_first_and_after_the_last_that_came_are_not_missing():
    sent = np.arange(12) * PERIOD_NS
    assert evenness(sent, sent[4:8])['of'] == 4


def test_trends_are_told_in_units_a_minute_and_do_not_follow_one_hiccup():
    growing = series([100.0 + i for i in range(61)])  # 1 MB each second
    assert slope_per_min(growing) == pytest.approx(60.0)
    assert slope_per_min(growing, 1e3) == pytest.approx(60e3)
    flat = [5.0] * 100
    flat[97] = 5000.0
    assert slope_per_min(series(flat)) == pytest.approx(0.0, abs=1e-6)
    assert slope_per_min(series([1.0, 2.0, 3.0])) is None


def test_a_soak_is_told_minute_by_minute():
    """200 s: three whole minutes; the age grows from 10 to 30 ms, the memory does not."""
    result = figures(record([0.01] * 60 + [0.02] * 60 + [0.03] * 80, memory_mb=[300.0] * 200))
    assert result['minutes'] == [
        {'minute': i, 'frames': 60, 'age_p50_ms': age, 'age_p99_ms': age, 'memory_mb': 300.0}
        for i, age in enumerate([10.0, 20.0, 30.0])]
    assert result['process']['memory_mb_per_min'] == pytest.approx(0.0, abs=1e-6)
    assert 5.0 < result['age_ms_per_min'] < 10.0


def test_a_run_without_depth_is_an_error_that_says_what_the_node_says():
    with pytest.raises(DepthNodeError, match='got 0 of 11 images; the node says: 10'):
        figures(record([]))


@pytest.mark.parametrize('option', [
    ['--rate', '0'], ['--rate', 'fast'], ['--rate', '10', '-5'], ['--seconds', '0'], ['--seconds', 'inf'],
    ['--subscribers', '0'], ['--stride', '0'], ['--threads', '-1'], ['--peer', 'a.onnx', '--peer-queue', '0'],
    ['--peer', 'a.onnx', '--param', 'backend:=torch'], ['--peer', 'a.onnx', '--package', '.'],
])
def test_options_that_make_no_sense_are_usage_errors(option):
    with pytest.raises(SystemExit) as end:
        bench(['node', *option])
    assert end.value.code == 2


@pytest.mark.ros
def test_another_source_trees_node_runs_with_its_own_packages(tmp_path):
    pytest.importorskip('rclpy')
    args = SimpleNamespace(peer=None, stride=4, threads=2, param=['backend:=torch'], package=tmp_path)
    call = command(args)
    assert call.module == 'depth_node.node'
    assert [word for word in call.arguments if ':=' in word] == ['cloud_stride:=4', 'threads:=2', 'backend:=torch']
    assert call.environment()['PYTHONPATH'].startswith(f'{tmp_path}:')
    args.package = None
    assert command(args).environment() is None


@pytest.mark.ros
def test_the_kernels_line_of_a_process_is_read_whatever_its_name():
    pytest.importorskip('rclpy')
    from depth_node.ros.bench_process import Usage, parse_stat

    assert parse_stat('7 (a (b) c) S 1 7 7 0 -1 4194304 500 0 3 0 150 50 0 0', 100) == Usage(2.0, 500)
    assert Usage(2.0, 500).since(Usage(0.5, 100)) == Usage(1.5, 400)


@pytest.mark.ros
def test_an_answer_ends_the_wait_for_the_images_before_it_too(ros_node):
    """One that the node has overtaken is never answered: counted, it would leave one image on the way for ever."""
    from sensor_msgs.msg import CameraInfo

    from depth_node.ros.bench_camera import Answers
    from depth_node.ros.spin import Stop

    stop = Stop()
    stop.set()  # there is no node to wait for
    answers = Answers(ros_node, stop)
    answers.on_the_way = [1, 2, 3]
    info = CameraInfo()
    info.header.stamp.nanosec = 2
    answers._on_answer(info)
    assert answers.on_the_way == [3]


@pytest.mark.ros
def test_what_a_queue_held_at_the_cameras_end_does_not_count(ros_node, tmp_path, monkeypatch):
    """Nothing newer comes then: the age of what a slow node still works through would grow without end."""
    from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
    from sensor_msgs.msg import Image

    from depth_node.ros import bench_listener
    from depth_node.ros.spin import Stop

    class Source:
        """A camera that runs for one look at it."""

        def __init__(self):
            self.looks = iter([True, False])

        runs = property(lambda self: next(self.looks))

    monkeypatch.setattr(bench_listener, 'QUIET_S', 0.0)
    command = SimpleNamespace(process=SimpleNamespace(pid=os.getpid()), runs=True)
    listener = bench_listener.Listener('/car', command, False)
    listener.begin_s = 0.0
    listener._on_depth(Image())
    listener.listen(Source(), tmp_path / 'none.npy', Stop())
    listener._on_depth(Image())
    assert len(listener.record.depth_ns) == len(listener.record.ages['depth']) == 2
    listener.listen(Source(), tmp_path, Stop())  # which exists
    listener._on_depth(Image())
    assert len(listener.record.depth_ns) == len(listener.record.ages['depth']) == 2
    listener._on_status(DiagnosticArray(status=[DiagnosticStatus(hardware_id='/car/node', message='later')]))
    assert listener.record.status == {'message': 'later'}
    assert listener.record.steady == {}
    listener.close()


@pytest.fixture
def checkpoint(tmp_path):
    config = ModelConfig(height=64, width=96, focal_px=60.0, decoder=(8, 8, 8, 8))
    save_checkpoint(tmp_path / 'random.safetensors', build_model(config), config, {})
    return tmp_path / 'random.safetensors'


@pytest.mark.ros
@pytest.mark.slow
def test_short_runs_for_real(ros_domain, checkpoint, capsys):
    pytest.importorskip('rclpy')
    arguments = ['--rate', '10', 'max', '--subscribers', '2', '--seconds', '2', '--label', 'mine', '--param',
                 f'checkpoint:={checkpoint}', 'backend:=torch', '--json']
    assert bench(['node', *arguments]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result['label'] == 'mine'
    steady, flat_out = result['runs']
    assert (steady['rate'], flat_out['rate']) == ('10', 'max')
    assert steady['sent'] == 40  # two seconds of warm-up before
    for run in (steady, flat_out):
        assert run['image'] == '1242x375 rgb8'
        assert 0 < run['published'] <= run['received'] <= run['sent']
        assert run['received'] + run['lost'] == run['sent']
        assert {'depth', 'points'} <= set(run['age_ms'])
        assert run['age_ms']['depth']['all']['max'] >= run['age_ms']['depth']['all']['p50'] > 0
        assert {'receive age', 'infer', 'publish', 'publish age'} <= set(run['stages_ms'])
        assert run['process']['memory_start_mb'] > 50
        assert run['evenness']['missing'] < run['evenness']['of']


class Wall(nn.Module):
    """Somebody's network: one float input, one map of a smaller size."""

    def __init__(self, outputs=1):
        super().__init__()
        self.layer = nn.Conv2d(3, outputs, 3, 2, 1)

    def forward(self, image):
        return self.layer(image)


def foreign(path, outputs=1):
    import torch

    torch.onnx.export(Wall(outputs), (torch.zeros(1, 3, 32, 64),), str(path), dynamo=False)
    return str(path)


@pytest.mark.ros
@pytest.mark.slow
def test_a_plain_node_with_another_network_for_real(ros_domain, tmp_path, capsys):
    for name in ('rclpy', 'onnx', 'onnxruntime'):
        pytest.importorskip(name)
    arguments = ['--peer', foreign(tmp_path / 'theirs.onnx'), '--peer-runtime', 'onnxruntime', '--peer-queue', '1',
                 '--seconds', '2', '--stride', '4']
    assert bench(['node', *arguments, '--json']) == 0
    run, = json.loads(capsys.readouterr().out)['runs']
    assert run['network'] == 'theirs.onnx in onnxruntime'
    assert 0 < run['published'] <= run['sent']
    assert {'depth', 'points'} == set(run['age_ms'])
    assert {'convert', 'prepare', 'infer', 'resize', 'publish', 'publish age'} <= set(run['stages_ms'])


@pytest.mark.ros
def test_a_plain_nodes_messages_by_hand():
    """A wall 2 m away, focal length 10, principal point (2, 1): the pixel (4, 0) lies at x = 0.4 m, y = -0.2 m."""
    pytest.importorskip('rclpy')
    from sensor_msgs.msg import CameraInfo, Image
    from std_msgs.msg import Header

    from depth_node.ros.bench_peer_node import cloud_message, depth_message, prepared, resized, to_rgb
    from msg_tools.camera import Size
    from msg_tools.cloud import cloud_to_xyz
    from msg_tools.image import fill_image, image_to_array

    depth = resized(np.full((1, 1, 2, 3), 2.0, np.float32), (4, 6))
    header = Header(frame_id='camera')
    assert image_to_array(depth_message(depth, header)).tolist() == [[2.0] * 6] * 4
    info = CameraInfo(k=[10.0, 0.0, 2.0, 0.0, 10.0, 1.0, 0.0, 0.0, 1.0])
    points = cloud_to_xyz(cloud_message(depth, info, 2, header))
    assert points.shape == (2, 3, 3)
    np.testing.assert_allclose(points[0, 2], [0.4, -0.2, 2.0], rtol=1e-6)
    blue = np.zeros((4, 6, 3), np.uint8)
    blue[..., 0] = 255
    rgb = to_rgb(fill_image(Image(), blue, 'bgr8'))
    assert rgb[0, 0].tolist() == [0, 0, 255]
    values = prepared(rgb, Size(2, 2))
    assert values.shape == (1, 3, 2, 2)
    np.testing.assert_allclose(values[0, :, 0, 0], [-0.485 / 0.229, -0.456 / 0.224, (1 - 0.406) / 0.225], rtol=1e-5)


@pytest.mark.ros
@pytest.mark.parametrize(('make', 'expected'), [
    (lambda path: foreign(path, outputs=2), 'expected a network whose output is one map (h, w), got [1, 2, 16, 32]'),
    (lambda path: path, 'expected an ONNX file, got'),
])
def test_a_peer_that_does_not_fit_is_an_error_with_its_words(ros_domain, tmp_path, capsys, make, expected):
    for name in ('rclpy', 'onnx', 'openvino'):
        pytest.importorskip(name)
    assert bench(['node', '--seconds', '1', '--peer', str(make(tmp_path / 'theirs.onnx'))]) == 1
    error = capsys.readouterr().err
    assert error.startswith('depth_bench node: error: expected the node to start, got: ')
    assert expected in error


@pytest.mark.ros
def test_a_node_that_does_not_start_is_an_error_with_its_words(ros_domain, tmp_path, capsys):
    pytest.importorskip('rclpy')
    assert bench(['node', '--seconds', '1', '--param', f'checkpoint:={tmp_path / "none.safetensors"}']) == 1
    error = capsys.readouterr().err
    assert error.startswith('depth_bench node: error: expected the node to start, got: ')
    assert 'none.safetensors' in error
