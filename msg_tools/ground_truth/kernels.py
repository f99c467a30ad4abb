"""The loops over a scan's points: which lie before the camera, when each was measured, where it was at the exposure.

Each is one pass that allocates nothing but its result. Points are float32 or float64 (N, 3 or more) [m].
"""

from __future__ import annotations

import math

import numpy as np

from ..camera import Array
from .compiled import compiled
from .lens import BROWN, FISHEYE

STEPS_PER_M = 256.0
ARCTAN = (0.9999772826882909, -0.33262436484765656, 0.1935503787201669, -0.11645236795002468, 0.05267611973643892,
          -0.011730601658994089)
NEAREST_M, FAR_M = 0.5 / STEPS_PER_M, 65535.5 / STEPS_PER_M  # what rounds to 1 to 65535 steps
SURFACE = 1.3  # from one beam to the next a surface seldom recedes by more: a level road does beyond 40 m


@compiled
def within(points: Array, planes: Array, margin_m: float) -> Array:
    """Return the indices int64 (n,), in order, of the points inside all planes (M, 4) or outside by at most the margin.

    A plane times (x, y, z, 1) is the distance to the inside [m]. NaN is outside.
    """
    result = np.empty(len(points), np.int64)
    found = 0
    for i in range(len(points)):
        x, y, z = points[i, 0], points[i, 1], points[i, 2]
        inside = True
        for k in range(len(planes)):
            if not planes[k, 0] * x + planes[k, 1] * y + planes[k, 2] * z + planes[k, 3] >= -margin_m:
                inside = False
                break
        if inside:
            result[found] = i
            found += 1
    return result[:found]


@compiled
def azimuth_offsets(points: Array, start_s: float, turn_s: float) -> Array:
    """Return when each point was measured, float32 (N,) [s], for a turn that starts and ends at the rear, clockwise.

    x is forward and y left: the azimuth falls from half a turn to minus half a turn, and is 0 in the middle.
    """
    result = np.empty(len(points), np.float32)
    for i in range(len(points)):
        result[i] = start_s + turn_s * (0.5 - azimuth_of(points[i, 0], points[i, 1]) / (2 * math.pi))
    return result


@compiled
def azimuth_of(x: float, y: float) -> float:
    """Return atan2(y, x) [rad] to 2e-6, which is 30 ns of a turn: quicker than the exact one.

    The polynomial fits the arc tangent between 0 and 1 with the least greatest error.
    """
    ax, ay = abs(np.float64(x)), abs(np.float64(y))
    low, high = min(ax, ay), max(ax, ay)
    q = low / high if high > 0 else high  # 0 at the origin
    q2 = q * q
    a1, a3, a5, a7, a9, a11 = ARCTAN
    angle = q * (a1 + q2 * (a3 + q2 * (a5 + q2 * (a7 + q2 * (a9 + q2 * a11)))))
    if ay > ax:
        angle = math.pi / 2 - angle
    if x < 0:
        angle = math.pi - angle
    return -angle if y < 0 else angle


@compiled
def moved(points: Array, offsets_s: Array, first_s: float, step_s: float, knots: Array) -> Array:
    """Return the points float32 (N, 3) moved by the transform of their time, linear between knots (K, 3, 4), K > 1.

    The first knot is of `first_s`, the others follow every `step_s` [s]. Before and after them the ends' lines go on.
    """
    result = np.empty((len(points), 3), np.float32)
    for i in range(len(points)):
        at = (offsets_s[i] - first_s) / step_s
        k = min(max(int(at), 0), len(knots) - 2)
        share = at - k
        x, y, z = np.float64(points[i, 0]), np.float64(points[i, 1]), np.float64(points[i, 2])
        for row in range(3):
            before, after = knots[k, row], knots[k + 1, row]
            start = before[0] * x + before[1] * y + before[2] * z + before[3]
            end = after[0] * x + after[1] * y + after[2] * z + after[3]
            result[i, row] = start + share * (end - start)
    return result


@compiled
def pixel_of(x: float, y: float, z: float, lens: Array, model: int) -> tuple[float, float]:
    """Return the pixel (u, v) of a camera-frame point [m] with z > 0; NaN where the lens's model does not reach it.

    `lens` is Lens.numbers. Source of the models: OpenCV, calib3d (projectPoints) and fisheye.
    """
    a, b = x / z, y / z
    if model == BROWN:
        r2 = a * a + b * b
        if r2 > lens[4] * lens[4]:
            return np.nan, np.nan
        k1, k2, p1, p2, k3, k4, k5, k6 = lens[5:13]
        radial = (1 + r2 * (k1 + r2 * (k2 + r2 * k3))) / (1 + r2 * (k4 + r2 * (k5 + r2 * k6)))
        bent_a = a * radial + 2 * p1 * a * b + p2 * (r2 + 2 * a * a)
        a, b = bent_a, b * radial + p1 * (r2 + 2 * b * b) + 2 * p2 * a * b
    elif model == FISHEYE:
        r = math.hypot(a, b)
        theta = math.atan(r)
        if theta > lens[4]:
            return np.nan, np.nan
        t2 = theta * theta
        bent = theta * (1 + t2 * (lens[5] + t2 * (lens[6] + t2 * (lens[7] + t2 * lens[8]))))
        if r > 0:
            a, b = a * bent / r, b * bent / r
    return lens[0] * a + lens[2], lens[1] * b + lens[3]


@compiled
def reach_of(lens: Array, model: int, height: int, width: int) -> tuple[float, float]:
    """Return |x / z| and |y / z| beyond which no point falls on the image: for most points a test without division."""
    if model != 0:
        return np.inf, np.inf
    return (max(lens[2], width - lens[2]) + 1) / lens[0], (max(lens[3], height - lens[3]) + 1) / lens[1]


@compiled
def draw(points: Array, T: Array, lens: Array, model: int, depth: Array) -> int:
    """Draw points, moved by T (3, 4) into the camera's frame, into depth uint16 (H, W) [1/256 m]; the nearest wins.

    Returns how many fell on the image. A pixel covers half a pixel around its integer coordinates; what is nearer than
    half a step or farther than the map holds has no place and hides nothing.
    """
    height, width = depth.shape
    reach = reach_of(lens, model, height, width)
    fell = 0
    for i in range(len(points)):
        px, py, pz = np.float64(points[i, 0]), np.float64(points[i, 1]), np.float64(points[i, 2])
        z = T[2, 0] * px + T[2, 1] * py + T[2, 2] * pz + T[2, 3]
        if not NEAREST_M < z < FAR_M:
            continue
        x = T[0, 0] * px + T[0, 1] * py + T[0, 2] * pz + T[0, 3]
        if abs(x) > reach[0] * z:
            continue
        y = T[1, 0] * px + T[1, 1] * py + T[1, 2] * pz + T[1, 3]
        if abs(y) > reach[1] * z:
            continue
        u, v = pixel_of(x, y, z, lens, model)
        u, v = np.rint(u), np.rint(v)
        if 0 <= u < width and 0 <= v < height:  # False for NaN
            fell += 1
            row, column, steps = int(v), int(u), np.rint(z * STEPS_PER_M)
            if depth[row, column] == 0 or steps < depth[row, column]:
                depth[row, column] = np.uint16(steps)
    return fell


@compiled
def draw_agreeing(points: Array, T: Array, lens: Array, model: int, evidence: Array, tolerances: Array,
                  depth: Array) -> tuple[int, int]:
    """Draw like `draw`, but only points that agree with one of the pieces of evidence uint16 (E, 2, H, W).

    Returns how many fell on the image and how many of them agreed; see agreement.py.
    """
    height, width = depth.shape
    reach = reach_of(lens, model, height, width)
    fell, kept = 0, 0
    for i in range(len(points)):
        px, py, pz = np.float64(points[i, 0]), np.float64(points[i, 1]), np.float64(points[i, 2])
        z = T[2, 0] * px + T[2, 1] * py + T[2, 2] * pz + T[2, 3]
        if not NEAREST_M < z < FAR_M:
            continue
        x = T[0, 0] * px + T[0, 1] * py + T[0, 2] * pz + T[0, 3]
        if abs(x) > reach[0] * z:
            continue
        y = T[1, 0] * px + T[1, 1] * py + T[1, 2] * pz + T[1, 3]
        if abs(y) > reach[1] * z:
            continue
        u, v = pixel_of(x, y, z, lens, model)
        u, v = np.rint(u), np.rint(v)
        if not (0 <= u < width and 0 <= v < height):
            continue
        fell += 1
        row, column, steps = int(v), int(u), np.rint(z * STEPS_PER_M)
        for k in range(len(evidence)):
            if agrees(steps, evidence[k, 0, row, column], evidence[k, 1, row, column], tolerances[k]):
                kept += 1
                if depth[row, column] == 0 or steps < depth[row, column]:
                    depth[row, column] = np.uint16(steps)
                break
    return fell, kept


@compiled
def agrees(steps: float, first: int, second: int, tolerance: float) -> bool:
    """Tell whether a depth lies between two of one surface, or near one of two that are apart; 0 is none."""
    if first == 0:
        first = second
    if second == 0:
        second = first
    low, high = min(first, second), max(first, second)
    if low == 0:
        return False
    if tolerance == 0 or high <= low * SURFACE:
        return low * (1 - tolerance) <= steps <= high * (1 + tolerance)
    return abs(steps - low) <= tolerance * low or abs(steps - high) <= tolerance * high
