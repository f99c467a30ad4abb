"""Rotations as matrices and quaternions (x, y, z, w), and rigid transforms (4, 4)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .errors import CalibrationError

Array = NDArray[np.float64]


def inverse(T: Array) -> Array:
    """Return the inverse of a rigid transform (4, 4): T_a_b becomes T_b_a."""
    result = np.eye(4)
    result[:3, :3] = T[:3, :3].T
    result[:3, 3] = -T[:3, :3].T @ T[:3, 3]
    return result


def rigid(T: Array) -> Array:
    """Return T (4, 4) with its rotation made exact: calibration files round theirs to seven digits.

    A rotation that went through a quaternion, as in /tf, comes out as it goes in. Raises CalibrationError where T is
    not finite, singular or no rotation but for its rounding.
    """
    R = T[:3, :3]
    if not (np.isfinite(T).all() and np.allclose(R @ R.T, np.eye(3), atol=1e-3) and np.linalg.det(R) > 0):
        raise CalibrationError(f'expected a rotation and a translation, got {T[:3].tolist()}; is the matrix scaled, '
                               'flipped, or does it hold zeros?')
    result = np.eye(4)
    result[:3, :3], result[:3, 3] = rotation_of(quaternion_of(R)), T[:3, 3]
    return result


def rotation_of(quaternion: Array) -> Array:
    """Return the rotation matrix (3, 3) of a quaternion (x, y, z, w) of any length but zero."""
    norm = float(np.linalg.norm(quaternion))
    if not np.isfinite(norm) or norm < 1e-9:
        raise CalibrationError(f'expected a rotation, got the quaternion {quaternion.tolist()}')
    x, y, z, w = quaternion / norm
    return np.array([
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ])


def quaternion_of(rotation: Array) -> Array:
    """Return the unit quaternion (x, y, z, w) of a rotation matrix (3, 3), w >= 0 (Shepperd's method)."""
    m = np.asarray(rotation, np.float64)
    squares = np.array([  # 4 x², 4 y², 4 z², 4 w²: the greatest keeps the division exact
        1 + m[0, 0] - m[1, 1] - m[2, 2],
        1 - m[0, 0] + m[1, 1] - m[2, 2],
        1 - m[0, 0] - m[1, 1] + m[2, 2],
        1 + m[0, 0] + m[1, 1] + m[2, 2],
    ])
    products = np.array([
        [squares[0], m[0, 1] + m[1, 0], m[0, 2] + m[2, 0], m[2, 1] - m[1, 2]],
        [m[0, 1] + m[1, 0], squares[1], m[1, 2] + m[2, 1], m[0, 2] - m[2, 0]],
        [m[0, 2] + m[2, 0], m[1, 2] + m[2, 1], squares[2], m[1, 0] - m[0, 1]],
        [m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1], squares[3]],
    ])
    quaternion = products[int(np.argmax(squares))]
    return quaternion / np.linalg.norm(quaternion) * np.copysign(1.0, quaternion[3])


def between(T0: Array, T1: Array, share: float) -> Array:
    """Return the transform a share (0..1) of the way from T0 to T1: straight, turning at a constant rate."""
    q0, q1 = quaternion_of(T0[:3, :3]), quaternion_of(T1[:3, :3])
    dot = float(q0 @ q1)
    angle = np.arccos(min(abs(dot), 1.0))
    if angle < 1e-9:  # the sines below vanish
        w0, w1 = 1.0 - share, share
    else:
        w0, w1 = np.sin((1.0 - share) * angle) / np.sin(angle), np.sin(share * angle) / np.sin(angle)
    T = np.eye(4)
    T[:3, :3] = rotation_of(w0 * q0 + np.copysign(w1, dot) * q1)  # q and -q are one rotation: the near one
    T[:3, 3] = (1.0 - share) * T0[:3, 3] + share * T1[:3, 3]
    return T
