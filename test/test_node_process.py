"""The command depth_node as users start it: a process of its own, another network process before and behind it."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

rclpy = pytest.importorskip('rclpy')
pytest.register_assert_rewrite('fixtures_node')

import numpy as np  # noqa: E402
from fixtures_node import HEIGHT, WIDTH, make_image, make_info  # noqa: E402
from sensor_msgs.msg import CameraInfo, Image, PointCloud2  # noqa: E402

from depth_node.checkpoint import save_checkpoint  # noqa: E402
from depth_node.model import ModelConfig, build_model  # noqa: E402
from msg_tools.cloud import cloud_to_xyz  # noqa: E402
from msg_tools.image import image_to_array  # noqa: E402

pytestmark = pytest.mark.ros

TIMEOUT_S = 60.0
READY = 'waiting for'
PARAMETER_FILE = Path(__file__).parents[1] / 'config/mono.yaml'


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    """Return a small network with weights at random: it starts at 15 m everywhere."""
    config = ModelConfig(height=64, width=96, focal_px=100.0, decoder=(8, 8, 8, 8))
    path = tmp_path_factory.mktemp('weights') / 'random.safetensors'
    save_checkpoint(path, build_model(config), config, {})
    return path


@pytest.fixture
def start(run_command, checkpoint):
    """Return a function that starts the node with parameters, and waits until it is ready."""

    def run(*arguments, **parameters):
        parameters = {'checkpoint': checkpoint, 'backend': 'torch', 'threads': 1, **parameters}
        settings = [word for name, value in parameters.items() for word in ('-p', f'{name}:={value}')]
        node = run_command('depth_node.node', '--ros-args', *arguments, *settings)
        node.wait_for(READY)
        return node

    return run


@pytest.fixture
def client(ros_context):
    """Return a ROS node of this process."""
    node = rclpy.create_node('client')
    yield node
    node.destroy_node()


def receive(client, publish, topics):
    """Publish until a message has come on each topic; return them."""
    got = {}
    for topic, kind in topics.items():
        client.create_subscription(kind, topic, lambda msg, topic=topic: got.setdefault(topic, msg), 10)
    deadline = time.monotonic() + TIMEOUT_S
    while len(got) < len(topics):
        assert time.monotonic() < deadline, f'got only {list(got)}'
        publish()
        for _ in range(5):
            rclpy.spin_once(client, timeout_sec=0.02)
    return got


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_images_go_in_depth_and_cloud_come_out_and_a_signal_ends_it_in_silence(start, client, number):
    node = start('-r', 'image:=/front/image_raw', '-r', 'camera_info:=/front/camera_info')
    image = client.create_publisher(Image, '/front/image_raw', 1)
    info = client.create_publisher(CameraInfo, '/front/camera_info', 1)

    def publish():
        info.publish(make_info(7.25))
        image.publish(make_image(7.25, 'bgr8'))

    got = receive(client, publish, {'depth/image_rect': Image, 'depth/camera_info': CameraInfo, 'points': PointCloud2})
    assert {(m.header.stamp.sec, m.header.stamp.nanosec, m.header.frame_id) for m in got.values()} == {
        (7, 250_000_000, 'camera')
    }
    depth_m = image_to_array(got['depth/image_rect'])
    assert depth_m.shape == (HEIGHT, WIDTH)
    assert 5.0 < np.median(depth_m) < 45.0  # the bias of the head is ln 15
    in_range = np.where(depth_m <= 60.0, depth_m, np.nan)
    np.testing.assert_array_equal(cloud_to_xyz(got['points'])[..., 2], in_range[::2, ::2])
    assert node.stop(number) == 0
    assert node.stdout == ''
    odd = [line for line in node.stderr.splitlines() if '[INFO]' not in line]
    assert odd == []


def test_bad_images_do_not_end_the_process(start, client):
    node = start()
    image = client.create_publisher(Image, 'image', 1)
    info = client.create_publisher(CameraInfo, 'camera_info', 1)
    bad = make_image(1.0)
    bad.step = 7

    def publish_bad_then_good():
        info.publish(make_info())
        image.publish(bad if 'bad image' not in node.stderr else make_image(2.0))

    got = receive(client, publish_bad_then_good, {'depth/image_rect': Image})
    assert got['depth/image_rect'].header.stamp.sec == 2
    assert 'image dropped: bad image: expected a step of at least 576 bytes' in node.stderr
    assert node.stop() == 0


def test_a_bad_checkpoint_leaves_the_node_alive_and_unconfigured(run_command, tmp_path):
    path = tmp_path / 'none.safetensors'
    node = run_command('depth_node.node', '--ros-args', '-p', f'checkpoint:={path}')
    node.wait_for(f'configure failed: {path}: expected a checkpoint')
    time.sleep(0.3)
    assert node.process.poll() is None
    assert node.stop() == 0
    assert 'Traceback' not in node.stderr


def test_a_wrong_parameter_is_one_line_and_exit_1(run_command):
    node = run_command('depth_node.node', '--ros-args', '-p', 'max_depth_m:=80')
    assert node.wait() == 1
    assert node.stderr.count('\n') == 1
    assert node.stderr.startswith('depth_node: error: max_depth_m: expected float')


def test_the_parameter_file_that_ships_is_accepted_and_a_misspelt_parameter_is_told(start):
    node = start('-r', '__ns:=/car', '--params-file', PARAMETER_FILE, '-p', 'autostart:=true', max_dept_m=50.0)
    node.wait_for('waiting for /car/image')
    assert 'parameter max_dept_m is unknown and ignored; did you mean max_depth_m?' in node.stderr
    assert node.stop() == 0


def test_the_command_has_help_a_version_and_refuses_what_it_does_not_know(capsys):
    from depth_node.node import main

    for arguments, status in ((['--help'], 0), (['--version'], 0), (['--frobnicate'], 2)):
        with pytest.raises(SystemExit) as end:
            main(arguments)
        assert end.value.code == status
    printed = capsys.readouterr()
    assert '--ros-args' in printed.out
    assert 'depth_node: error: unrecognized arguments: --frobnicate' in printed.err


def test_without_rclpy_the_command_says_what_to_install(monkeypatch, capsys):
    from depth_node.node import main
    from depth_node.ros import arguments

    monkeypatch.setattr(arguments, 'find_spec', lambda _: None)
    assert main([]) == 1
    assert 'depth_node[ros]' in capsys.readouterr().err


def test_without_torch_the_command_names_the_python_that_lacks_it(monkeypatch, capsys):
    """The system's Python runs the node where colcon was run by it and no virtual environment is active."""
    from depth_node.node import main
    from depth_node.ros import arguments

    monkeypatch.setattr(arguments, 'find_spec', lambda name: None if name == 'torch' else object())
    assert main([]) == 1
    error = capsys.readouterr().err
    assert f'in {sys.executable}, got no torch; activate' in error


def test_a_second_interrupt_does_not_cut_the_exit_short(ros_domain):
    """launch's SIGINT comes on top of the terminal's, when rclpy is shut down already."""
    script = ('import os, signal, sys; from depth_node.ros.spin import ros_context\n'
              'def main():\n'
              '    with ros_context([]) as stop:\n'
              '        os.kill(os.getpid(), signal.SIGINT)\n'
              '    os.kill(os.getpid(), signal.SIGINT)\n'
              '    return 0 if stop.is_set() else 3\n'
              'sys.exit(main())')
    assert_ends_in_silence(script)


def test_a_signal_within_the_handler_of_another_ends_it_too(ros_domain):
    """Ctrl-C in a terminal under launch: SIGINT and SIGTERM may come as close as that."""
    script = ('import signal, sys; from depth_node.ros.spin import ros_context\n'
              'def main():\n'
              '    with ros_context([]) as stop:\n'
              '        def trace(frame, event, _):\n'
              '            if event == "line" and frame.f_code.co_name == "set":\n'
              '                signal.raise_signal(signal.SIGTERM)\n'
              '            return trace\n'
              '        sys.settrace(trace)\n'
              '        signal.raise_signal(signal.SIGINT)\n'
              '        return 0 if stop.is_set() else 3\n'
              'sys.exit(main())')
    assert_ends_in_silence(script)


def assert_ends_in_silence(script):
    run = subprocess.run([sys.executable, '-c', script], capture_output=True, text=True, timeout=60)
    assert (run.returncode, run.stderr) == (0, '')
