"""bag_replay over real DDS: what is published, when, and how it ends."""

import json
import signal
from itertools import pairwise
from pathlib import Path

import pytest
from fixtures_ros import spin_until

from depth_node.ros.arguments import split_ros_args
from depth_node.ros.replay import main
from msg_tools.bag import BagReader
from msg_tools.bag_types import parse_text, ros2_typestore, same_layout
from msg_tools.bag_writer import BagWriter
from msg_tools.ros_messages import message, stamp

MODULE = 'depth_node.ros.replay'
FIRST_NS = 1_317_042_272_345_808_896
SECOND = 10**9


def text(words: str) -> object:
    return message('std_msgs/String', data=words)


@pytest.fixture
def bag(tmp_path) -> Path:
    """Return a bag of one second: /count at 0.0, 0.1, ... 1.0 s, /map (latched) at 0 s, /odd of a type of its own."""
    with BagWriter(tmp_path / 'bag') as bag:
        bag.write('/map', FIRST_NS, text('map'), latched=True)
        bag.define('odd_msgs/msg/Odd', 'uint8 value\n')
        bag.write_raw('/odd', 'odd_msgs/msg/Odd', FIRST_NS, b'\0\1\0\0\5')
        for i in range(11):
            bag.write('/count', FIRST_NS + i * SECOND // 10, text(str(i)))
    return tmp_path / 'bag'


def padded(data) -> bytes:
    """Return CDR bytes as DDS delivers them: whole words of 4 bytes."""
    return bytes(data) + bytes(-len(data) % 4)


def summary(command) -> dict:
    assert command.wait() == 0, command.stderr
    return json.loads(command.stdout.splitlines()[-1])


@pytest.mark.parametrize(('argv', 'own', 'ros'), [
    ([], [], []),
    (['bag', '--loop'], ['bag', '--loop'], []),
    (['bag', '--ros-args', '-r', 'a:=b'], ['bag'], ['--ros-args', '-r', 'a:=b']),
    (['--ros-args', '-p', 'x:=1', '--', 'bag'], ['bag'], ['--ros-args', '-p', 'x:=1', '--']),
])
def test_arguments_for_ros_and_for_us(argv, own, ros):
    assert split_ros_args(argv) == (own, ros)


@pytest.mark.parametrize('options', [['--rate', '-1'], ['--rate', 'nan'], ['--remap', '/a'], ['--clock', '-2'], []])
def test_wrong_usage(options, capsys):
    with pytest.raises(SystemExit) as exit:
        main([*(['bag'] if options else []), *options])
    assert exit.value.code == 2
    assert capsys.readouterr().err


def test_without_ros_it_says_what_to_do(monkeypatch, capsys):
    monkeypatch.setattr('depth_node.ros.arguments.find_spec', lambda name: None)
    assert main(['bag']) == 1
    assert "pip install 'depth_node[ros]'" in capsys.readouterr().err


# What needs rclpy

@pytest.mark.ros
def test_bag_time_and_wall_time():
    pytest.importorskip('rclpy')
    from depth_node.ros.player import Pace

    pace = Pace(start_ns=5 * SECOND, rate=2.0)
    pace.begin_s = 100.0
    assert pace.due_s(7 * SECOND) == 101.0
    assert pace.bag_ns(101.0, 0) == 7 * SECOND
    flat_out = Pace(start_ns=5 * SECOND, rate=0.0)
    flat_out.begin_s = 100.0
    assert flat_out.due_s(7 * SECOND) == 100.0
    assert flat_out.bag_ns(101.0, 6 * SECOND) == 6 * SECOND


@pytest.mark.ros
@pytest.mark.parametrize('name', ['sensor_msgs/msg/Image', 'sensor_msgs/msg/CameraInfo', 'sensor_msgs/msg/PointCloud2',
                                  'nav_msgs/msg/OccupancyGrid', 'diagnostic_msgs/msg/DiagnosticArray'])
def test_a_class_is_described_as_its_package_does(name):
    pytest.importorskip('rclpy')
    from depth_node.ros.typesupport import definition, message_class

    assert same_layout(name, ros2_typestore().fielddefs, parse_text(name, definition(message_class(name))))


@pytest.mark.ros
@pytest.mark.parametrize(('kind', 'expected'), [
    ('double', 'float64'), ('sequence<uint8>', 'uint8[]'), ('double[36]', 'float64[36]'), ('boolean', 'bool'),
    ('sequence<std_msgs/Header>', 'std_msgs/Header[]'), ('sequence<double, 3>', 'float64[<=3]'), ('octet', 'byte'),
    ('string<10>', 'string<=10'),
])
def test_field_types(kind, expected):
    pytest.importorskip('rclpy')
    from depth_node.ros.typesupport import msg_type

    assert msg_type(kind) == expected


@pytest.mark.ros
def test_bytes_and_order_are_the_bags(bag, ros_node, run_command):
    from std_msgs.msg import String

    got: list[bytes] = []
    ros_node.create_subscription(String, '/count', got.append, 20, raw=True)
    replay = run_command(MODULE, bag, '--json', '--wait-for', '/count')
    spin_until(ros_node, lambda: len(got) == 11)
    with BagReader(bag) as reader:
        assert [padded(m.data) for m in reader.raw(['/count'])] == got
    result = summary(replay)
    assert result['messages'] == {'/count': 11, '/map': 1}
    assert result['seconds'] >= 1.0  # the bag's own rate


@pytest.mark.ros
def test_a_type_that_is_not_installed_is_left_out_with_a_warning(bag, run_command):
    replay = run_command(MODULE, bag, '--json', '--rate', 0)
    assert summary(replay)['left_out'] == {'/odd': 'odd_msgs/msg/Odd is not installed'}
    assert replay.stderr == 'bag_replay: warning: /odd is left out: odd_msgs/msg/Odd is not installed\n'


@pytest.mark.ros
def test_a_type_with_other_fields_is_left_out(tmp_path, run_command):  # its bytes would be read as garbage
    from test_bag import ros1_bag

    path = ros1_bag(tmp_path / 'a.bag')
    path.write_bytes(path.read_bytes().replace(b'uint32 binning_x\n', b'uint64 binning_x\n'))
    replay = run_command(MODULE, path)
    assert replay.wait() == 1
    assert '/info is left out: sensor_msgs/msg/CameraInfo is unknown, or has other fields' in replay.stderr
    assert 'got none whose type is installed' in replay.stderr


@pytest.mark.ros
def test_ros1_bags_reach_ros2_nodes(tmp_path, ros_node, run_command):
    from sensor_msgs.msg import CameraInfo
    from test_bag import ros1_bag

    got: list[CameraInfo] = []
    ros_node.create_subscription(CameraInfo, '/info', got.append, 1)
    run_command(MODULE, ros1_bag(tmp_path / 'a.bag'), '--topics', '/info', '--wait-for', '/info')
    spin_until(ros_node, lambda: bool(got))
    assert (got[0].width, got[0].k.tolist(), got[0].header.stamp.nanosec) == (8, list(range(9)), 6)


@pytest.mark.ros
def test_late_subscribers_get_latched_topics(bag, ros_node, run_command):
    from rclpy.qos import DurabilityPolicy, QoSProfile
    from std_msgs.msg import String

    replay = run_command(MODULE, bag, '--start', 0.5, '--clock', '--loop')  # /map was said before the start
    clocks = subscribe_clock(ros_node)
    spin_until(ros_node, lambda: bool(clocks))
    got: list[str] = []
    late = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    ros_node.create_subscription(String, '/map', lambda m: got.append(m.data), late)
    spin_until(ros_node, lambda: got == ['map'])
    assert replay.stop() == 0


def subscribe_clock(node) -> list[int]:
    """Return a list to which each /clock that arrives is added, in ns after the bag's start."""
    from rosgraph_msgs.msg import Clock

    clocks: list[int] = []
    node.create_subscription(
        Clock, '/clock', lambda m: clocks.append(m.clock.sec * SECOND + m.clock.nanosec - FIRST_NS), 10
    )
    return clocks


@pytest.mark.ros
def test_the_clock_runs_through_the_bags_time_and_starts_anew(bag, ros_node, run_command):
    clocks = subscribe_clock(ros_node)
    replay = run_command(MODULE, bag, '--clock', 100, '--loop')

    def ends() -> list[int]:  # of rounds
        return [i for i, (a, b) in enumerate(pairwise(clocks)) if b < a]

    spin_until(ros_node, lambda: len(ends()) >= 2)  # as `ros2 bag play --loop`
    assert replay.stop() == 0
    assert min(clocks) >= 0
    assert max(clocks) < 2 * SECOND
    assert all(clocks[i] > 0.8 * SECOND for i in ends())
    a_round = clocks[ends()[0] + 1:ends()[1] + 1]
    assert len(a_round) > 20


@pytest.mark.ros
def test_messages_and_clock_agree(bag, ros_node, run_command):  # who stamps by /clock is right to a tenth of a second
    from std_msgs.msg import String

    clocks = subscribe_clock(ros_node)
    seen: list[tuple[int, int]] = []
    ros_node.create_subscription(String, '/count', lambda m: seen.append((int(m.data), clocks[-1])), 20)
    run_command(MODULE, bag, '--clock', 200, '--rate', 0.5, '--wait-for', '/count')
    spin_until(ros_node, lambda: len(seen) == 11)
    for number, clock_ns in seen:
        assert clock_ns <= number * SECOND // 10 + SECOND // 4


@pytest.mark.ros
def test_a_rate_of_zero_takes_no_time(tmp_path, run_command):
    with BagWriter(tmp_path / 'long') as bag:
        for i in range(100):
            bag.write('/count', FIRST_NS + i * 3600 * SECOND, text(str(i)))
    assert summary(run_command(MODULE, tmp_path / 'long', '--rate', 0, '--json'))['messages'] == {'/count': 100}


@pytest.mark.ros
def test_start_and_topics(bag, run_command):
    replay = run_command(MODULE, bag, '--rate', 0, '--json', '--start', 0.75, '--topics', '/count')
    assert summary(replay)['messages'] == {'/count': 3}  # at 0.8, 0.9 and 1.0 s
    assert replay.stderr == ''


@pytest.mark.ros
def test_remap(bag, ros_node, run_command):
    from std_msgs.msg import String

    got: list[str] = []
    ros_node.create_subscription(String, '/number', lambda m: got.append(m.data), 20)
    run_command(MODULE, bag, '--rate', 5, '--remap', '/count:=/number', '--topics', '/count', '--wait-for', '/count')
    spin_until(ros_node, lambda: len(got) == 11)


@pytest.mark.ros
def test_namespace_by_ros_arguments(bag, ros_node, run_command):
    from std_msgs.msg import String

    got: list[str] = []
    ros_node.create_subscription(String, '/number', lambda m: got.append(m.data), 20)
    run_command(MODULE, bag, '--rate', 5, '--topics', '/count', '--wait-for', '/count',
                '--ros-args', '-r', '/count:=/number')
    spin_until(ros_node, lambda: len(got) == 11)


@pytest.mark.ros
def test_a_clock_in_the_bag_gives_way_to_ours(tmp_path, run_command):
    with BagWriter(tmp_path / 'bag') as bag:
        bag.write('/clock', FIRST_NS, message('rosgraph_msgs/Clock', clock=stamp(FIRST_NS)))
        bag.write('/count', FIRST_NS, text('0'))
    assert summary(run_command(MODULE, tmp_path / 'bag', '--json'))['messages'] == {'/clock': 1, '/count': 1}
    assert summary(run_command(MODULE, tmp_path / 'bag', '--json', '--clock'))['messages'] == {'/count': 1}


@pytest.mark.ros
@pytest.mark.parametrize(('number', 'options'), [
    (signal.SIGINT, ['--loop']), (signal.SIGTERM, ['--loop']), (signal.SIGINT, ['--wait-for', '/count']),
])
def test_it_ends_at_a_signal_with_0_and_in_silence(bag, ros_node, run_command, number, options):
    replay = run_command(MODULE, bag, '--topics', '/count', '/map', *options)
    spin_until(ros_node, lambda: ros_node.count_publishers('/count') > 0)
    assert replay.stop(number) == 0
    assert replay.stderr == ''
    assert 'messages of 2 topics' in replay.stdout


@pytest.mark.ros
@pytest.mark.parametrize(('options', 'expected'), [
    (['--topics', '/cuont'], '/count (std_msgs/msg/String)'),
    (['--start', '7'], 'within its 1.000 s'),
    (['--topics', '/odd'], 'got none whose type is installed'),
    (['--topics', '/count', '--wait-for', '/map'], 'they are /count'),
    (['--ros-args', '-p', 'bad'], 'expected ROS arguments, got --ros-args -p bad'),
])
def test_errors(bag, run_command, options, expected):
    replay = run_command(MODULE, bag, *options)
    assert replay.wait() == 1
    last = replay.stderr.splitlines()[-1]
    assert last.startswith('bag_replay: error: ')
    assert expected in last


@pytest.mark.ros
def test_bags_that_cannot_be_replayed(tmp_path, capsys):
    pytest.importorskip('rclpy')
    with BagWriter(tmp_path / 'empty') as bag:
        bag.add_topic('/count', 'std_msgs/msg/String')
    (tmp_path / 'none.bag').touch()
    for name, expected in (('empty', 'without any'), ('none.bag', 'empty file'), ('missing', 'no such file')):
        assert main([str(tmp_path / name)]) == 1
        error = capsys.readouterr().err
        assert error.count('\n') == 1
        assert expected in error
