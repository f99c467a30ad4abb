"""Poses between poses: by hand, the exponential against its logarithm, and each way in which they can be bad."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from msg_tools.errors import PosesError
from msg_tools.ground_truth.trajectory import Trajectory, exp, inverses, log
from msg_tools.kitti import KittiDrive
from msg_tools.oxts import OxtsRecord, poses, travelled

SECOND = 1_000_000_000
small = st.floats(-1.7, 1.7)


def pose(x: float = 0.0, y: float = 0.0, yaw_deg: float = 0.0) -> np.ndarray:
    c, s = np.cos(np.deg2rad(yaw_deg)), np.sin(np.deg2rad(yaw_deg))
    return np.array([[c, -s, 0, x], [s, c, 0, y], [0, 0, 1, 0], [0, 0, 0, 1.0]])


def trajectory(*poses: np.ndarray, every_s: float = 0.1) -> Trajectory:
    stamps = np.rint(np.arange(len(poses)) * every_s * SECOND).astype(np.int64)
    return Trajectory(stamps, np.stack(poses))


def test_straight_ahead_is_half_way_at_half_time():
    T = trajectory(pose(0), pose(2)).at(np.array([50_000_000]))[0]
    assert np.allclose(T, pose(1))


def test_a_quarter_turn_on_a_circle_stays_on_the_circle():
    # from (0, 0) heading along x to (1, 1) heading along y: a circle of radius 1 around (0, 1)
    T = trajectory(pose(), pose(1, 1, 90)).at(np.array([50_000_000]))[0]
    assert np.allclose(T, pose(np.sin(np.pi / 4), 1 - np.cos(np.pi / 4), 45))


def test_at_a_stamp_it_is_the_pose():
    given_poses = [pose(0), pose(1, 0, 10), pose(2, 1, 30)]
    assert np.allclose(trajectory(*given_poses).at(np.array([0, 100_000_000, 200_000_000])), given_poses)


def test_the_last_motion_goes_on_for_a_moment_and_no_longer():
    ahead = trajectory(pose(0), pose(1))
    assert np.allclose(ahead.at(np.array([-100_000_000, 200_000_000])), [pose(-1), pose(2)])
    with pytest.raises(PosesError, match='another clock'):
        ahead.at(np.array([10 * SECOND]))


def test_another_frame_of_the_body_goes_along():
    body = trajectory(pose(0), pose(0, 0, 90))
    assert np.allclose(body.of_body(pose(3)).at(np.array([100_000_000]))[0], pose(0, 3, 90))


@given(st.lists(small, min_size=6, max_size=6))
def test_logarithm_undoes_exponential(twist):
    twist = np.array([twist])
    assert np.allclose(log(exp(twist)), twist, atol=1e-7)


@pytest.mark.parametrize('size', [0.0, 1e-12, 1e-7, 1e-6, 3e-6, 1e-3])
def test_small_turns_lose_nothing(size):
    twist = np.array([[size, -size / 2, 0.0, 1.0, 2.0, 3.0]])
    assert np.allclose(log(exp(twist)), twist, rtol=1e-6, atol=1e-15)


def test_inverse_times_transform_is_nothing():
    T = exp(np.array([[0.3, -0.2, 0.9, 4.0, 5.0, 6.0]]))
    assert np.allclose(inverses(T) @ T, np.eye(4))


def test_gaps_jumps_and_order_are_named():
    with pytest.raises(PosesError, match=r'every 0.5 s, got none for 2\.00 s'):
        trajectory(pose(0), pose(1), every_s=2.0).at(np.array([SECOND]))
    with pytest.raises(PosesError, match=r'at most 70 m/s between poses, got 500 m/s'):
        trajectory(pose(0), pose(50)).at(np.array([50_000_000]))
    with pytest.raises(PosesError, match='pose 1 at 0 ns, not after'):
        Trajectory(np.array([5, 0]), np.stack([pose(), pose()]))
    with pytest.raises(PosesError, match='NaN or Inf in pose 1'):
        Trajectory(np.array([0, 5]), np.stack([pose(), pose(np.nan)]))
    with pytest.raises(PosesError, match='two poses'):
        Trajectory(np.array([0]), pose()[None])
    with pytest.raises(PosesError, match='half a turn'):
        trajectory(pose(), pose(0, 0, 180)).at(np.array([50_000_000]))


def test_a_gap_elsewhere_does_no_harm_and_its_ends_are_known():
    stamps = np.array([0, SECOND // 10, 5 * SECOND, 5 * SECOND + SECOND // 10])
    broken = Trajectory(stamps, np.stack([pose(0), pose(1), pose(1), pose(2)]))
    assert np.allclose(broken.at(np.array([SECOND // 10, 5 * SECOND, 5 * SECOND + SECOND // 20]))[:, 0, 3], [1, 1, 1.5])
    assert broken.limited(max_gap_s=10, max_speed_mps=70).at(np.array([SECOND]))[0, 0, 3] == pytest.approx(1)


def test_sorted_takes_any_order_and_the_last_of_equal_stamps():
    mixed = Trajectory.sorted(np.array([7, 3, 7]), np.stack([pose(1), pose(2), pose(3)]))
    assert mixed.stamps_ns.tolist() == [3, 7]
    assert mixed.poses[:, 0, 3].tolist() == [2, 3]


def record(**values: float) -> OxtsRecord:
    names = OxtsRecord.__dataclass_fields__
    return OxtsRecord(**{name: values.get(name, 0.0) for name in names})


def test_travelled_adds_up_velocities():
    T = travelled([record(vf=2.0), record(vf=4.0), record(vf=4.0, vl=9.0, vu=1.0)], np.array([0, SECOND, 3 * SECOND]))
    assert T[:, :3, 3].tolist() == [[0, 0, 0], [3, 0, 0], [11, 0, 1]]  # (2+4)/2 * 1, then 4 * 2 and (0+1)/2 * 2 up
    north = travelled([record(vf=2.0, yaw=np.pi / 2)] * 2, np.array([0, SECOND]))
    assert np.allclose(north[1, :3, 3], [0, 2, 0])


def test_real_velocities_keep_the_height_that_the_position_loses(real_drive):
    drive = KittiDrive(real_drive)
    frames = drive.oxts_frames()[40:56]
    records = [drive.read_oxts(frame) for frame in frames]
    by_velocity = travelled(records, drive.stamps_ns('oxts')[frames])[:, 2, 3]
    by_position = (records[0].R_world_imu @ poses(records)[:, :3, 3].T)[2]
    assert abs(by_velocity[-1]) < 0.1 < abs(by_position[-1])  # the street is level; KITTI's height falls by 0.3 m
