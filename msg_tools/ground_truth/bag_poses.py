"""Where a bag's scanner was: from /tf, or from nav_msgs/Odometry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..bag import BagReader
from ..camera import Array
from ..errors import CalibrationError, PosesError
from ..kitti_messages import ODOMETRY_TOPIC
from ..rotation import rotation_of
from ..tf import Link, TfTree, clean
from .trajectory import Trajectory

ODOMETRY_TYPE = 'nav_msgs/msg/Odometry'
WORLDS = ('odom', 'map', 'world', 'earth', 'local_origin')  # odom first: map jumps where it is corrected
STILL = 1e-6  # of any number of a transform


def bag_trajectory(bag: BagReader, scanner: str) -> Trajectory:
    """Return where the scanner's frame was, from /tf where that moves it, else from the bag's only odometry.

    Bags that kitti_to_bag made have an odometry that is better than their /tf. Raises PosesError saying what was looked
    for.
    """
    if ODOMETRY_TOPIC in bag.topics:
        return odometry_trajectory(bag, ODOMETRY_TOPIC, scanner)
    try:
        return tf_trajectory(bag, scanner)
    except PosesError as error:
        topics = [name for name, info in bag.topics.items() if info.type == ODOMETRY_TYPE and info.count]
        if len(topics) == 1:
            return odometry_trajectory(bag, topics[0], scanner)
        found = f'several odometries: {", ".join(topics)}; name one' if topics else f'no {ODOMETRY_TYPE}'
        raise PosesError(f'{error}; {found}') from error


def tf_trajectory(bag: BagReader, scanner: str, world: str = '') -> Trajectory:
    """Return where the scanner's frame was in a fixed one: as named, or the first of odom, map, world, or the root.

    Raises PosesError where nothing moves between the two.
    """
    tree = TfTree.from_bag(bag)
    try:
        above = tree.ancestors(scanner)
        fixed = clean(world) or _world_of(tree, scanner, above)
        links = tree.moving(fixed, scanner) if fixed else {}
    except CalibrationError as error:
        raise PosesError(f'{bag.path}: {error}') from error
    if not links:
        raise PosesError(f'{bag.path}: expected a frame of /tf in which {scanner!r} moves, got '
                         f'{", ".join(above) or "none"} above it, which do not')
    stamps = _common_stamps(list(links.values()))
    if len(stamps) < 2:
        raise PosesError(f'{bag.path}: expected transforms from {fixed!r} to {scanner!r} at one time, got links whose '
                         f'times do not overlap: {", ".join(links)}')
    return Trajectory.sorted(stamps, np.stack([tree.lookup(fixed, scanner, int(stamp)) for stamp in stamps]))


def odometry_trajectory(bag: BagReader, topic: str, scanner: str) -> Trajectory:
    """Return where the scanner was, from the poses of child_frame_id, to which it is fixed by /tf_static (or /tf)."""
    if bag.require(topic).type != ODOMETRY_TYPE:
        raise PosesError(f'{bag.path}: expected {ODOMETRY_TYPE} on {topic}, got {bag.topics[topic].type}')
    stamps, poses, child = [], [], ''
    for message in bag.messages([topic]):
        header, child = message.msg.header, message.msg.child_frame_id
        stamps.append((header.stamp.sec * 1_000_000_000 + header.stamp.nanosec) or message.stamp_ns)
        poses.append(_pose(message.msg.pose.pose))
    if len(poses) < 2:
        raise PosesError(f'{bag.path}: expected two poses or more on {topic}, got {len(poses)}')
    if not child:
        raise PosesError(f'{bag.path}: expected a child_frame_id in {topic}, got none: what is it the pose of?')
    return Trajectory.sorted(np.array(stamps, np.int64), np.stack(poses)).of_body(
        fixed_transform(bag, topic, child, scanner))


def fixed_transform(bag: BagReader, topic: str, child: str, scanner: str) -> Array:
    """Return T_child_scanner (4, 4), of poses that `topic` has. Raises PosesError where /tf does not say."""
    if clean(child) == clean(scanner):
        return np.eye(4)
    try:
        return TfTree.from_bag(bag, static_only=True).lookup(child, scanner)
    except CalibrationError:
        try:
            return TfTree.from_bag(bag).lookup(child, scanner)
        except CalibrationError as error:
            raise PosesError(f'{bag.path}: {topic} has the poses of {child!r}: {error}') from error


def _pose(pose: Any) -> Array:
    """Return the matrix (4, 4) [m] of a geometry_msgs/Pose."""
    T, p, q = np.eye(4), pose.position, pose.orientation
    try:
        T[:3, :3] = rotation_of(np.array([q.x, q.y, q.z, q.w]))
    except CalibrationError as error:
        raise PosesError(f'expected a pose, got: {error}') from error
    T[:3, 3] = p.x, p.y, p.z
    return T


def _world_of(tree: TfTree, scanner: str, above: Sequence[str]) -> str:
    """Return the fixed frame: of those that the scanner moves in, a usual one, else the root; '' where none is."""
    usual = [name for world in WORLDS for name in above if name.rpartition('/')[2] == world]
    for frame in [*usual, *reversed(above)]:
        links = tree.moving(frame, scanner)
        if links and (frame in usual or any(_moves(link) for link in links.values())):
            return frame
    return ''


def _moves(link: Link) -> bool:
    """Tell whether a link with samples over time really moves: some are published again and again as they are."""
    transforms = link.transforms
    return bool(np.abs(transforms - transforms[0]).max() > STILL)


def _common_stamps(links: Sequence[Link]) -> Array:
    """Return the stamps [ns] of the link that has the most, within the time that all links have."""
    first, last = max(link.stamps_ns[0] for link in links), min(link.stamps_ns[-1] for link in links)
    stamps = np.array(max(links, key=lambda link: len(link.stamps_ns)).stamps_ns, np.int64)
    return stamps[(stamps >= first) & (stamps <= last)]
