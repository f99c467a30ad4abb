"""Read poses from a file: KITTI's (12 numbers a line, one for each frame) or TUM's (stamp, position, quaternion)."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path

import numpy as np

from ..camera import Array
from ..errors import CalibrationError, PosesError
from ..rotation import rotation_of
from .sources import Entry
from .trajectory import Trajectory

KITTI_COUNT, TUM_COUNT = 12, 8


def is_tum(path: Path) -> bool:
    """Tell whether a pose file has stamps of its own. Raises PosesError where it is neither TUM's nor KITTI's."""
    return len(_lines(path)[0]) == TUM_COUNT


def read_poses(path: Path, entries: Sequence[Entry]) -> Trajectory:
    """Read a pose file; lines without stamps get those of the source's clouds. Raises PosesError."""
    lines = _lines(path)
    if len(lines[0]) == TUM_COUNT:
        stamps, poses = np.array([_stamp_ns(path, line[0]) for line in lines]), _of_tum(path, lines)
    else:
        poses = _of_kitti(path, lines)
        frames, stamps = _stamps(path, len(poses), entries)
        poses = poses[frames]
    try:
        return Trajectory.sorted(stamps, poses)
    except PosesError as error:
        raise PosesError(f'{path}: {error}') from error


def _lines(path: Path) -> list[list[str]]:
    """Return the words of each line that is no comment; all lines have as many."""
    try:
        lines = [line.split() for line in path.read_text().splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise PosesError(f'{path}: expected a readable pose file, got: {error}') from error
    lines = [words for words in lines if words and not words[0].startswith('#')]
    counts = sorted({len(words) for words in lines})
    if counts not in ([KITTI_COUNT], [TUM_COUNT]):
        raise PosesError(f"{path}: expected {KITTI_COUNT} numbers a line (KITTI's) or {TUM_COUNT} (TUM's: stamp tx ty "
                         f'tz qx qy qz qw), got {" or ".join(map(str, counts)) or "an empty file"}')
    return lines


def _of_kitti(path: Path, lines: Sequence[Sequence[str]]) -> Array:
    """Return the poses (N, 4, 4), their rotations made exact: the file's are rounded."""
    poses = np.tile(np.eye(4), (len(lines), 1, 1))
    poses[:, :3] = _floats(path, lines).reshape(-1, 3, 4)
    if not np.isfinite(poses).all():
        return poses  # the trajectory names the pose
    U, _, Vt = np.linalg.svd(poses[:, :3, :3])
    exact = U @ Vt
    off = np.abs(exact - poses[:, :3, :3]).max((1, 2))
    if (wrong := (off > 1e-2) | (np.linalg.det(exact) < 0)).any():
        raise PosesError(f'{path}: expected rotations, got none in line {int(np.flatnonzero(wrong)[0]) + 1}')
    poses[:, :3, :3] = exact
    return poses


def _of_tum(path: Path, lines: Sequence[Sequence[str]]) -> Array:
    poses = np.tile(np.eye(4), (len(lines), 1, 1))
    for number, (pose, values) in enumerate(zip(poses, _floats(path, [line[1:] for line in lines]), strict=True)):
        try:
            pose[:3, :3], pose[:3, 3] = rotation_of(values[3:]), values[:3]
        except CalibrationError as error:
            raise PosesError(f'{path}: pose {number}: {error}') from error
    return poses


def _stamps(path: Path, count: int, entries: Sequence[Entry]) -> tuple[Array, Array]:
    """Return which poses belong to the source's clouds, and the stamps of those [ns].

    A line for each frame number from 0 on, as KITTI has it, or one for each frame that there is.
    """
    known = [(i, entry.frame, entry.cloud_stamp_ns) for i, entry in enumerate(entries)
             if entry.cloud_stamp_ns is not None]
    last = max((frame for _, frame, _ in known), default=-1)
    if not known:
        raise PosesError(f'{path}: expected frames with stamps, which the file itself does not have, got none')
    if count > last:
        return np.array([frame for _, frame, _ in known]), np.array([stamp for *_, stamp in known], np.int64)
    if count == len(entries):
        return np.array([i for i, *_ in known]), np.array([stamp for *_, stamp in known], np.int64)
    raise PosesError(f'{path}: expected a pose for each frame, {len(entries)}, or for each number up to {last}, '
                     f'got {count}')


def _stamp_ns(path: Path, word: str) -> int:
    """Read seconds as nanoseconds to the last digit: a float64 of today's seconds is off by 100 ns."""
    try:
        return int(np.int64(int((Decimal(word) * 1_000_000_000).to_integral_value())))
    except (InvalidOperation, ValueError, OverflowError) as error:
        raise PosesError(f'{path}: expected a stamp in seconds, got {word!r}') from error


def _floats(path: Path, lines: Sequence[Sequence[str]]) -> Array:
    try:
        return np.array([[float(word) for word in line] for line in lines])
    except ValueError as error:
        raise PosesError(f'{path}: expected numbers, got: {error}') from error
