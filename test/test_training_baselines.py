"""The trivial baselines."""

import numpy as np
import pytest

from depth_node_training.baselines import OtherRows, flat_ground, row_mean, truth_sums
from msg_tools.camera import Intrinsics, Size

CAMERA = Intrinsics(100.0, 100.0, 31.5, 19.5, Size(40, 64))


def ground(height_m=1.65):
    return flat_ground(height_m)(np.zeros(0), CAMERA)


def test_flat_ground_by_hand():
    """Row 36 looks down 0.165 per metre: 1.65 / 0.165 = 10 m. From the horizon up: 80 m."""
    depth_m = ground()
    assert depth_m.shape == (40, 64)
    assert depth_m[36, 0] == pytest.approx(10.0)
    assert (depth_m[:20] == 80.0).all()


def test_row_mean_by_hand():
    """Two images of equal weight say 10 and 20 m of the row that falls 0.1 per metre."""
    samples = [(np.array([0.1, 0.1]), np.array([10.0, 10.0])), (np.array([0.1]), np.array([20.0]))]
    depth_m = row_mean(samples)(np.zeros(0), CAMERA)
    assert depth_m[30, 5] == pytest.approx(15.0)


def test_row_mean_serves_cameras_of_other_size():
    samples = [((np.arange(40) - 19.5) / 100, ground()[:, 0])]
    twice = Intrinsics(200.0, 200.0, 63.5, 39.5, Size(80, 128))
    predicted = row_mean(samples)(np.zeros(0), twice)
    np.testing.assert_allclose(predicted[60:, 0], flat_ground()(np.zeros(0), twice)[60:, 0], rtol=0.15)


def wall(depth_m):
    return np.full(CAMERA.size.shape, depth_m, np.float32)


def depth_of(model):
    return model(np.zeros(0), CAMERA)[20, 0]


def test_a_drive_is_not_measured_with_itself():
    """Drives with walls at 10, 20 and 60 m: without the second 35 m is left."""
    others = OtherRows(['a', 'b', 'c'], [truth_sums(wall(depth_m), CAMERA) for depth_m in (10.0, 20.0, 60.0)])
    assert depth_of(others.without('b')) == pytest.approx(35.0)
    assert depth_of(others.without('d')) == pytest.approx(30.0)


def test_two_frames_of_a_drive_are_both_left_out():
    others = OtherRows(['a', 'a', 'b'], [truth_sums(wall(depth_m), CAMERA) for depth_m in (10.0, 20.0, 60.0)])
    assert depth_of(others.without('a')) == pytest.approx(60.0)


def test_a_frame_alone_has_no_row_mean():
    assert OtherRows(['a'], [truth_sums(wall(10.0), CAMERA)]).without('a') is None


def test_far_and_missing_depth_is_not_averaged():
    truth_m = wall(10.0)
    truth_m[:, :20], truth_m[:, 20:40] = 0.0, 200.0
    assert depth_of(OtherRows(['a'], [truth_sums(truth_m, CAMERA)]).without('b')) == pytest.approx(10.0)


def test_nothing_to_fit_on():
    with pytest.raises(ValueError, match='expected measured depth'):
        row_mean([])
