"""The loops over a scan's points: which lie before the camera, when each was measured, where it was at the exposure.

Each is one pass that allocates nothing but its result. Points are float32 or float64 (N, 3 or more) [m].
"""

from __future__ import annotations

import math

import numpy as np

from ..camera import Array
from .compiled import compiled
from .lens import BROWN, FISHEYE, PINHOLE

STEPS_PER_M = 256.0
ARCTAN = (0.9999772826882909, -0.33262436484765656, 0.1935503787201669, -0.11645236795002468, 0.05267611973643892,
          -0.011730601658994089)
NEAREST_M, FAR_M = 0.5 / STEPS_PER_M, 65535.5 / STEPS_PER_M  # what rounds to 1 to 65535 steps


@compiled
def within(points: Array, planes: Array, margin_m: float, margin_rad: float) -> Array:
    """Return the indices int64 (n,), in order, of the points inside all planes (M, 4) or outside by at most a margin.

    A plane times (x, y, z, 1) is the distance to the inside [m]; the margin is `margin_m` and, for what a turn of the
    planes may bring in, `margin_rad` times the distance of the point. NaN and Inf are outside.
    """
    result = np.empty(len(points), np.int64)
    found = 0
    for i in range(len(points)):
        x, y, z = np.float64(points[i, 0]), np.float64(points[i, 1]), np.float64(points[i, 2])
        distance = math.sqrt(x * x + y * y + z * z)
        limit = -margin_m - margin_rad * distance
        inside = distance < np.inf  # a limit of minus infinity would let in whatever has no time and no place
        for k in range(len(planes)):
            if not planes[k, 0] * x + planes[k, 1] * y + planes[k, 2] * z + planes[k, 3] >= limit:
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
def moved(points: Array, offsets_s: Array, step_s: float, first: int, knots: Array) -> Array:
    """Return the points float32 (N, 3) moved by the transform of their time, linear between knots (K, 3, 4), K > 1.

    Knot k is of the time (first + k) * step_s [s]: whatever other knots there are, a point comes to the same place, to
    the last bit. Before and after the knots the ends' lines go on.
    """
    result = np.empty((len(points), 3), np.float32)
    for i in range(len(points)):
        at = np.float64(offsets_s[i]) / step_s
        number = min(max(math.floor(at), first), first + len(knots) - 2)
        share, k = at - number, number - first
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
def on_image(points: Array, T: Array, lens: Array, model: int, height: int, width: int) -> tuple[Array, Array]:
    """Return where points, moved by T (3, 4) into the camera's frame, fall on the image, and how far they are.

    Flat pixel indices int32 (n,) and depths uint16 (n,) [1/256 m]; points that fall elsewhere are left out. A pixel
    covers half a pixel around its integer coordinates; what is nearer than half a step or farther than a map holds has
    no place.
    """
    index, steps = np.empty(len(points), np.int32), np.empty(len(points), np.uint16)
    t00, t01, t02, t03 = T[0, 0], T[0, 1], T[0, 2], T[0, 3]  # once: the loop may not know that T stays as it is
    t10, t11, t12, t13 = T[1, 0], T[1, 1], T[1, 2], T[1, 3]
    t20, t21, t22, t23 = T[2, 0], T[2, 1], T[2, 2], T[2, 3]
    fx, fy, cx, cy = lens[0], lens[1], lens[2], lens[3]
    found = 0
    for i in range(len(points)):
        px, py, pz = np.float64(points[i, 0]), np.float64(points[i, 1]), np.float64(points[i, 2])
        z = t20 * px + t21 * py + t22 * pz + t23
        if not NEAREST_M < z < FAR_M:
            continue
        x, y = t00 * px + t01 * py + t02 * pz + t03, t10 * px + t11 * py + t12 * pz + t13
        if model == PINHOLE:
            u, v = fx * (x / z) + cx, fy * (y / z) + cy
        else:
            u, v = pixel_of(x, y, z, lens, model)
        u, v = np.rint(u), np.rint(v)
        if 0 <= u < width and 0 <= v < height:  # False for NaN
            index[found], steps[found] = int(v) * width + int(u), np.uint16(np.rint(z * STEPS_PER_M))
            found += 1
    return index[:found], steps[:found]


@compiled
def draw(index: Array, steps: Array, depth: Array) -> None:
    """Draw depths uint16 (n,) at flat pixels (n,) into a map uint16 (H, W), 0 for none; the nearest wins."""
    flat = depth.ravel()
    for i in range(len(index)):
        at = flat[index[i]]
        if at == 0 or steps[i] < at:
            flat[index[i]] = steps[i]


@compiled
def draw_agreeing(index: Array, steps: Array, allowed: Array, depth: Array) -> int:
    """Draw like `draw` what lies in one of the intervals allowed at its pixel; return how many did.

    `allowed` uint16 (E, H * W, 4) has two intervals [first, last] for each pixel and each of E pieces of evidence; see
    agreement.py.
    """
    flat = depth.ravel()
    kept = 0
    for i in range(len(index)):
        k, step = index[i], steps[i]
        for e in range(len(allowed)):
            one = allowed[e, k, 0] <= step <= allowed[e, k, 1]
            if one or allowed[e, k, 2] <= step <= allowed[e, k, 3]:
                kept += 1
                if flat[k] == 0 or step < flat[k]:
                    flat[k] = step
                break
    return kept
