"""Folders of KITTI's benchmarks as sources: they hold what the drive does that they were made of; and wrong ones."""

import pickle
import shutil

import numpy as np
import pytest
from fixtures_ground_truth import (
    calib_text,
    write_benchmark,
    write_calibrated,
    write_object,
    write_odometry,
    write_selection,
)
from fixtures_kitti import CAMERA_DELAY_NS, PERIOD_NS, START_NS, tiny_scan

from msg_tools.bag_writer import BagWriter
from msg_tools.camera import project
from msg_tools.errors import (
    CalibrationError,
    CloudError,
    ConfigError,
    DepthNodeError,
    ImageError,
    KittiError,
    PosesError,
)
from msg_tools.ground_truth.bag_source import BagSource
from msg_tools.ground_truth.bag_topics import BagOptions
from msg_tools.ground_truth.kitti_benchmark import KittiBenchmarkSource, KittiSelectionSource
from msg_tools.ground_truth.kitti_files import FilesSource
from msg_tools.ground_truth.kitti_object import open_calibrated, open_object
from msg_tools.ground_truth.kitti_odometry import KittiOdometrySource
from msg_tools.ground_truth.kitti_raw import KittiRawSource
from msg_tools.ground_truth.open_source import SourceOptions, open_source
from msg_tools.kitti import KittiDrive
from msg_tools.kitti_bag import write_bag


def frames_of(source):
    return list(source.read(source.entries()))


def errors_of(source):
    return [frame.error for frame in frames_of(source)]


def same_as_the_drive(source, drive, camera=2):
    """Check points, images and cameras against the drive's."""
    source = pickle.loads(pickle.dumps(source))
    raw = KittiRawSource.open(drive, camera, True)
    for one, other in zip(frames_of(raw), frames_of(source), strict=True):
        assert other.error is None
        assert np.array_equal(one.points, other.points)
        assert np.array_equal(one.rgb(), other.rgb())
        a, b = raw.view(one.entry), source.view(other.entry)
        assert a.lens.camera == b.lens.camera
        assert np.allclose(a.T_cam_scanner, b.T_cam_scanner, atol=1e-12)


@pytest.mark.parametrize('camera', [2, 3])
def test_odometry(tiny_drive, tmp_path, camera):
    source = KittiOdometrySource.open(write_odometry(tiny_drive, tmp_path / 'odometry'), camera)
    same_as_the_drive(source, tiny_drive, camera)
    entries = source.entries()
    assert [(e.name, e.frame, e.cloud_stamp_ns) for e in entries] == [
        ('000000', 0, 0), ('000001', 1, 103_300_000), ('000002', 2, 206_600_000)]
    frame = frames_of(source)[0]
    assert frame.turn_s is None  # compensated already
    assert (frame.right is not None) == (camera == 2)
    assert source.view(entries[0]).baseline_m == (pytest.approx(0.53) if camera == 2 else None)


def test_odometrys_poses_are_of_camera_0(tiny_drive, tmp_path):
    source = KittiOdometrySource.open(write_odometry(tiny_drive, tmp_path / 'odometry'))
    T = source.trajectory().poses
    one_forward = np.eye(4)
    one_forward[0, 3] = 1.0
    assert np.allclose(np.linalg.inv(T[0]) @ T[1], one_forward)  # the camera's z is the Velodyne's x


def test_odometry_without_poses_says_where_they_should_be(tiny_drive, tmp_path):
    source = KittiOdometrySource.open(write_odometry(tiny_drive, tmp_path / 'odometry', poses=False))
    with pytest.raises(PosesError, match=r'odometry/poses/00\.txt: expected the poses of the sequence'):
        source.trajectory()


def test_odometry_without_times_has_maps_but_no_poses(tiny_drive, tmp_path):
    sequence = write_odometry(tiny_drive, tmp_path / 'odometry')
    (sequence / 'times.txt').unlink()
    source = KittiOdometrySource.open(sequence)
    assert 'expected the times of the frames' in source.warnings[0]
    same_as_the_drive(source, tiny_drive)
    with pytest.raises(PosesError, match='expected frames with stamps'):
        source.trajectory()


def test_object(tiny_drive, tmp_path):
    source = open_object(write_object(tiny_drive, tmp_path / 'object/training'))
    same_as_the_drive(source, tiny_drive)
    assert source.entries()[1].cloud_stamp_ns is None
    with pytest.raises(PosesError, match='such a folder has none'):
        source.trajectory()


def test_objects_frames_have_cameras_of_their_own(tiny_drive, tmp_path):
    split = write_object(tiny_drive, tmp_path / 'object/training')
    text = calib_text(KittiDrive(tiny_drive), 'Tr_velo_to_cam')
    (split / 'calib/000001.txt').write_text(text.replace('P2: 50.0', 'P2: 60.0'))
    (split / 'calib/000002.txt').unlink()
    source = open_object(split)
    assert [source.view(entry).lens.camera.fx for entry in source.entries()[:2]] == [50, 60]
    assert [type(error) for error in errors_of(source)] == [type(None), type(None), CalibrationError]


def test_calibrated_frames(tiny_drive, tmp_path):
    source = open_calibrated(write_calibrated(tiny_drive, tmp_path / 'frames'))
    same_as_the_drive(source, tiny_drive)
    assert [entry.cloud_stamp_ns for entry in source.entries()] == [0, 100_000_000, 200_000_000]
    assert 'every 100 ms' in source.warnings[0]


def test_turn_where_it_is_told(tiny_drive, tmp_path):
    source = open_source(write_calibrated(tiny_drive, tmp_path / 'frames'), SourceOptions(turn_s=0.1))
    assert frames_of(source)[0].turn_s == (-0.05, 0.05)


def test_depth_benchmark_gives_the_points_back(tiny_drive, tmp_path):
    source = KittiBenchmarkSource.open(write_benchmark(tiny_drive, tmp_path / 'train'), raw=tmp_path)
    entries = source.entries()
    assert [(e.frame, e.image_stamp_ns) for e in entries[:1]] == [(0, START_NS + CAMERA_DELAY_NS + 2)]
    frame = frames_of(source)[0]
    uv, z = project(frame.points.astype(float), source.view(entries[0]).P_scanner_to_image)
    assert np.allclose(uv, [[10, 5], [90, 30]], atol=1e-4)
    assert np.allclose(z, [8, 4], atol=1e-5)
    assert frame.turn_s[1] - frame.turn_s[0] == pytest.approx(PERIOD_NS * 1e-9)
    assert frame.rgb().shape == (32, 96, 3)
    assert len(source.trajectory().poses) == 3
    assert 'with points, got an empty one' in str(errors_of(source)[2])


def test_depth_benchmark_without_its_raw_drive(tiny_drive, tmp_path):
    with pytest.raises(KittiError, match='expected its raw drive, for images, calibration and poses, at one of'):
        KittiBenchmarkSource.open(write_benchmark(tiny_drive, tmp_path / 'far/away/train'))


def test_selection_of_the_depth_benchmark(tiny_drive, tmp_path):
    source = KittiSelectionSource(write_selection(tiny_drive, tmp_path / 'val_selection_cropped'))
    frame = frames_of(source)[1]
    assert frame.entry.name == '2011_09_26_drive_0001_sync_image_0000000001_image_02'
    assert np.allclose(frame.points[0], [(10 - 47.5) / 50 * 8, (5 - 15.5) / 50 * 8, 8])
    assert frame.rgb().shape == (32, 96, 3)
    with pytest.raises(PosesError, match='single frames of many drives'):
        source.trajectory()


def broken(kind, file):
    """Break a scan in one of the ways that files break."""
    whole = tiny_scan(1)
    whole[:, :3] *= {'NaN': np.nan}.get(kind, 1.0)
    file.write_bytes({'truncated': whole.tobytes()[:1001], 'empty': b''}.get(kind, whole.tobytes()))
    if kind == 'missing':
        file.unlink()


@pytest.mark.parametrize('kind', ['truncated', 'empty', 'missing'])
@pytest.mark.parametrize('layout', ['raw', 'odometry', 'calibrated'])
def test_broken_scan_fails_its_frame_alone(tiny_drive, tmp_path, kind, layout):
    if layout == 'raw':
        broken(kind, tiny_drive / 'velodyne_points/data/0000000001.bin')
        source = KittiRawSource.open(tiny_drive, 2, True)
    elif layout == 'odometry':
        source = KittiOdometrySource.open(write_odometry(tiny_drive, tmp_path / 'odometry'))
        broken(kind, tmp_path / 'odometry/sequences/00/velodyne/000001.bin')
    else:
        folder = write_calibrated(tiny_drive, tmp_path / 'frames')
        broken(kind, folder / 'velodyne/0000000001_image_02.bin')
        source = open_calibrated(folder)
    assert [type(error) for error in errors_of(source)] == [type(None), CloudError, type(None)]


def test_scan_of_nan_alone_is_read_as_it_is(tiny_drive):
    broken('NaN', tiny_drive / 'velodyne_points/data/0000000001.bin')
    frame = frames_of(KittiRawSource.open(tiny_drive, 2, True))[1]
    assert frame.error is None
    assert np.isnan(frame.points[:, 0]).all()


@pytest.mark.parametrize('layout', ['raw', 'odometry', 'selection'])
def test_missing_image_fails_its_frame_alone(tiny_drive, tmp_path, layout):
    if layout == 'raw':
        (tiny_drive / 'image_02/data/0000000001.png').unlink()
        source = KittiRawSource.open(tiny_drive, 2, True)
    elif layout == 'odometry':
        sequence = write_odometry(tiny_drive, tmp_path / 'odometry')
        (sequence / 'image_2/000001.png').unlink()
        source = KittiOdometrySource.open(sequence)
    else:
        folder = write_selection(tiny_drive, tmp_path / 'selection')
        next((folder / 'image').glob('*0000000001_image_02.png')).unlink()
        source = KittiSelectionSource(folder)
    errors = errors_of(source)
    assert errors[0] is None
    assert isinstance(errors[1], ImageError)


def test_without_images_none_is_needed(tiny_drive, tmp_path):
    sequence = write_odometry(tiny_drive, tmp_path / 'odometry')
    for number in (1, 2):
        (sequence / f'image_2/{number:06d}.png').unlink()
    source = KittiOdometrySource.open(sequence, with_images=False)
    assert errors_of(source) == [None] * 3


def test_calibration_of_another_day(tiny_drive):
    day = tiny_drive.parent / 'calib_cam_to_cam.txt'
    day.write_text(day.read_text().replace('S_rect_02: 9.600000e+01', 'S_rect_02: 9.400000e+01'))
    for error in errors_of(KittiRawSource.open(tiny_drive, 2, True)):
        assert 'expected an image of 94x32 as the calibration has it, got 96x32' in str(error)


def test_missing_calibration(tiny_drive, tmp_path):
    sequence = write_odometry(tiny_drive, tmp_path / 'odometry')
    (sequence / 'calib.txt').unlink()
    with pytest.raises(CalibrationError, match=r'calib\.txt: expected the calibration of the sequence'):
        open_source(sequence)


def test_open_source_tells_them_apart(tiny_drive, tmp_path):
    write_bag(KittiDrive(tiny_drive), tmp_path / 'bag')
    kinds = {
        tiny_drive: KittiRawSource,
        tiny_drive.parent: KittiRawSource,  # a day with one drive
        tmp_path / 'bag': BagSource,
        next((tmp_path / 'bag').glob('*.mcap')): BagSource,
        write_odometry(tiny_drive, tmp_path / 'odometry'): KittiOdometrySource,
        write_object(tiny_drive, tmp_path / 'object/training'): FilesSource,
        write_calibrated(tiny_drive, tmp_path / 'frames'): FilesSource,
        write_benchmark(tiny_drive, tmp_path / 'train'): KittiBenchmarkSource,
        write_selection(tiny_drive, tmp_path / 'selection'): KittiSelectionSource,
    }
    for path, kind in kinds.items():
        source = open_source(path, SourceOptions(raw=tmp_path))
        assert type(source) is kind
        assert source.entries()
        assert next(source.read(source.entries())).error is None


def test_options_reach_the_source(tiny_drive, tmp_path):
    write_bag(KittiDrive(tiny_drive), tmp_path / 'bag')
    options = SourceOptions(camera=3, with_images=False, turn_s=0.2, bag=BagOptions(time_field='off'))
    source = open_source(tmp_path / 'bag', options)
    assert (source.topics.info, source.topics.image) == ('/kitti/camera_color_right/camera_info', '')
    assert (source.turn_s, source.times) == ((-0.1, 0.1), None)
    with pytest.raises(ConfigError, match='expected a bag with the topics that were named, got a KITTI raw drive'):
        open_source(tiny_drive, SourceOptions(bag=BagOptions(cloud='/lidar')))


def test_what_is_none_of_them_names_them_all(tmp_path):
    (tmp_path / 'photos').mkdir()
    for path, got in ((tmp_path, 'a folder with photos'), (tmp_path / 'photos', 'an empty folder'),
                      (tmp_path / 'x', 'no such folder or file')):
        with pytest.raises(DepthNodeError, match=rf'expected one of a bag .*raw drive.*odometry.*; got {got}'):
            open_source(path)


def test_several_in_one(tiny_drive, tmp_path):
    with BagWriter(tmp_path / 'bag') as bag:
        bag.add_topic('/tf', 'tf2_msgs/msg/TFMessage')
    shutil.copy(next((tmp_path / 'bag').glob('*.mcap')), tiny_drive / 'drive.mcap')
    with pytest.raises(DepthNodeError, match='got a bag and a KITTI raw drive'):
        open_source(tiny_drive)
    (tiny_drive / 'drive.mcap').unlink()
    shutil.copytree(tiny_drive, tiny_drive.with_name('2011_09_26_drive_0002_sync'))
    with pytest.raises(DepthNodeError, match='expected one drive, got 2: 2011_09_26_drive_0001_sync, 2011'):
        open_source(tiny_drive.parent)


def test_real_points_with_a_calibration_file_per_frame(shared_data):
    source = open_source(shared_data / 'kitti/training/2011_09_26_drive_0001_sync')
    frames = frames_of(source)
    assert [frame.error for frame in frames] == [None] * 12
    assert min(len(frame.points) for frame in frames) > 15000
