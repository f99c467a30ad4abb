"""Bags as sources of depth maps: the drive's frames again, pairing, extrinsics by frame, raw images, and wrong bags."""

import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from fixtures_kitti import PERIOD_NS, write_tiny_drive

from msg_tools import kitti_messages as messages
from msg_tools.bag import BagReader
from msg_tools.bag_writer import BagWriter
from msg_tools.camera_info import Rectifier
from msg_tools.cloud import fill_cloud_fields
from msg_tools.errors import BagError, CalibrationError, CloudError, ImageError
from msg_tools.ground_truth.bag_source import BagSource
from msg_tools.ground_truth.bag_topics import BagOptions, header_stamp_ns
from msg_tools.ground_truth.kitti_raw import KittiRawSource
from msg_tools.ground_truth.lens import BROWN, FISHEYE
from msg_tools.ground_truth.motion import offsets_of
from msg_tools.ground_truth.trajectory import inverses
from msg_tools.image_header import encoded_size
from msg_tools.kitti import KittiDrive
from msg_tools.kitti_bag import main as kitti_to_bag
from msg_tools.ros_messages import message, transform
from msg_tools.rotation import inverse, rigid

COLOR = '/kitti/camera_color_left'
CLOUD = '/kitti/velo/pointcloud'
START_NS = 1_000_000_000_000
MS = 1_000_000


class Recorder:
    """Writes a bag of the tiny drive's messages, one scan and image of frame 0 at a time, at round times [ms]."""

    def __init__(self, folder: Path) -> None:
        self.drive = KittiDrive(write_tiny_drive(folder))
        self.path = folder / 'bag'
        self.info = messages.camera_info_message(self.drive.calibration, 2, START_NS)
        self.static = messages.static_message(START_NS, self.drive.calibration, [2])
        self.image = messages.image_message(2, START_NS, self.drive.read_image(2, 0))
        self.points = self.drive.read_scan(0)
        self.cloud = messages.cloud_message(START_NS, self.points)
        self.moving = []  # (time [ms], TransformStamped) for /tf
        self.logged_ms = 0  # after the stamps

    def write(self, clouds=(0, 100, 200), images=(10, 110, 210), image_messages=None, cloud_messages=None) -> Path:
        with BagWriter(self.path) as bag:
            bag.write('/tf_static', START_NS, self.static, latched=True)
            bag.write(f'{COLOR}/camera_info', START_NS, self.info)
            for time_ms, item in self.moving:
                bag.write('/tf', START_NS + time_ms * MS, message('tf2_msgs/TFMessage', transforms=[item]))
            for topic, times, given in (
                (CLOUD, clouds, cloud_messages or [self.cloud] * len(clouds)),
                (f'{COLOR}/image_raw', images, image_messages or [self.image] * len(images)),
            ):
                for time_ms, item in zip(times, given, strict=True):
                    stamp_ns = START_NS + time_ms * MS
                    item = replace(item, header=messages.header(stamp_ns, item.header.frame_id))
                    bag.write(topic, stamp_ns + self.logged_ms * MS, item)
        return self.path

    def source(self, options=None, **kwargs) -> BagSource:
        return BagSource.open(self.write(**kwargs), options or BagOptions())


@pytest.fixture
def recorder(tmp_path):
    return Recorder(tmp_path)


def frames_of(source):
    return list(source.read(source.entries()))


def make_bag(drive: Path, out: Path, *options: str) -> Path:
    assert kitti_to_bag([str(drive), str(out), *options]) == 0
    return out


def same_frames(folder: KittiRawSource, bag: BagSource) -> None:
    """Compare all that maps are made of, frame by frame."""
    entries = [entry for entry in folder.entries() if folder.drive.scan_path(entry.frame).exists()]
    listed = bag.entries()
    assert [(e.image_stamp_ns, e.cloud_stamp_ns) for e in listed] == [
        (e.image_stamp_ns, e.cloud_stamp_ns) for e in entries]
    for one, other in zip(folder.read(entries), bag.read(listed), strict=True):
        assert other.error is None
        assert np.array_equal(one.points[:, :3], other.points)
        assert offsets_of(one, one.points).tobytes() == other.offsets_s.tobytes()
        assert np.array_equal(one.rgb(), other.rgb())
        a, b = folder.view(one.entry), bag.view(other.entry)
        assert a.lens.camera == b.lens.camera
        assert np.abs(rigid(a.T_cam_scanner) - b.T_cam_scanner).max() < 1e-15
    assert bag.exposure == folder.exposure == 'cloud'


@pytest.mark.parametrize('options', [(), ('--storage', 'sqlite3'), ('--compressed',)], ids=['mcap', 'sqlite3', 'png'])
def test_bag_gives_what_its_drive_gives(tiny_drive, tmp_path, options):
    bag = make_bag(tiny_drive, tmp_path / 'bag', *options)
    for camera in (2, 3):
        same_frames(KittiRawSource.open(tiny_drive, camera, True), BagSource.open(bag, BagOptions(camera=camera)))


def test_bag_and_drive_were_in_the_same_places(tiny_drive, tmp_path):
    one = KittiRawSource.open(tiny_drive, 2, True).trajectory()
    other = BagSource.open(make_bag(tiny_drive, tmp_path / 'bag')).trajectory()
    assert np.array_equal(one.stamps_ns, other.stamps_ns)
    a, b = (inverses(t.poses[:1]) @ t.poses for t in (one, other))  # each has a world of its own
    assert np.abs(a - b).max() < 1e-9
    assert a[1, 0, 3] == pytest.approx(1.033, abs=1e-6)


def test_bag_without_the_times_of_the_turn_is_taken_for_a_turn_of_one_period(tiny_drive, tmp_path):
    for name in ('start', 'end'):
        (tiny_drive / f'velodyne_points/timestamps_{name}.txt').unlink()
    source = BagSource.open(make_bag(tiny_drive, tmp_path / 'bag'))
    half_s = PERIOD_NS * 1e-9 / 2
    assert source.turn_s == pytest.approx((-half_s, half_s))
    frame = next(source.read(source.entries()[:1]))
    assert frame.offsets_s is None
    assert frame.turn_s == source.turn_s


def test_stereo_partner_by_name(tiny_drive, tmp_path):
    source = BagSource.open(make_bag(tiny_drive, tmp_path / 'bag'), BagOptions(right='auto'))
    assert source.view(source.entries()[0]).baseline_m == pytest.approx(0.53)
    for number, frame in enumerate(source.read(source.entries())):
        assert np.array_equal(frame.right(), KittiDrive(tiny_drive).read_image(3, number))


def test_source_and_entries_travel(recorder):
    source = pickle.loads(pickle.dumps(recorder.source()))
    entries = pickle.loads(pickle.dumps(source.entries()))
    assert len(pickle.dumps(entries[0])) < 1000
    assert np.array_equal(next(source.read(entries)).points, recorder.points[:, :3])


def test_any_run_of_entries_is_read(recorder):
    source = recorder.source(clouds=range(0, 1000, 100), images=range(10, 1000, 100))
    entries = source.entries()
    for first, stop in ((0, 3), (4, 9), (2, 3)):
        found = list(source.read(entries[first:stop]))
        assert [frame.entry for frame in found] == entries[first:stop]
        assert not any(frame.error for frame in found)


def test_order_is_the_stamps_whatever_order_they_are_stored_in(recorder, tmp_path):
    source = recorder.source(clouds=(200, 0, 100), images=(110, 210, 10))
    bag = tmp_path / 'late'
    with BagReader(source.path) as old, BagWriter(bag) as new:
        for raw in sorted(old.raw(), key=lambda raw: (raw.topic != '/tf_static', -raw.stamp_ns)):
            log_ns = START_NS + 10_000 * MS - raw.stamp_ns // 1000 if 'tf' not in raw.topic else raw.stamp_ns
            new.write_raw(raw.topic, raw.type, log_ns, bytes(raw.data), latched=raw.topic == '/tf_static')
    late = BagSource.open(bag)
    assert [entry.cloud_stamp_ns for entry in late.entries()] == [START_NS + t * MS for t in (0, 100, 200)]
    assert [entry.image_stamp_ns for entry in late.entries()] == [START_NS + t * MS for t in (10, 110, 210)]
    assert not any(frame.error for frame in frames_of(late))


def test_clouds_without_an_image_in_time_say_so_and_keep_their_points(recorder):
    source = recorder.source(clouds=(0, 100, 200, 300), images=(10, 210, 310))
    entries = source.entries()
    assert [(e.name, e.frame, bool(e.skip)) for e in entries] == [
        ('0000000000', 0, False), ('', 1, True), ('0000000001', 1, False), ('0000000002', 2, False)]
    assert entries[1].skip == 'no image within 50 ms of cloud 1: the nearest is 0.090 s away'
    frame = list(source.read(entries))[1]
    assert len(frame.points) == len(recorder.points)
    assert frame.image is None


def test_images_of_another_clock_are_told_by_how_far_away_they_are(recorder):
    entries = recorder.source(images=(3_600_010, 3_600_110, 3_600_210)).entries()
    assert entries[0].skip.endswith('the nearest is 3600.010 s away')


def test_faster_camera_gives_the_nearest_image(recorder):
    entries = recorder.source(clouds=(0, 100), images=range(0, 131, 33)).entries()
    assert [entry.name for entry in entries] == ['0000000000', '0000000003']  # 0 and 99 ms
    assert [entry.image_stamp_ns for entry in entries] == [START_NS, START_NS + 99 * MS]


def test_tolerance_is_an_option(recorder):
    assert [bool(e.skip) for e in recorder.source(BagOptions(tolerance_s=0.005)).entries()] == [True] * 3


def test_without_images_only_clouds_and_camera_info_are_needed(recorder):
    source = recorder.source(BagOptions(with_images=False), images=())
    assert [entry.name for entry in source.entries()] == ['0000000000', '0000000001', '0000000002']
    assert source.entries()[0].image_stamp_ns is None
    assert frames_of(source)[0].image is None


def test_other_topics_and_frames_by_name(recorder, tmp_path):
    with BagReader(recorder.write()) as bag, BagWriter(tmp_path / 'renamed') as other:
        for raw in bag.raw():
            topic = raw.topic.replace('/kitti/velo/pointcloud', '/lidar').replace('/kitti', '/front')
            data = bytes(raw.data).replace(b'velo_link\0', b'lidar_top\0')
            other.write_raw(topic, raw.type, raw.stamp_ns, data, latched=raw.topic == '/tf_static')
    options = BagOptions(cloud='/lidar', image='/front/camera_color_left/image_raw')
    source = BagSource.open(tmp_path / 'renamed', options)
    assert (source.exposure, source.turn_s, len(source.entries())) == ('image', None, 3)
    asked = BagSource.open(tmp_path / 'renamed', replace(options, turn_s=0.1))
    assert frames_of(asked)[0].turn_s == (-0.05, 0.05)


def raw_camera(recorder, model='plumb_bob', D=(-0.1, 0.01, 0, 0, 0)):
    angle = np.deg2rad(2.0)
    R = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    K = np.array([52.0, 0, 47.0, 0, 52.0, 16.0, 0, 0, 1])
    recorder.info = replace(recorder.info, k=K, d=np.array(D, float), r=R.reshape(-1), distortion_model=model)
    return R


def test_raw_images_are_rectified_and_so_is_the_view(recorder):
    R = raw_camera(recorder)
    source = recorder.source()
    assert 'its images are rectified' in source.warnings[0]
    frame = frames_of(source)[0]
    assert np.array_equal(frame.rgb(), Rectifier(recorder.info).rectify(recorder.drive.read_image(2, 0)))
    view = source.view(frame.entry)
    assert view.lens.camera == Rectifier(recorder.info).camera
    assert np.allclose(view.T_cam_scanner[:3, :3], R @ recorder.drive.calibration.T_cam_velo(2)[:3, :3])
    assert pickle.loads(pickle.dumps(source)).rectify(source.topics.image, frame.rgb()).shape == (32, 96, 3)


@pytest.mark.parametrize(('model', 'D', 'kind'), [
    ('plumb_bob', (-0.1, 0.01, 0, 0, 0), BROWN),
    ('rational_polynomial', (-0.1, 0.01, 0, 0, 0, 0.1, 0, 0), BROWN),
    ('equidistant', (0.01, 0, 0, 0), FISHEYE),
])
def test_raw_images_stay_as_they_are_where_that_is_wanted(recorder, model, D, kind):
    raw_camera(recorder, model, D)
    source = recorder.source(BagOptions(raw_images=True))
    frame = frames_of(source)[0]
    view = source.view(frame.entry)
    assert np.array_equal(frame.rgb(), recorder.drive.read_image(2, 0))
    assert (view.lens.model, view.lens.camera.fx, view.lens.D[0]) == (kind, 52.0, D[0])
    assert np.allclose(view.T_cam_scanner, recorder.drive.calibration.T_cam_velo(2))  # R is of the rectified image


def test_broken_messages_fail_their_frames_alone(recorder):
    short, empty = replace(recorder.cloud, data=recorder.cloud.data[:100]), replace(
        recorder.cloud, width=0, row_step=0, data=recorder.cloud.data[:0])
    source = recorder.source(clouds=(0, 100, 200, 300), images=(10, 110, 210, 310),
                             cloud_messages=[recorder.cloud, short, empty, recorder.cloud],
                             image_messages=[recorder.image] * 3 + [replace(recorder.image, encoding='infrared')])
    found = frames_of(source)
    assert [type(frame.error) for frame in found] == [type(None), CloudError, CloudError, type(None)]
    assert 'is the message cut short' in str(found[1].error)
    assert 'expected a cloud with points, got none' in str(found[2].error)
    with pytest.raises(ImageError, match='infrared'):
        found[3].rgb()


@pytest.mark.parametrize('packed', [None, '.png', '.jpg'])
def test_image_of_another_size_than_its_camera_info(recorder, packed):
    picture = np.zeros((16, 48, 3), np.uint8)
    data = b'' if packed is None else cv2.imencode(packed, picture)[1].tobytes()
    small = messages.compressed_message(2, START_NS, data) if packed else messages.image_message(2, START_NS, picture)
    source = recorder.source(image_messages=[small] * 3)
    assert 'expected an image of 96x32 as the calibration has it, got 48x16' in str(frames_of(source)[1].error)
    assert not packed or encoded_size(data).shape == (16, 48)


def cloud_of(recorder, **fields):
    """Return a cloud of the tiny scan with other fields."""
    columns = {name: recorder.points[:, i] for i, name in enumerate('xyz')} | fields
    points = np.zeros(len(recorder.points), [(name, np.asarray(values).dtype) for name, values in columns.items()])
    for name, values in columns.items():
        points[name] = values
    return points


def sent(recorder, points):
    cloud = fill_cloud_fields(messages.cloud_message(START_NS, recorder.points[:0]), points)
    return replace(cloud, header=recorder.cloud.header)


def test_any_fields_in_any_order_organised_or_not(recorder):
    points = cloud_of(recorder)[['z', 'x', 'y']]
    double = cloud_of(recorder).astype([(name, '<f8') for name in 'xyz'])
    organised = points.reshape(16, 720)
    source = recorder.source(cloud_messages=[sent(recorder, each) for each in (points, double, organised)])
    for frame in frames_of(source):
        assert frame.points.dtype == np.float32
        assert np.array_equal(frame.points, recorder.points[:, :3])


def test_nan_stays_and_lack_of_z_is_told(recorder):
    holes = cloud_of(recorder)
    holes['x'][::7] = np.nan
    flat = np.zeros(5, [('x', 'f4'), ('y', 'f4'), ('ring', 'u2')])
    frames = frames_of(recorder.source(cloud_messages=[sent(recorder, holes), sent(recorder, flat), recorder.cloud]))
    assert np.isnan(frames[0].points[::7, 0]).all()
    assert 'expected a cloud with fields x, y and z, got x, y, ring' in str(frames[1].error)


def test_times_of_points_come_out_of_their_field(recorder):
    t = np.linspace(0, 0.1, len(recorder.points))
    clouds = [sent(recorder, cloud_of(recorder, t=(1e9 * t).astype(np.uint32)))] * 3
    frame = frames_of(recorder.source(cloud_messages=clouds))[0]
    assert frame.offsets_s.dtype == np.float32
    assert np.allclose(frame.offsets_s, t, atol=1e-8)
    assert frame.turn_s is None


def test_times_of_another_clock_are_that_frames_error(recorder):
    t = np.linspace(0, 0.1, len(recorder.points))
    right, wrong = (sent(recorder, cloud_of(recorder, timestamp=t + start_s)) for start_s in (1000.0, 5000.0))
    frames = frames_of(recorder.source(cloud_messages=[right, wrong, right]))
    assert 'are the two of different clocks?' in str(frames[1].error)
    assert frames[0].offsets_s[-1] == pytest.approx(0.1, abs=1e-6)


def test_moving_link_between_camera_and_scanner_is_looked_up_at_the_clouds_stamp(recorder):
    for time_ms in (0, 200):  # the camera's arm slides 1 m along the scanner's x in 0.2 s
        T = inverse(recorder.drive.calibration.T_cam_velo(2))
        T[0, 3] += time_ms / 200
        recorder.moving.append((time_ms, transform(START_NS + time_ms * MS, 'velo_link', 'camera_color_left', T)))
    recorder.static.transforms = recorder.static.transforms[:2]
    source = pickle.loads(pickle.dumps(recorder.source(clouds=(0, 100, 300), images=(10, 110, 310))))
    fixed = recorder.drive.calibration.T_cam_velo(2)
    for entry, metres in zip(source.entries()[:2], (0.0, 0.5), strict=True):
        shift = source.view(entry).T_cam_scanner @ inverse(fixed)
        assert np.allclose(shift[:3, 3], [0, 0, -metres])  # the scanner's x is the camera's z
    with pytest.raises(CalibrationError, match=r"'camera_color_left' in 'velo_link' at .* only"):
        source.view(source.entries()[2])


def test_two_parents_are_a_warning_that_names_both(recorder):
    other = transform(START_NS, 'roof', 'camera_color_left', np.eye(4))
    recorder.static.transforms.insert(0, other)
    assert recorder.source().warnings == (
        "frame 'camera_color_left' has the parents 'roof', 'velo_link'; as in tf2 the last counts, 'velo_link'",)


def test_missing_transform_names_the_frames(recorder):
    recorder.static.transforms = recorder.static.transforms[:2]
    with pytest.raises(CalibrationError, match=r"camera_info: expected a known frame, got 'camera_color_left'.*velo"):
        recorder.source()


def test_two_trees_are_named(recorder):
    recorder.static.transforms[-1] = transform(START_NS, 'mast', 'camera_color_left', np.eye(4))
    with pytest.raises(CalibrationError, match=r'base_link \(imu_link, velo_link\) and mast \(camera_color_left\)'):
        recorder.source()


def test_calibration_file_in_the_place_of_tf_and_camera_info(recorder, tmp_path):
    (tmp_path / 'rig.yaml').write_text('''
T_cam_scanner: [[0, -1, 0, 0.06], [0, 0, -1, -0.08], [1, 0, 0, -0.27], [0, 0, 0, 1]]
image_width: 96
image_height: 32
camera_matrix: {data: [50, 0, 47.5, 0, 50, 15.5, 0, 0, 1]}
''')
    recorder.static.transforms = []
    with BagReader(recorder.write()) as bag, BagWriter(tmp_path / 'bare') as other:
        for raw in bag.raw([CLOUD, f'{COLOR}/image_raw']):
            other.write_raw(raw.topic, raw.type, raw.stamp_ns, bytes(raw.data))
    source = BagSource.open(tmp_path / 'bare', BagOptions(calibration=tmp_path / 'rig.yaml'))
    view = source.view(source.entries()[0])
    assert (view.lens.camera.fx, view.lens.camera.cx, view.lens.size.width) == (50, 47.5, 96)
    assert view.T_cam_scanner[:3, 3].tolist() == [0.06, -0.08, -0.27]
    assert frames_of(source)[0].rgb().shape == (32, 96, 3)


def test_missing_topic_lists_those_there_are(recorder):
    with pytest.raises(BagError, match=f'expected topic /kitti/camera_color_right/.*{CLOUD}'):
        recorder.source(BagOptions(camera=3))


def test_topic_of_another_type(recorder):
    with pytest.raises(BagError, match=f'expected sensor_msgs/msg/PointCloud2 on {COLOR}/image_raw, got sensor_msgs'):
        recorder.source(BagOptions(cloud=f'{COLOR}/image_raw'))


def test_uncalibrated_camera(recorder):
    recorder.info = replace(recorder.info, k=np.zeros(9), p=np.zeros(12))
    with pytest.raises(CalibrationError, match='expected a calibrated camera, got a K of zeros'):
        recorder.source()


def test_camera_of_nan_names_its_topic(recorder):
    recorder.info = replace(recorder.info, k=np.full(9, np.nan))
    with pytest.raises(CalibrationError, match=f'{COLOR}/camera_info: expected finite numbers'):
        recorder.source()


def test_transform_without_a_rotation_names_its_frames(recorder):
    for axis in 'xyzw':
        setattr(recorder.static.transforms[1].transform.rotation, axis, 0.0)
    child = recorder.static.transforms[1].child_frame_id
    with pytest.raises(CalibrationError, match=f"transform of '{child}' in '.*': expected a rotation"):
        recorder.source()


def test_bag_that_changed_meanwhile(recorder):
    source = recorder.source()
    entries = source.entries()
    shutil.rmtree(recorder.path)
    recorder.logged_ms = 5
    recorder.write()
    frames = list(BagSource.open(recorder.path).read(entries))
    assert all('was the bag changed meanwhile' in str(frame.error) for frame in frames)


def test_stamp_is_read_without_decoding():
    assert header_stamp_ns(bytes([0, 1, 0, 0, 5, 0, 0, 0, 7, 0, 0, 0])) == 5_000_000_007
    assert header_stamp_ns(bytes([0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 7])) == 5_000_000_007
    assert header_stamp_ns(b'\x00\x01') == 0


def test_real_bag_gives_what_its_drive_gives(real_drive, tmp_path):
    bag = make_bag(real_drive, tmp_path / 'bag', '--frames', '40:44', '--cameras', '2')
    folder = KittiRawSource.open(real_drive, 2, True)
    source = BagSource.open(bag)
    entries = [entry for entry in folder.entries() if 40 <= entry.frame < 44]
    for one, other in zip(folder.read(entries), source.read(source.entries()), strict=True):
        assert np.array_equal(one.points[:, :3], other.points)
        assert offsets_of(one, one.points).tobytes() == other.offsets_s.tobytes()
        a, b = folder.view(one.entry).T_cam_scanner, source.view(other.entry).T_cam_scanner
        assert np.abs(rigid(a) - b).max() < 1e-15
        assert np.abs(a - b).max() < 1e-6  # the file's rotation is rounded to seven digits
    stamps = np.array([entry.cloud_stamp_ns for entry in entries])
    one, other = (inverses(t.at(stamps[:1])) @ t.at(stamps) for t in (folder.trajectory(), source.trajectory()))
    assert np.abs(one - other).max() < 1e-9
