"""Compute where a scanner was from its scans alone, with KISS-ICP: for sources without poses.

Source: Vizzo et al., "KISS-ICP: In Defense of Point-to-Point ICP", RA-L 2023. It needs scans that follow each other: a
car that drives 15 m/s and a gap of a second make it lose its way.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..camera import Array
from ..errors import PosesError
from .motion import offsets_of
from .sources import Entry, Frame, Source
from .trajectory import Trajectory

MIN_POINTS = 100


def kiss_trajectory(source: Source, entries: Sequence[Entry], max_range_m: float = 100.0) -> Trajectory:
    """Return where the scanner was, its first pose the identity; scans that are broken are left out.

    Points' times are used where they are known. Raises PosesError where KISS-ICP is not installed, or the source has
    too few scans or no stamps.
    """
    odometry = _odometry(max_range_m)
    stamps, poses = [], []
    for frame in source.read(entries):
        points = frame.points
        if frame.error is not None or points is None or frame.entry.cloud_stamp_ns is None:
            continue
        valid = np.asarray(np.isfinite(points[:, :3]).all(1) & points[:, :3].any(1))
        if np.count_nonzero(valid) < MIN_POINTS:
            continue
        offsets_s = offsets_of(frame, points)
        odometry.register_frame(points[valid, :3].astype(np.float64), _shares(offsets_s, valid))
        poses.append(odometry.last_pose.copy())
        stamps.append(_pose_stamp_ns(odometry, frame, None if offsets_s is None else offsets_s[valid]))
    if len(poses) < 2:
        raise PosesError(f'{source.path}: expected two scans or more with stamps for KISS-ICP, got {len(poses)}')
    return Trajectory.sorted(np.array(stamps, np.int64), np.stack(poses))


def reference_share(odometry: Any) -> float:
    """Return to which moment of a scan KISS-ICP moves its points: 0 is the first point's, 1 the last's.

    It was 0.5 before version 1.2 and is 1 since; so it is asked: the point that stays where it is was measured then.
    """
    moved = np.eye(4)
    moved[0, 3] = 1.0
    probe = np.array([[20.0, 0.0, 0.0], [0.0, 20.0, 0.0]])
    first, last = odometry.preprocessor.preprocess(probe, np.array([0.0, 1.0]), moved) - probe
    return float(-first[0] / (last[0] - first[0]))


def _odometry(max_range_m: float) -> Any:
    try:
        from kiss_icp.config import load_config
        from kiss_icp.kiss_icp import KissICP
    except ImportError as error:
        raise PosesError('expected KISS-ICP for poses of scans alone, found none: pip install kiss-icp') from error
    config = load_config(None)
    config.data.max_range, config.data.min_range, config.data.deskew = max_range_m, 0.0, True
    config.mapping.voxel_size = max_range_m / 100
    return KissICP(config)


def _shares(offsets_s: Array | None, valid: Array) -> Array:
    """Return when in the scan, 0 to 1, the valid points were measured; nothing where that is not known."""
    if offsets_s is None:
        return np.zeros(0)
    times = offsets_s[valid].astype(np.float64)
    return (times - times.min()) / max(times.max() - times.min(), 1e-9)


def _pose_stamp_ns(odometry: Any, frame: Frame, offsets_s: Array | None) -> int:
    """Return the moment [ns] that the pose of a scan is of."""
    stamp_ns = frame.entry.cloud_stamp_ns
    assert stamp_ns is not None
    if offsets_s is None:
        return stamp_ns
    first_s, last_s = float(offsets_s.min()), float(offsets_s.max())
    return stamp_ns + round((first_s + reference_share(odometry) * (last_s - first_s)) * 1e9)
