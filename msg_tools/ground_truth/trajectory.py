"""Where a body was, and when: poses between which it is interpolated on SE(3), and what is wrong with them.

Between two poses the body moves along a screw: turning and advancing at constant rates in its own frame, which is what
a car does in a bend. Sources: Murray, Li, Sastry, "A Mathematical Introduction to Robotic Manipulation", 1994, ch. 2
(exponential and logarithm of rigid motions).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..camera import Array
from ..errors import PosesError

SMALL_RAD = 1e-6
EDGE_NS = 150_000_000  # how far beyond the first and last pose the last known motion may go on: 1.5 periods of 10 Hz


@dataclass(frozen=True)
class Trajectory:
    """Poses T_world_body (N, 4, 4) [m] at stamps int64 (N,) [ns], in the order of time, and what was left out of them.

    >>> T = np.tile(np.eye(4), (2, 1, 1)); T[1, 0, 3] = 2.0
    >>> Trajectory(np.array([0, 10**9]), T).at(np.array([250_000_000]))[0, 0, 3]
    0.5
    """

    stamps_ns: Array
    poses: Array
    max_gap_s: float = 0.5
    max_speed_mps: float = 70.0
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        count = len(self.stamps_ns)
        if self.poses.shape != (count, 4, 4) or count < 2:
            raise PosesError(f'expected two poses (4, 4) or more with a stamp each, got {self.poses.shape} and {count}')
        if not np.isfinite(self.poses).all():
            raise PosesError(f'expected finite poses, got NaN or Inf in pose {_first(~np.isfinite(self.poses))}')
        backwards = np.diff(self.stamps_ns) <= 0
        if backwards.any():
            raise PosesError(f'expected poses in the order of time, got pose {_first(backwards) + 1} at '
                             f'{self.stamps_ns[_first(backwards) + 1]} ns, not after the one before it')

    @classmethod
    def sorted(cls, stamps_ns: Array, poses: Array) -> Trajectory:
        """Return a trajectory of poses in any order; of several with one stamp the last counts."""
        order = np.argsort(stamps_ns, kind='stable')
        stamps_ns = np.asarray(stamps_ns, np.int64)[order]
        last = np.append(np.diff(stamps_ns) > 0, True)
        return cls(stamps_ns[last], np.asarray(poses, np.float64)[order][last])

    def limited(self, max_gap_s: float, max_speed_mps: float) -> Trajectory:
        """Return the trajectory with other limits on what is believed between two poses."""
        return replace(self, max_gap_s=max_gap_s, max_speed_mps=max_speed_mps)

    def of_body(self, T_body_other: Array) -> Trajectory:
        """Return the trajectory of another frame (4, 4) that is fixed to this body."""
        return replace(self, poses=self.poses @ T_body_other)

    def at(self, stamps_ns: Array) -> Array:
        """Return the poses (M, 4, 4) at stamps (M,) [ns].

        Raises PosesError for a stamp before the first pose or after the last, in a gap, or where the poses jump.
        """
        stamps_ns = np.atleast_1d(np.asarray(stamps_ns, np.int64))
        index = np.clip(np.searchsorted(self.stamps_ns, stamps_ns, 'right') - 1, 0, len(self.stamps_ns) - 2)
        self._check(stamps_ns, index)
        start, end = self.stamps_ns[index], self.stamps_ns[index + 1]
        share = (stamps_ns - start) / (end - start)
        before = self.poses[index]
        return before @ exp(share[:, None] * log(inverses(before) @ self.poses[index + 1]))

    def _check(self, stamps_ns: Array, index: Array) -> None:
        """Raise PosesError where the poses around a stamp cannot be trusted."""
        first, last = self.stamps_ns[0], self.stamps_ns[-1]
        outside = (stamps_ns < first - EDGE_NS) | (stamps_ns > last + EDGE_NS)
        if outside.any():
            raise PosesError(f'expected poses at {stamps_ns[_first(outside)]} ns, got some from {first} to {last} ns; '
                             'are they of another recording, or another clock?')
        start, end = self.stamps_ns[index], self.stamps_ns[index + 1]
        gap_s = (end - start) / 1e9
        known = (stamps_ns == start) | (stamps_ns == end)
        if (far := (gap_s > self.max_gap_s) & ~known).any():
            raise PosesError(f'expected a pose every {self.max_gap_s:g} s, got none for {gap_s[_first(far)]:.2f} s '
                             f'after {start[_first(far)]} ns')
        speed = np.linalg.norm(self.poses[index + 1, :3, 3] - self.poses[index, :3, 3], axis=1) / gap_s
        if (fast := speed > self.max_speed_mps).any():
            raise PosesError(f'expected at most {self.max_speed_mps:g} m/s between poses, got '
                             f'{speed[_first(fast)]:.0f} m/s after {start[_first(fast)]} ns: do they jump?')


def inverses(T: Array) -> Array:
    """Return the inverses of rigid transforms (N, 4, 4)."""
    result = np.tile(np.eye(4), (len(T), 1, 1))
    R = T[:, :3, :3].transpose(0, 2, 1)
    result[:, :3, :3] = R
    result[:, :3, 3] = -(R @ T[:, :3, 3, None])[..., 0]
    return result


def log(T: Array) -> Array:
    """Return the twists (N, 6) of rigid transforms (N, 4, 4): angular [rad], then linear [m]; up to half a turn."""
    R, p = T[:, :3, :3], T[:, :3, 3]
    axis = np.stack([R[:, 2, 1] - R[:, 1, 2], R[:, 0, 2] - R[:, 2, 0], R[:, 1, 0] - R[:, 0, 1]], -1) / 2
    sine = np.linalg.norm(axis, axis=1)
    angle = np.arctan2(sine, (np.trace(R, axis1=1, axis2=2) - 1) / 2)
    if np.any((sine < SMALL_RAD) & (angle > 1)):
        raise PosesError('expected less than half a turn between two poses, got half a turn')
    small = sine < SMALL_RAD
    w = axis * np.where(small, 1.0, angle / np.where(small, 1.0, sine))[:, None]
    W, t = skew(w), np.where(small, 1.0, angle)
    half = t / 2
    factor = np.where(small, 1 / 12, (1 - half / np.tan(half)) / (t * t))
    V_inverse = np.eye(3) - W / 2 + factor[:, None, None] * (W @ W)
    return np.concatenate([w, (V_inverse @ p[..., None])[..., 0]], 1)


def exp(twist: Array) -> Array:
    """Return the rigid transforms (N, 4, 4) of twists (N, 6): angular [rad], then linear [m]."""
    w, v = twist[:, :3], twist[:, 3:]
    angle = np.linalg.norm(w, axis=1)
    small = angle < SMALL_RAD
    t = np.where(small, 1.0, angle)
    a = np.where(small, 1.0, np.sin(t) / t)[:, None, None]
    b = np.where(small, 0.5, (1 - np.cos(t)) / (t * t))[:, None, None]
    c = np.where(small, 1 / 6, (t - np.sin(t)) / (t * t * t))[:, None, None]
    W = skew(w)
    WW = W @ W
    T = np.tile(np.eye(4), (len(twist), 1, 1))
    T[:, :3, :3] = np.eye(3) + a * W + b * WW
    T[:, :3, 3] = ((np.eye(3) + b * W + c * WW) @ v[..., None])[..., 0]
    return T


def skew(w: Array) -> Array:
    """Return the matrices (N, 3, 3) of cross products with vectors (N, 3)."""
    result = np.zeros((len(w), 3, 3))
    result[:, 0, 1], result[:, 0, 2], result[:, 1, 2] = -w[:, 2], w[:, 1], -w[:, 0]
    return result - result.transpose(0, 2, 1)


def _first(flags: Array) -> int:
    """Return the index, along the first axis, of the first that is true."""
    return int(np.flatnonzero(flags.reshape(len(flags), -1).any(1))[0])
