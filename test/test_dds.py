"""Our Fast DDS profile: chosen before rclpy starts, unless the user chose one, and worth it."""

import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest
from fixtures_ros import remove_dead_shared_memory, spin_until

from depth_node.ros import dds, shared_memory


@pytest.mark.parametrize(('rclpy', 'name'), [
    ('7.1.5', 'FASTRTPS_DEFAULT_PROFILES_FILE'),  # Jazzy
    ('9.1.2', 'FASTDDS_DEFAULT_PROFILES_FILE'),  # Kilted, which warns at every start about Jazzy's
])
def test_each_distribution_gets_its_own_variable(monkeypatch, rclpy, name):
    monkeypatch.setattr(dds, 'version', lambda _: rclpy)
    environment: dict[str, str] = {}
    assert dds.use_large_message_profile(environment)
    assert environment == {name: str(dds.PROFILE)}
    assert ElementTree.parse(dds.PROFILE).getroot().tag.endswith('profiles')


@pytest.mark.parametrize('name', dds.USER_VARIABLES)
def test_a_setting_of_the_users_own_is_kept(name):
    environment = {name: 'LARGE_DATA'}
    assert not dds.use_large_message_profile(environment)
    assert environment == {name: 'LARGE_DATA'}


def test_a_small_dev_shm_keeps_the_default_transport(monkeypatch):
    monkeypatch.setattr(dds, 'free_shared_memory', lambda: 64 * 1024 * 1024)  # docker's default
    environment: dict[str, str] = {}
    assert not dds.use_large_message_profile(environment)
    assert environment == {}


def test_no_dev_shm_is_no_error(monkeypatch, tmp_path):
    monkeypatch.setattr(shared_memory, 'SHARED_MEMORY', tmp_path / 'missing')
    assert shared_memory.free_shared_memory() == 0
    assert shared_memory.stale_files() == []
    assert 'got 0 MB' in dds.warnings()[0]


def test_what_a_killed_process_leaves_is_found_and_what_a_living_one_has_is_not(ros_domain):
    """Fast DDS then looks for room around 64 MB that nobody uses, and its ports are full of dead listeners."""
    script = ('import rclpy, time; from depth_node.ros.spin import ros_context\n'
              'with ros_context([]):\n'
              '    node = rclpy.create_node("camera"); print("up", flush=True); time.sleep(60)')
    before = set(shared_memory.stale_files())
    process = subprocess.Popen([sys.executable, '-c', script], stdout=subprocess.PIPE, env=ros_domain)
    try:
        assert process.stdout.readline() == b'up\n'
        assert set(shared_memory.stale_files()) == before
    finally:
        process.kill()
        process.wait()
    left = set(shared_memory.stale_files()) - before
    assert sum(path.stat().st_size for path in left) > 60e6
    assert 'fastdds shm clean' in shared_memory.stale_warning()
    remove_dead_shared_memory()
    assert not left & set(shared_memory.stale_files())


IMAGES = 10
PUBLISH = f"""
import time, rclpy
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image
def main():
    from depth_node.ros.spin import ros_context
    with ros_context([]):
        node = rclpy.create_node('camera')
        publisher = node.create_publisher(Image, 'image', qos_profile_sensor_data)
        while not publisher.get_subscription_count():
            time.sleep(0.02)
        time.sleep(0.3)
        image = Image(height=500, width=1242, encoding='rgb8', step=3726)
        image.data.frombytes(bytes(500 * 3726))
        for _ in range({IMAGES}):
            publisher.publish(image)
            time.sleep(0.05)
        time.sleep(0.3)
        node.destroy_node()
"""


@pytest.mark.ros
def test_best_effort_images_arrive_with_the_profile(ros_node, run_command, tmp_path):  # without it, 0 of 25 did
    from rclpy.qos import qos_profile_sensor_data
    from sensor_msgs.msg import Image

    (tmp_path / 'camera.py').write_text(PUBLISH)
    arrived: list[int] = []
    ros_node.create_subscription(Image, 'image', lambda image: arrived.append(len(image.data)), qos_profile_sensor_data)
    camera = run_command('camera', env={'PYTHONPATH': str(tmp_path)})
    spin_until(ros_node, lambda: camera.process.poll() is not None)
    assert camera.wait() == 0
    assert camera.stderr == ''
    assert len(arrived) >= IMAGES - 2
    assert set(arrived) == {500 * 3726}
