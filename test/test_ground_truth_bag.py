"""velodyne_to_depth on bags: the drive's maps again, pairing, extrinsics by frame, raw images, and wrong bags."""

import csv
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from fixtures_kitti import write_tiny_drive

from msg_tools import kitti_messages as messages
from msg_tools.bag import BagReader
from msg_tools.bag_writer import BagWriter
from msg_tools.camera import project, transform
from msg_tools.camera_info import Rectifier
from msg_tools.depth_png import read_depth_steps
from msg_tools.ground_truth.bag_source import header_stamp_ns
from msg_tools.ground_truth.cli import main
from msg_tools.kitti import KittiDrive
from msg_tools.kitti_bag import main as kitti_to_bag

COLOR = '/kitti/camera_color_left'
CLOUD = '/kitti/velo/pointcloud'
START_NS = 1_000_000_000_000


def convert(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def manifest(out: Path) -> list[dict[str, str]]:
    with (out / 'manifest.csv').open(newline='') as file:
        return list(csv.DictReader(file))


class Recorder:
    """Writes a bag of the tiny drive's messages, one scan and image of frame 0 at a time, at round times [ms]."""

    def __init__(self, folder: Path) -> None:
        self.drive = KittiDrive(write_tiny_drive(folder))
        self.path = folder / 'bag'
        self.info = messages.camera_info_message(self.drive.calibration, 2, START_NS)
        self.static = messages.static_message(START_NS, self.drive.calibration, [2])
        self.image = messages.image_message(2, START_NS, self.drive.read_image(2, 0))
        self.points = self.drive.read_scan(0)

    def write(self, clouds=(0, 100, 200), images=(10, 110, 210), image_messages=None, cloud_messages=None) -> Path:
        with BagWriter(self.path) as bag:
            bag.write('/tf_static', START_NS, self.static, latched=True)
            bag.write(f'{COLOR}/camera_info', START_NS, self.info)
            cloud = messages.cloud_message(START_NS, self.points)
            for topic, times, given in (
                (CLOUD, clouds, cloud_messages or [cloud] * len(clouds)),
                (f'{COLOR}/image_raw', images, image_messages or [self.image] * len(images)),
            ):
                for time_ms, message in zip(times, given, strict=True):
                    stamp_ns = START_NS + time_ms * 1_000_000
                    header = messages.header(stamp_ns, message.header.frame_id)
                    bag.write(topic, stamp_ns, replace(message, header=header))
        return self.path


@pytest.fixture
def recorder(tmp_path):
    return Recorder(tmp_path)


@pytest.fixture
def out(tmp_path):
    return tmp_path / 'out'


@pytest.mark.parametrize('storage', [(), ('--storage', 'sqlite3'), ('--compressed',)], ids=['mcap', 'sqlite3', 'png'])
def test_bag_gives_what_its_drive_gave(tiny_drive, tmp_path, storage):
    assert kitti_to_bag([str(tiny_drive), str(tmp_path / 'bag'), *storage]) == 0
    for camera in (2, 3):
        folder, bag = tmp_path / f'folder_{camera}', tmp_path / f'bag_{camera}'
        assert convert(tiny_drive, folder, '--camera', camera) == 0
        assert convert(tmp_path / 'bag', bag, '--camera', camera) == 0
        for path in (folder / 'depth').iterdir():
            assert np.array_equal(read_depth_steps(path), read_depth_steps(bag / 'depth' / path.name))
            images = [cv2.imread(str(out / 'image' / path.name)) for out in (folder, bag)]
            assert np.array_equal(*images)
        assert manifest(folder) == manifest(bag)


def test_two_processes_make_the_same_files_of_a_bag(recorder, tmp_path):
    bag = recorder.write()
    for jobs in (1, 2):
        assert convert(bag, tmp_path / str(jobs), '--jobs', jobs) == 0
    one, two = ({path.relative_to(tmp_path / jobs): path.read_bytes() for path in (tmp_path / jobs).rglob('*.*')}
                for jobs in '12')
    assert one == two


def test_clouds_without_an_image_in_time_are_skipped(recorder, out, capsys):
    bag = recorder.write(clouds=(0, 100, 200, 300), images=(10, 210, 310))
    assert convert(bag, out) == 0
    assert [(row['name'], row['frame'], row['status']) for row in manifest(out)] == [
        ('0000000000', '0', 'ok'), ('', '1', 'skipped'), ('0000000001', '1', 'ok'), ('0000000002', '2', 'ok'),
    ]
    assert 'no image within 50 ms of cloud 1' in capsys.readouterr().err


def test_nothing_in_time_is_a_failure(recorder, out):
    assert convert(recorder.write(images=(1010, 1110, 1210)), out) == 1
    assert [row['status'] for row in manifest(out)] == ['skipped'] * 3


def test_faster_camera_gives_the_nearest_image(recorder, out):
    assert convert(recorder.write(clouds=(0, 100), images=range(0, 131, 33)), out) == 0
    assert [row['name'] for row in manifest(out)] == ['0000000000', '0000000003']  # 0 and 99 ms
    assert [row['image_stamp_ns'] for row in manifest(out)] == [str(START_NS), str(START_NS + 99_000_000)]


def test_without_images_only_clouds_and_camera_info_are_needed(recorder, out):
    assert convert(recorder.write(images=()), out, '--images', 'none') == 0
    assert [row['name'] for row in manifest(out)] == ['0000000000', '0000000001', '0000000002']
    assert manifest(out)[0]['image_stamp_ns'] == ''
    assert not (out / 'image').exists()


def test_other_topics_by_name(recorder, out, tmp_path):
    with BagReader(recorder.write()) as bag, BagWriter(tmp_path / 'renamed') as other:
        for raw in bag.raw():
            topic = raw.topic.replace('/kitti/velo/pointcloud', '/lidar').replace('/kitti', '/front')
            other.write_raw(topic, raw.type, raw.stamp_ns, bytes(raw.data), latched=raw.topic == '/tf_static')
    image = '/front/camera_color_left/image_raw'
    assert convert(tmp_path / 'renamed', out, '--cloud-topic', '/lidar', '--image-topic', image) == 0
    assert len(manifest(out)) == 3


def test_raw_images_are_rectified_and_so_is_the_view(recorder, out, capsys):
    angle = np.deg2rad(2.0)
    R = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    K = np.array([52.0, 0, 47.0, 0, 52.0, 16.0, 0, 0, 1])
    recorder.info = replace(recorder.info, k=K, d=np.array([-0.1, 0.01, 0, 0, 0]), r=R.reshape(-1))
    assert convert(recorder.write(), out) == 0
    assert 'its images are rectified' in capsys.readouterr().err
    rectified = Rectifier(recorder.info).rectify(recorder.drive.read_image(2, 0))
    assert np.array_equal(cv2.imread(str(out / 'image/0000000000.png'))[..., ::-1], rectified)
    points = transform(recorder.drive.calibration.T_cam_velo(2), recorder.points[:, :3].astype(np.float64)) @ R.T
    uv, z = project(points[points[:, 2] > 1], recorder.drive.calibration.intrinsics(2).P)
    depth, column_row = read_depth_steps(out / 'depth/0000000000.png') / 256, np.rint(uv).astype(int)
    inside = (column_row >= 0).all(1) & (column_row < (96, 32)).all(1)
    column, row = column_row[inside].T
    assert inside.sum() > 500
    assert (depth[row, column] > 0).all()
    assert (depth[row, column] <= z[inside] + 1 / 256).all()


def test_broken_messages_fail_their_frames_alone(recorder, out, capsys):
    cloud = messages.cloud_message(START_NS, recorder.points)
    short = replace(cloud, data=cloud.data[:100])
    images = [recorder.image, recorder.image, replace(recorder.image, encoding='infrared')]
    assert convert(recorder.write(cloud_messages=[cloud, short, cloud], image_messages=images), out) == 1
    assert [row['status'] for row in manifest(out)] == ['ok', 'failed', 'failed']
    assert 'infrared' in manifest(out)[2]['reason']
    assert capsys.readouterr().err.count('warning') == 2


def test_image_of_another_size_than_its_camera_info(recorder, out):
    small = messages.image_message(2, START_NS, np.zeros((16, 48, 3), np.uint8))
    assert convert(recorder.write(image_messages=[recorder.image, small, recorder.image]), out) == 1
    assert 'expected an image of 96x32 as the calibration has it, got 48x16' in manifest(out)[1]['reason']


def test_missing_topic_lists_those_there_are(recorder, out, capsys):
    assert convert(recorder.write(), out, '--camera', 3) == 1
    error = capsys.readouterr().err
    assert 'expected topic /kitti/camera_color_right/' in error
    assert CLOUD in error
    assert not out.exists()


def test_topic_of_another_type(recorder, out, capsys):
    assert convert(recorder.write(), out, '--cloud-topic', f'{COLOR}/image_raw') == 1
    assert f'expected sensor_msgs/msg/PointCloud2 on {COLOR}/image_raw, got sensor_msgs/msg/Image' in (
        capsys.readouterr().err
    )


def test_missing_transform_names_the_frames(recorder, out, capsys):
    recorder.static.transforms = [t for t in recorder.static.transforms if t.child_frame_id != 'camera_color_left']
    assert convert(recorder.write(), out) == 1
    error = capsys.readouterr().err
    assert f"{COLOR}/camera_info: expected a known frame, got 'camera_color_left'" in error
    assert 'velo_link' in error


def test_uncalibrated_camera(recorder, out, capsys):
    recorder.info = replace(recorder.info, k=np.zeros(9), p=np.zeros(12))
    assert convert(recorder.write(), out) == 1
    assert 'expected a calibrated camera, got a K of zeros' in capsys.readouterr().err


def test_stamp_is_read_without_decoding():
    assert header_stamp_ns(bytes([0, 1, 0, 0, 5, 0, 0, 0, 7, 0, 0, 0])) == 5_000_000_007
    assert header_stamp_ns(bytes([0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 7])) == 5_000_000_007
    assert header_stamp_ns(b'\x00\x01') == 0


def test_real_bag_gives_the_images_to_the_pixel_and_the_maps_but_for_rounding(real_drive, tmp_path):
    assert kitti_to_bag([str(real_drive), str(tmp_path / 'bag'), '--frames', '40:43', '--cameras', '2']) == 0
    assert convert(tmp_path / 'bag', tmp_path / 'out') == 0
    assert convert(real_drive, tmp_path / 'folder') == 0
    for i, frame in enumerate((40, 41, 42)):
        files = tmp_path / f'folder/{{}}/{frame:010d}.png', tmp_path / f'out/{{}}/{i:010d}.png'
        images = [cv2.imread(str(file).format('image')) for file in files]
        assert np.array_equal(*images)
        one, other = (read_depth_steps(str(file).format('depth')).astype(int) for file in files)
        both = (one > 0) & (other > 0)
        assert np.count_nonzero((one > 0) != (other > 0)) < 10  # the rotation went through a unit quaternion
        assert np.abs(one - other)[both].max() <= 1
