"""What an accumulated point must agree with: by hand between beams and at edges, and a stereo pair made by shifting."""

import cv2
import numpy as np
import pytest

from msg_tools.ground_truth.agreement import scan_evidence, stereo_evidence
from msg_tools.ground_truth.kernels import agrees, draw_agreeing
from msg_tools.ground_truth.lens import PINHOLE
from msg_tools.ground_truth.occlusion import Spacing
from msg_tools.ground_truth.pixels import found_from, spread

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


@pytest.mark.parametrize(('steps', 'first', 'second', 'answer'), [
    (1000, 0, 0, False),  # nobody knows
    (1000, 1010, 0, True), (1000, 0, 1010, True), (1000, 1100, 0, False),  # one beam alone
    (1100, 1000, 1200, True), (1215, 1000, 1200, True),  # a surface
    (1300, 1000, 1200, False), (970, 1000, 1200, False),
    (1500, 1000, 2000, False), (1015, 1000, 2000, True), (1970, 1000, 2000, True),  # an edge: neither here nor there
])
def test_agrees_within_two_per_cent(steps, first, second, answer):
    assert agrees(float(steps), first, second, 0.02) == answer


def test_without_tolerance_it_is_between_the_two():
    assert agrees(1500.0, 1000, 2000, 0.0)
    assert not agrees(2001.0, 1000, 2000, 0.0)


def test_points_are_drawn_where_they_agree_and_counted_where_they_fall():
    scan = np.zeros((9, 9), np.uint16)
    scan[4, 4] = 10 * 256
    item = scan_evidence(scan, Spacing(3.0, 1.0, 0.0), 0.02)
    evidence, depth = np.stack([np.stack([item.first, item.second])]), np.zeros((9, 9), np.uint16)
    points = np.array([[4, 3, 1], [4, 4, 1.3], [8, 8, 1], [5, 4, 1.01], [5, 4, 0.99], [40, 4, 1]]) * 10.0
    points[:, :2] *= points[:, 2:] / 10  # pixels times depth
    fell, kept = draw_agreeing(points, np.eye(4)[:3], UNIT_LENS, PINHOLE, evidence, np.array([0.02]), depth)
    assert (fell, kept) == (5, 3)
    assert {(int(u), int(v)): depth[v, u] / 256 for v, u in np.argwhere(depth)} == {
        (4, 3): 10.0, (5, 4): pytest.approx(9.9, abs=0.002)}


def test_stereo_finds_the_depth_of_a_shifted_picture():
    rng = np.random.default_rng(0)
    texture = cv2.resize(rng.integers(0, 255, (60, 160, 3), np.uint8), (480, 180), interpolation=cv2.INTER_CUBIC)
    item = stereo_evidence(texture, np.roll(texture, -24, axis=1), focal_px=720.0, baseline_m=0.5)  # 24 px: 15 m
    inner = np.s_[20:160, 40:400]
    known = item.first[inner] > 0
    assert known.mean() > 0.95
    assert np.median(item.first[inner][known]) / 256 == pytest.approx(720 * 0.5 / 25.5, abs=0.05)
    assert np.median(item.second[inner][known]) / 256 == pytest.approx(720 * 0.5 / 22.5, abs=0.05)
    blank = np.full_like(texture, 128)
    assert not stereo_evidence(blank, blank, 720.0, 0.5).first.any()
