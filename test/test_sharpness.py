"""Sharpness at depth edges, of dense and of sparse truth."""

import cv2
import numpy as np
import pytest

from depth_node_training.sharpness import f1, row_pairs, seen_through, sharpness

EVERYWHERE = np.ones((100, 320), bool)  # pairs lie 4 px apart


def trunk():
    """Return a wall at 30 m with a trunk at 10 m before it, 40 px wide."""
    depth_m = np.full((100, 320), 30.0, np.float32)
    depth_m[:, 140:180] = 10.0
    return depth_m


def blurred(depth_m, sigma):
    return cv2.GaussianBlur(depth_m, (0, 0), sigma)


def sparse(seed=0, part=0.3):
    return np.random.default_rng(seed).random((100, 320)) < part


@pytest.mark.parametrize('valid', [EVERYWHERE, sparse()], ids=['dense', 'sparse'])
def test_truth_itself_is_sharp(valid):
    found = sharpness(np.where(valid, trunk(), 0), trunk(), valid)
    assert found == pytest.approx({'edge_f1': 1.0, 'edge_contrast': 1.0, 'edge_order': 1.0})


@pytest.mark.parametrize('valid', [EVERYWHERE, sparse()], ids=['dense', 'sparse'])
def test_the_more_blurred_the_less_sharp(valid):
    truth = np.where(valid, trunk(), 0)
    scores = [sharpness(truth, blurred(trunk(), sigma), valid) for sigma in (1, 3, 6, 12)]
    for name in ('edge_f1', 'edge_contrast'):
        values = [found[name] for found in scores]
        assert values == sorted(values, reverse=True), name
        assert values[0] > values[-1] + 0.3, name


def test_contrast_by_hand():
    """A trunk seen at 17.3 m, half way from 10 to 30 in logarithms: half of the contrast, in the right order."""
    pred = trunk()
    pred[:, 140:180] = np.sqrt(300)
    found = sharpness(trunk(), pred, EVERYWHERE)
    assert found['edge_contrast'] == pytest.approx(0.5)
    assert found['edge_order'] == 1.0


def test_the_wrong_way_round_is_worth_nothing():
    pred = trunk()
    pred[:, 140:180] = 90.0
    assert sharpness(trunk(), pred, EVERYWHERE) == pytest.approx({'edge_f1': 0, 'edge_contrast': 0, 'edge_order': 0})


def test_a_row_mean_has_no_edges():
    rows = np.repeat(trunk().mean(1, keepdims=True), 320, 1)
    assert sharpness(trunk(), rows, EVERYWHERE) == pytest.approx({'edge_f1': 0, 'edge_contrast': 0, 'edge_order': 0})


def test_an_edge_in_the_wrong_place_is_none():
    assert sharpness(trunk(), np.roll(trunk(), 20, 1), EVERYWHERE)['edge_f1'] == 0.0


def test_invented_edges_cost_precision():
    pred = trunk()
    pred[:, 20:60] = 10.0
    found = sharpness(trunk(), pred, EVERYWHERE)
    assert found['edge_contrast'] == 1.0
    assert found['edge_f1'] == pytest.approx(2 / 3, abs=0.02)  # precision 1/2, recall 1


def test_scale_does_not_matter():
    pred = blurred(trunk(), 2)
    assert sharpness(trunk(), pred, EVERYWHERE) == pytest.approx(sharpness(trunk(), 1.7 * pred, EVERYWHERE))


def test_a_level_ground_has_no_edges():
    depth_m = np.repeat(165 / np.arange(1.0, 101.0)[:, None], 320, 1)
    assert all(np.isnan(value) for value in sharpness(depth_m, depth_m, EVERYWHERE).values())


def test_pairs_by_hand():
    """Pixels 0, 3, 4, 6, 17 and 319 of a row of 320, 4 px and up to 6 px apart: 0-4 and no other; rows are apart."""
    valid = np.zeros((2, 320), bool)
    valid[0, [0, 3, 4, 6, 17, 319]] = True
    valid[1, 3] = True
    first, second = row_pairs(valid)
    assert list(zip(first.tolist(), second.tolist(), strict=True)) == [(0, 4)]


def test_background_seen_through_a_trunk_is_no_edge():
    """A LiDAR beside the camera sees the wall where the camera sees the trunk."""
    truth = trunk()
    truth[50, 155:157] = 30.0
    assert np.argwhere(seen_through(truth)).tolist() == [[50, 155], [50, 156]]
    assert sharpness(truth, trunk(), EVERYWHERE)['edge_f1'] == pytest.approx(1.0)


def test_f1_by_hand():
    """One edge of two is found, one is invented: precision and recall 1/2 each way."""
    truth = np.array([0.5, 0.5, 0.0, -0.5, -0.5, 0.0])
    found = np.array([0.5, 0.0, 0.5, -0.5, 0.0, -0.5])
    assert f1(truth, found, 0.1) == pytest.approx(0.5)
    assert f1(truth, np.abs(found), 0.1) == pytest.approx(1 / 6)  # precision (1/4 + 0) / 2, recall (1/2 + 0) / 2
