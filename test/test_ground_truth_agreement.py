"""What an accumulated point must agree with: by hand between beams and at edges, and a stereo pair made by shifting."""

import cv2
import numpy as np
import pytest

from msg_tools.ground_truth.accumulation import disagreement_m
from msg_tools.ground_truth.agreement import scan_evidence, stereo_evidence
from msg_tools.ground_truth.kernels import draw_agreeing, on_image
from msg_tools.ground_truth.lens import PINHOLE
from msg_tools.ground_truth.occlusion import Spacing
from msg_tools.ground_truth.pixels import found_from, intervals, merged, spread

UNIT_LENS = np.array([1.0, 1.0, 0.0, 0.0, np.inf, *np.zeros(12)])


def test_the_nearest_of_a_row_counts_up_to_so_many_columns():
    row = np.array([[0, 0, 7, 0, 0, 0, 9, 0, 0, 0]], np.uint16)
    assert spread(row, 2)[0].tolist() == [7, 7, 7, 7, 7, 9, 9, 9, 9, 0]  # column 4 is as near to both: the left one
    assert spread(row, 0)[0].tolist() == row[0].tolist()


def test_first_found_above_and_below():
    column = np.array([[0], [5], [0], [0], [0], [8], [0]], np.uint16)
    above, below = found_from(column, rows=2, columns=0)
    assert above[:, 0].tolist() == [0, 5, 5, 5, 0, 8, 8]
    assert below[:, 0].tolist() == [5, 5, 0, 8, 8, 8, 0]


@pytest.mark.parametrize(('first', 'second', 'allowed'), [
    (0, 0, []),  # nobody knows
    (1000, 0, [(980, 1020)]), (0, 1000, [(980, 1020)]),  # one beam alone
    (1000, 1200, [(980, 1224)]), (1200, 1000, [(980, 1224)]),  # a surface: all between
    (1000, 2000, [(980, 1020), (1960, 2040)]),  # an edge: here or there
    (64000, 65000, [(62720, 65535)]),  # as far as a map goes
])
def test_intervals_within_two_per_cent(first, second, allowed):
    one, other = (np.full((1, 1), value, np.uint16) for value in (first, second))
    a, b, c, d = intervals(one, other, 0.02)[0].tolist()
    assert [pair for pair in ((a, b), (c, d)) if pair[0] <= pair[1]] == allowed


def test_points_are_drawn_where_they_agree_and_counted_where_they_fall():
    scan = np.zeros((9, 9), np.uint16)
    scan[4, 4] = 10 * 256
    allowed, depth = scan_evidence(scan, Spacing(3.0, 1.0, 0.0), 0.02)[None], np.zeros((9, 9), np.uint16)
    points = np.array([[4, 3, 1], [4, 4, 1.3], [8, 8, 1], [5, 4, 1.01], [5, 4, 0.99], [40, 4, 1]]) * 10.0
    points[:, :2] *= points[:, 2:] / 10  # pixels times depth
    index, steps = on_image(points, np.eye(4)[:3], UNIT_LENS, PINHOLE, 9, 9)
    assert index.tolist() == [31, 40, 80, 41, 41]
    assert draw_agreeing(index, steps, allowed, depth) == 3
    assert {(int(u), int(v)): depth[v, u] / 256 for v, u in np.argwhere(depth)} == {
        (4, 3): 10.0, (5, 4): pytest.approx(9.9, abs=0.002)}


def test_merging_fills_up_and_tells_the_differences():
    own, others = np.array([[5, 0, 7]], np.uint16), np.array([[9, 3, 0]], np.uint16)
    together, differences = merged(own, others)
    assert together.tolist() == [[5, 3, 7]]
    assert differences.tolist() == [4]
    assert disagreement_m(np.array([256, -512, 0])) == (1.0, pytest.approx(1.9))
    assert np.isnan(disagreement_m(differences[:0])).all()


def test_stereo_finds_the_depth_of_a_shifted_picture():
    rng = np.random.default_rng(0)
    texture = cv2.resize(rng.integers(0, 255, (60, 160, 3), np.uint8), (480, 180), interpolation=cv2.INTER_CUBIC)
    allowed = stereo_evidence(texture, np.roll(texture, -24, axis=1), focal_px=720.0, baseline_m=0.5)  # 24 px: 15 m
    inner = np.s_[20:160, 40:400]
    nearest, farthest = (allowed[:, column].reshape(texture.shape[:2])[inner] for column in (0, 1))
    known = nearest <= farthest
    assert known.mean() > 0.95
    assert np.median(nearest[known]) / 256 == pytest.approx(720 * 0.5 / 25.5, abs=0.05)
    assert np.median(farthest[known]) / 256 == pytest.approx(720 * 0.5 / 22.5, abs=0.05)
    blank = np.full_like(texture, 128)
    nothing = stereo_evidence(blank, blank, 720.0, 0.5)
    assert (nothing[:, 0] > nothing[:, 1]).all()
