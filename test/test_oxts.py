"""OXTS records: parsing, attitude and Mercator poses, against numbers worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest

from msg_tools.errors import KittiError
from msg_tools.kitti import KittiDrive
from msg_tools.oxts import EARTH_RADIUS_M, OxtsRecord, poses

LINE = '49.015 8.4344 114.0 0.03 0.01 -0.3 ' + ' '.join(str(n / 10) for n in range(6, 25)) + ' 4 9 5 6 7'
LEVEL = replace(OxtsRecord.parse(LINE), lat=0.0, lon=0.0, alt=100.0, roll=0.0, pitch=0.0, yaw=0.0)


def test_fields_come_in_kittis_order():
    record = OxtsRecord.parse(LINE)
    assert (record.lat, record.lon, record.alt, record.yaw) == (49.015, 8.4344, 114.0, -0.3)
    assert record.velocity_mps.tolist() == [0.8, 0.9, 1.0]
    assert record.acceleration_mps2.tolist() == [1.1, 1.2, 1.3]
    assert record.angular_rate_radps.tolist() == [1.7, 1.8, 1.9]
    assert (record.pos_accuracy, record.vel_accuracy) == (2.3, 2.4)
    assert (record.navstat, record.numsats, record.posmode, record.velmode, record.orimode) == (4, 9, 5, 6, 7)


BAD = ['', '1 2 3', LINE + ' 1', LINE.replace('114.0', 'high'), LINE.replace('114.0', 'nan')]


@pytest.mark.parametrize('text', BAD)
def test_malformed_record_says_so_and_names_the_file(text):
    with pytest.raises(KittiError, match=r'drive/0000000007\.txt: expected'):
        OxtsRecord.parse(text, 'drive/0000000007.txt')


def test_no_satellites_is_no_fix():
    assert LEVEL.has_fix
    assert not replace(LEVEL, numsats=0).has_fix
    assert not replace(LEVEL, posmode=1).has_fix


def test_first_pose_is_the_identity():
    assert np.allclose(poses([OxtsRecord.parse(LINE)])[0], np.eye(4), atol=1e-8)


def test_heading_north_turns_a_step_east_into_a_step_to_the_right():
    north = replace(LEVEL, yaw=np.pi / 2)
    step_deg = np.rad2deg(1 / EARTH_RADIUS_M)  # one metre at the equator
    second = replace(north, lon=step_deg, lat=0.0, alt=102.0)
    assert np.allclose(poses([north, second])[1][:3, 3], [0, -1, 2], atol=1e-6)


def test_mercator_scale_is_right_at_the_first_latitude():
    first = replace(LEVEL, lat=60.0)
    east, north = replace(first, lon=np.rad2deg(2 / EARTH_RADIUS_M)), replace(first, lat=60.0 + np.rad2deg(1e-6))
    assert poses([first, east])[1][0, 3] == pytest.approx(1.0, abs=1e-6)  # a parallel at 60 degrees is half as long
    assert poses([first, north])[1][1, 3] == pytest.approx(EARTH_RADIUS_M * 1e-6, rel=1e-4)


def test_attitude_axes():
    assert np.allclose(replace(LEVEL, yaw=np.pi / 2).R_world_imu @ [1, 0, 0], [0, 1, 0])  # forward is north
    assert np.allclose(replace(LEVEL, pitch=np.pi / 2).R_world_imu @ [1, 0, 0], [0, 0, -1])  # front down
    assert np.allclose(replace(LEVEL, roll=np.pi / 2).R_world_imu @ [0, 1, 0], [0, 0, 1])  # left side up


def test_quaternion_is_the_same_rotation_as_the_matrix():
    record = replace(LEVEL, roll=0.3, pitch=-0.5, yaw=2.5)
    x, y, z, w = record.quaternion_xyzw
    matrix = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    assert np.allclose(record.R_world_imu, matrix)


def test_no_records_no_poses():
    assert poses([]).shape == (0, 4, 4)


def test_real_drive_moves_as_fast_as_it_says(real_drive):
    drive = KittiDrive(real_drive)
    records = [drive.read_oxts(frame) for frame in drive.oxts_frames()]
    steps_m = np.linalg.norm(np.diff(poses(records)[:, :3, 3], axis=0), axis=1)
    seconds = np.diff(drive.stamps_ns('oxts')) / 1e9
    speeds = [np.linalg.norm(record.velocity_mps) for record in records[1:]]
    assert np.median(np.abs(steps_m / seconds - speeds)) < 0.2
