"""Compute where a scanner was from its scans alone, with KISS-ICP: for sources without poses.

Source: Vizzo et al., "KISS-ICP: In Defense of Point-to-Point ICP", RA-L 2023. It takes each scan to where the last
motion would have led. At the start there is none, and scans that see but a part of the surroundings, from a car at full
speed, are then matched to the wrong place. So the first scans are gone through three times: on, back, and on again from
the speed that was found.

The points of a scan are moved to its stamp by the last motion; so the poses are of the stamps, and the part of a turn
that the points are of may be as small as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np

from ..camera import Array
from ..errors import PosesError
from ..rotation import inverse
from .motion import compensated, offsets_of
from .sources import Entry, Source
from .trajectory import Trajectory

MIN_POINTS = 100
MAX_RANGE_M = 100.0
WHOLE_POINTS, WHOLE_VOXEL_M, PART_VOXEL_M = 60_000, 1.0, 0.3  # a scan cut to the image is short of points
FIRST_SCANS = 20  # which are enough to know the speed

Scan = tuple[int, Array, Array | None]  # stamp [ns], points (N, 3) [m], when they were measured after it (N,) [s]


def kiss_trajectory(source: Source, entries: Sequence[Entry]) -> Trajectory:
    """Return where the scanner was, its first pose the identity; scans that are broken are left out.

    Raises PosesError where KISS-ICP is not installed, or the source has too few scans or no stamps.
    """
    first = list(islice(scans_of(source, entries), FIRST_SCANS))
    if len(first) < 2:
        raise PosesError(f'{source.path}: expected two scans or more with stamps for KISS-ICP, got {len(first)}')
    voxel_m = WHOLE_VOXEL_M if len(first[0][1]) >= WHOLE_POINTS else PART_VOXEL_M
    stamps, poses = odometry(scans_of(source, entries), voxel_m, first_motion(first, voxel_m))
    return Trajectory.sorted(np.array(stamps, np.int64), np.stack(poses))


def scans_of(source: Source, entries: Sequence[Entry]) -> Iterator[Scan]:
    """Yield the scans that can be used: whole, with a stamp, and their points but NaN and those at the origin."""
    for frame in source.read(entries):
        points, stamp_ns = frame.points, frame.entry.cloud_stamp_ns
        if frame.error is not None or points is None or stamp_ns is None:
            continue
        valid = np.asarray(np.isfinite(points[:, :3]).all(1) & points[:, :3].any(1))
        if np.count_nonzero(valid) >= MIN_POINTS:
            offsets_s = offsets_of(frame, points)
            yield stamp_ns, points[valid, :3], None if offsets_s is None else offsets_s[valid]


def first_motion(scans: Sequence[Scan], voxel_m: float) -> Array:
    """Return how the scanner moved (4, 4) from the first scan to the second."""
    there = odometry(scans, voxel_m)[1]
    back = odometry(scans[::-1], voxel_m, inverse(there[-1]) @ there[-2])[1]
    return inverse(back[-1]) @ back[-2]


def odometry(scans: Iterable[Scan], voxel_m: float, motion: Array | None = None) -> tuple[list[int], list[Array]]:
    """Return the stamps [ns] and poses (4, 4) of scans; `motion` is how the scanner came to the first."""
    kiss, motion = _kiss(voxel_m), np.eye(4) if motion is None else motion
    stamps: list[int] = []
    poses: list[Array] = []
    for stamp_ns, points, offsets_s in scans:
        if stamps and stamp_ns == stamps[-1]:
            continue
        if offsets_s is not None:
            points = _at_the_stamp(points, offsets_s, motion, stamp_ns, stamps)
        kiss.register_frame(points.astype(np.float64), np.zeros(0))
        if stamps:
            motion = kiss.last_delta
        else:
            kiss.last_delta = motion  # the first is where it is; the second is looked for this far from it
        stamps.append(stamp_ns)
        poses.append(kiss.last_pose.copy())
    return stamps, poses


def _at_the_stamp(points: Array, offsets_s: Array, motion: Array, stamp_ns: int, stamps: Sequence[int]) -> Array:
    """Return points moved to their scan's stamp, as if the last motion went on."""
    step_ns = stamp_ns - stamps[-1] if stamps else 100_000_000  # negative on the way back
    around = np.array([stamp_ns - step_ns, stamp_ns + step_ns])
    scanner = Trajectory.sorted(around, np.stack([inverse(motion), motion])).limited(np.inf, np.inf)
    return compensated(points, offsets_s, stamp_ns, stamp_ns, scanner)


def _kiss(voxel_m: float) -> Any:
    try:
        from kiss_icp.config import load_config
        from kiss_icp.kiss_icp import KissICP
    except ImportError as error:
        raise PosesError('expected KISS-ICP for poses of scans alone, found none: pip install kiss-icp') from error
    config = load_config(None)
    config.data.max_range, config.data.min_range, config.data.deskew = MAX_RANGE_M, 0.0, False
    config.mapping.voxel_size = voxel_m
    return KissICP(config)
