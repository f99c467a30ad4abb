"""kitti_to_bag: every value of a drive arrives in the bag, to the nanosecond and to the bit."""

import json
import shutil
from dataclasses import replace

import cv2
import numpy as np
import pytest
from fixtures_kitti import CAMERA_DELAY_NS, PERIOD_NS, START_NS, tiny_scan, write_tiny_drive

from msg_tools.bag import BagReader
from msg_tools.camera import project
from msg_tools.kitti import KittiDrive
from msg_tools.kitti_bag import main, parse_frames
from msg_tools.kitti_messages import camera_info_message, fix_status, imu_message, pose_message, static_message
from msg_tools.rotation import inverse
from msg_tools.tf import TfTree

LEFT, RIGHT = '/kitti/camera_color_left', '/kitti/camera_color_right'
CLOUD = '/kitti/velo/pointcloud'


def convert(drive, out, *options):
    assert main([str(drive), str(out), *options]) == 0
    return BagReader(out)


def stamp_ns(msg) -> int:
    return msg.header.stamp.sec * 10**9 + msg.header.stamp.nanosec


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_a_tiny_drive(tiny_drive, tmp_path, storage):
    with convert(tiny_drive, tmp_path / 'out', '--storage', storage) as bag:
        assert {name: info.count for name, info in bag.topics.items()} == {
            **{f'{camera}/{name}': 3 for camera in (LEFT, RIGHT) for name in ('image_raw', 'camera_info')},
            **{f'/kitti/oxts/{name}': 3 for name in ('gps/fix', 'gps/vel', 'imu', 'odometry')},
            CLOUD: 3, '/tf': 3, '/tf_static': 1,
        }
        assert bag.topics['/tf_static'].latched
        first = next(bag.messages())
    assert first.topic == '/tf_static'


def test_stamps_keep_their_last_digit(tiny_drive, tmp_path):
    with convert(tiny_drive, tmp_path / 'out') as bag:
        stamps = [(m.stamp_ns, stamp_ns(m.msg)) for m in bag.messages([f'{LEFT}/image_raw'])]
    expected = [START_NS + CAMERA_DELAY_NS + 2 + i * PERIOD_NS for i in range(3)]
    assert stamps == [(n, n) for n in expected]  # the log time is the header's


def test_images_are_the_files_pixels_in_rgb(tiny_drive, tmp_path):
    with convert(tiny_drive, tmp_path / 'out') as bag:
        image = next(bag.messages([f'{RIGHT}/image_raw'])).msg
    bgr = cv2.imread(str(tiny_drive / 'image_03/data/0000000000.png'))
    assert (image.width, image.height, image.step, image.encoding) == (96, 32, 288, 'rgb8')
    assert np.array_equal(image.data.reshape(32, 96, 3), bgr[..., ::-1])
    assert image.header.frame_id == 'camera_color_right'


def test_compressed_images_are_the_files(tiny_drive, tmp_path):
    with convert(tiny_drive, tmp_path / 'out', '--compressed', '--cameras', '2') as bag:
        assert f'{LEFT}/image_raw' not in bag.topics
        assert f'{RIGHT}/camera_info' not in bag.topics
        image = next(bag.messages([f'{LEFT}/image_raw/compressed'])).msg
    assert image.format == 'png'
    assert image.data.tobytes() == (tiny_drive / 'image_02/data/0000000000.png').read_bytes()


def test_grey_cameras_are_mono8(tiny_drive, tmp_path):
    shutil.copytree(tiny_drive / 'image_02', tiny_drive / 'image_00')
    with convert(tiny_drive, tmp_path / 'out', '--cameras', '0') as bag:
        image = next(bag.messages(['/kitti/camera_gray_left/image_raw'])).msg
    assert (image.encoding, image.step, len(image.data)) == ('mono8', 96, 96 * 32)


def test_clouds_are_the_scans(tiny_drive, tmp_path):
    with convert(tiny_drive, tmp_path / 'out') as bag:
        clouds = [m.msg for m in bag.messages([CLOUD])]
    for frame, cloud in enumerate(clouds):
        assert [(f.name, f.offset, f.datatype, f.count) for f in cloud.fields] == [
            ('x', 0, 7, 1), ('y', 4, 7, 1), ('z', 8, 7, 1), ('i', 12, 7, 1), ('time', 16, 7, 1)]
        assert (cloud.height, cloud.point_step, cloud.row_step) == (1, 20, 20 * cloud.width)
        values = cloud.data.view('<f4').reshape(-1, 5)
        assert np.array_equal(values[:, :4], tiny_scan(frame))
        assert values[0, 4] == np.float32((PERIOD_NS / 2 - 51_600_000) * 1e-9)  # straight ahead: half way round
    assert clouds[0].header.frame_id == 'velo_link'


def test_clouds_of_turns_that_are_not_known_have_no_times(tiny_drive, tmp_path, capsys):
    (tiny_drive / 'velodyne_points/timestamps_end.txt').unlink()
    with convert(tiny_drive, tmp_path / 'out') as bag:
        cloud = next(bag.messages([CLOUD])).msg
    assert [field.name for field in cloud.fields] == list('xyzi')
    assert 'timestamps_end.txt' in capsys.readouterr().err


def test_camera_info_says_that_the_image_is_rectified(tiny_drive, tmp_path):  # kitti2bag has the raw K and D
    with convert(tiny_drive, tmp_path / 'out') as bag:
        left = next(bag.messages([f'{LEFT}/camera_info'])).msg
        right = next(bag.messages([f'{RIGHT}/camera_info'])).msg
    K = [[50, 0, 47.5], [0, 50, 15.5], [0, 0, 1]]
    assert left.k.reshape(3, 3).tolist() == right.k.reshape(3, 3).tolist() == K
    assert left.d.tolist() == [0] * 5
    assert left.r.tolist() == np.eye(3).reshape(-1).tolist()
    assert left.p.reshape(3, 4)[:, 3].tolist() == [0, 0, 0]
    assert np.allclose(right.p.reshape(3, 4)[:, 3], [-50 * 0.53, 0, 0])  # -fx times the baseline to the left camera
    assert (left.width, left.height) == (96, 32)


@pytest.mark.parametrize('camera', [2, 3])
def test_tf_and_camera_info_are_kittis_projection(tiny_drive, tmp_path, camera):
    name = {2: 'left', 3: 'right'}[camera]
    with convert(tiny_drive, tmp_path / 'out') as bag:
        T = TfTree.from_bag(bag).lookup(f'camera_color_{name}', 'velo_link')
        info = next(bag.messages([f'/kitti/camera_color_{name}/camera_info'])).msg
    expected = KittiDrive(tiny_drive).calibration.P_velo_to_image(camera)
    assert np.abs(info.p.reshape(3, 4)[:, :3] @ T[:3] - expected).max() < 1e-9


def test_stereo_depth_of_the_right_camera(tiny_drive):  # P of the right projects the left camera's points
    calibration = KittiDrive(tiny_drive).calibration
    P = camera_info_message(calibration, 3, 0).p.reshape(3, 4)
    points_velo = np.array([[10.0, 1, 0, 1], [20, -2, 1, 1]])
    in_left = (points_velo @ calibration.T_cam_velo(2).T)[:, :3]
    uv, _ = project(in_left, P)
    expected, _ = project(points_velo[:, :3], calibration.P_velo_to_image(3))
    assert np.allclose(uv, expected, atol=1e-9)


def test_the_car_drives_east(tiny_drive, tmp_path):
    with convert(tiny_drive, tmp_path / 'out') as bag:
        tree = TfTree.from_bag(bag)
        stamps = [m.stamp_ns for m in bag.messages(['/tf'])]
        imu = next(bag.messages(['/kitti/oxts/imu'])).msg
        fix = next(bag.messages(['/kitti/oxts/gps/fix'])).msg
        velocity = next(bag.messages(['/kitti/oxts/gps/vel'])).msg.twist
    start, end = (tree.lookup('world', 'imu_link', n) for n in (stamps[0], stamps[-1]))
    assert np.allclose(start, np.eye(4), atol=1e-6)
    assert np.allclose(end[:3, 3], [2 * 1.033, 0, 0], atol=1e-6)
    assert imu.linear_acceleration.z == 9.81
    assert (velocity.linear.x, velocity.linear.y) == (10.0, 0.0)
    assert (fix.latitude, fix.longitude, fix.status.status, fix.position_covariance[0]) == (49.0, 8.0, 2, 0.25)


def test_the_pose_is_base_links_and_not_the_imus(tiny_drive):  # kitti2bag has the IMU's pose there
    drive = KittiDrive(tiny_drive)
    record = drive.read_oxts(0)
    pose = pose_message(0, record, record).transforms[0]
    static = static_message(0, drive.calibration, [2]).transforms[0]
    assert (static.header.frame_id, static.child_frame_id) == ('base_link', 'imu_link')
    assert pose.transform.translation.x == pytest.approx(-static.transform.translation.x)


def test_imu_values_are_in_its_own_axes(tiny_drive):
    record = replace(KittiDrive(tiny_drive).read_oxts(0), ax=1.0, wx=2.0, roll=np.pi / 2)
    imu = imu_message(0, record)
    assert (imu.linear_acceleration.x, imu.angular_velocity.x) == (1.0, 2.0)
    assert (imu.orientation.x, imu.orientation.w) == pytest.approx((np.sqrt(0.5), np.sqrt(0.5)))
    assert imu.orientation_covariance[0] == pytest.approx(np.deg2rad(0.1) ** 2)


@pytest.mark.parametrize(('posmode', 'numsats', 'status'), [(0, 5, -1), (5, 0, -1), (3, 5, 0), (5, 5, 2), (7, 5, 1)])
def test_gps_status(tiny_drive, posmode, numsats, status):
    record = replace(KittiDrive(tiny_drive).read_oxts(0), posmode=posmode, numsats=numsats)
    assert fix_status(record) == status


def test_frames_by_range_and_oxts_one_further_on_both_sides(tmp_path):
    drive = write_tiny_drive(tmp_path, frames=8)
    with convert(drive, tmp_path / 'out', '--frames', '2:5') as bag:
        counts = {name: info.count for name, info in bag.topics.items()}
        tree = TfTree.from_bag(bag)
        for message in bag.messages([CLOUD, f'{LEFT}/image_raw']):
            tree.lookup('world', 'velo_link', message.stamp_ns)  # /tf spans them
    assert (counts[CLOUD], counts['/tf']) == (3, 5)


@pytest.mark.parametrize(('text', 'expected'), [('2:5', (2, 5)), (':5', (0, 5)), ('40:', (40, None))])
def test_ranges(text, expected):
    first, end = parse_frames(text)
    assert first == expected[0]
    assert end == expected[1] or (expected[1] is None and end > 10**9)


@pytest.mark.parametrize('text', ['5', 'a:b', '5:2', '-1:3', '', '1:2:3'])
def test_what_is_no_range_is_a_wrong_usage(tmp_path, text, capsys):
    with pytest.raises(SystemExit) as exit:
        main([str(tmp_path), str(tmp_path / 'out'), f'--frames={text}'])
    assert exit.value.code == 2
    assert 'expected A:B' in capsys.readouterr().err


# Drives that are not whole

def errors(capsys, *arguments) -> str:
    assert main([str(a) for a in arguments]) == 1
    return capsys.readouterr().err


def test_frames_that_are_not_there(tiny_drive, tmp_path, capsys):
    assert 'from 7 to 9, got 0 to 2' in errors(capsys, tiny_drive, tmp_path / 'out', '--frames', '7:9')
    assert not (tmp_path / 'out').exists()


def test_what_is_no_drive(tmp_path, capsys):
    error = errors(capsys, tmp_path, tmp_path / 'out')
    assert error.startswith('kitti_to_bag: error:')
    assert error.count('\n') == 1


def test_a_drive_without_calibration(tiny_drive, tmp_path, capsys):
    (tiny_drive.parent / 'calib_cam_to_cam.txt').unlink()
    assert 'calib_cam_to_cam.txt' in errors(capsys, tiny_drive, tmp_path / 'out')
    assert not (tmp_path / 'out').exists()


def test_calibration_elsewhere(tiny_drive, tmp_path):
    (tmp_path / 'calib').mkdir()
    for file in tiny_drive.parent.glob('calib_*.txt'):
        file.rename(tmp_path / 'calib' / file.name)
    with convert(tiny_drive, tmp_path / 'out', '--calib', str(tmp_path / 'calib')) as bag:
        assert '/tf_static' in bag.topics


def test_a_camera_that_is_not_there(tiny_drive, tmp_path, capsys):
    assert 'camera 0, got those of [2, 3]' in errors(capsys, tiny_drive, tmp_path / 'out', '--cameras', '0')


def test_an_existing_bag(tiny_drive, tmp_path, capsys):
    convert(tiny_drive, tmp_path / 'out').close()
    assert '--overwrite' in errors(capsys, tiny_drive, tmp_path / 'out')
    convert(tiny_drive, tmp_path / 'out', '--overwrite').close()


def test_a_drive_without_oxts_or_scans(tiny_drive, tmp_path, capsys):
    shutil.rmtree(tiny_drive / 'oxts')
    shutil.rmtree(tiny_drive / 'velodyne_points')
    with convert(tiny_drive, tmp_path / 'out') as bag:
        assert set(bag.topics) == {
            '/tf_static', *(f'{camera}/{name}' for camera in (LEFT, RIGHT) for name in ('image_raw', 'camera_info'))}
    error = capsys.readouterr().err
    assert 'warning: ' in error
    assert 'no OXTS' in error
    assert 'no Velodyne' in error


def test_broken_oxts_record_costs_its_own_messages_alone(tiny_drive, tmp_path, capsys):
    (tiny_drive / 'oxts/data/0000000001.txt').write_text('1 2 3')
    with convert(tiny_drive, tmp_path / 'out') as bag:
        assert bag.topics['/kitti/oxts/odometry'].count == bag.topics['/kitti/oxts/imu'].count == 2
    assert 'expected 30 numbers, got 3' in capsys.readouterr().err


def test_frame_with_a_blank_line_for_a_stamp_is_left_out(tiny_drive, tmp_path, capsys):
    path = tiny_drive / 'velodyne_points/timestamps.txt'
    lines = path.read_text().splitlines()
    path.write_text(f'{lines[0]}\n\n{lines[2]}\n')
    with convert(tiny_drive, tmp_path / 'out') as bag:
        assert bag.topics['/kitti/velo/pointcloud'].count == 2
    assert 'frame 1 has no time stamp' in capsys.readouterr().err


def test_without_the_imus_calibration_the_cameras_hang_on_the_velodyne(tiny_drive, tmp_path):
    (tiny_drive.parent / 'calib_imu_to_velo.txt').unlink()
    with convert(tiny_drive, tmp_path / 'out') as bag:
        (static,) = bag.messages(['/tf_static'])
    assert [t.child_frame_id for t in static.msg.transforms] == ['camera_color_left', 'camera_color_right']


@pytest.mark.parametrize(('file', 'content', 'topic'), [
    ('image_02/data/0000000001.png', b'\x89PNG broken', f'{LEFT}/image_raw'),
    ('velodyne_points/data/0000000001.bin', b'12345', CLOUD),
    ('oxts/data/0000000001.txt', b'49.0 8.0', '/kitti/oxts/imu'),
    ('oxts/data/0000000000.txt', b'', '/tf'),
])
def test_a_broken_file_is_told_and_left_out(tiny_drive, tmp_path, capsys, file, content, topic):
    (tiny_drive / file).write_bytes(content)
    with convert(tiny_drive, tmp_path / 'out') as bag:
        assert bag.topics[topic].count == 2
        assert bag.topics[f'{RIGHT}/image_raw'].count == 3
    assert file.rsplit('/', 1)[1] in capsys.readouterr().err


def test_an_image_of_another_size_than_calibrated(tiny_drive, tmp_path, capsys):
    cv2.imwrite(str(tiny_drive / 'image_02/data/0000000001.png'), np.zeros((10, 20, 3), np.uint8))
    with convert(tiny_drive, tmp_path / 'out') as bag:
        assert bag.topics[f'{LEFT}/image_raw'].count == 2
    assert 'an image of 96x32 as calibrated, got 20x10' in capsys.readouterr().err


def test_too_few_time_stamps(tiny_drive, tmp_path, capsys):
    stamps = tiny_drive / 'image_02/timestamps.txt'
    stamps.write_text(stamps.read_text().splitlines()[0] + '\n')
    with convert(tiny_drive, tmp_path / 'out') as bag:
        assert bag.topics[f'{LEFT}/image_raw'].count == 1
    assert 'has no time stamp' in capsys.readouterr().err


def test_a_gap_in_the_frames_is_told(tmp_path, capsys):
    drive = write_tiny_drive(tmp_path, frames=30)
    for frame in range(5, 25):
        for file in drive.glob(f'*/data/{frame:010d}.*'):
            file.unlink()
    convert(drive, tmp_path / 'out').close()
    assert 'frames are missing there' in capsys.readouterr().err


def test_json(tiny_drive, tmp_path, capsys):
    convert(tiny_drive, tmp_path / 'out', '--json').close()
    output = capsys.readouterr().out
    assert output.count('\n') == 1
    assert json.loads(output)['messages'][CLOUD] == 3


# Real frames

def test_the_real_drive(real_drive, tmp_path, capsys):
    with convert(real_drive, tmp_path / 'out', '--frames', '40:42') as bag:
        assert {name: info.count for name, info in bag.topics.items()} == {
            **{f'{camera}/{name}': 2 for camera in (LEFT, RIGHT) for name in ('image_raw', 'camera_info')},
            **{f'/kitti/oxts/{name}': 4 for name in ('gps/fix', 'gps/vel', 'imu', 'odometry')},
            CLOUD: 2, '/tf': 4, '/tf_static': 1,
        }
        cloud = next(bag.messages([CLOUD])).msg
        image = next(bag.messages([f'{LEFT}/image_raw']))
        info = next(bag.messages([f'{LEFT}/camera_info'])).msg
        right = next(bag.messages([f'{RIGHT}/camera_info'])).msg
        T_velo_cam = TfTree.from_bag(bag).lookup('velo_link', 'camera_color_left', image.stamp_ns)
    scan = (real_drive / 'velodyne_points/data/0000000040.bin').read_bytes()
    assert np.array_equal(cloud.data.view('<f4').reshape(-1, 5)[:, :4], np.frombuffer(scan, '<f4').reshape(-1, 4))
    assert stamp_ns(image.msg) == 1_317_042_276_476_937_216  # line 41 of image_02's stamps: 13:04:36.476937216
    assert info.k[0] == info.p[0] == 721.5377  # not 959.791, the raw camera's
    assert right.p[3] / right.p[0] == pytest.approx(-0.5327, abs=1e-4)
    calibration = KittiDrive(real_drive).calibration
    points = np.frombuffer(scan, '<f4').reshape(-1, 4)[:, :3].astype(float)
    points = points[points[:, 0] > 5]
    uv, z = project(points, info.p.reshape(3, 4) @ inverse(T_velo_cam))
    expected, depth = project(points, calibration.P_velo_to_image(2))
    assert np.abs(uv - expected)[depth > 1].max() < 1e-3  # KITTI's rotations are orthogonal to 7 digits only
    assert np.abs(z - depth).max() < 1e-5
    assert capsys.readouterr().err == ''
