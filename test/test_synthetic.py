"""The synthetic drive: rays against hand-made numbers, the files against our KITTI reader, the scan against depth."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msg_tools.camera import Intrinsics, Size, project, transform
from msg_tools.depth_png import read_depth_png
from msg_tools.errors import KittiError
from msg_tools.kitti import KittiDrive
from msg_tools.oxts import poses
from msg_tools.synthetic import is_written, main, write_drive
from msg_tools.synthetic_course import Course
from msg_tools.synthetic_rays import camera_grid, cast, scanner_grids
from msg_tools.synthetic_rig import T_world_imu, oxts_record
from msg_tools.synthetic_solids import Material, box, ellipsoid, half_space, placement, prism, ring
from msg_tools.synthetic_studio import DriveSettings

CAMERA = Intrinsics(fx=50.0, fy=50.0, cx=20.0, cy=15.0, size=Size(31, 41))
LOOKING_ALONG_X = np.array([[0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 1.65], [0, 0, 0, 1]], float)
GREY = (0.5, 0.5, 0.5)


def depth_of(*solids, camera=CAMERA, pose=LOOKING_ALONG_X):
    """Return the depth map of solids, +Inf where there is nothing."""
    with np.errstate(divide='ignore'):
        return 1 / cast(solids, camera_grid(camera, pose)).inverse


def small_drive(path, **settings):
    """Write one tiny frame."""
    return write_drive(path, **{'frames': 1, 'scale': 0.25, 'azimuths': 400, 'supersample': 1.0, **settings})


@pytest.fixture(scope='module')
def drive(tmp_path_factory):
    """Write two frames at half size, with the scanner's real resolution."""
    return KittiDrive(write_drive(tmp_path_factory.mktemp('street'), 2, scale=0.5, supersample=1.0, npy=True))


def test_a_wall_10_m_ahead_is_10_m_deep_at_every_pixel():
    wall = box((10, -20, -20), (11, 20, 20), Material.PLAIN, GREY)
    assert depth_of(wall) == pytest.approx(10.0, rel=1e-6)


def test_a_ball_is_nearest_in_its_middle():
    ball = ellipsoid((5, 0, 1.65), (1, 1, 1), Material.PLAIN, GREY)
    depth = depth_of(ball)
    assert depth[15, 20] == pytest.approx(4.0, rel=1e-6)
    assert depth[15, 29] > depth[15, 25] > depth[15, 20]  # 5 and 9 px aside
    assert np.isinf(depth[15, 31])  # 11 px: 0.22 > tan(asin(1/5))


def test_flat_ground_is_h_fy_over_rows_below_the_horizon():
    ground = half_space([((0.0, 0.0, 1.0), 0.0, Material.ROAD)], GREY)
    depth = depth_of(ground)
    assert depth[25] == pytest.approx(1.65 * 50 / 10, rel=1e-6)
    assert np.isinf(depth[:16]).all()


def test_the_nearer_of_two_boxes_wins_whatever_their_order():
    near, far = (box((x, -20, -20), (x + 1, 20, 20), Material.PLAIN, GREY) for x in (5, 9))
    assert depth_of(near, far)[0, 0] == depth_of(far, near)[0, 0] == pytest.approx(5.0, rel=1e-6)
    assert cast([far, near], camera_grid(CAMERA, LOOKING_ALONG_X)).face[0, 0] == 6  # the second solid's -x face


def test_what_is_behind_the_camera_is_not_seen():
    behind = box((-10, -20, -20), (-9, 20, 20), Material.PLAIN, GREY)
    assert np.isinf(depth_of(behind)).all()


def test_a_turned_and_moved_box_keeps_its_distance():
    cube = box((-1, -1, -1), (1, 1, 1), Material.PLAIN, GREY).placed(placement(8, 0, np.pi / 4, 1.65))
    assert depth_of(cube)[15, 20] == pytest.approx(8 - np.sqrt(2), rel=1e-6)


@settings(max_examples=60, deadline=None)
@given(st.tuples(*[st.floats(-6, 6)] * 3), st.tuples(*[st.floats(0.2, 8)] * 3), st.floats(-3, 3))
def test_looking_only_where_a_solid_may_be_misses_nothing_of_it(middle, size, yaw):
    """A box beside the camera, half of it behind, once was cut off where its window was taken from its corners."""
    half = np.array(size) / 2
    solid = box(tuple(-half), tuple(half), Material.PLAIN, GREY).placed(placement(*middle[:2], yaw, middle[2]))
    endless = replace(solid, corners=None)
    for grid in (camera_grid(CAMERA, LOOKING_ALONG_X), *scanner_grids(np.eye(4), 64)):
        np.testing.assert_array_equal(cast([solid], grid).inverse, cast([endless], grid).inverse)


def test_a_prism_of_many_sides_is_nearly_a_cylinder():
    pole = prism(ring(0.5, 64), 0, 4, 'z', Material.METAL, GREY).placed(placement(6, 0))
    assert depth_of(pole)[15, 20] == pytest.approx(5.5, abs=2e-3)


def test_the_scanner_has_64_beams_from_2_to_minus_24_8_degrees_all_around():
    grids = scanner_grids(np.eye(4), 400)
    rays = np.concatenate([grid.directions(np.arange(64 * 100)) for grid in grids])
    assert np.linalg.norm(rays, axis=1) == pytest.approx(1, abs=1e-6)
    elevation = np.unique(np.rad2deg(np.arcsin(rays[:, 2])).round(3))
    assert len(elevation) == 64
    assert elevation[[0, -1]] == pytest.approx([-24.8, 2.0])
    azimuth = np.unique(np.rad2deg(np.arctan2(rays[:, 1], rays[:, 0])).round(2))
    assert len(azimuth) == 400
    assert np.diff(azimuth) == pytest.approx(0.9, abs=0.011)


def test_the_drive_reads_as_a_kitti_drive(drive):
    assert drive.frames(2) == drive.frames(3) == drive.scans() == drive.oxts_frames() == [0, 1]
    assert drive.read_image(2, 0).shape == (188, 621, 3)
    assert drive.camera(2).intrinsics == Intrinsics(360.0, 360.0, 305.0, 86.5, Size(188, 621))
    for sensor in ('image_02', 'image_03', 'velodyne_points', 'oxts'):
        assert np.diff(drive.stamps_ns(sensor)).tolist() == [100_000_000]
    assert drive.stamps_ns('image_02')[0] % 1_000_000_000 == 123456789


def test_the_cameras_are_0_54_m_apart_and_look_straight_on(drive):
    left, right = (drive.calibration.T_cam_velo(n) for n in (2, 3))
    assert (left - right)[:3, 3] == pytest.approx([0.54, 0, 0], abs=1e-9)
    T_world_cam = np.linalg.inv(left @ drive.calibration.T_velo_imu)
    assert T_world_cam[:3, :3] @ [0, 0, 1] == pytest.approx([1, 0, 0], abs=1e-9)


def test_exact_depth_of_the_road_is_h_fy_over_rows_below_the_horizon(drive):
    depth = np.load(drive.path / 'depth_exact/image_02/0000000000.npy')
    rows = np.arange(150, 188)
    assert depth[rows, 305] == pytest.approx(1.65 * 360 / (rows - 86.5), rel=1e-5)
    png = read_depth_png(drive.path / 'depth_exact/image_02/0000000000.png')
    sky = np.isinf(depth)
    assert 0.02 < sky.mean() < 0.5
    assert (png[sky] == 0).all()
    assert png[~sky] == pytest.approx(depth[~sky], abs=1 / 512 + 1e-4)


def test_scan_and_exact_depth_agree_away_from_edges(drive):
    depth = np.load(drive.path / 'depth_exact/image_02/0000000001.npy')
    scan = drive.read_scan(1)
    assert 60_000 < len(scan) < 64 * 2084
    assert np.linalg.norm(scan[:, :3], axis=1).max() < 120.2
    camera = drive.camera(2).intrinsics
    points = transform(drive.calibration.T_cam_velo(2), scan[:, :3])
    uv, z = project(points[points[:, 2] > 1], camera.P)
    inside, index = camera.size.flat_index(uv)
    around = np.stack([np.roll(depth, (i, j), (0, 1)) for i in (-1, 0, 1) for j in (-1, 0, 1)])
    smooth = (around.max(0) < 1.02 * around.min(0)).ravel()[index]
    error = (z[inside] - depth.ravel()[index])[smooth]
    assert len(error) > 5_000
    assert np.median(np.abs(error)) < 0.03  # noise of 0.02 m and half a pixel
    allowed = 0.02 * z[inside][smooth] + 0.08
    assert np.mean(error < -allowed) < 0.002  # nothing stands before what the camera sees
    assert np.mean(error > allowed) < 0.03  # the scanner, which sits higher, sees over some edges


def test_oxts_poses_are_those_that_the_pictures_were_taken_from(drive):
    records = [drive.read_oxts(frame) for frame in (0, 1)]
    moved = poses(records)[1]
    assert moved == pytest.approx(np.linalg.inv(T_world_imu(0.0)) @ T_world_imu(0.1), abs=1e-5)
    assert np.linalg.norm(moved[:3, 3]) == pytest.approx(0.8, abs=1e-3)
    assert oxts_record(0).vf == pytest.approx(8.0, abs=0.01)


def test_a_faster_car_shows_more_of_the_street(tmp_path):
    """Frames every 8 m, for training: pictures, poses and calibration agree as they do every 0.8 m."""
    drive = KittiDrive(write_drive(tmp_path, frames=2, scale=0.2, azimuths=16, speed_mps=80.0))
    moved, fast = poses([drive.read_oxts(frame) for frame in (0, 1)])[1], Course(80.0)
    assert moved == pytest.approx(np.linalg.inv(T_world_imu(0.0, fast)) @ T_world_imu(0.1, fast), abs=1e-5)
    assert np.linalg.norm(moved[:3, 3]) == pytest.approx(8.0, abs=1e-2)
    near, far = (read_depth_png(drive.path / 'depth_exact' / 'image_02' / f'{frame:010d}.png') for frame in (0, 1))
    camera = drive.camera(2).intrinsics
    assert 0.9 < np.median(near[-8:, 100:140] / far[-8:, 100:140]) < 1.1  # the road is as far below as it was
    assert not np.allclose(near[: camera.size.height // 2], far[: camera.size.height // 2], rtol=0.02)


def test_the_pictures_are_neither_black_nor_white(drive):
    rgb = drive.read_image(2, 0)
    assert 60 < rgb.mean() < 170
    assert rgb.std() > 35
    assert np.abs(rgb[:40].astype(int) - rgb[-40:]).mean() > 20  # above is not below


def contents(drive: Path) -> dict[str, bytes]:
    """Return the bytes of every file of a drive."""
    return {str(file.relative_to(drive)): file.read_bytes() for file in sorted(drive.rglob('*')) if file.is_file()}


def test_a_seed_makes_one_drive_and_another_seed_another(tmp_path):
    first, again, other = (contents(small_drive(tmp_path / name, seed=seed)) for name, seed in
                           (('a', 3), ('b', 3), ('c', 4)))
    assert first == again
    assert first.keys() == other.keys()
    image = 'image_02/data/0000000000.png'
    assert first[image] != other[image]


def test_a_finished_drive_is_known_by_its_settings(drive, tmp_path):
    settings = DriveSettings(2, scale=0.5, supersample=1.0, npy=True)
    assert is_written(drive.path, settings)
    assert not is_written(drive.path, replace(settings, seed=1))
    assert not is_written(tmp_path, settings)


@pytest.mark.slow
def test_two_processes_write_what_one_does(tmp_path):
    assert contents(small_drive(tmp_path / 'a', frames=2)) == contents(small_drive(tmp_path / 'b', frames=2, jobs=2))


@pytest.mark.parametrize('wrong', [{'frames': 0}, {'scale': 0.0}, {'azimuths': 1}, {'supersample': 0.5},
                                   {'speed_mps': 0.0}])
def test_settings_that_make_no_drive_are_refused(wrong):
    with pytest.raises(KittiError, match='expected frames'):
        DriveSettings(**wrong)


def test_the_command_names_the_drive_and_refuses_a_folder_it_cannot_write(tmp_path, capsys):
    (tmp_path / 'file').write_text('')
    assert main([str(tmp_path / 'file' / 'out'), '--frames', '1', '--scale', '0.1']) == 1
    assert 'expected a folder that can be written' in capsys.readouterr().err
    assert main([str(tmp_path), '--frames', '1', '--scale', '0.1']) == 0
    assert Path(capsys.readouterr().out.strip()).name == '2011_09_26_drive_9000_sync'
