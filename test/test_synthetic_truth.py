"""What is true of a synthetic drive: points at the exposure, what moves, what a camera sees, and the drive's files."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from msg_tools.camera import Intrinsics, Size, project, transform
from msg_tools.depth_png import read_depth_png
from msg_tools.errors import KittiError
from msg_tools.kitti import KittiDrive
from msg_tools.synthetic import is_written, main, write_drive
from msg_tools.synthetic_studio import DriveSettings
from msg_tools.synthetic_truth import Truth, Verdict, verdicts

CAMERA = Intrinsics(fx=10.0, fy=10.0, cx=4.0, cy=4.0, size=Size(9, 9))
OPTIONS = {'turning': True, 'traffic': True, 'curve_dps': 15.0, 'image_delay_ms': 10.5, 'right_depth': True,
           'stagger_deg': 9.0}


@pytest.fixture(scope='module')
def drive(tmp_path_factory):
    """Write two frames in which everything moves, and the scanner turns."""
    path = tmp_path_factory.mktemp('street')
    return KittiDrive(write_drive(path, 2, scale=0.5, azimuths=1000, supersample=1.0, npy=True, **OPTIONS))


@pytest.fixture(scope='module')
def truth(drive):
    return Truth.of(drive.path)


def errors_m(truth: Truth, points: np.ndarray, frame: int, camera: int = 2) -> np.ndarray:
    """Return depth less exact depth (N,) [m] of points in the scanner's frame; NaN where no pixel has one."""
    points_cam = transform(truth.calibration.T_cam_velo(camera), points[:, :3])
    intrinsics = truth.calibration.intrinsics(camera)
    uv, z = project(points_cam, intrinsics.P)
    inside, index = intrinsics.size.flat_index(np.where(points_cam[:, 2:] > 0.5, uv, np.nan))
    result = np.full(len(points), np.nan)
    result[inside] = z[inside] - truth.depth_m(camera, frame).ravel()[index]
    return np.where(np.isfinite(result), result, np.nan)


def test_a_point_is_visible_if_it_is_where_its_pixel_or_a_neighbour_is():
    depth_m = np.full((9, 9), 10.0, np.float32)
    depth_m[:, :4] = 5.0
    depth_m[0] = np.inf
    points = {(0.0, 0.0, 10.1): Verdict.VISIBLE, (2.0, 0.0, 10.3): Verdict.BEHIND, (2.0, 0.0, 9.7): Verdict.BEFORE,
              (0.0, 0.0, 5.0): Verdict.VISIBLE,  # column 4, whose neighbour is 5 m away
              (-1.0, 0.0, 10.0): Verdict.VISIBLE,  # column 3, whose neighbour is 10 m away
              (-2.0, 0.0, 10.0): Verdict.BEHIND, (2.0, -4.0, 10.0): Verdict.VISIBLE,
              (2.0, -3.0, 10.3): Verdict.VISIBLE,  # below the sky
              (9.0, 0.0, 10.0): Verdict.OUTSIDE, (0.0, 0.0, -10.0): Verdict.OUTSIDE}
    assert verdicts(np.array(list(points)), CAMERA, depth_m).tolist() == list(points.values())


def test_a_slanted_surface_is_visible_as_far_as_its_neighbours_reach():
    depth_m = np.tile(np.linspace(5, 9, 9, dtype=np.float32), (9, 1))  # half a metre from pixel to pixel
    points = np.array([[0, 0, z] for z in (6.3, 6.4, 7.6, 7.7)])  # at the pixel of 7 m
    assert verdicts(points, CAMERA, depth_m).tolist() == [Verdict.BEFORE, Verdict.VISIBLE, Verdict.VISIBLE,
                                                          Verdict.BEHIND]
    assert verdicts(points, CAMERA, depth_m, tolerance=0.05).tolist() == [Verdict.VISIBLE] * 4


def test_compensation_with_the_true_poses_brings_the_scan_to_the_exact_depth(drive, truth):
    for frame in (0, 1):
        points, offsets_s = drive.read_scan(frame), truth.offsets_s(frame)
        still = ~truth.on_traffic(frame, points, offsets_s)
        bent = np.abs(errors_m(truth, points, frame)[still])
        straight = np.abs(errors_m(truth, truth.at_exposure(frame, points, offsets_s), frame)[still])
        assert np.nanmedian(straight) < 0.03  # noise of 0.02 m and half a pixel
        assert np.nanmedian(bent) > 1.5 * np.nanmedian(straight)


def test_both_cameras_see_what_the_compensated_scan_says(drive, truth):
    points = truth.at_exposure(1, drive.read_scan(1), truth.offsets_s(1))
    for camera in (2, 3):
        found = truth.verdicts(camera, 1, points)
        inside = found != Verdict.OUTSIDE
        assert 4_000 < inside.sum() < 0.3 * len(points)
        assert np.mean(found[inside] == Verdict.VISIBLE) > 0.95
        assert 0.002 < np.mean(found[inside] == Verdict.BEHIND) < 0.05
        assert np.mean(found[inside] == Verdict.BEFORE) < 0.005
    assert np.nanmedian(np.abs(errors_m(truth, points, 1, camera=3))) < 0.03


def test_points_on_the_oncoming_car_lie_on_it_after_its_own_way_is_taken_out(drive, truth):
    points, offsets_s = drive.read_scan(0), truth.offsets_s(0)
    held = truth.on_traffic(0, points, offsets_s)
    assert 100 < held.sum() < 0.1 * len(points)
    T_world_velo, car = truth.T_world_velo(0), truth.movers[0]
    world = transform(T_world_velo, truth.at_exposure(0, points, offsets_s))
    on_car = car.holds(world, offsets_s.astype(float), 0.1)
    assert on_car.sum() > 50
    at_exposure = world - offsets_s[:, None] * car.velocity_mps
    error = errors_m(truth, transform(np.linalg.inv(T_world_velo), at_exposure), 0)[on_car]
    assert np.nanmedian(np.abs(error)) < 0.03
    off = errors_m(truth, transform(np.linalg.inv(T_world_velo), world), 0)[on_car]
    assert np.nanmedian(np.abs(off - error)) == pytest.approx(
        10 * np.median(np.abs(offsets_s[on_car])), abs=0.01)  # at 10 m/s; all of it along the camera's axis


def test_the_pixels_of_what_moves_are_those_where_the_street_without_it_is_deeper(truth):
    bare = replace(truth, movers=()).look(2, 1).distance
    nearer = truth.depth_m(2, 1) < bare
    assert nearer.sum() > 1_000
    assert np.array_equal(truth.traffic_pixels(2, 1), nearer)


def test_a_finer_look_agrees_with_the_drive_and_narrows_the_band_along_edges(drive, truth):
    np.testing.assert_allclose(truth.look(2, 1).distance, truth.depth_m(2, 1), rtol=1e-6)
    right = np.load(drive.path / 'depth_exact/image_03/0000000001.npy')
    np.testing.assert_allclose(truth.look(3, 1).distance, right, rtol=1e-6)
    fine = truth.depth_m(2, 1, finer=3)
    assert fine.shape == (564, 1863)
    middles = fine[1::3, 1::3]  # of three by three
    assert np.mean(np.isclose(middles, truth.depth_m(2, 1), rtol=1e-5)) > 0.999  # a ray may graze an edge
    points = truth.at_exposure(1, drive.read_scan(1), truth.offsets_s(1))
    behind, more = (np.sum(truth.verdicts(2, 1, points, finer=n) == Verdict.BEHIND) for n in (1, 3))
    assert more > 1.2 * behind


def test_a_turning_drive_has_its_times_stamps_and_both_depths(drive):
    scan, image = drive.stamps_ns('velodyne_points'), drive.stamps_ns('image_02')
    assert (image - scan).tolist() == [10_500_000] * 2
    assert (drive.stamps_ns('image_03') - scan).tolist() == [10_500_000] * 2
    assert (drive.stamps_ns('oxts') - scan).tolist() == [0, 0]
    assert (drive.stamps_ns('velodyne_points', 'start') - scan).tolist() == [-50_000_000] * 2
    assert (drive.stamps_ns('velodyne_points', 'end') - scan).tolist() == [50_000_000] * 2
    offsets_s = np.load(drive.path / 'velodyne_points/offsets/0000000001.npy')
    assert offsets_s.dtype == np.float32
    assert len(offsets_s) == len(drive.read_scan(1))
    azimuth = np.arctan2(*drive.read_scan(1)[:, 1::-1].T)
    ahead = np.abs(azimuth) < 2.9
    assert offsets_s[ahead] == pytest.approx(-azimuth[ahead] / (2 * np.pi) * 0.1, abs=2.51e-3)  # 9 / 360 of 100 ms
    assert read_depth_png(drive.path / 'depth_exact/image_03/0000000001.png').shape == (188, 621)


def test_a_drive_that_moves_is_known_by_its_settings(drive):
    settings = DriveSettings(2, scale=0.5, azimuths=1000, supersample=1.0, npy=True, **OPTIONS)
    assert Truth.of(drive.path).settings == settings
    assert is_written(drive.path, settings)
    assert not is_written(drive.path, DriveSettings(2, scale=0.5, azimuths=1000, supersample=1.0, npy=True))


def test_a_drive_without_motion_is_the_drive_it_always_was(tmp_path):
    """Numbers of the files that were written before anything could move; to the bit on the machine they are from."""
    drive = KittiDrive(write_drive(tmp_path, 3, scale=0.25, azimuths=400, supersample=1.0, npy=True))
    assert json.loads((drive.path / 'synthetic.json').read_text()) == {
        'street': 1, 'frames': 3, 'seed': 0, 'scale': 0.25, 'azimuths': 400, 'supersample': 1.0, 'npy': True,
        'speed_mps': 8.0}
    assert sorted(str(p.relative_to(drive.path)) for p in drive.path.glob('*/*')) == [
        'depth_exact/image_02', 'image_02/data', 'image_02/timestamps.txt', 'image_03/data', 'image_03/timestamps.txt',
        'oxts/data', 'oxts/dataformat.txt', 'oxts/timestamps.txt', 'velodyne_points/data',
        'velodyne_points/timestamps.txt', 'velodyne_points/timestamps_end.txt', 'velodyne_points/timestamps_start.txt']
    scan = drive.read_scan(2)
    assert len(scan) == pytest.approx(24642, abs=3)
    assert scan.mean(0, float) == pytest.approx([0.65445, 0.81291, -1.08664, 0.2882], abs=1e-3)
    assert scan[[0, -1]].ravel() == pytest.approx(
        [18.30847, 18.023117, 0.8971532, 0.501265, -2.1331284, -2.1669016, -1.4049889, 0.54841703], rel=1e-4)
    depth_m = np.load(drive.path / 'depth_exact/image_02/0000000002.npy')
    assert np.isinf(depth_m).sum() == pytest.approx(2497, abs=3)
    assert depth_m[np.isfinite(depth_m)].mean(dtype=float) == pytest.approx(19.126921, abs=1e-3)
    assert drive.read_image(3, 2).mean((0, 1)) == pytest.approx([136.4992, 136.3844, 133.6270], abs=0.01)
    record = drive.read_oxts(2)
    assert [record.lat, record.lon, record.yaw, record.al] == pytest.approx(
        [48.99998460782635, 8.400021908157514, 0.02237757493814883, -0.05535382324434263], rel=1e-9)


def test_a_folder_that_is_no_synthetic_drive_has_no_truth(tmp_path):
    with pytest.raises(KittiError, match='expected how a synthetic drive was made'):
        Truth.of(tmp_path)
    still = Truth.of(write_drive(tmp_path, 1, scale=0.1, azimuths=16))
    with pytest.raises(KittiError, match='turning=True'):
        still.offsets_s(0)
    assert still.depth_m(3, 0).shape == (38, 124)


@pytest.mark.parametrize('wrong', [{'curve_dps': -1.0}, {'curve_dps': 91.0}, {'image_delay_ms': np.nan},
                                   {'stagger_deg': 45.0}])
def test_motion_that_cannot_be_is_refused(wrong):
    with pytest.raises(KittiError, match='expected a curve'):
        DriveSettings(**wrong)


def test_the_command_writes_a_drive_that_moves(tmp_path, capsys):
    flags = ['--turning', '--traffic', '--curve', '15', '--image-delay', '10.5', '--right-depth',
             '--stagger', '9']
    assert main([str(tmp_path), '--frames', '1', '--scale', '0.1', *flags]) == 0
    assert Truth.of(capsys.readouterr().out.strip()).settings == DriveSettings(1, scale=0.1, **OPTIONS)
