"""bag_record over real DDS: what is written, with which stamps, and how it ends."""

import json
import signal
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from fixtures_ros import spin_until
from test_replay import FIRST_NS, SECOND, padded, text

from depth_node.ros.record import main
from msg_tools.bag import BagReader
from msg_tools.bag_writer import BagWriter
from msg_tools.ros_messages import header, message

MODULE, REPLAY = 'depth_node.ros.record', 'depth_node.ros.replay'


@pytest.mark.parametrize('options', [[], ['--topics'], ['--topics', '/a', '--storage', 'zip']])
def test_wrong_usage(options, tmp_path, capsys):
    with pytest.raises(SystemExit) as exit:
        main([str(tmp_path / 'out'), *options])
    assert exit.value.code == 2
    assert capsys.readouterr().err


@pytest.mark.ros
@pytest.mark.parametrize(('offers', 'reliable', 'latched'), [
    ('r', True, False), ('rr', True, False), ('rb', False, False), ('b', False, False), ('l', True, True),
    ('lr', True, False),
])
def test_the_most_that_all_publishers_offer_is_asked_for(offers, reliable, latched):
    pytest.importorskip('rclpy')
    from rclpy.qos import DurabilityPolicy, ReliabilityPolicy

    from depth_node.ros.recorder import subscriber_qos

    profiles = [
        SimpleNamespace(
            reliability=ReliabilityPolicy.BEST_EFFORT if kind == 'b' else ReliabilityPolicy.RELIABLE,
            durability=DurabilityPolicy.TRANSIENT_LOCAL if kind == 'l' else DurabilityPolicy.VOLATILE,
        )
        for kind in offers
    ]
    qos = subscriber_qos(profiles)
    assert (qos.reliability == ReliabilityPolicy.RELIABLE) == reliable
    assert (qos.durability == DurabilityPolicy.TRANSIENT_LOCAL) == latched


@pytest.fixture
def drive(tmp_path) -> Path:
    """Return a bag of ten images of the size of KITTI's, ten texts and a latched one."""
    with BagWriter(tmp_path / 'drive') as bag:
        bag.write('/map', FIRST_NS, text('map'), latched=True)
        for i in range(10):
            stamp_ns = FIRST_NS + i * SECOND // 10
            pixels = bytes([i]) * (375 * 1242 * 3)
            bag.write('/image', stamp_ns, message(
                'sensor_msgs/Image', header=header(stamp_ns, 'cam'), height=375, width=1242, encoding='rgb8',
                is_bigendian=0, step=3726, data=np.frombuffer(pixels, np.uint8)))
            bag.write('/count', stamp_ns, text(str(i)))
    return tmp_path / 'drive'


def contents(bag: BagReader, topic: str) -> list[bytes]:
    return [padded(m.data) for m in bag.raw([topic])]


@pytest.mark.ros
@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_a_replayed_bag_is_recorded_to_the_byte(drive, tmp_path, run_command, storage):
    topics = ['/image', '/count', '/map']
    options = ['--until-idle', 1.5, '--storage', storage, '--json']
    record = run_command(MODULE, tmp_path / 'out', '--topics', *topics, *options)
    replay = run_command(REPLAY, drive, '--wait-for', *topics)
    assert replay.wait() == 0, replay.stderr
    assert record.wait() == 0, record.stderr
    assert json.loads(record.stdout)['messages'] == {'/image': 10, '/count': 10, '/map': 1}
    with BagReader(drive) as bag, BagReader(tmp_path / 'out') as copy:
        for topic in topics:
            assert contents(copy, topic) == contents(bag, topic)
            assert copy.topics[topic] == bag.topics[topic]  # type, count and whether it is latched


@pytest.mark.ros
@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_at_a_signal_the_bag_is_whole(tmp_path, ros_node, run_command, number):
    from std_msgs.msg import String

    publisher = ros_node.create_publisher(String, 'count', 10)
    record = run_command(MODULE, tmp_path / 'out', '--topics', 'count')
    spin_until(ros_node, lambda: publisher.get_subscription_count() > 0)
    sent = 0

    def publish() -> bool:
        nonlocal sent
        publisher.publish(String(data=str(sent)))
        sent += 1
        return sent >= 20

    spin_until(ros_node, publish)
    assert record.stop(number) == 0
    assert record.stderr == 'bag_record: recording /count\n'
    with BagReader(tmp_path / 'out') as bag:
        words = [m.msg.data for m in bag.messages(['/count'])]
    assert words == [str(i) for i in range(sent)][-len(words):]
    assert len(words) > 5


@pytest.mark.ros
def test_best_effort_publishers_are_recorded(tmp_path, ros_node, run_command):
    from rclpy.qos import qos_profile_sensor_data
    from std_msgs.msg import String

    publisher = ros_node.create_publisher(String, 'count', qos_profile_sensor_data)
    record = run_command(MODULE, tmp_path / 'out', '--all', '--until-idle', 1)
    spin_until(ros_node, lambda: publisher.get_subscription_count() > 0)
    for _ in range(20):
        publisher.publish(String(data='a'))
        spin_until(ros_node, lambda: True)
    assert record.wait() == 0
    with BagReader(tmp_path / 'out') as bag:
        assert list(bag.topics) == ['/count']
        assert bag.count > 5


@pytest.mark.ros
def test_simulated_time_stamps_the_messages(drive, tmp_path, run_command):
    record = run_command(MODULE, tmp_path / 'out', '--topics', '/count', '--until-idle', 1.5, '--use-sim-time')
    assert run_command(REPLAY, drive, '--clock', 200, '--topics', '/count', '--wait-for', '/count').wait() == 0
    assert record.wait() == 0, record.stderr
    with BagReader(tmp_path / 'out') as bag:
        assert bag.count == 10
        assert FIRST_NS <= bag.start_ns <= bag.end_ns < FIRST_NS + 2 * SECOND


@pytest.mark.ros
def test_system_time_stamps_the_messages(drive, tmp_path, run_command):
    record = run_command(MODULE, tmp_path / 'out', '--topics', '/count', '--until-idle', 1)
    assert run_command(REPLAY, drive, '--rate', 5, '--topics', '/count', '--wait-for', '/count').wait() == 0
    assert record.wait() == 0, record.stderr
    with BagReader(tmp_path / 'out') as bag:
        assert bag.start_ns > FIRST_NS + 10 * 365 * 24 * 3600 * SECOND  # not the bag's of 2011


@pytest.mark.ros
def test_a_silent_topic_is_told(tmp_path, run_command):
    record = run_command(MODULE, tmp_path / 'out', '--topics', '/nothing', '--duration', 0.5)
    assert record.wait() == 0
    assert '/nothing: no message came' in record.stderr
    with BagReader(tmp_path / 'out') as bag:
        assert bag.count == 0


@pytest.mark.ros
def test_a_type_that_rosbags_does_not_know_is_described_from_its_class(tmp_path):
    pytest.importorskip('rclpy')
    from lifecycle_msgs.msg import State, TransitionEvent
    from rclpy.serialization import serialize_message

    from depth_node.ros.typesupport import definition

    event = TransitionEvent(timestamp=7, goal_state=State(id=3, label='active'))
    with BagWriter(tmp_path / 'out') as bag:
        bag.define('our_msgs/msg/Event', definition(TransitionEvent))
        bag.write_raw('/event', 'our_msgs/msg/Event', 1, serialize_message(event))
    with BagReader(tmp_path / 'out') as bag:
        got = next(bag.messages()).msg
    assert (got.timestamp, got.goal_state.label) == (7, 'active')


@pytest.mark.ros
def test_an_existing_bag(drive, capsys):
    pytest.importorskip('rclpy')
    assert main([str(drive), '--topics', '/count']) == 1
    assert '--overwrite' in capsys.readouterr().err
