"""The synthetic drive in motion: turning scans, things that move and weaving cars against numbers made by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msg_tools import synthetic_scanner
from msg_tools.camera import transform
from msg_tools.oxts import poses
from msg_tools.synthetic_course import Course
from msg_tools.synthetic_noise import Noise
from msg_tools.synthetic_rays import cast, moving_grid, scanner_grids, sector_pose
from msg_tools.synthetic_rig import T_world_imu, oxts_record
from msg_tools.synthetic_scanner import column_times_s, first_hits, moved_to, scan_at_once, scan_in_turn, staggered
from msg_tools.synthetic_scene import street
from msg_tools.synthetic_solids import Material, box, ellipsoid, placement
from msg_tools.synthetic_surfaces import Scene
from msg_tools.synthetic_traffic import Mover, scene_at, traffic

GREY = (0.5, 0.5, 0.5)
WEAVING = Course(speed_mps=8.0, curve_dps=15.0)
STREETS_END_M = 200.0


@pytest.fixture
def no_noise(monkeypatch):
    """Let ranges be exact."""
    monkeypatch.setattr(synthetic_scanner, 'RANGE_NOISE_M', 0.0)


def random():
    return np.random.default_rng(0)


def wall(low, high):
    return box(low, high, Material.SIGN, GREY)


def room():
    """Return four walls whose inner sides lie at x = +-20 m and y = +-20 m."""
    return [wall((20, -25, -25), (21, 25, 25)), wall((-21, -25, -25), (-20, 25, 25)),
            wall((-20, 20, -25), (20, 21, 25)), wall((-20, -21, -25), (20, -20, 25))]


def scene_of(*solids, velocities=None):
    return Scene.of(solids, Noise(0), velocities)


def test_the_scanner_turns_clockwise_from_the_rear_to_the_rear():
    front, left, rear, right = (column_times_s(i, grid) for i, grid in enumerate(scanner_grids(np.eye(4), 400)))
    assert [front.mean(), left.mean(), right.mean()] == pytest.approx([0.0, -0.025, 0.025], abs=1e-9)
    assert (np.diff(front) > 0).all()  # columns go from left to right
    assert rear[[0, 49, 50, -1]] == pytest.approx([0.037625, 0.049875, -0.049875, -0.037625])


@pytest.mark.parametrize('azimuths', [400, 84])  # even and odd columns in a sector
def test_where_nothing_moves_a_turn_sees_what_a_moment_sees(azimuths):
    scene, T = street(0, 1.0), placement(3.0, -1.75, 0.1, 1.7)
    at_once = scan_at_once(scene, T, azimuths, random())
    in_turn, times_s = scan_in_turn(scene, lambda _: T, azimuths, random())
    assert len(at_once) == len(in_turn) == len(times_s) > 30 * azimuths
    assert np.abs(at_once - in_turn).max() < 2e-4  # at up to 120 m, in float32


def test_a_points_time_follows_from_its_azimuth():
    points, times_s = scan_in_turn(scene_of(*room()), lambda t: T_world_imu(t, WEAVING), 100, random())
    azimuth = np.arctan2(points[:, 1], points[:, 0])
    assert times_s == pytest.approx(-azimuth / (2 * np.pi) * 0.1, abs=1e-7)
    assert times_s.min() == pytest.approx(-0.05)  # straight back: there the turn starts
    assert times_s.max() == pytest.approx(0.049)


def test_staggered_beams_blur_what_an_azimuth_says_of_the_time():
    points, times_s = scan_in_turn(scene_of(*room()), lambda t: T_world_imu(t, WEAVING), 400, random(), 9.0)
    assert len(points) == 64 * 400
    azimuth = np.arctan2(points[:, 1], points[:, 0])
    wrong_s = -azimuth / (2 * np.pi) * 0.1 - times_s
    wrong_s -= np.rint(wrong_s / 0.1) * 0.1  # right behind, one turn's end is taken for its start
    assert [wrong_s.min(), wrong_s.max()] == pytest.approx([-0.0025, 0.0025], abs=1e-6)  # 9 / 360 of 100 ms
    assert np.unique(wrong_s.round(5)).size == 8


@pytest.mark.parametrize('stagger_deg', [0.0, 9.0])
def test_walls_are_straight_again_to_a_millimetre_after_compensation_with_the_true_poses(no_noise, stagger_deg):
    def pose_at(time_s):
        return T_world_imu(time_s, WEAVING)

    points, times_s = scan_in_turn(scene_of(*room()), pose_at, 400, random(), stagger_deg)
    compensated = transform(pose_at(0.0), moved_to(pose_at(0.0), pose_at, points, times_s))
    bent = transform(pose_at(0.0), points[:, :3])
    assert len(points) == 64 * 400  # the room has no gap
    assert np.abs(np.abs(compensated[:, :2]).max(1) - 20).max() < 1e-3
    assert np.abs(np.abs(bent[:, :2]).max(1) - 20).max() > 0.35  # 8 m/s x 50 ms, and the turning car


def test_a_wall_that_comes_nearer_is_hit_where_it_is_at_the_time(no_noise):
    scene = scene_of(wall((20, -50, -25), (21, 50, 25)), velocities=np.array([[-10.0, 0, 0]]))
    points, times_s = scan_in_turn(scene, lambda _: np.eye(4), 400, random())
    assert points[:, 0] == pytest.approx(20 - 10 * times_s, abs=1e-4)
    assert points[times_s < -0.015, 0].min() > 20.15  # it was farther away when the scanner looked left


def test_only_what_moves_is_moved(no_noise):
    """A post stands at 10 m while a wall 20 m ahead moves to the left, which nobody can see on the wall itself."""
    post, far = wall((10, -1, -25), (11, 1, 25)), wall((20, -50, -25), (21, 50, 25))
    scene = scene_of(post, far, velocities=np.array([[0.0, 0, 0], [0, 10, 0]]))
    points, _ = scan_in_turn(scene, lambda _: np.eye(4), 400, random())
    ahead = np.abs(points[:, 1] / points[:, 0]) < 0.09
    assert points[ahead, 0] == pytest.approx(10.0, abs=1e-4)
    assert points[np.abs(points[:, 1] / points[:, 0]) > 0.11, 0] == pytest.approx(20.0, abs=1e-4)


def endless(solids):
    """Return solids without the corners by which rays that cannot meet them are left out."""
    return [replace(solid, corners=None) for solid in solids]


@pytest.mark.parametrize('seed', range(12))
def test_columns_cast_together_meet_what_each_meets_alone(seed):
    draw = np.random.default_rng(seed)
    cube, ball = wall((-1, -2, -1), (1, 2, 1)), ellipsoid((0, 0, 0), (2, 1, 1.5), Material.PLAIN, GREY)
    number, sector = seed % 4, staggered(scanner_grids(np.eye(4), 80)[seed % 4], (seed % 3) * 4.5)
    bearing, distance = number * np.pi / 2 + draw.uniform(-0.7, 0.7, 3), draw.uniform(4, 9, 3)
    solids = [solid.placed(placement(r * np.cos(a), r * np.sin(a), draw.uniform(-3, 3)))
              for solid, r, a in zip((cube, ball, cube), distance, bearing, strict=True)]
    velocities = np.array([[0, 0, 0], draw.uniform(-9, 9, 3), draw.uniform(-9, 9, 3)])
    times_s = column_times_s(number, sector)
    columns = np.array([T_world_imu(t, WEAVING) @ sector_pose(number) for t in times_s])
    together, face = first_hits(scene_of(*solids, velocities=velocities), sector.rays, columns, times_s)
    for j, (T, time_s) in enumerate(zip(columns, times_s, strict=True)):
        moved = [solid.placed(placement(*v[:2] * time_s, z=v[2] * time_s))
                 for solid, v in zip(solids, velocities, strict=True)]
        alone = cast(endless(moved), replace(sector, rays=sector.rays[:, :, j : j + 1], T_world_grid=T))
        both = (together[:, j] > 0) & (alone.inverse[:, 0] > 0)
        assert np.sum((together[:, j] > 0) != (alone.inverse[:, 0] > 0)) <= 1  # one may graze an edge
        assert together[both, j] == pytest.approx(alone.inverse[both, 0], rel=2e-4)
        assert np.sum(face[both, j] != alone.face[both, 0]) <= 1
    assert 50 < (together > 0).sum() < together.size


@settings(max_examples=40, deadline=None)
@given(st.tuples(*[st.floats(-6, 6)] * 3), st.tuples(*[st.floats(0.2, 8)] * 3), st.floats(-3, 3), st.floats(0, 60),
       st.sampled_from([0.0, 9.0]))
def test_looking_only_where_a_solid_may_be_misses_nothing_of_it_from_a_moving_car(middle, size, yaw, speed, stagger):
    half = np.array(size) / 2
    solid = wall(tuple(-half), tuple(half)).placed(placement(*middle[:2], yaw, middle[2]))
    for i, sector in enumerate(scanner_grids(np.eye(4), 64)):
        poses_at = [T_world_imu(t, Course(speed + 1, 15.0)) @ sector_pose(i) for t in column_times_s(0, sector)]
        grid = moving_grid(staggered(sector, stagger).rays, np.array(poses_at))
        found, everywhere = (cast(solids, grid).inverse for solids in ([solid], endless([solid])))
        np.testing.assert_array_equal(found, everywhere)


def test_traffic_is_where_its_speed_takes_it():
    movers = traffic(0, speed_mps=8.0, seconds=2.0, end_m=STREETS_END_M)
    oncoming, ahead, pedestrian = movers[0], movers[4], movers[5]
    assert oncoming.T_world_mover(1.0)[:3, 3] == pytest.approx([24 - 10, 1.8, 0])
    assert oncoming.T_world_mover(1.0)[:3, 0] == pytest.approx([-1, 0, 0])
    assert ahead.T_world_mover(2.0)[:3, 3] == pytest.approx([22 + 2 * 9.5, -1.75, 0])
    assert pedestrian.T_world_mover(1 / 8)[:3, 3] == pytest.approx([15, -1.75, 0])  # 14 m before the car's IMU
    assert pedestrian.T_world_mover(1 / 8 + 1)[1, 3] == pytest.approx(-0.35)
    assert all(np.array_equal(mover.start[3], [0, 0, 0, 1]) for mover in movers)


def test_a_car_ahead_stays_on_the_street_through_a_long_drive():
    ahead = traffic(0, 8.0, 1000.0, 8000.0 + 170.0)[-1 - len(range(44, 8170 - 14, 90)) - 1]
    assert ahead.T_world_mover(1000.0)[0, 3] == pytest.approx(8000 + 120)


def test_the_street_with_traffic_is_the_street_and_what_moves():
    base = street(0, 1.0, waiting=False)
    movers = traffic(0, 8.0, 0.1, STREETS_END_M)
    scene = scene_at(0.5, base, movers)
    assert scene_at(0.5, base, []) is base
    assert len(scene.solids) == len(base.solids) + sum(len(mover.parts) for mover in movers)
    assert (scene.velocities[: len(base.solids)] == 0).all()
    assert scene.velocities[len(base.solids)] == pytest.approx([-10, 0, 0])
    assert len(street(0, 1.0).solids) > len(base.solids)  # cars wait in its lanes


def test_a_mover_holds_the_points_that_were_on_it_at_their_times():
    cube = wall((-1, -1, 0.5), (1, 1, 2))
    mover = Mover((cube,), placement(10, 0), np.array([10.0, 0, 0]))
    points = np.array([[9, 0, 1], [9, 0, 1], [10, 0, 1.0], [10, 0, 0.05]])
    assert mover.holds(points, np.array([0.0, 0.1, 0.1, 0.1]), 0.05).tolist() == [True, False, True, False]


def test_a_weaving_car_turns_at_the_rate_asked_for_and_changes_its_speed():
    motion = np.array([WEAVING.motion(t) for t in np.arange(0, 12, 0.05)])
    speed = np.hypot(motion[:, 0], motion[:, 1])
    assert np.rad2deg(motion[0, 2]) == pytest.approx(-15.0, rel=1e-4)
    assert 14 < np.rad2deg(np.abs(motion[:, 2]).max()) < 18.1  # 15 at 8 m/s, and a fifth more when it is faster
    assert 6.3 < speed.min() < 6.6
    assert 9.4 < speed.max() < 9.8
    sideways = np.array([WEAVING.position(t)[1] for t in np.arange(0, 12, 0.05)])
    assert [sideways.min(), sideways.max()] == pytest.approx([-2.55, -0.95], abs=1e-2)


@pytest.mark.parametrize('frame', [1, 7, 15])
def test_oxts_of_a_weaving_car_says_how_its_pose_changes(frame):
    before, record, after = (oxts_record(frame + step, WEAVING) for step in (-1, 0, 1))
    T = poses([before, record, after])
    earlier, now = (T_world_imu((frame + step) / 10, WEAVING) for step in (-1, 0))
    assert T[1] == pytest.approx(np.linalg.inv(earlier) @ now, abs=1e-5)
    assert record.wu == pytest.approx((after.yaw - before.yaw) / 0.2, abs=0.01)
    assert record.af == pytest.approx((after.vf - before.vf) / 0.2, abs=0.1)
    assert np.hypot(record.vn, record.ve) == pytest.approx(record.vf)
    assert np.arctan2(record.vn, record.ve) == pytest.approx(record.yaw, abs=1e-6)
    moved = np.linalg.inv(T[0]) @ T[2]
    assert np.linalg.norm(moved[:3, 3]) / 0.2 == pytest.approx(record.vf, rel=0.01)
