"""The motion of a scan undone: a wall seen from a driving, turning scanner becomes a wall again."""

import numpy as np
import pytest

from msg_tools.ground_truth.kernels import azimuth_of, azimuth_offsets, moved, within
from msg_tools.ground_truth.kitti_raw import KittiRawSource
from msg_tools.ground_truth.motion import apply, compensated, offsets_of
from msg_tools.ground_truth.sources import Entry, Frame
from msg_tools.ground_truth.trajectory import Trajectory, exp, inverses

TURN_S = 0.1
STAMP_NS = 10_000_000_000


def driving(speed_mps: float, yaw_rate_dps: float) -> Trajectory:
    """Return a second of driving ahead and turning at constant rates, at rest of the world at STAMP_NS."""
    seconds = np.linspace(-0.5, 0.5, 11)
    twist = np.array([0, 0, np.deg2rad(yaw_rate_dps), speed_mps, 0, 0])
    return Trajectory(STAMP_NS + np.rint(seconds * 1e9).astype(np.int64), exp(seconds[:, None] * twist))


def shot(world: np.ndarray, offsets_s: np.ndarray, scanner: Trajectory) -> np.ndarray:
    """Return points (N, 3) of the world as the scanner measures them, each at its own time."""
    T = inverses(scanner.at(STAMP_NS + np.rint(offsets_s * 1e9).astype(np.int64)))
    return ((T[:, :3, :3] @ world[..., None])[..., 0] + T[:, :3, 3]).astype(np.float32)


def test_times_by_azimuth_clockwise_from_the_rear():
    points = np.array([[-1, 1e-6, 0], [0, 1, 0], [1, 0, 0], [0, -1, 0], [-1, -1e-6, 0]])
    assert np.allclose(azimuth_offsets(points, -0.05, TURN_S), [-0.05, -0.025, 0.0, 0.025, 0.05], atol=1e-6)


def test_azimuth_is_that_of_atan2_all_around():
    angles = np.linspace(-np.pi, np.pi, 10_001)
    for distance in (1e-3, 1.0, 80.0):
        x, y = distance * np.cos(angles), distance * np.sin(angles)
        found = np.array([azimuth_of(a, b) for a, b in zip(x, y, strict=True)])
        assert np.abs(found - np.arctan2(y, x)).max() < 2e-6
    assert azimuth_of(0.0, 0.0) == 0.0
    assert np.isnan(azimuth_of(np.nan, 1.0))


def test_a_point_that_was_seen_earlier_lies_nearer_now():
    scanner = driving(10.0, 0.0)
    now = compensated(np.array([[20.0, 0, 0]]), np.array([-0.05], np.float32), STAMP_NS, STAMP_NS, scanner)
    assert np.allclose(now, [[19.5, 0, 0]], atol=1e-5)


@pytest.mark.parametrize(('speed', 'rate'), [(30.0, 0.0), (8.0, 45.0), (0.0, -60.0)])
def test_a_wall_is_a_wall_again(speed, rate):
    scanner, rng = driving(speed, rate), np.random.default_rng(0)
    world = np.stack([np.full(500, 20.0), rng.uniform(-20, 20, 500), rng.uniform(-2, 5, 500)], -1)
    offsets_s = rng.uniform(-0.05, 0.05, 500).astype(np.float32)
    points = shot(world, offsets_s, scanner)
    assert np.abs(points - world).max() > 0.3
    assert np.abs(compensated(points, offsets_s, STAMP_NS, STAMP_NS, scanner) - world).max() < 1e-3


def test_another_moment_than_the_stamp():
    scanner = driving(10.0, 0.0)
    later = compensated(np.array([[20.0, 0, 0]]), None, STAMP_NS, STAMP_NS + 100_000_000, scanner)
    assert np.allclose(later, [[19.0, 0, 0]])


def test_points_keep_their_order_and_number():
    assert compensated(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), STAMP_NS, STAMP_NS,
                       driving(1, 0)).shape == (0, 3)
    knots = np.stack([np.eye(4)[:3]] * 3)
    points = np.arange(12, dtype=np.float32).reshape(4, 3)
    assert np.array_equal(moved(points, np.zeros(4, np.float32), 1.0, -1, knots), points)


def test_a_part_of_a_scan_moves_as_in_the_whole_to_the_last_bit():  # else maps depend on how many frames a worker gets
    scanner, rng = driving(8.0, 45.0), np.random.default_rng(1)
    points, offsets_s = rng.uniform(-40, 40, (500, 3)).astype(np.float32), np.linspace(-0.05, 0.05, 500, dtype='f4')
    whole = compensated(points, offsets_s, STAMP_NS, STAMP_NS, scanner)
    for part in (slice(100, 350), slice(7, 8), slice(480, None)):
        assert np.array_equal(compensated(points[part], offsets_s[part], STAMP_NS, STAMP_NS, scanner), whole[part])


def test_offsets_come_from_the_field_before_the_azimuth():
    points = np.array([[1, 0, 0], [0, 1, 0]], np.float32)
    entry = Entry('0', 0, 0, 0)
    by_field = Frame(entry, points, offsets_s=np.array([0.25, 0.5], np.float32), turn_s=(0.0, 0.1))
    assert offsets_of(by_field, points).tolist() == [0.25, 0.5]
    assert offsets_of(by_field, points[1:], np.array([1])).tolist() == [0.5]
    assert np.allclose(offsets_of(Frame(entry, points, turn_s=(-0.05, 0.05)), points), [0.0, -0.025])
    assert offsets_of(Frame(entry, points), points) is None


def test_within_keeps_order_and_drops_nan():
    planes = np.array([[1.0, 0, 0, 0], [0, 1, 0, 0]])
    points = np.array([[1, 1, 0], [-1, 1, 0], [np.nan, 1, 0], [-0.5, 0, 0], [2, 2, 0]], np.float32)
    assert within(points, planes, 0.0, 0.0).tolist() == [0, 4]
    assert within(points, planes, 0.6, 0.0).tolist() == [0, 3, 4]
    assert within(points, planes, 0.0, 0.8).tolist() == [0, 1, 4]  # (-1, 1, 0) is 1.41 m away, and 1 m outside


@pytest.mark.parametrize('margin_rad', [0.0, 0.1])
def test_within_drops_what_has_no_place_and_keeps_what_is_far(margin_rad):  # Inf has no azimuth, and spoilt all times
    points = np.array([[np.inf, np.inf, np.inf], [1e30, 0, 0], [-1e30, 0, 0], [1, np.inf, 0], [0, 0, 0]], np.float32)
    assert within(points, np.array([[1.0, 0.1, 0.1, 0]]), 0.0, margin_rad).tolist() == [1, 4]


def test_apply_is_the_transform():
    T = np.array([[0, -1, 0, 1], [1, 0, 0, 2], [0, 0, 1, 3], [0, 0, 0, 1.0]])
    assert apply(T, np.array([[1.0, 0, 0, 9.0]])).tolist() == [[1, 3, 3]]


def test_real_scan_is_moved_by_centimetres_where_the_camera_looks(real_drive):
    source = KittiRawSource.open(real_drive, 2, with_images=False)
    frame = next(source.read(source.entries()[5:6]))
    ahead = frame.points[(frame.points[:, 0] > 5) & (np.abs(frame.points[:, 1]) < frame.points[:, 0])]
    stamp = frame.entry.cloud_stamp_ns
    shift = compensated(ahead, offsets_of(frame, ahead), stamp, stamp, source.trajectory()) - ahead[:, :3]
    assert 0.02 < np.linalg.norm(shift, axis=1).max() < 1.0  # 4.4 m/s and 11 deg/s, up to 13 ms from the exposure
