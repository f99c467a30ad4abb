"""Where the scanner was: /tf and odometry of bags, pose files, KISS-ICP, and what is said where nothing tells."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from fixtures_ground_truth import write_odometry
from fixtures_kitti import PERIOD_NS, START_NS, write_tiny_drive

from msg_tools.bag import BagReader
from msg_tools.bag_writer import BagWriter
from msg_tools.errors import PosesError
from msg_tools.ground_truth.bag_poses import bag_trajectory, odometry_trajectory, tf_trajectory
from msg_tools.ground_truth.bag_source import BagSource
from msg_tools.ground_truth.kiss_poses import kiss_trajectory
from msg_tools.ground_truth.kitti_odometry import KittiOdometrySource
from msg_tools.ground_truth.kitti_raw import KittiRawSource
from msg_tools.ground_truth.poses import poses_of
from msg_tools.ground_truth.sources import Entry, Frame
from msg_tools.ground_truth.trajectory import exp, inverses
from msg_tools.kitti import KittiDrive
from msg_tools.kitti_bag import write_bag
from msg_tools.ros_messages import header, message, point, quaternion, transform
from msg_tools.rotation import inverse, quaternion_of

MS = 1_000_000
QUARTER = np.array([[0.0, -1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])  # to the left


def shift(x=0.0, y=0.0, z=0.0):
    T = np.eye(4)
    T[:3, 3] = x, y, z
    return T


@dataclass
class Poses:
    """Writes a bag of poses alone: links of /tf_static and /tf by (parent, child), odometries by topic."""

    path: Path
    static: list = field(default_factory=list)
    moving: list = field(default_factory=list)  # (time [ms], parent, child, T)
    odometry: list = field(default_factory=list)  # (time [ms], topic, child, T)

    def bag(self) -> BagReader:
        with BagWriter(self.path) as bag:
            links = [transform(0, *link) for link in self.static]
            bag.write('/tf_static', 0, message('tf2_msgs/TFMessage', transforms=links), latched=True)
            for time_ms, parent, child, T in self.moving:
                item = transform(time_ms * MS, parent, child, T)
                bag.write('/tf', time_ms * MS, message('tf2_msgs/TFMessage', transforms=[item]))
            for time_ms, topic, child, T in self.odometry:
                bag.write(topic, time_ms * MS, odometry(time_ms * MS, child, T))
        return BagReader(self.path)


def odometry(stamp_ns, child, T):
    pose = message('geometry_msgs/Pose', position=point(T[:3, 3]), orientation=quaternion(quaternion_of(T[:3, :3])))
    zero = message('geometry_msgs/Vector3', x=0.0, y=0.0, z=0.0)
    return message(
        'nav_msgs/Odometry', header=header(stamp_ns, 'odom'), child_frame_id=child,
        pose=message('geometry_msgs/PoseWithCovariance', pose=pose, covariance=np.zeros(36)),
        twist=message('geometry_msgs/TwistWithCovariance', covariance=np.zeros(36),
                      twist=message('geometry_msgs/Twist', linear=zero, angular=zero)))


@pytest.fixture
def poses(tmp_path):
    return Poses(tmp_path / 'poses', static=[('base', 'velo', shift(z=2.0))])


def test_tf_of_a_chain(poses):
    poses.moving = [(time_ms, 'odom', 'base', shift(time_ms / 100) @ QUARTER) for time_ms in (0, 100, 200)]
    found = tf_trajectory(poses.bag(), 'velo')
    assert found.stamps_ns.tolist() == [0, 100 * MS, 200 * MS]
    assert np.allclose(found.at([50 * MS]), [shift(0.5, 0, 2) @ QUARTER])


def test_odom_is_taken_before_map_which_jumps(poses):
    poses.moving = [(t, 'odom', 'base', shift(t / 100)) for t in range(0, 1000, 100)]
    poses.moving += [(t, 'map', 'odom', shift(5.0 * (t > 400))) for t in range(0, 1000, 100)]
    bag = poses.bag()
    assert np.allclose(tf_trajectory(bag, 'velo').poses[9, :3, 3], [9, 0, 2])
    assert np.allclose(tf_trajectory(bag, 'velo', 'map').poses[9, :3, 3], [14, 0, 2])
    with pytest.raises(PosesError, match="expected a known frame, got 'mars'"):
        tf_trajectory(bag, 'velo', 'mars')


def test_links_of_different_rates_meet_in_their_common_time(poses):
    poses.moving = [(t, 'odom', 'base', shift(t / 100)) for t in range(0, 500, 10)]
    poses.moving += [(t, 'world', 'odom', shift(0, t / 100)) for t in (100, 200, 300)]
    found = tf_trajectory(poses.bag(), 'velo', 'world')
    assert (found.stamps_ns[0], found.stamps_ns[-1], len(found.stamps_ns)) == (100 * MS, 300 * MS, 21)
    assert np.allclose(found.at([155 * MS])[0, :3, 3], [1.55, 1.55, 2])


def test_what_is_published_again_and_again_as_it_is_does_not_move(poses):
    poses.moving = [(t, 'chassis', 'base', shift(1)) for t in range(0, 500, 100)]
    with pytest.raises(PosesError, match=r"in which 'velo' moves, got base, chassis above it, which do not"):
        tf_trajectory(poses.bag(), 'velo')


def test_standing_in_odom_is_a_pose(poses):
    poses.moving = [(t, 'odom', 'base', shift(1)) for t in range(0, 500, 100)]
    assert np.allclose(tf_trajectory(poses.bag(), 'velo').at([250 * MS]), [shift(1, 0, 2)])


def test_odometry_with_the_scanner_fixed_to_its_child(poses):
    poses.odometry = [(t, '/odom', 'base', shift(t / 100) @ QUARTER) for t in (0, 100)]
    bag = poses.bag()
    found = odometry_trajectory(bag, '/odom', 'velo')
    assert np.allclose(found.poses, [shift(0, 0, 2) @ QUARTER, shift(1, 0, 2) @ QUARTER])
    assert np.array_equal(bag_trajectory(bag, 'velo').poses, found.poses)  # the only one


@pytest.mark.parametrize(('child', 'message'), [
    ('', 'expected a child_frame_id in /odom, got none'),
    ('wheel', "/odom has the poses of 'wheel': expected a known frame"),
])
def test_odometry_of_who_knows_what(poses, child, message):
    poses.odometry = [(t, '/odom', child, shift(t / 100)) for t in (0, 100)]
    with pytest.raises(PosesError, match=message):
        odometry_trajectory(poses.bag(), '/odom', 'velo')


def test_several_odometries_are_a_question_and_none_is_told(poses, tmp_path):
    poses.odometry = [(t, topic, 'base', shift(t / 100)) for t in (0, 100) for topic in ('/wheels', '/visual')]
    with pytest.raises(PosesError, match='which do not; several odometries: /visual, /wheels; name one'):
        bag_trajectory(poses.bag(), 'velo')
    with pytest.raises(PosesError, match='which do not; no nav_msgs/msg/Odometry'):
        bag_trajectory(Poses(tmp_path / 'none', [('base', 'velo', np.eye(4))]).bag(), 'velo')


@pytest.fixture
def odometry_source(tmp_path):
    return KittiOdometrySource.open(write_odometry(write_tiny_drive(tmp_path), tmp_path / 'odometry'))


def steps(trajectory):
    return inverses(trajectory.poses[:-1]) @ trajectory.poses[1:]


def test_auto_is_the_sources_own_and_none_is_none(odometry_source):
    assert np.allclose(steps(poses_of(odometry_source, 'auto')), [shift(1)] * 2)
    assert poses_of(odometry_source, 'none') is None


def test_kitti_file_is_of_the_camera_unless_it_is_said_otherwise(odometry_source, tmp_path):
    (tmp_path / 'poses.txt').write_text('# by hand\n' + ''.join(f'1 0 0 {n} 0 1 0 0 0 0 1 0\n' for n in range(3)))
    assert np.allclose(steps(poses_of(odometry_source, str(tmp_path / 'poses.txt'))), [shift(0, -1)] * 2)  # x is right
    assert np.allclose(steps(poses_of(odometry_source, str(tmp_path / 'poses.txt'), body='scanner')), [shift(1)] * 2)
    with pytest.raises(PosesError, match="got 'imu', whose place is unknown"):
        poses_of(odometry_source, str(tmp_path / 'poses.txt'), body='imu')


def test_kitti_file_with_a_line_for_each_number_or_for_each_frame(tmp_path):
    drive = write_tiny_drive(tmp_path, frames=3, first=5)
    source = KittiRawSource.open(drive, 2, True)
    for count, first in ((8, 5.0), (3, 0.0)):
        (tmp_path / 'p.txt').write_text(''.join(f'1 0 0 {n} 0 1 0 0 0 0 1 0\n' for n in range(count)))
        found = poses_of(source, str(tmp_path / 'p.txt'), body='scanner')
        assert (len(found.poses), found.poses[0, 0, 3]) == (3, first)
    (tmp_path / 'p.txt').write_text('1 0 0 0 0 1 0 0 0 0 1 0\n' * 4)
    with pytest.raises(PosesError, match='expected a pose for each frame, 3, or for each number up to 7, got 4'):
        poses_of(source, str(tmp_path / 'p.txt'))


def test_tum_file_has_stamps_to_the_nanosecond_and_is_of_the_scanner(tmp_path):
    source = KittiRawSource.open(write_tiny_drive(tmp_path), 2, True)
    stamps = [divmod(START_NS + n * PERIOD_NS, 10**9) for n in range(3)]
    lines = [f'{seconds}.{ns:09d} {n} 0 0 0 0 0 2' for n, (seconds, ns) in enumerate(stamps)]
    (tmp_path / 'p.txt').write_text('\n'.join(lines))
    found = poses_of(source, str(tmp_path / 'p.txt'))
    assert found.stamps_ns.tolist() == [START_NS + n * PERIOD_NS for n in range(3)]
    assert np.allclose(steps(found), [shift(1)] * 2)
    of_imu = poses_of(source, str(tmp_path / 'p.txt'), body='imu')
    assert np.allclose(of_imu.poses[0], inverse(source.drive.calibration.T_velo_imu))


@pytest.mark.parametrize(('text', 'message'), [
    ('', 'got an empty file'),
    ('1 2 3\n', r"expected 12 numbers a line \(KITTI's\) or 8 .* got 3"),
    ('1 0 0 0 0 1 0 0 0 0 1 0\n0 0 0 0 0 0 0 1\n', 'got 8 or 12'),
    ('2 0 0 0 0 1 0 0 0 0 1 0\n' * 3, 'expected rotations, got none in line 1'),
    ('nan 0 0 0 0 1 0 0 0 0 1 0\n' * 3, 'p.txt: expected finite poses, got NaN or Inf in pose 0'),
    ('x 0 0 0 0 1 0 0 0 0 1 0\n' * 3, 'expected numbers, got'),
    ('x 0 0 0 0 0 0 1\n' * 2, "expected a stamp in seconds, got 'x'"),
    ('1e30 0 0 0 0 0 0 1\n' * 2, "expected a stamp in seconds, got '1e30'"),
    ('0 0 0 0 0 0 0 0\n1 0 0 0 0 0 0 1\n', 'pose 0: expected a rotation'),
    ('9000 0 0 0 0 0 0 1\n9001 0 0 0 0 0 0 1\n', 'are they of another recording, or clock?'),
])
def test_wrong_pose_files(odometry_source, tmp_path, text, message):
    (tmp_path / 'p.txt').write_text(text)
    with pytest.raises(PosesError, match=message):
        poses_of(odometry_source, str(tmp_path / 'p.txt'))


@pytest.mark.parametrize(('how', 'message'), [
    ('gps', r'expected auto, none, tf, tf:FRAME, kiss-icp, a topic of a bag, or a pose file, found no such file'),
    ('tf', 'expected a bag for poses from tf, got a folder'),
    ('/odom', 'found no such file'),
])
def test_what_is_no_way_to_poses(odometry_source, how, message):
    with pytest.raises(PosesError, match=message):
        poses_of(odometry_source, how)


def test_ways_to_poses_of_a_bag(tmp_path):
    drive = write_tiny_drive(tmp_path)
    write_bag(KittiDrive(drive), tmp_path / 'bag')
    source = BagSource.open(tmp_path / 'bag')
    for how in ('auto', 'tf', 'tf:world', '/kitti/oxts/odometry'):
        assert np.allclose(steps(poses_of(source, how))[0, :3, 3], [1.033, 0, 0], atol=1e-3)
    later = [Entry('0', 0, None, START_NS + 10**12)]
    with pytest.raises(PosesError, match=r'auto: expected poses from .* are they of another recording, or clock'):
        poses_of(source, 'auto', later)
    with pytest.raises(PosesError, match='expected nav_msgs/msg/Odometry on /kitti/oxts/imu, got sensor_msgs/msg/Imu'):
        poses_of(source, '/kitti/oxts/imu')


@dataclass
class Room:
    """A source of scans of a room with corners, taken while moving 0.2 m and turning 1 degree a scan."""

    turning: bool
    path: Path = Path('room')

    def entries(self):
        return [Entry(str(n), n, None, n * 100 * MS) for n in range(9)]

    def pose(self, time_s):
        return exp(np.array([[0, 0, np.deg2rad(10.0) * time_s, 2.0 * time_s, 0, 0]]))[0]

    def read(self, entries):
        random = np.random.default_rng(0)
        for entry in entries:
            walls = random.uniform(-1, 1, (4000, 3)) * [12, 8, 3]
            side = random.integers(0, 3, 4000)
            limit = np.array([12.0, 8.0, 3.0])[side]
            walls[np.arange(4000), side] = np.sign(walls[np.arange(4000), side]) * limit
            offsets_s = random.uniform(-0.05, 0.05, 4000).astype(np.float32) * self.turning
            T = inverses(np.stack([self.pose(entry.frame * 0.1 + t) for t in offsets_s]))
            points = (T[:, :3, :3] @ walls[:, :, None])[:, :, 0] + T[:, :3, 3]
            yield Frame(entry, points.astype(np.float32), offsets_s if self.turning else None)


def test_kiss_icp_finds_the_way_at_the_stamps():
    pytest.importorskip('kiss_icp')
    room = Room(turning=True)
    found = kiss_trajectory(room, room.entries())
    at = [300 * MS, 800 * MS]
    T = inverse(found.at(at[:1])[0]) @ found.at(at[1:])[0]
    wanted = inverse(room.pose(0.3)) @ room.pose(0.8)
    assert np.abs(T - wanted)[:3, 3].max() < 0.06  # of 1 m
    assert np.abs(T - wanted)[:3, :3].max() < 0.01  # of 0.087 rad
    assert found.stamps_ns.tolist() == [n * 100 * MS for n in range(9)]


def test_kiss_icp_needs_scans_with_stamps(odometry_source):
    pytest.importorskip('kiss_icp')
    with pytest.raises(PosesError, match='expected two scans or more with stamps for KISS-ICP, got 0'):
        kiss_trajectory(odometry_source, [Entry('a', 0, None, None, odometry_source.listed[0].payload)])


def test_without_kiss_icp_it_says_what_to_install(odometry_source, monkeypatch):
    monkeypatch.setitem(__import__('sys').modules, 'kiss_icp.kiss_icp', None)
    with pytest.raises(PosesError, match='pip install kiss-icp'):
        poses_of(odometry_source, 'kiss-icp')


def test_kiss_icp_goes_the_way_of_oxts_on_a_real_drive(real_drive):
    pytest.importorskip('kiss_icp')
    source = KittiRawSource.open(real_drive, 2, False)
    entries = [entry for entry in source.entries() if 40 <= entry.frame < 56]
    one, other = source.trajectory(), poses_of(source, 'kiss-icp', entries)
    at = np.array([entries[5].cloud_stamp_ns, entries[14].cloud_stamp_ns])
    a, b = (inverse(t.at(at[:1])[0]) @ t.at(at[1:])[0] for t in (one, other))
    metres = np.linalg.norm(a[:3, 3])
    assert metres > 2
    assert abs(a[0, 3] - b[0, 3]) < 0.02 * metres  # forward; to the side OXTS is off by 0.2 m/s in this bend
    assert np.abs(a - b)[:3, :3].max() < 0.01
