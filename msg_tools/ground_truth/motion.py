"""Move the points of a scan to where they would have been measured at one moment: the exposure of the camera.

A scan takes a tenth of a second, and the scanner moves meanwhile. Each point has a time of its own, from its cloud's
field or, for a scanner whose turn is known, from its azimuth; the pose at that time takes it to the world, and the pose
at the exposure back.
"""

from __future__ import annotations

import numpy as np

from ..camera import Array
from ..rotation import inverse
from .kernels import azimuth_offsets, moved
from .sources import Frame
from .trajectory import Trajectory

STEP_NS = 5_000_000  # from pose to pose, linear between: a turn of 60 deg/s is straight to 0.1 mm at 20 m


def offsets_of(frame: Frame, points: Array, chosen: Array | None = None) -> Array | None:
    """Return when points of a frame were measured, float32 (n,) [s after the cloud's stamp]; None where all are of it.

    `chosen` are the points' indices in the frame where they are not all of it.
    """
    if frame.offsets_s is not None:
        return frame.offsets_s if chosen is None else frame.offsets_s[chosen]
    if frame.turn_s is None:
        return None
    return azimuth_offsets(points, frame.turn_s[0], frame.turn_s[1] - frame.turn_s[0])


def compensated(points: Array, offsets_s: Array | None, stamp_ns: int, at_ns: int, scanner: Trajectory) -> Array:
    """Return points (N, 3 or more) [m] as float32 (N, 3) of the scanner's frame at a moment [ns].

    `offsets_s` (N,) says when each was measured, after the stamp; None: all at the stamp. The poses between which a
    point is moved depend on its own time alone, so that a part of a scan moves as it does in the whole. Raises
    PosesError where the trajectory does not reach.
    """
    if offsets_s is None or not len(offsets_s):
        return apply(T_between(scanner, stamp_ns, at_ns), points)
    step_s = STEP_NS * 1e-9
    first, last = (int(np.floor(float(end) / step_s)) for end in (offsets_s.min(), offsets_s.max()))
    stamps_ns = stamp_ns + STEP_NS * np.arange(first, last + 2, dtype=np.int64)
    poses = scanner.at(np.append(stamps_ns, at_ns))
    knots = np.ascontiguousarray((inverse(poses[-1]) @ poses[:-1])[:, :3])
    return np.asarray(moved(points, offsets_s, step_s, first, knots))


def T_between(scanner: Trajectory, from_ns: int, to_ns: int) -> Array:
    """Return the (4, 4) that takes points of the scanner's frame at one moment to its frame at another."""
    before, after = scanner.at(np.array([from_ns, to_ns]))
    return inverse(after) @ before


def apply(T: Array, points: Array) -> Array:
    """Move points (N, 3 or more) by T (4, 4); float32 (N, 3)."""
    xyz = np.asarray(points[:, :3], np.float64)
    return (xyz @ T[:3, :3].T + T[:3, 3]).astype(np.float32)
