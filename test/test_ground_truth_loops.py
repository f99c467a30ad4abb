"""The compiled loops beside slow ones that say what is meant; and the same as plain Python, where Numba is missing."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from msg_tools.ground_truth import kernels, pixels
from msg_tools.ground_truth.lens import BROWN, FISHEYE, PINHOLE
from msg_tools.ground_truth.occlusion import nearest_around, spacing_of

STEPS = st.sampled_from([0, 0, 0, 1, 2, 255, 256, 260, 300, 2000, 2100, 65534, 65535])
SHAPES = st.tuples(st.integers(1, 6), st.integers(1, 7))
MAPS = SHAPES.flatmap(lambda shape: arrays(np.uint16, shape, elements=STEPS))
PAIRS = SHAPES.flatmap(lambda shape: st.tuples(*[arrays(np.uint16, shape, elements=STEPS)] * 2))
NUMBERS = st.sampled_from([np.nan, np.inf, -np.inf, 3e38, -3e38, 1e20, 1e-30, 0.0, 0.5, 1.0, 2.0, -1.0, 7.25, 255.9])
POINTS = st.integers(0, 8).flatmap(lambda count: arrays(np.float32, (count, 3), elements=NUMBERS))
FINITE = NUMBERS.filter(np.isfinite)
UNHURRIED = settings(deadline=None)  # the first call compiles
LENS = np.array([3.0, 2.0, 3.5, 2.5, 2.0, 0.1, 0.01, 0.001, 0.002, 0, 0, 0, 0, 0, 0, 0, 0])


def same(function, *args):
    """Return what a loop returns, compiled, after plain Python has returned the same."""
    result, plain = function(*args), getattr(function, 'py_func', function)
    with np.errstate(all='ignore'):
        slow = plain(*args)
    pairs = zip(result, slow, strict=True) if isinstance(result, tuple) else [(result, slow)]
    for one, other in pairs:
        assert one.dtype == other.dtype
        assert np.array_equal(one, other, equal_nan=one.dtype.kind == 'f')
    return result


def windows(depth, rows, columns):
    """Yield each pixel (v, u) with the rows and columns of the window around it."""
    for v, u in np.ndindex(depth.shape):
        yield v, u, slice(max(v - rows, 0), v + rows + 1), slice(max(u - columns, 0), u + columns + 1)


@UNHURRIED
@given(POINTS, st.sampled_from([0.0, 1.0]), st.sampled_from([0.0, 0.2]))
def test_within(points, margin_m, margin_rad):
    planes = np.array([[1.0, 0, 0, 0], [0, 0.8, 0.6, -1.0]])
    expected = [i for i, point in enumerate(points.astype(float)) if np.isfinite(point).all() and all(
        plane[:3] @ point + plane[3] >= -margin_m - margin_rad * np.linalg.norm(point) for plane in planes)]
    assert same(kernels.within, points, planes, margin_m, margin_rad).tolist() == expected


@pytest.mark.parametrize('model', [PINHOLE, BROWN, FISHEYE])
@UNHURRIED
@given(points=POINTS)
def test_on_image(points, model):
    height, width = 5, 7
    index, steps = same(kernels.on_image, points, np.eye(4)[:3], LENS, model, height, width)
    expected = []
    for x, y, z in points.astype(float).tolist():
        if 0.5 / 256 < z < 65535.5 / 256:
            u, v = kernels.pixel_of(x, y, z, LENS, model)
            if -0.5 <= u <= width - 0.5 and -0.5 <= v <= height - 0.5 and round(u) < width and round(v) < height:
                expected.append((round(v) * width + round(u), round(z * 256)))
    assert list(zip(index.tolist(), steps.tolist(), strict=True)) == expected


@UNHURRIED
@given(arrays(np.float32, (4, 2), elements=FINITE))
def test_azimuth(points):
    for x, y in points.tolist():
        plain = getattr(kernels.azimuth_of, 'py_func', kernels.azimuth_of)
        assert plain(x, y) == pytest.approx(kernels.azimuth_of(x, y))
        assert kernels.azimuth_of(x, y) == pytest.approx(math.atan2(y + 0.0, x), abs=2e-6)


@UNHURRIED
@given(MAPS, st.integers(1, 4))
def test_spread(depth, columns):
    expected = np.zeros_like(depth)
    for v, u, _, around in windows(depth, 0, columns):
        known = [(abs(x - u), x > u, x) for x in range(*around.indices(depth.shape[1])) if depth[v, x]]
        expected[v, u] = depth[v, min(known)[2]] if known else 0
    assert np.array_equal(same(pixels.spread, depth, columns), expected)


@UNHURRIED
@given(MAPS, st.integers(1, 3), st.integers(1, 2))
def test_found_from(depth, rows, columns):
    in_row = pixels.spread(depth, columns)
    above, below = same(pixels.found_from, depth, rows, columns)
    for v, u in np.ndindex(depth.shape):
        upwards, downwards = in_row[max(v - rows, 0) : v + 1, u][::-1], in_row[v : v + rows + 1, u]
        assert above[v, u] == next((q for q in upwards if q), 0)
        assert below[v, u] == next((q for q in downwards if q), 0)


@UNHURRIED
@given(PAIRS, st.sampled_from([0.02, 0.5]))
def test_intervals(pair, tolerance):
    first, second = pair
    allowed = same(pixels.intervals, first, second, tolerance)
    for one, other, found in zip(first.ravel().tolist(), second.ravel().tolist(), allowed.tolist(), strict=True):
        low, high = sorted(known for known in (one or other, other or one))
        ends = [(low, high)] if high <= low * pixels.SURFACE else [(low, low), (high, high)]
        for step in {1, *found, low, high, *(found[i] + 1 for i in range(4))} - {0, 65536}:
            expected = any(near and near * (1 - tolerance) <= step <= far * (1 + tolerance) for near, far in ends)
            assert (found[0] <= step <= found[1] or found[2] <= step <= found[3]) == expected


@UNHURRIED
@given(MAPS, st.integers(0, 2), st.integers(0, 3))
def test_nearest_around(depth, rows, columns):
    found = nearest_around(depth, rows, columns)
    for v, u, *window in windows(depth, rows, columns):
        known = depth[tuple(window)][depth[tuple(window)] > 0]
        assert found[v, u] == (known.min() - 1 if len(known) else 65535)


@UNHURRIED
@given(MAPS, st.integers(1, 2), st.integers(1, 3), st.sampled_from([(0.5, 0.0), (0.0, 0.05)]),
       st.sampled_from([0.0, 0.01]))
def test_seen_through(depth, rows, columns, step, slope):
    expected = []
    for v, u, *_ in windows(depth, rows, columns):
        z = float(depth[v, u])
        sides = set()
        for y, x in np.argwhere(depth):
            if z and abs(y - v) <= rows and abs(x - u) <= columns:
                near = min(z - max(256 * step[0], step[1] * z), 256 / (256 / z + abs(y - v) * slope))
                sides |= {side for side in (-1, 1) if depth[y, x] < near and (x - u) * side >= -1}
        if len(sides) == 2:
            expected.append(v * depth.shape[1] + u)
    nearest = nearest_around(depth, rows, columns)
    assert same(pixels.seen_through, depth, nearest, rows, columns, *step, slope).tolist() == expected


@UNHURRIED
@given(MAPS, st.integers(1, 3), st.integers(1, 3))
def test_gaps(depth, rows_apart, every):
    height, width = depth.shape
    below, right, slope = same(pixels.gaps, depth, rows_apart, every)
    places = [(v, u) for v in range(0, height, rows_apart) for u in range(width) if depth[v, u]][::every]
    for i, (v, u) in enumerate(places):
        beside, under = slice(max(v - 1, 0), v + 2), slice(max(u - 1, 0), u + 2)
        down = next((gap for gap in range(1, height - v) if depth[v + gap, under].any()), 0)
        assert (below[i], right[i]) == (down, next((gap for gap in range(1, width - u)
                                                    if depth[beside, u + gap].any()), 0))
        inverse = 256 / float(depth[v + down, under].max()) - 256 / float(depth[v, u]) if down else 0
        assert slope[i] == pytest.approx(inverse / max(down, 1))
    assert len(below) == len(places)


@UNHURRIED
@given(PAIRS)
def test_merged(pair):
    own, others = pair
    result, differences = same(pixels.merged, own, others)
    both = (own > 0) & (others > 0)
    assert np.array_equal(result, np.where(own > 0, own, others))
    assert differences.tolist() == (others[both].astype(int) - own[both]).tolist()


@UNHURRIED
@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from([1, 255, 256, 65535])), max_size=12))
def test_drawing(points):
    index, steps = (np.array([point[k] for point in points], kind) for k, kind in enumerate((np.int32, np.uint16)))
    allowed = np.tile(np.array([200, 300, 65535, 65535], np.uint16), (1, 6, 1))
    for plain in (lambda function: function, lambda function: getattr(function, 'py_func', function)):
        every, agreeing = np.zeros((2, 3), np.uint16), np.zeros((2, 3), np.uint16)
        plain(kernels.draw)(index, steps, every)
        kept = plain(kernels.draw_agreeing)(index, steps, allowed, agreeing)
        assert every.ravel().tolist() == [min((z for at, z in points if at == i), default=0) for i in range(6)]
        agree = [(at, z) for at, z in points if z > 1]
        assert agreeing.ravel().tolist() == [min((z for at, z in agree if at == i), default=0) for i in range(6)]
        assert kept == len(agree)


@UNHURRIED
@given(POINTS.filter(len), st.sampled_from([0.0, 0.004, -0.03]))
def test_moved(points, offset_s):
    knots = np.tile(np.eye(4)[:3], (3, 1, 1))
    knots[:, 0, 3] = -1.0, 0.0, 1.0  # by x, a metre a step of 10 ms
    found = same(kernels.moved, points, np.full(len(points), offset_s, np.float32), 0.01, -1, knots)
    finite = np.isfinite(points).all(1) & (np.abs(points) < 1e6).all(1)
    assert np.allclose(found[finite], points[finite] + [np.float32(offset_s) / 0.01, 0, 0], atol=1e-4)


def test_a_map_without_a_point_has_a_spacing():
    assert (spacing_of(np.zeros((1, 1), np.uint16)).rows, spacing_of(np.zeros((3, 9), np.uint16)).floor_slope) == (1, 0)
