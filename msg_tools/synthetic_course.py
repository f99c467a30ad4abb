"""How the synthetic drive's car moves: where it is at any moment, swaying along its lane or weaving through it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SPEED_MPS = 8.0
LANE_Y_M = -1.75
SWAY_M, SWAY_LENGTH_M = 0.15, 6.5
WEAVE_M = 0.8  # to both sides of the lane's middle: clear of parked cars and oncoming ones
PACE_SHARE, PACE_RAD_S = 0.2, np.pi / 2  # the weaving car's speed changes by a fifth, in 4 s


@dataclass(frozen=True, slots=True)
class Course:
    """The way of a car at a speed; `curve_dps` is the highest yaw rate [deg/s] at that speed, 0: it sways a little.

    A car that weaves brakes and accelerates as well, and its drive starts where it turns and gains speed the most:

    >>> x, y, yaw = Course(speed_mps=8.0, curve_dps=15.0).position(0.0)
    """

    speed_mps: float = SPEED_MPS
    curve_dps: float = 0.0

    def position(self, time_s: float) -> tuple[float, float, float]:
        """Return where the IMU is [m] on the street and its heading [rad], which is where it drives to."""
        x = self.along(time_s)
        if not self.curve_dps:
            phase = x / SWAY_LENGTH_M
            return x, LANE_Y_M + SWAY_M * float(np.sin(phase)), float(np.arctan(SWAY_M / SWAY_LENGTH_M * np.cos(phase)))
        length = np.sqrt(WEAVE_M * self.speed_mps / np.deg2rad(self.curve_dps))
        slope = -WEAVE_M / length * np.sin(x / length)
        return x, LANE_Y_M + WEAVE_M * float(np.cos(x / length)), float(np.arctan(slope))

    def along(self, time_s: float) -> float:
        """Return how far along the street the IMU is [m]."""
        if not self.curve_dps:
            return self.speed_mps * time_s
        return self.speed_mps * (time_s + PACE_SHARE / PACE_RAD_S * float(1 - np.cos(PACE_RAD_S * time_s)))

    def motion(self, time_s: float, step_s: float = 1e-3) -> tuple[float, float, float]:
        """Return the velocity along x and y [m/s] and the yaw rate [rad/s], as differences over two steps."""
        earlier, later = self.position(time_s - step_s), self.position(time_s + step_s)
        speed_x, speed_y, turn = ((a - b) / (2 * step_s) for a, b in zip(later, earlier, strict=True))
        return speed_x, speed_y, turn

    def acceleration_mps2(self, time_s: float, step_s: float = 1e-3) -> float:
        """Return the forward acceleration [m/s^2]; a car that only sways is said to have none."""
        if not self.curve_dps:
            return 0.0
        earlier, later = (float(np.hypot(*self.motion(time_s + shift)[:2])) for shift in (-step_s, step_s))
        return (later - earlier) / (2 * step_s)
