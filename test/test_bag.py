"""Bags: what is written is read back; each kind of bag; and what is said of a bag that is none."""

import os
import subprocess
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import yaml
from rosbags.rosbag1 import Writer as Writer1
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from msg_tools.bag import BagReader
from msg_tools.bag_types import ros2_typestore
from msg_tools.bag_writer import BagWriter
from msg_tools.errors import BagError
from msg_tools.ros_messages import header, message

IMAGE, STRING = 'sensor_msgs/msg/Image', 'std_msgs/msg/String'
FIRST_NS = 1_317_042_272_345_808_896
STORAGES = ('mcap', 'sqlite3')


def image(stamp_ns: int, size: int = 6) -> object:
    return message('sensor_msgs/Image', header=header(stamp_ns, 'camera'), height=1, width=size // 3, encoding='rgb8',
                   is_bigendian=0, step=size, data=np.arange(size, dtype=np.uint8))


def text(words: str) -> object:
    return message('std_msgs/String', data=words)


@pytest.fixture(params=STORAGES)
def small_bag(request, tmp_path) -> Path:
    """Return a bag of three images and two texts, written out of order."""
    with BagWriter(tmp_path / 'small', request.param) as bag:
        bag.write('/image', FIRST_NS + 20, image(FIRST_NS + 20))
        bag.write('/said', FIRST_NS + 10, text('one'), latched=True)
        bag.write('/image', FIRST_NS, image(FIRST_NS))
        bag.write('/image', FIRST_NS + 10, image(FIRST_NS + 10))
        bag.write('/said', FIRST_NS + 30, text('two'))
    return tmp_path / 'small'


def test_topics_counts_and_times(small_bag):
    with BagReader(small_bag) as bag:
        assert {name: (info.type, info.count, info.latched) for name, info in bag.topics.items()} == {
            '/image': (IMAGE, 3, False), '/said': (STRING, 2, True),
        }
        assert (bag.count, bag.start_ns, bag.end_ns) == (5, FIRST_NS, FIRST_NS + 30)


def test_messages_come_in_the_order_of_time(small_bag):
    with BagReader(small_bag) as bag:
        stamps = [m.stamp_ns - FIRST_NS for m in bag.messages()]
        images = list(bag.messages(['/image']))
    assert stamps == [0, 10, 10, 20, 30]
    assert [m.msg.header.stamp.nanosec for m in images] == [(FIRST_NS + n) % 10**9 for n in (0, 10, 20)]
    assert images[0].msg.data.tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(('start', 'stop', 'expected'), [
    (None, None, [0, 10, 20]), (10, None, [10, 20]), (None, 20, [0, 10]), (1, 10, []), (10, 11, [10]), (31, None, []),
])
def test_only_the_time_that_was_asked_for_is_read(small_bag, start, stop, expected):
    limits = [None if n is None else FIRST_NS + n for n in (start, stop)]
    with BagReader(small_bag) as bag:
        assert [m.stamp_ns - FIRST_NS for m in bag.messages(['/image'], *limits)] == expected


def test_no_topics_are_not_all_topics(small_bag):
    with BagReader(small_bag) as bag:
        assert list(bag.raw([])) == []


def test_raw_bytes_are_what_ros_sends(small_bag):
    with BagReader(small_bag) as bag:
        raw = list(bag.raw(['/said']))
    assert [bytes(m.data) for m in raw] == [b'\0\1\0\0\4\0\0\0one\0', b'\0\1\0\0\4\0\0\0two\0']
    assert [m.type for m in raw] == [STRING, STRING]


def test_raw_bytes_can_be_written_again(small_bag, tmp_path):
    with BagReader(small_bag) as bag, BagWriter(tmp_path / 'copy') as copy:
        for m in bag.raw():
            copy.write_raw(m.topic, m.type, m.stamp_ns, m.data, bag.topics[m.topic].latched)
    with BagReader(small_bag) as bag, BagReader(tmp_path / 'copy') as copy:
        assert [(m.topic, m.stamp_ns, bytes(m.data)) for m in bag.raw()] == [
            (m.topic, m.stamp_ns, bytes(m.data)) for m in copy.raw()
        ]
        assert bag.topics == copy.topics


def test_a_missing_topic_is_told_with_those_that_are_there(small_bag):
    with BagReader(small_bag) as bag, pytest.raises(BagError, match=r'/velo.*/image \(sensor_msgs.*/said'):
        bag.require('/velo')


def test_metadata_is_what_jazzy_and_kilted_read(small_bag):
    """Their yaml.hpp reads these keys, `as` these kinds; QoS as a list of words since version 9."""
    info = yaml.safe_load((small_bag / 'metadata.yaml').read_text())['rosbag2_bagfile_information']
    assert info['version'] == 9
    assert (small_bag / info['relative_file_paths'][0]).is_file()
    assert info['files'][0]['message_count'] == info['message_count'] == 5
    assert info['starting_time']['nanoseconds_since_epoch'] == FIRST_NS
    assert info['duration']['nanoseconds'] == 30
    topics = {t['topic_metadata']['name']: t['topic_metadata'] for t in info['topics_with_message_count']}
    assert topics['/image']['serialization_format'] == 'cdr'
    # sensor_msgs/Image.json of Jazzy and Kilted
    assert topics['/image']['type_description_hash'] == (
        'RIHS01_d31d41a9a4c4bc8eae9be757b0beed306564f7526c88ea6a4588fb9582527d47')
    qos = topics['/said']['offered_qos_profiles'][0]
    assert (qos['durability'], qos['reliability'], qos['history'], qos['depth']) == (
        'transient_local', 'reliable', 'keep_last', 1)
    assert topics['/image']['offered_qos_profiles'][0]['durability'] == 'volatile'
    assert qos['deadline'] == {'sec': 9223372036, 'nsec': 854775807}  # RMW_DURATION_INFINITE


def test_the_storage_file_alone_is_a_bag_too(small_bag):
    (file,) = (f for f in small_bag.iterdir() if f.name != 'metadata.yaml')
    with BagReader(file) as bag:
        assert bag.count == 5
        assert bag.topics['/said'].latched


def test_a_folder_without_metadata_is_read_from_its_one_file(small_bag):
    (small_bag / 'metadata.yaml').unlink()
    with BagReader(small_bag) as bag:
        assert len(list(bag.messages())) == 5


def test_a_bag_without_messages_opens(tmp_path):
    with BagWriter(tmp_path / 'empty') as bag:
        bag.add_topic('/image', IMAGE)
    with BagReader(tmp_path / 'empty') as bag:
        assert (bag.count, bag.start_ns, bag.end_ns, list(bag.messages())) == (0, 0, 0, [])
        assert bag.topics['/image'].count == 0


# What is no bag

def test_a_missing_bag(tmp_path):
    with pytest.raises(BagError, match='no such file or folder'):
        BagReader(tmp_path / 'none')


@pytest.mark.parametrize('name', ['a.bag', 'a.mcap', 'a.db3'])
def test_an_empty_file(tmp_path, name):
    (tmp_path / name).touch()
    with pytest.raises(BagError, match='empty file'):
        BagReader(tmp_path / name)


@pytest.mark.parametrize('name', ['a.bag', 'a.mcap', 'a.db3'])
@pytest.mark.parametrize('content', [b'x', b'hello\n' * 9, b'#ROSBAG V2.0\n' + bytes(99), b'\x89MCAP0\r\n' + bytes(9)])
def test_a_file_of_another_kind(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BagError, match='damaged or unsupported'):
        BagReader(tmp_path / name)


def test_another_suffix(tmp_path):
    (tmp_path / 'a.txt').write_text('a')
    with pytest.raises(BagError, match=r"\.bag, \.mcap or \.db3.*'\.txt'"):
        BagReader(tmp_path / 'a.txt')


def test_a_folder_that_is_no_bag(tmp_path):
    with pytest.raises(BagError, match=r'got 0 such files'):
        BagReader(tmp_path)


@pytest.mark.parametrize('metadata', ['', 'a: b', '[', 'rosbag2_bagfile_information:\n  version: 99\n', '\0'])
def test_broken_metadata(small_bag, metadata):
    (small_bag / 'metadata.yaml').write_text(metadata)
    with pytest.raises(BagError):
        BagReader(small_bag)


@pytest.mark.parametrize('kept', [0.02, 0.3, 0.7, 0.99])
@pytest.mark.parametrize('storage', STORAGES)
def test_a_truncated_bag_is_an_error_of_ours_and_never_another(tmp_path, storage, kept):
    with BagWriter(tmp_path / 'bag', storage) as bag:
        for i in range(100):
            bag.write('/image', i, image(i, 3000))
    (file,) = (f for f in (tmp_path / 'bag').iterdir() if f.name != 'metadata.yaml')
    os.truncate(file, int(kept * file.stat().st_size))
    with pytest.raises(BagError), BagReader(tmp_path / 'bag') as bag:
        list(bag.messages())


def test_flipped_bits_are_an_error_of_ours_or_go_unnoticed(small_bag):
    (file,) = (f for f in small_bag.iterdir() if f.name != 'metadata.yaml')
    whole = file.read_bytes()
    for position in np.random.default_rng(0).integers(0, len(whole), 40):
        file.write_bytes(whole[:position] + bytes([whole[position] ^ 0xFF]) + whole[position + 1:])
        with suppress(BagError), BagReader(small_bag) as bag:
            list(bag.messages())


# Writing

def test_an_existing_bag_is_replaced_only_on_demand(small_bag):
    with pytest.raises(BagError, match='--overwrite'):
        BagWriter(small_bag)
    with BagWriter(small_bag, overwrite=True) as bag:
        bag.write('/said', 1, text('new'))
    with BagReader(small_bag) as bag:
        assert bag.count == 1


def test_what_is_no_bag_is_never_replaced(tmp_path):
    (tmp_path / 'photos').mkdir()
    (tmp_path / 'photos/cat.jpg').touch()
    with pytest.raises(BagError, match='remove it yourself'):
        BagWriter(tmp_path / 'photos', overwrite=True)
    assert (tmp_path / 'photos/cat.jpg').exists()


def test_a_bag_is_written_whole_or_not_at_all(small_bag):
    bag = BagWriter(small_bag, overwrite=True)
    bag.write('/said', 1, text('half'))
    bag.__exit__(KeyError, KeyError(), None)  # as a with statement does
    assert os.listdir(small_bag.parent) == ['small']  # nothing else is left behind
    with BagReader(small_bag) as bag:
        assert bag.count == 5


def test_a_topic_keeps_its_type(tmp_path):
    with BagWriter(tmp_path / 'bag') as bag:
        bag.write('/a', 1, text('a'))
        with pytest.raises(BagError, match=r'expected std_msgs/msg/String.*got sensor_msgs/msg/Image'):
            bag.write('/a', 2, image(2))


def test_an_unknown_type_wants_a_definition(tmp_path):
    with BagWriter(tmp_path / 'bag') as bag:
        with pytest.raises(BagError, match=r'custom_msgs/msg/Speed.*define'):
            bag.add_topic('/speed', 'custom_msgs/msg/Speed')
        bag.define('custom_msgs/msg/Speed', 'float32 value\nfloat32[3] parts\n')
        bag.write_raw('/speed', 'custom_msgs/msg/Speed', 5, b'\0\1\0\0' + np.arange(4, dtype='<f4').tobytes())
    with BagReader(tmp_path / 'bag') as bag:
        (got,) = bag.messages()
    assert (got.msg.value, got.msg.parts.tolist()) == (0.0, [1.0, 2.0, 3.0])


def test_an_unknown_storage(tmp_path):
    with pytest.raises(BagError, match='mcap or sqlite3'):
        BagWriter(tmp_path / 'bag', 'zip')


@pytest.mark.parametrize('storage', STORAGES)
def test_a_name_with_signs_that_mean_something_in_a_uri(tmp_path, storage):
    path = tmp_path / 'drive #2' / 'out'
    if storage == 'sqlite3':  # rosbags would write to another file
        with pytest.raises(BagError, match='take mcap'):
            BagWriter(path, storage)
        assert os.listdir(tmp_path) == []
    else:
        with BagWriter(path, storage) as bag:
            bag.write('/said', 1, text('a'))
        with BagReader(path) as bag:
            assert bag.count == 1


# ROS 1

ROS1_INFO = """Header header\nuint32 height\nuint32 width\nstring distortion_model\nfloat64[] D\nfloat64[9] K
float64[9] R\nfloat64[12] P\nuint32 binning_x\nuint32 binning_y\nRegionOfInterest roi
{rule}
MSG: std_msgs/Header\nuint32 seq\ntime stamp\nstring frame_id
{rule}
MSG: sensor_msgs/RegionOfInterest\nuint32 x_offset\nuint32 y_offset\nuint32 height\nuint32 width\nbool do_rectify
""".format(rule='=' * 80)


def ros1_bag(path: Path, latched: bool = False) -> Path:
    """Write a rosbag1 with a CameraInfo and a message of a type that only the bag knows."""
    store = get_typestore(Stores.ROS1_NOETIC)
    store.register(get_types_from_msg('Header header\nduration left\nuint8 LOW=1', 'old_msgs/msg/Countdown'))
    types = store.types
    stamp = types['builtin_interfaces/msg/Time'](sec=5, nanosec=6)
    head = types['std_msgs/msg/Header'](seq=77, stamp=stamp, frame_id='cam')
    roi = types['sensor_msgs/msg/RegionOfInterest'](0, 0, 0, 0, False)
    info = types['sensor_msgs/msg/CameraInfo'](head, 4, 8, 'plumb_bob', np.array([0.5]), np.arange(9.0), np.zeros(9),
                                               np.arange(12.0), 0, 0, roi)
    left = types['builtin_interfaces/msg/Duration'](sec=-1, nanosec=9)
    with Writer1(path) as bag:
        a = bag.add_connection('/info', 'sensor_msgs/msg/CameraInfo', typestore=store, latching=int(latched))
        b = bag.add_connection('/count', 'old_msgs/msg/Countdown', typestore=store)
        bag.write(a, 10, store.serialize_ros1(info, a.msgtype))
        bag.write(b, 20, store.serialize_ros1(types[b.msgtype](head, left), b.msgtype))
    return path


def test_ros1_messages_look_like_ros2s(tmp_path):
    with BagReader(ros1_bag(tmp_path / 'a.bag')) as bag:
        info, count = (m.msg for m in bag.messages())
    assert info.k.tolist() == list(range(9))  # `K` in ROS 1
    assert (info.header.stamp.sec, info.header.stamp.nanosec, info.header.frame_id) == (5, 6, 'cam')
    assert not hasattr(info.header, 'seq')
    assert (count.header.stamp.sec, count.left.sec, count.left.nanosec) == (5, -1, 9)


def test_raw_bytes_of_ros1_are_cdr(tmp_path):
    with BagReader(ros1_bag(tmp_path / 'a.bag')) as bag:
        (raw,) = bag.raw(['/info'])
    info = ros2_typestore().deserialize_cdr(raw.data, raw.type)
    assert (info.width, info.p.tolist()) == (8, list(range(12)))


@pytest.mark.parametrize('latched', [False, True])
def test_latched_topics_of_ros1(tmp_path, latched):
    with BagReader(ros1_bag(tmp_path / 'a.bag', latched)) as bag:
        assert bag.topics['/info'].latched == latched


def test_a_ros1_bag_can_become_a_ros2_bag(tmp_path):
    with BagReader(ros1_bag(tmp_path / 'a.bag')) as bag, BagWriter(tmp_path / 'b') as copy:
        for m in bag.raw():
            copy.define(m.type, bag.definition(m.type))
            copy.write_raw(*m[:1], m.type, m.stamp_ns, m.data)
    with BagReader(tmp_path / 'b') as bag:
        info, count = (m.msg for m in bag.messages())
    assert (info.k.tolist(), count.left.nanosec) == (list(range(9)), 9)


def test_a_type_without_definition_is_named_and_the_rest_is_read(tmp_path):
    path = ros1_bag(tmp_path / 'a.bag')
    content = path.read_bytes()
    broken = content.replace(b'duration left\n', b'duration ~~~~\n')
    assert broken != content
    path.write_bytes(broken)
    with BagReader(path) as bag:
        assert len(list(bag.messages(['/info']))) == 1
        with pytest.raises(BagError, match='old_msgs/msg/Countdown'):
            list(bag.messages(['/count']))


def test_a_rosbag2_folder_may_be_called_bag(tmp_path):
    with BagWriter(tmp_path / 'drive.bag') as bag:
        bag.write('/said', 1, text('a'))
    with BagReader(tmp_path / 'drive.bag') as bag:
        assert bag.count == 1


# Bags that others wrote

@pytest.mark.parametrize(('name', 'count', 'topics'), [
    ('aruco_images.bag', 16, {'/raspicam_node/camera_info': 15, '/raspicam_node/image/compressed': 1}),
    ('no-messages.bag', 0, {}),
    ('wbag_0.mcap', 1246, {'AAA': 174, 'HHH': 148}),
    ('example-lz4.bag', 8647, {'/tf': 2688, '/turtle1/pose': 1344}),
])
def test_bags_from_elsewhere(shared_data, name, count, topics):
    with BagReader(shared_data / 'bags' / name) as bag:
        stamps = [m.stamp_ns for m in bag.messages()]
        assert len(stamps) == bag.count == count
        assert stamps == sorted(stamps)
        assert topics.items() <= {topic: info.count for topic, info in bag.topics.items()}.items()
        if stamps:
            assert (stamps[0], stamps[-1]) == (bag.start_ns, bag.end_ns)


def test_a_raspberry_pi_camera_of_ros1(shared_data):
    with BagReader(shared_data / 'bags/aruco_images.bag') as bag:
        info = next(bag.messages(['/raspicam_node/camera_info'])).msg
        image = next(bag.messages(['/raspicam_node/image/compressed'])).msg
    assert (info.width, info.height, info.header.frame_id) == (1280, 960, 'raspicam')
    assert info.k[0] > 0
    assert bytes(image.data[:3]) == b'\xff\xd8\xff'


DEBIAN_ROSBAG = """
import sys, rosbag, genpy
from sensor_msgs.msg import CameraInfo, PointCloud2, PointField
path, compression = sys.argv[1:]
with rosbag.Bag(path, 'w', compression=compression) as bag:
    for i in range(20):
        info = CameraInfo(height=4, width=8, K=[float(i)] * 9)
        info.header.seq, info.header.stamp = i, genpy.Time(100 + i, 7)
        bag.write('/info', info, info.header.stamp)
        cloud = PointCloud2(width=1000, data=bytes(range(250)) * 4, fields=[PointField('x', 0, 7, 1)])
        bag.write('/cloud', cloud, info.header.stamp)
"""


@pytest.mark.parametrize('compression', ['none', 'bz2', 'lz4'])
def test_bags_of_debians_rosbag(tmp_path, compression):
    """Run where `apt install python3-rosbag python3-sensor-msgs` was, or ROS1_PYTHONPATH says where they are."""
    environment = {**os.environ, 'PYTHONPATH': os.environ.get('ROS1_PYTHONPATH', '')}
    command = ['/usr/bin/python3', '-c', DEBIAN_ROSBAG, str(tmp_path / 'a.bag'), compression]
    if not Path(command[0]).exists():
        pytest.skip('no /usr/bin/python3')
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
    if 'ModuleNotFoundError' in done.stderr:
        pytest.skip("no Debian's python3-rosbag")
    assert done.returncode == 0, done.stderr
    with BagReader(tmp_path / 'a.bag') as bag:
        infos = [m.msg for m in bag.messages(['/info'])]
        cloud = next(bag.messages(['/cloud'])).msg
    assert [(i.k[8], i.header.stamp.sec, i.header.stamp.nanosec) for i in infos] == [(i, 100 + i, 7) for i in range(20)]
    assert bytes(cloud.data) == bytes(range(250)) * 4
    assert (cloud.fields[0].name, cloud.fields[0].datatype) == ('x', 7)
