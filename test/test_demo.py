"""The demo: its pictures by shape and colour, its choice of frames, its recording, and the whole path over real DDS."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from depth_node.checkpoint import save_checkpoint
from depth_node.demo.birds_eye import View, between, birds_eye
from depth_node.demo.canvas import BACKGROUND, LIDAR, blank, color_bar, fitted, stacked, table, text_size, titled, write
from depth_node.demo.commands import DemoError, Service, run
from depth_node.demo.drives import choose_frames, demo_frame, longest_run
from depth_node.demo.pictures import DemoFrame, demo_picture, error_map, video_frame
from depth_node.demo.recording import DEPTH, INFO_IN, flow
from depth_node.demo.run import main
from depth_node.demo.video import Video
from depth_node.model import ModelConfig, build_model
from msg_tools.bag import BagReader
from msg_tools.bag_types import ros2_typestore
from msg_tools.bag_writer import BagWriter
from msg_tools.camera import Intrinsics, Size, cloud_of
from msg_tools.colors import diverging
from msg_tools.depth_png import read_depth_png
from msg_tools.errors import KittiError
from msg_tools.kitti import KittiDrive
from msg_tools.synthetic import write_drive

CAMERA = Intrinsics(180.0, 180.0, 155.0, 45.0, Size(96, 310))
GROUND = (90, 90, 90)


def ground_depth() -> np.ndarray:
    """Return the depth of flat ground 1.65 m below the camera; +Inf above the horizon."""
    rows = np.arange(CAMERA.size.height) - CAMERA.cy
    depth = np.where(rows > 0, CAMERA.fy * 1.65 / np.maximum(rows, 1e-6), np.inf)
    return np.repeat(depth[:, None], CAMERA.size.width, 1).astype(np.float32)


def frame() -> DemoFrame:
    """Return a frame of flat ground with one LiDAR point 10 m ahead, 1 m above the ground, seen at its true depth."""
    depth = ground_depth()
    lidar = np.array([[0.0, 0.65, 10.0]])
    sparse = np.zeros(CAMERA.size.shape, np.float32)
    sparse[57, 155] = depth[57, 155] = 10.0
    rgb = np.full((*CAMERA.size.shape, 3), GROUND, np.uint8)
    return DemoFrame('frame 7', rgb, depth, sparse, cloud_of(depth[::2, ::2], CAMERA.rays(2)), lidar, CAMERA)


@pytest.fixture(scope='module')
def drive(tmp_path_factory) -> Path:
    """Write a synthetic drive of six small frames."""
    return write_drive(tmp_path_factory.mktemp('street'), 6, scale=0.5, azimuths=800, supersample=1.0)


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory) -> Path:
    """Save a network that was never trained."""
    path = tmp_path_factory.mktemp('checkpoint') / 'random.safetensors'
    config = ModelConfig(height=96, width=320, focal_px=360.0)
    save_checkpoint(path, build_model(config), config, {})
    return path


def test_text_fills_about_its_box_and_its_anchor_moves_it():
    width, _ = text_size('metres', 20)
    left, right = blank(40, 300), blank(40, 300)
    write(left, 'metres', (10, 30), 20)
    write(right, 'metres', (290, 30), 20, anchor='right')
    drawn = [np.flatnonzero((canvas != BACKGROUND).any((0, 2))) for canvas in (left, right)]
    assert abs(drawn[0].max() - drawn[0].min() - width) < 8
    assert drawn[0].min() >= 8
    assert drawn[1].max() <= 292
    assert drawn[1].min() > 150


def test_text_with_an_edge_is_read_on_white():
    plain, edged = (np.full((40, 120, 3), 255, np.uint8) for _ in range(2))
    write(plain, '20 m', (10, 30), 20, (255, 255, 255))
    write(edged, '20 m', (10, 30), 20, (255, 255, 255), edge=BACKGROUND)
    assert (plain == 255).all()
    assert (edged.min(2) < 60).sum() > 300
    assert (edged[20:30, 10:].min(2) > 240).any(0)[:60].sum() > 20  # the letters themselves are still white


def test_text_beyond_the_canvas_is_cut_off():
    canvas = blank(20, 20)
    write(canvas, 'a long line', (-30, 5), 20)
    write(canvas, 'far outside', (500, 500), 20)
    assert canvas.shape == (20, 20, 3)


def test_panels_stack_to_the_sum_of_their_heights():
    picture = fitted(np.zeros((10, 40, 3), np.uint8), 120)
    assert picture.shape == (30, 120, 3)
    panel = titled(picture, 'title', 'note', 10)
    assert panel.shape == (53, 120, 3)
    assert stacked([panel, panel], 7).shape == (113, 120, 3)
    assert table([['', 'a'], ['row', '1']], 200, 10).shape == (42, 200, 3)


def test_the_color_bar_goes_from_red_to_blue():
    bar = color_bar(600, 40)
    colors = bar[2][(bar[2] != BACKGROUND).any(1)].astype(int)
    assert colors[0, 0] > colors[0, 2] + 80
    assert colors[-1, 2] > colors[-1, 0] + 80


def test_from_above_a_point_10_m_ahead_lies_10_m_up():
    view = View(400, 300, ahead_m=30, behind_px=40)
    assert view.px_per_m == 12
    column, row = view.pixels(np.array([2.0]), np.array([10.0]))
    assert (column[0], row[0]) == (174, 240)
    cloud = np.full((4, 4, 3), np.nan, np.float32)
    cloud[1, 1] = (2, 1.0, 10)
    picture = birds_eye(view, cloud, np.full((4, 4, 3), (250, 10, 10), np.uint8), CAMERA.strided(2))
    assert picture[240, 174].tolist() == [250, 10, 10]
    assert (picture == (250, 10, 10)).all(2).sum() == 1


def test_from_above_the_road_has_no_holes_and_lidar_lies_on_it():
    shown = frame()
    view = View(400, 300, ahead_m=30, behind_px=40)
    picture = shown.from_above(view)
    middle = picture[190:260, 140:149]  # 8 to 14 m ahead, to the left of the point
    assert (np.abs(middle.astype(int) - GROUND).max(2) < 50).all()  # the rings are half transparent
    assert picture[240, 150].tolist() == list(LIDAR)


def test_points_between_are_exact_not_in_steps_of_a_32nd():
    ramp = np.arange(12.0, dtype=np.float32).reshape(3, 4, 1)
    rows, columns = np.array([0.0, 0.01, 1.99]), np.array([0.0, 2.5])
    assert between(ramp, rows, columns)[..., 0] == pytest.approx(np.array([[0, 2.5], [0.04, 2.54], [7.96, 10.46]]))


def test_what_is_higher_than_a_car_is_not_drawn_from_above():
    cloud = np.full((4, 4, 3), np.nan, np.float32)
    cloud[1, 1] = (2, -3.0, 10)
    view = View(400, 300, ahead_m=30, behind_px=40)
    empty = birds_eye(view, np.full_like(cloud, np.nan), np.zeros((4, 4, 3), np.uint8), CAMERA.strided(2))
    np.testing.assert_array_equal(birds_eye(view, cloud, np.full((4, 4, 3), 255, np.uint8), CAMERA.strided(2)), empty)


def test_errors_are_blue_where_too_near_white_where_right_red_where_too_far():
    blue, white, red = diverging(np.array([-1.0, 0.0, 1.0])).astype(int)
    assert blue[2] - blue[0] > 150
    assert red[0] - red[2] > 150
    assert white.min() > 230
    picture = error_map(frame())
    assert picture[57, 155].min() > 230
    assert picture[5, 5].tolist() == [30, 30, 30]


def test_picture_and_video_frame_have_their_sizes():
    metrics = [['', 'abs rel'], ['depth_node', '0.1'], ['flat ground', '0.5']]
    picture = demo_picture(frame(), 'title', ['1 image'], metrics)
    assert picture.shape[1] == 1800
    assert 1000 < picture.shape[0] < 2000
    shown = video_frame(frame(), 'title')
    assert shown.shape[1] == 1280
    assert shown.shape[0] % 2 == 0


def test_a_video_can_be_read_back(tmp_path):
    with Video(tmp_path / 'demo.mp4', Size(64, 96), 10.0) as video:
        for value in (40, 120, 200):
            video.write(np.full((64, 96, 3), value, np.uint8))
    capture = cv2.VideoCapture(str(video.path))
    frames = [capture.read()[1] for _ in range(3)]
    assert [round(float(picture.mean()) / 40) for picture in frames] == [1, 3, 5]
    assert not capture.read()[0]


def write_stamps(drive: Path, seconds: list[float]) -> KittiDrive:
    """Write a drive that is nothing but empty images and their stamps."""
    data = drive / 'image_02' / 'data'
    data.mkdir(parents=True)
    for number in range(len(seconds)):
        (data / f'{number:010d}.png').touch()
    stamps = [np.datetime64('2011-09-26T13:00:00', 'ns') + np.timedelta64(round(s * 1e9), 'ns') for s in seconds]
    (drive / 'image_02/timestamps.txt').write_text('\n'.join(str(stamp).replace('T', ' ') for stamp in stamps))
    return KittiDrive(drive)


def test_a_hole_in_a_drive_is_not_waited_for(tmp_path):
    drive = write_stamps(tmp_path / 'drive', [0.0, 0.1, 10.0, 10.1, 10.2, 30.0])
    assert choose_frames(drive) == [2, 3, 4]
    assert choose_frames(drive, (1, 4)) == [1, 2, 3]


def test_a_long_drive_is_cut_unless_asked_for(tmp_path):
    drive = write_stamps(tmp_path / 'drive', [0.1 * i for i in range(130)])
    assert choose_frames(drive) == list(range(100))
    assert len(choose_frames(drive, (0, 130))) == 130


def test_frames_that_are_not_there_are_named(tmp_path):
    drive = write_stamps(tmp_path / 'drive', [0.0, 0.1])
    with pytest.raises(KittiError, match='got frames 0 to 1'):
        choose_frames(drive, (50, 60))
    assert longest_run(drive, []) == []


def test_a_frame_without_a_scan_is_shown_without_lidar(drive):
    kitti = KittiDrive(drive)
    camera = kitti.camera(2).intrinsics
    depth = np.full(camera.size.shape, 10.0, np.float32)
    with_scan, without = (demo_frame(kitti, n, depth, cloud_of(depth[::2, ::2], camera.rays(2))) for n in (0, 1))
    assert (with_scan.lidar_m > 0).sum() > 2000
    hidden = KittiDrive(drive)
    hidden.scans = lambda: []  # type: ignore[method-assign]
    assert not demo_frame(hidden, 1, depth, without.cloud).lidar_m.any()


def test_ages_are_from_the_input_to_the_output_of_the_same_stamp(tmp_path):
    store = ros2_typestore()
    types = store.types
    time, header = types['builtin_interfaces/msg/Time'], types['std_msgs/msg/Header']
    roi = types['sensor_msgs/msg/RegionOfInterest'](0, 0, 0, 0, False)
    zeros = (np.zeros(0), np.zeros(9), np.zeros(9), np.zeros(12))
    image, value = types['sensor_msgs/msg/Image'], types['diagnostic_msgs/msg/KeyValue']
    status = types['diagnostic_msgs/msg/DiagnosticStatus']
    with BagWriter(tmp_path / 'bag') as bag:
        for n in range(3):
            head = header(time(100 + n, 0), 'camera')
            info = types['sensor_msgs/msg/CameraInfo'](head, 1, 1, 'plumb_bob', *zeros, 0, 0, roi)
            bag.write(INFO_IN, n * 100_000_000, info)
            if n != 1:
                depth = image(head, 1, 1, '32FC1', 0, 4, np.zeros(4, np.uint8))
                bag.write(DEPTH, n * 100_000_000 + 40_000_000 * (n + 1), depth)
        counts = [value('received', '3'), value('published', '2'), value('dropped: superseded by a newer image', '1')]
        array = types['diagnostic_msgs/msg/DiagnosticArray'](header(time(0, 0), ''), [status(0, 'n', '', '', counts)])
        bag.write('/diagnostics', 900_000_000, array)
    found = flow(tmp_path / 'bag')
    assert found.ages_ms == (40.0, 120.0)
    assert found.age_ms(50) == 80.0
    assert found.stamps_ns == (100_000_000_000, 102_000_000_000)
    assert (found.received, found.published, found.dropped) == (3, 2, {'superseded by a newer image': 1})


def test_a_step_that_fails_is_named(tmp_path):
    with pytest.raises(DemoError, match='expected kitti_to_bag to succeed, got exit status 1'):
        run('kitti_to_bag', tmp_path / 'none', tmp_path / 'bag')


def test_a_service_that_ends_early_tells_its_last_words(tmp_path):
    with (
        Service('velodyne_to_depth', tmp_path / 'none', tmp_path / 'out', log=tmp_path / 'log', env={}) as service,
        pytest.raises(DemoError, match=r'it failed: velodyne_to_depth: error: .*none.*log'),
    ):
        service.wait_for('never said', timeout_s=60)


@pytest.mark.parametrize('wrong', [['--frames', '5:5'], ['--frames', 'all'], ['--rate', '0'], ['--device', 'tpu']])
def test_wrong_options_are_usage_errors(wrong, capsys):
    with pytest.raises(SystemExit) as stop:
        main(wrong)
    assert stop.value.code == 2
    assert 'error' in capsys.readouterr().err


def test_without_rclpy_both_ways_on_are_named(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, 'rclpy', None)
    monkeypatch.setattr('depth_node.ros.arguments.find_spec', lambda name: None)
    assert main(['--out', str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert error.count('\n') == 1
    assert '--no-ros' in error
    assert "pip install 'depth_node[ros]'" in error


def check_outputs(out: Path, count: int) -> dict:
    """Check the files that a demo leaves, and return its report."""
    report = json.loads((out / 'report.json').read_text())
    assert len(report['frames']) == report['depth_out'] == report['metrics']['LiDAR']['images'] == count
    for result in report['metrics'].values():
        assert 0 < result['abs_rel'] < 100
        assert set(result['baselines']) == {'row_mean', 'flat_ground'}
    assert cv2.imread(report['files']['picture']).shape[1] == 1800
    capture = cv2.VideoCapture(report['files']['video'])
    assert sum(capture.read()[0] for _ in range(count + 2)) == count
    return report


@pytest.mark.slow
def test_the_demo_without_ros(drive, checkpoint, tmp_path):
    args = ['--no-ros', '--drive', str(drive), '--frames', '1:4', '--checkpoint', str(checkpoint), '--backend', 'torch']
    assert main([*args, '--out', str(tmp_path / 'out')]) == 0
    report = check_outputs(tmp_path / 'out', 3)
    assert report['frames'] == [1, 2, 3]
    assert np.load(tmp_path / 'out/pred/0000000001.npy').shape == (188, 621)
    assert not (tmp_path / 'out' / 'bag').exists()


@pytest.mark.slow
@pytest.mark.ros
@pytest.mark.timeout(300)
def test_the_demo_over_real_dds_records_all_that_the_node_published(ros_domain, drive, checkpoint, tmp_path, capfd):
    args = ['--drive', str(drive), '--rate', '0.4', '--checkpoint', str(checkpoint), '--backend', 'torch', '--json']
    assert main([*args, '--out', str(tmp_path / 'out')]) == 0
    printed = json.loads(capfd.readouterr().out.splitlines()[-1])
    report = check_outputs(tmp_path / 'out', printed['depth_out'])
    assert report['images_in'] == report['received'] == 6
    assert report['depth_out'] == report['published'] >= 1
    assert report['published'] + sum(report['dropped'].values()) == 6
    assert set(report['metrics']) == {'LiDAR', 'exact depth'}
    assert 0 < report['age_ms']['p50'] < 60_000
    png = read_depth_png(tmp_path / f'out/pred/{report["frames"][0]:010d}.png')
    assert png.shape == (188, 621)
    with BagReader(tmp_path / 'out/recorded') as bag:
        assert bag.topics['/points'].count == report['depth_out']


@pytest.mark.slow
@pytest.mark.ros
@pytest.mark.timeout(300)
def test_a_broken_checkpoint_ends_the_demo_with_the_nodes_words(ros_domain, drive, tmp_path, capfd):
    bad = tmp_path / 'bad.safetensors'
    bad.write_bytes(b'not a checkpoint')
    args = ['--drive', str(drive), '--frames', '0:2', '--checkpoint', str(bad)]
    assert main([*args, '--out', str(tmp_path / 'out')]) == 1
    error = capfd.readouterr().err.splitlines()[-1]
    assert error.startswith('depth_demo: error: expected depth_node to say')
    assert 'bad.safetensors' in error
