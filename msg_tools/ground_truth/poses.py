"""Where a source's scanner was, out of what its user names: the source itself, a topic, /tf, a file, or KISS-ICP."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..bag import BagReader
from ..errors import PosesError
from .bag_poses import odometry_trajectory, tf_trajectory
from .bag_source import BagSource
from .kiss_poses import kiss_trajectory
from .pose_files import is_tum, read_poses
from .sources import Entry, Source
from .trajectory import EDGE_NS, Trajectory

KISS = 'kiss-icp'


def poses_of(
    source: Source, how: str = 'auto', entries: Sequence[Entry] | None = None, body: str = ''
) -> Trajectory | None:
    """Return where the scanner was; None for 'none'. Raises PosesError saying what was looked for.

    `how` is auto (OXTS of KITTI's raw data, the odometry benchmark's poses, a bag's /tf or only odometry), tf or
    tf:FRAME (the fixed frame), a topic of nav_msgs/Odometry, a pose file (KITTI's or TUM's), or kiss-icp. `body` is
    what a file's poses are of: scanner, camera or imu, or a frame of a bag; default: KITTI's camera (rectified 0),
    TUM's scanner. `entries` are the source's where they are known already.
    """
    if how == 'none':
        return None
    if how == KISS:
        return kiss_trajectory(source, source.entries() if entries is None else entries)
    found = _named(source, how, body, entries)
    if entries is not None:
        check_overlap(how, found, entries)
    return found


def _named(source: Source, how: str, body: str, entries: Sequence[Entry] | None) -> Trajectory:
    """Return where the scanner was, as something recorded it."""
    if how == 'auto':
        return source.trajectory()
    if how == 'tf' or how.startswith('tf:'):
        with BagReader(_bag(source, how).path) as bag:
            return tf_trajectory(bag, _bag(source, how).cloud_frame, how[3:])
    if how.startswith('/') and not Path(how).is_file() and isinstance(source, BagSource):
        with BagReader(source.path) as bag:
            return odometry_trajectory(bag, how, source.cloud_frame)
    return file_trajectory(source, Path(how), source.entries() if entries is None else entries, body)


def file_trajectory(source: Any, path: Path, entries: Sequence[Entry], body: str = '') -> Trajectory:
    """Return where the scanner was, from a pose file. Raises PosesError, also where it is of another time."""
    if not path.is_file():
        raise PosesError(f'{path}: expected auto, none, tf, tf:FRAME, kiss-icp, a topic of a bag, or a pose file, '
                         'found no such file')
    body = body or ('scanner' if is_tum(path) else 'camera')
    trajectory = read_poses(path, entries)
    check_overlap(str(path), trajectory, entries)
    return trajectory if body == 'scanner' else trajectory.of_body(source.T_body_scanner(body))


def check_overlap(name: str, trajectory: Trajectory, entries: Sequence[Entry]) -> None:
    """Raise PosesError where no cloud was taken while there are poses: they are of another recording, or clock."""
    stamps = np.array([entry.cloud_stamp_ns for entry in entries if entry.cloud_stamp_ns is not None], np.int64)
    first, last = int(trajectory.stamps_ns[0]), int(trajectory.stamps_ns[-1])
    if len(stamps) and not ((stamps >= first - EDGE_NS) & (stamps <= last + EDGE_NS)).any():
        raise PosesError(f'{name}: expected poses from {stamps.min()} to {stamps.max()} ns, when the clouds were '
                         f'taken, got them from {first} to {last} ns: are they of another recording, or clock?')


def _bag(source: Source, how: str) -> BagSource:
    if not isinstance(source, BagSource):
        raise PosesError(f'{source.path}: expected a bag for poses from {how}, got a folder')
    return source
