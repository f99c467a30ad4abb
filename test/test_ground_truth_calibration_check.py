"""Image against LiDAR: edges by hand, errors put in by turning the points, good data, and data that cannot tell."""

from dataclasses import replace

import numpy as np
import pytest
from fixtures_truth_set import CAMERA, box_frame, rotation, write_truth_set

from msg_tools.camera import Intrinsics, Size, depth_map, project, transform, unproject
from msg_tools.depth_png import write_depth_png
from msg_tools.ground_truth.calibration_check import check_calibration, check_frames, judge
from msg_tools.ground_truth.depth_edges import ACROSS, DOWN, depth_edges, normalised_gradients
from msg_tools.ground_truth.edge_alignment import AlignedFrame, turn_grid
from msg_tools.ground_truth.truth_set import TruthSet
from msg_tools.image_file import read_rgb
from msg_tools.kitti import KittiDrive

SMALL = Intrinsics(fx=500.0, fy=500.0, cx=10.0, cy=5.0, size=Size(10, 20))


def frames(turn_deg=(0, 0, 0), count=6) -> list[AlignedFrame]:
    found = map(box_frame, range(count))
    return [AlignedFrame.of(str(i), frame.rgb, frame.sparse(turn_deg), CAMERA) for i, frame in enumerate(found)]


def test_edge_is_at_the_last_point_of_the_foreground():
    depth_m = np.zeros((10, 20))
    depth_m[4, [2, 4, 6, 8, 10, 12]] = 10, 10, 10, 20, 20, 20
    edges = depth_edges(depth_m, SMALL)
    assert (edges.u.tolist(), edges.v.tolist(), edges.direction.tolist()) == ([6], [4], [ACROSS])


def test_edge_between_rows_is_in_the_middle_of_them():
    depth_m = np.zeros((10, 20))
    depth_m[[0, 2, 4, 6, 8], [5, 5, 5, 5, 5]] = 20, 20, 20, 10, 10
    edges = depth_edges(depth_m, SMALL)
    assert (edges.u.tolist(), edges.v.tolist(), edges.direction.tolist()) == ([5], [5], [DOWN])


def test_no_edge_where_the_background_is_missing_beside_it():
    depth_m = np.zeros((20, 20))
    depth_m[[0, 1, 2, 3, 4, 10, 11, 12], 5] = 20, 20, 20, 20, 20, 10, 10, 10
    assert len(depth_edges(depth_m, SMALL)) == 0
    depth_m[[5, 6, 7, 8, 9], 5] = 20
    assert depth_edges(depth_m, SMALL).v.tolist() == [9.5]


def test_plane_however_slanted_is_no_edge():
    columns = np.arange(1, 20, 2)
    depth_m = np.zeros((10, 20))
    depth_m[4, columns] = 1 / np.linspace(1 / 5, 1 / 35, len(columns))  # from 17 to 35 m from one point to the next
    assert np.abs(np.diff(depth_m[4, columns])).max() > 10
    assert len(depth_edges(depth_m, SMALL)) == 0


@pytest.mark.parametrize('depths_m', [[10, 10, 10.9, 10.9], [50, 50, 90, 90]], ids=['small', 'far'])
def test_small_jumps_and_far_ones_are_no_edges(depths_m):
    depth_m = np.zeros((10, 20))
    depth_m[4, [2, 4, 6, 8]] = depths_m
    assert len(depth_edges(depth_m, SMALL)) == 0


def test_empty_map_has_no_edges():
    assert len(depth_edges(np.zeros((10, 20)), SMALL)) == 0


def test_gradient_is_at_the_image_edge_and_in_its_direction():
    rgb = np.zeros((64, 64, 3), np.uint8)
    rgb[:, 32:] = 200
    across, down = normalised_gradients(rgb)
    assert np.flatnonzero(across[30] == across[30].max()).mean() == 31.5
    assert down[20:40].max() == 0


def test_edges_move_as_points_turned_back_do():
    """To first order: within half a pixel at 1.8 degrees, against turning the points and projecting them again."""
    frame = frames(count=1)[0]
    for turn in np.diag([1.8, -1.8, 1.8]):
        rays = unproject(np.stack([frame.edges.u, frame.edges.v], 1), np.ones(len(frame.edges)), CAMERA)
        uv, _ = project(rays @ rotation(*turn), CAMERA.P)  # the transpose: turned back
        moved = np.stack([pixels[:, 0] for pixels in frame.moved(turn[None])], 1)
        assert np.abs(moved - uv).max() < 1.0
        assert np.median(np.abs(moved - uv)) < 0.5
        assert np.abs(moved - np.stack([frame.edges.u, frame.edges.v], 1)).max() > 8


def test_grid_has_its_centre_and_both_ends():
    turns = turn_grid(np.array([1.0, 0.5, 0.0]), np.array([0.5, 0.5, 0.1]), np.array([1.0, 0.0, 0.0]))
    assert turns[:, 0].min() == 0.0
    assert turns[:, 0].max() == 2.0
    assert len(turns) == 5 * 3 * 1


def test_good_data_fits():
    check = check_frames(frames())
    assert check.verdict == 'fits'
    assert check.text == 'Fits: yaw and pitch within 0.3, roll within 0.4 degrees.'
    assert np.abs(check.turn_deg).max() <= 0.15
    assert check.score > 1.2 * check.chance


@pytest.mark.parametrize(('turn', 'words'), [
    ((0.5, 0, 0), 'too far right (yaw)'), ((-0.5, 0, 0), 'too far left (yaw)'),
    ((0, 0.5, 0), 'too high (pitch)'), ((0, -0.5, 0), 'too low (pitch)'),
    ((0, 0, 0.8), 'turned clockwise (roll)'), ((0, 0, -0.8), 'turned anticlockwise (roll)'),
])
def test_turned_lidar_is_found_with_its_angle(turn, words):
    check = check_frames(frames(turn))
    assert check.verdict == 'misfit'
    assert words in check.text
    np.testing.assert_allclose(check.turn_deg, turn, atol=0.2)
    assert check.best_score > check.score


def test_two_errors_are_both_named():
    check = check_frames(frames((1.0, -0.6, 0)))
    assert 'right (yaw) and ' in check.text
    assert 'low (pitch)' in check.text


def test_images_of_other_frames_cannot_tell():
    found = frames()
    shuffled = [replace(frame, gradients=found[i - 3].gradients) for i, frame in enumerate(found)]
    check = check_frames(shuffled)
    assert check.verdict == 'unknown'
    assert 'meet image edges nowhere' in check.text


def test_too_few_frames_or_edges_cannot_tell():
    assert 'at least 5 frames with image and intrinsics, got 4' in check_frames(frames(count=4)).text
    empty = [replace(frame, edges=frame.edges.thinned(50)) for frame in frames(count=5)]
    assert 'at least 500 depth edges' in check_frames(empty).text
    assert check_frames([]).verdict == 'unknown'


def test_roll_that_the_frames_do_not_agree_on_is_no_error():
    verdict, text = judge(np.array([0.0, 0.0, 0.9]), np.array([0.03, 0.03, 0.3]), clear=True)
    assert (verdict, text) == ('fits', 'Fits: yaw and pitch within 0.3 degrees; the frames do not agree on roll.')
    verdict, text = judge(np.array([0.0, 0.0, 0.0]), np.array([0.03, 0.2, 0.05]), clear=True)
    assert (verdict, text) == ('unknown', 'Cannot tell: the frames do not agree on pitch.')


def test_set_on_disk_is_checked_and_broken_frames_are_named(tmp_path):
    folder = write_truth_set(tmp_path / 'set', frames=7, turn_deg=(0.6, 0, 0))
    image = folder / 'image/0000000003.png'
    image.write_bytes(image.read_bytes()[:200])
    write_depth_png(folder / 'depth/0000000004.png', np.ones((20, 30)))
    check = check_calibration(TruthSet.open(folder))
    assert (check.verdict, check.frames) == ('misfit', 5)
    assert [line.split(':')[0] for line in check.unread] == ['0000000003', '0000000004']
    assert 'expected an image of 30x20 as the depth map, got 640x200' in check.unread[1]


@pytest.mark.parametrize('missing', ['image', 'intrinsics.txt'])
def test_set_without_images_or_intrinsics_cannot_tell(tmp_path, missing):
    folder = write_truth_set(tmp_path / 'set', frames=5)
    (folder / missing).rename(tmp_path / 'elsewhere')
    assert 'got 0' in check_calibration(TruthSet.open(folder)).text


@pytest.fixture(scope='module')
def street(real_drive) -> list[tuple]:
    drive = KittiDrive(real_drive)
    camera = drive.calibration.intrinsics(2)
    return [(transform(drive.calibration.T_cam_velo(2), drive.read_scan(frame)[:, :3].astype(float)),
             read_rgb(drive.image_path(2, frame)), camera) for frame in range(40, 56, 2)]


def real_check(street: list[tuple], turn: tuple[float, float, float]):
    """Check real scans whose extrinsic was turned; the points are projected again."""
    return check_frames([AlignedFrame.of('', rgb, depth_map(points @ rotation(*turn).T, camera.P, camera.size), camera)
                         for points, rgb, camera in street])


def test_real_drive_fits(street):
    check = real_check(street, (0, 0, 0))
    assert check.verdict == 'fits'


@pytest.mark.parametrize('turn', [(0.5, 0, 0), (-0.5, 0, 0), (0, 0.5, 0), (0, -0.5, 0)])
def test_half_a_degree_is_found_on_the_real_drive(street, turn):
    check = real_check(street, turn)
    assert check.verdict == 'misfit'
    np.testing.assert_allclose(check.turn_deg[:2], turn[:2], atol=0.2)


def test_angle_at_its_limit_is_no_error():
    """The search ends on a grid: 0.2 + 2 * 0.05 is a little more than 0.3."""
    spread = np.full(3, 0.03)
    assert judge(np.array([0.2 + 2 * 0.05, 0.0, 0.0]), spread, clear=True)[0] == 'fits'
    assert judge(np.array([0.35, 0.0, 0.0]), spread, clear=True)[0] == 'misfit'
