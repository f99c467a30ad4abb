"""A bag as a dataset: the frames of the drive it was made of, whichever kind of bag, topics, pairs, workers, faults."""

import pickle
import shutil
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fixtures_kitti import write_tiny_drive
from rosbags.rosbag1 import Writer as Writer1
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from torch.utils.data import DataLoader

from depth_node_training.datasets import open_source, open_sources
from depth_node_training.datasets.frame import DatasetError, truth_map
from msg_tools import kitti_messages as messages
from msg_tools.bag import BagReader
from msg_tools.bag_writer import BagWriter
from msg_tools.camera_info import Rectifier
from msg_tools.depth_png import read_depth_png
from msg_tools.ground_truth.cli import main as velodyne_to_depth
from msg_tools.kitti import KittiDrive
from msg_tools.kitti_bag import write_bag

LEFT, RIGHT = '/kitti/camera_color_left', '/kitti/camera_color_right'
CLOUD = '/kitti/velo/pointcloud'


@pytest.fixture(scope='module')
def drive(tmp_path_factory) -> Path:
    """Return the tiny drive, without GPS: two colour cameras and the Velodyne, three frames."""
    path = write_tiny_drive(tmp_path_factory.mktemp('kitti'))
    shutil.rmtree(path / 'oxts')
    return path


@pytest.fixture(scope='module')
def bag(drive) -> Path:
    """Return a rosbag2 of the drive."""
    write_bag(KittiDrive(drive), drive.parents[1] / 'drive')
    return drive.parents[1] / 'drive'


@pytest.fixture
def rewritten(bag, tmp_path):
    """Return what writes a bag of what `change(topic, message)` makes of each message: (topic, message), or None."""
    def rewrite(change):
        with BagReader(bag) as old, BagWriter(tmp_path / 'changed', overwrite=True) as new:
            for found in old.messages():
                if (made := change(found.topic, found.msg)) is not None:
                    new.write(made[0], found.stamp_ns, made[1], latched=found.topic == '/tf_static')
        return tmp_path / 'changed'

    return rewrite


@pytest.fixture
def renamed(rewritten):
    """Return what writes a bag with topics that begin otherwise; those that become '' are left out."""
    def rename(names):
        def change(topic, message):
            old = next((old for old in names if topic.startswith(old)), '')
            return None if old and not names[old] else (names.get(old, '') + topic[len(old):], message)

        return rewritten(change)

    return rename


def ros1_bag(bag: Path, path: Path) -> Path:
    """Write the same messages as a rosbag1 file."""
    store, writer = get_typestore(Stores.ROS1_NOETIC), Writer1(path)
    store.register(get_types_from_msg('geometry_msgs/TransformStamped[] transforms', 'tf2_msgs/msg/TFMessage'))
    writer.set_compression(Writer1.CompressionFormat.LZ4)
    with BagReader(bag) as old, writer as new:
        topics = {name: new.add_connection(name, info.type, typestore=store, latching=int(info.latched))
                  for name, info in old.topics.items()}
        for found in old.messages():
            data = store.serialize_ros1(as_ros1(store, found.msg), found.msg.__msgtype__)
            new.write(topics[found.topic], found.stamp_ns, data)
    return path


def as_ros1(store, value):
    """Return a message with ROS 1's fields: headers are numbered, and K is in upper case."""
    if isinstance(value, list):
        return [as_ros1(store, item) for item in value]
    if not hasattr(value, '__msgtype__'):
        return value
    fields = {name: name if hasattr(value, name) else name.lower()
              for name, _ in store.fielddefs[value.__msgtype__][1] if name != 'seq'}
    values = {name: as_ros1(store, getattr(value, old)) for name, old in fields.items()}
    return store.types[value.__msgtype__](**values, **({'seq': 0} if value.__msgtype__.endswith('Header') else {}))


def same_frames(items, drive: Path) -> None:
    """Compare three items of a bag with the left camera's of the drive that it was made of."""
    raw = open_source(f'kitti_raw:{drive}')[:3]
    for item, other in zip(items, raw, strict=True):
        frame, wanted = item.read(), other.read()
        assert np.array_equal(frame.rgb, wanted.rgb)
        assert frame.camera == wanted.camera
        assert np.array_equal(truth_map(frame), truth_map(wanted))


@pytest.mark.parametrize('options', [{}, {'storage': 'sqlite3'}, {'compressed': True}], ids=['mcap', 'sqlite3', 'png'])
def test_a_bag_gives_what_its_drive_gives(drive, tmp_path, options):
    write_bag(KittiDrive(drive), tmp_path / 'drive', **options)
    items = open_source(f'bag:{tmp_path}/drive')
    topic = f'kitti/camera_color_left/image_raw{"/compressed" if options.get("compressed") else ""}'
    assert [(item.source, item.drive, item.name) for item in items] == [
        ('drive', 'drive', f'{topic}/{number:010d}') for number in range(3)]
    same_frames(items, drive)


def test_a_rosbag1_too(bag, drive, tmp_path):
    items = open_source(f'bag:{ros1_bag(bag, tmp_path / "drive.bag")}')
    assert items[0].source == 'drive'
    same_frames(items, drive)


def test_truth_is_what_velodyne_to_depth_writes(bag, tmp_path):
    assert velodyne_to_depth([str(bag), str(tmp_path / 'out'), '--occlusion', 'off']) == 0
    for item in open_source(f'bag:{bag}'):
        written = read_depth_png(tmp_path / 'out/depth' / f'{item.name[-10:]}.png')
        assert np.array_equal(truth_map(item.read()), written)


def test_right_images_are_the_other_cameras(bag, drive):
    items = open_source(f'bag:{bag}')
    assert [item.baseline_m for item in items] == [pytest.approx(0.53)] * 3
    for frame, item in enumerate(items):
        assert np.array_equal(item.read_right(), KittiDrive(drive).read_image(3, frame))


def test_right_images_of_another_moment_are_none(rewritten):
    def late(topic, message):
        if topic == f'{RIGHT}/image_raw':
            message.header.stamp.nanosec = (message.header.stamp.nanosec + 20_000_000) % 10**9
        return topic, message

    assert [item.read_right for item in open_source(f'bag:{rewritten(late)}')] == [None] * 3


def test_in_any_order_and_again(bag, drive):
    items = open_source(f'bag:{bag}')
    for index in (2, 0, 1, 2):
        assert np.array_equal(items[index].read().rgb, KittiDrive(drive).read_image(2, index))


def stack(items):
    return [(frame.rgb.sum(), frame.labels[0].depth_m.sum()) for frame in (item.read() for item in items)]


def test_loaders_workers_read_it(bag):
    items = open_source(f'bag:{bag}')
    here = stack(items)  # opens the bag in this process, too
    loader = DataLoader(items * 2, batch_size=1, num_workers=2, collate_fn=stack, persistent_workers=True)
    for _ in range(2):
        assert [row for rows in loader for row in rows] == here * 2


def test_threads_read_it(bag):
    items = open_source(f'bag:{bag}')
    wanted, found = stack(items), []
    threads = [threading.Thread(target=lambda: found.append(stack(items * 5))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [wanted * 5] * 3


def test_items_travel_without_the_bags_messages(bag):
    """To workers that are spawned."""
    items = open_source(f'bag:{bag}')
    data = pickle.dumps(items)
    assert len(data) < 6000
    assert stack(pickle.loads(data)) == stack(items)


def test_a_bag_without_clouds_gives_every_image_and_no_labels(renamed):
    items = open_source(f'bag:{renamed({CLOUD: ""})}')
    assert len(items) == 3
    assert [(item.read().labels, item.read_right is not None) for item in items] == [((), True)] * 3


def test_an_image_for_each_cloud_is_enough(rewritten, drive):
    """A faster camera's other images have no label; a cloud without an image in time is left out."""
    seen = []

    def change(topic, message):
        seen.append(topic)
        return None if topic == f'{LEFT}/image_raw' and seen.count(topic) == 2 else (topic, message)

    items = open_source(f'bag:{rewritten(change)}')
    assert [item.name[-10:] for item in items] == ['0000000000', '0000000001']
    assert np.array_equal(items[1].read().rgb, KittiDrive(drive).read_image(2, 2))


def test_topics_of_other_names_are_found_where_there_is_one_of_a_kind(renamed, drive):
    path = renamed({LEFT: '/front', RIGHT: '', CLOUD: '/lidar'})
    items = open_source(f'bag:{path}')
    assert items[0].name == 'front/image_raw/0000000000'
    assert items[0].read_right is None
    same_frames(items, drive)


def test_of_a_stereo_pair_the_left_one_is_taken(renamed):
    items = open_source(f'bag:{renamed({LEFT: "/rig/left", RIGHT: "/rig/right"})}')
    assert items[0].name == 'rig/left/image_raw/0000000000'
    assert items[0].baseline_m == pytest.approx(0.53)


def test_topics_are_named_where_it_is_not_clear(renamed):
    path = renamed({LEFT: '/front', RIGHT: '/rear'})
    with pytest.raises(DatasetError, match=r'one topic of images, got these; choose by bag:PATH#TOPIC: /front/image'):
        open_source(f'bag:{path}')
    assert open_source(f'bag:{path}#/rear/image_raw')[0].name == 'rear/image_raw/0000000000'
    both = open_source(f'bag:{path}#/rear/image_raw,/front/image_raw,{CLOUD}')
    assert [item.name.split('/')[0] for item in both] == ['rear'] * 3 + ['front'] * 3
    assert len(open_sources([f'bag:{path}#/rear/image_raw', f'bag:{path}#/front/image_raw'])) == 6


@pytest.mark.parametrize(('split', 'message'), [
    ('/nowhere', 'expected topics of images, one PointCloud2 and one camera_info, got /nowhere; there are'),
    ('/tf', r'got /tf; there are .*/kitti/velo/pointcloud \(sensor_msgs/msg/PointCloud2\)'),
    (f'{LEFT}/camera_info,{RIGHT}/camera_info', 'one camera_info, got'),
])
def test_names_that_are_no_topics(bag, split, message):
    with pytest.raises(DatasetError, match=message):
        open_source(f'bag:{bag}#{split}')


def test_depth_is_neither_an_image_nor_its_cloud_a_scan(rewritten):
    """Of a bag with a depth camera, or with what depth_node made of it, nobody learns by mistake."""
    def change(topic, message):
        if topic == f'{RIGHT}/image_raw':
            depth_m = np.ones((message.height, message.width), np.float32)
            return '/depth/image_rect', replace(message, encoding='32FC1', step=4 * message.width,
                                                data=depth_m.view(np.uint8).reshape(-1))
        if topic == CLOUD:
            return '/points', replace(message, header=messages.header(0, 'camera_color_left'))
        return topic.replace(LEFT, '/front').replace(RIGHT, '/depth'), message

    items = open_source(f'bag:{rewritten(change)}')
    assert items[0].name.startswith('front/image_raw')
    assert items[0].read().labels == ()


def test_two_scanners_are_a_question(rewritten):
    names = iter(['/top', '/side', '/top'])

    def change(topic, message):
        return next(names) if topic == CLOUD else topic, message

    path = rewritten(change)
    with pytest.raises(DatasetError, match='expected one topic of LiDAR clouds, got /side, /top'):
        open_source(f'bag:{path}')
    assert len(open_source(f'bag:{path}#/top')) == 2


def test_raw_images_are_rectified(rewritten, drive):
    K, D = np.array([52.0, 0, 47.0, 0, 52.0, 16.0, 0, 0, 1]), np.array([-0.1, 0.01, 0, 0, 0])
    infos = []

    def change(topic, message):
        if topic.endswith('camera_info'):
            message = replace(message, k=K, d=D)
            infos.append(message)
        return topic, message

    frame = open_source(f'bag:{rewritten(change)}')[0].read()
    rectify = Rectifier(infos[0])
    assert np.array_equal(frame.rgb, rectify.rectify(KittiDrive(drive).read_image(2, 0)))
    assert frame.camera == rectify.camera
    assert len(frame.labels[0].depth_m) > 500


@pytest.mark.parametrize(('changes', 'message'), [
    ({f'{LEFT}/camera_info': ''}, r'expected camera_info of /kitti/camera_color_left/image_raw on .*got no such'),
    ({'/kitti/camera': ''}, 'expected one topic of images, got none: /kitti'),
    ({'/tf_static': ''}, "expected a known frame, got 'camera_color_left'"),
])
def test_what_is_missing_is_named(renamed, changes, message):
    with pytest.raises(DatasetError, match=message):
        open_source(f'bag:{renamed(changes)}')


def test_uncalibrated_camera(rewritten):
    def change(topic, message):
        return topic, replace(message, k=np.zeros(9), p=np.zeros(12)) if topic.endswith('camera_info') else message

    with pytest.raises(DatasetError, match=r'camera_color_left/camera_info: expected a calibrated camera'):
        open_source(f'bag:{rewritten(change)}')


def test_a_broken_message_is_named_and_the_others_are_read(rewritten):
    def change(topic, message):
        if topic == f'{LEFT}/image_raw':
            change.count += 1
            message = replace(message, encoding='infrared') if change.count == 2 else message
        return topic, message

    change.count = 0
    items = open_source(f'bag:{rewritten(change)}')
    assert items[0].read().rgb.shape == items[2].read().rgb.shape
    with pytest.raises(DatasetError, match='infrared'):
        items[1].read()


def test_no_bag(tmp_path):
    with pytest.raises(DatasetError, match='expected a bag, got no such file'):
        open_source(f'bag:{tmp_path}/nowhere.mcap')
    (tmp_path / 'bad.mcap').write_bytes(b'no bag')
    with pytest.raises(DatasetError, match=r'bad\.mcap: expected a whole bag'):
        open_source(f'bag:{tmp_path}/bad.mcap')


def test_a_bag_that_changed_meanwhile(drive, tmp_path):
    write_bag(KittiDrive(drive), tmp_path / 'drive')
    items = open_source(f'bag:{tmp_path}/drive')
    write_bag(KittiDrive(drive), tmp_path / 'drive', frames=(1, 3), overwrite=True)
    with pytest.raises(DatasetError, match=r'expected message 0 of /kitti.*was the bag changed meanwhile'):
        items[0].read()


def test_a_real_bag_without_clouds(shared_data):
    items = open_source('bag:bags/aruco_images.bag', shared_data)
    frame = items[0].read()
    assert frame.labels == ()
    assert frame.rgb.shape[:2] == frame.camera.size.shape
