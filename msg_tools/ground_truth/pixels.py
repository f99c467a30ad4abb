"""The loops over a sparse depth map's pixels: how far apart points lie, which are seen through something nearer.

Maps are uint16 (H, W) [1/256 m], 0 for none.
"""

from __future__ import annotations

import numpy as np

from ..camera import Array
from .compiled import compiled

SURFACE = 1.3  # from one beam to the next a surface seldom recedes by more: a level road does beyond 40 m
REACH = 64  # px: points farther apart than this are no neighbours


@compiled
def gaps(depth: Array, rows_apart: int, every: int) -> tuple[Array, Array, Array]:
    """Return how far from a point the next one lies below and to the right [px], and the slope downwards.

    It is measured at every n-th point of the rows that lie `rows_apart` from each other.

    0 where there is none within reach. The slope is the change of inverse depth [1/m] per row: on a level floor the
    same everywhere, 1 / (focal length [px] * height of the camera [m]).
    """
    height, width = depth.shape
    points = every_nth(depth, rows_apart, every)
    below, right, slope = np.zeros(len(points), np.int64), np.zeros(len(points), np.int64), np.zeros(len(points))
    for i in range(len(points)):
        v, u = divmod(points[i], width)
        for gap in range(1, REACH):
            if v + gap >= height:
                break
            q = max(depth[v + gap, max(u - 1, 0)], depth[v + gap, u], depth[v + gap, min(u + 1, width - 1)])
            if q:
                below[i] = gap
                slope[i] = 256.0 * (1.0 / q - 1.0 / depth[v, u]) / gap
                break
        for gap in range(1, REACH):
            if u + gap >= width:
                break
            if depth[max(v - 1, 0), u + gap] or depth[v, u + gap] or depth[min(v + 1, height - 1), u + gap]:
                right[i] = gap
                break
    return below, right, slope


@compiled
def every_nth(depth: Array, rows_apart: int, every: int) -> Array:
    """Return the flat indices int64 (n,) of every n-th pixel that has a depth in rows so many apart."""
    height, width = depth.shape
    result = np.empty((height // rows_apart + 1) * width // every + 1, np.int64)
    passed, found = 0, 0
    for v in range(0, height, rows_apart):
        for u in range(width):
            if depth[v, u]:
                if passed % every == 0:
                    result[found] = v * width + u
                    found += 1
                passed += 1
    return result[:found]


@compiled
def seen_through(depth: Array, nearest: Array, rows: int, columns: int, metres: float, share: float,
                 slope: float) -> Array:
    """Return the flat indices int64 (n,) of points that lie behind what surrounds them.

    Such a point has nearer ones on its left and on its right within a window of +-rows and +-columns, or one beside it.
    Nearer is by `metres` and by `share` of the depth, and by more than a floor that rises by `slope` (see gaps) would
    be. `nearest` (H, W) is the least depth of each window, less one: where that is not nearer, nothing is looked at.
    """
    height, width = depth.shape
    result = np.empty(depth.size, np.int64)
    found = 0
    for v in range(height):
        for u in range(width):
            if depth[v, u] == 0:
                continue
            z = np.float64(depth[v, u])
            limit = z - max(256.0 * metres, share * z)
            if nearest[v, u] + 1.0 >= limit:
                continue
            left, right = False, False
            for y in range(max(v - rows, 0), min(v + rows + 1, height)):
                # of a floor: 256 / q - 256 / z > rows between them * slope, without a division for each pixel
                near = min(limit, 256.0 / (256.0 / z + abs(y - v) * slope))
                for x in range(max(u - columns, 0), min(u + columns + 1, width)):
                    q = depth[y, x]
                    if q != 0 and q < near:
                        left |= x <= u + 1
                        right |= x >= u - 1
            if left and right:
                result[found] = v * width + u
                found += 1
    return result[:found]


@compiled
def found_from(depth: Array, rows: int, columns: int) -> tuple[Array, Array]:
    """Return the depths (H, W) found first from each pixel upwards and downwards, itself included, 0 where none is.

    The search goes up to `rows` away; in each row the nearest of up to `columns` away counts.
    """
    height, width = depth.shape
    in_row = spread(depth, columns)
    above, below = in_row.copy(), in_row.copy()
    age = np.zeros(width, np.int64)
    for v in range(1, height):
        for u in range(width):
            age[u] = 0 if in_row[v, u] else age[u] + 1
            if 0 < age[u] <= rows:
                above[v, u] = above[v - 1, u]
    age[:] = 0
    for v in range(height - 2, -1, -1):
        for u in range(width):
            age[u] = 0 if in_row[v, u] else age[u] + 1
            if 0 < age[u] <= rows:
                below[v, u] = below[v + 1, u]
    return above, below


@compiled
def spread(depth: Array, columns: int) -> Array:
    """Return, for each pixel (H, W), the nearest depth of its row up to so many columns away, 0 where there is none."""
    height, width = depth.shape
    result = np.zeros_like(depth)
    distance = np.empty(width, np.int64)
    for v in range(height):
        last = -columns - 1
        for u in range(width):
            if depth[v, u]:
                last = u
            distance[u] = u - last
            if distance[u] <= columns:
                result[v, u] = depth[v, last]
        last = width + columns
        for u in range(width - 1, -1, -1):
            if depth[v, u]:
                last = u
            if last - u <= columns and last - u < distance[u]:
                result[v, u] = depth[v, last]
    return result


@compiled
def intervals(first: Array, second: Array, tolerance: float) -> Array:
    """Return the depths that two depths (H, W) allow at each pixel: two intervals uint16 (H * W, 4) [first, last, ...].

    Of one surface all between the two is allowed, and a share `tolerance` beyond; of two that lie apart, what is near
    one of them. Where both are 0 nothing is.
    """
    ones, others = first.ravel(), second.ravel()
    result = np.empty((len(ones), 4), np.uint16)
    for i in range(len(ones)):
        one, other = np.float64(ones[i]), np.float64(others[i])
        low, high = min(one, other), max(one, other)
        low = high if low == 0 else low  # one of them alone
        result[i, 0], result[i, 1], result[i, 2], result[i, 3] = 1, 0, 1, 0  # empty
        if high == 0:
            continue
        if high <= low * SURFACE:
            result[i, 0], result[i, 1] = np.ceil(low * (1 - tolerance)), min(np.floor(high * (1 + tolerance)), 65535.0)
        else:
            result[i, 0], result[i, 1] = np.ceil(low * (1 - tolerance)), min(np.floor(low * (1 + tolerance)), 65535.0)
            result[i, 2], result[i, 3] = np.ceil(high * (1 - tolerance)), min(np.floor(high * (1 + tolerance)), 65535.0)
    return result


@compiled
def merged(own: Array, others: Array) -> tuple[Array, Array]:
    """Return a map (H, W) filled up with another, and their differences int32 (n,) where both have a depth."""
    result, differences = own.copy(), np.empty(own.size, np.int32)
    found = 0
    for v in range(own.shape[0]):
        for u in range(own.shape[1]):
            if others[v, u] == 0:
                continue
            if own[v, u] == 0:
                result[v, u] = others[v, u]
            else:
                differences[found] = np.int32(others[v, u]) - np.int32(own[v, u])
                found += 1
    return result, differences[:found]
