import math

import pytest
import torch

from depth_node_training.losses import LOSSES, beyond_range, gradient, laplace_scale, log_l1, silog, weighted_mean

INF = math.inf


def maps(*rows):
    """Make (B, 1, 1, W) out of rows of W numbers, one per image."""
    return torch.tensor(rows, dtype=torch.float32)[:, None, None]


def test_log_l1_by_hand():
    log_pred = maps([math.log(20.0), math.log(10.0), math.log(7.0)])
    target, weight = maps([10.0, 10.0, 0.0]), maps([1.0, 1.0, 0.0])
    assert log_l1(log_pred, target, weight).item() == pytest.approx(math.log(2) / 2)


def test_weights_within_an_image():
    log_pred, target = maps([math.log(20.0), math.log(10.0)]), maps([10.0, 10.0])
    assert log_l1(log_pred, target, maps([1.0, 3.0])).item() == pytest.approx(math.log(2) / 4)


def test_an_image_with_few_labels_counts_as_much_as_one_with_many():
    values, weight = maps([1.0, 9.0, 9.0], [3.0, 3.0, 3.0]), maps([1.0, 0.0, 0.0], [1.0, 1.0, 1.0])
    assert weighted_mean(values, weight).item() == pytest.approx((1.0 + 3.0) / 2)


def test_an_image_without_labels_does_not_count():
    values, weight = maps([1.0, 3.0], [9.0, 9.0]), maps([1.0, 1.0], [0.0, 0.0])
    assert weighted_mean(values, weight).item() == pytest.approx(2.0)


def test_silog_by_hand():
    """Errors 1 and 0: mean of squares 1/2, squared mean 1/4; sqrt(1/2 - 0.85/4)."""
    loss = silog(maps([1.0, 0.0]), maps([1.0, 1.0]), maps([1.0, 1.0]))
    assert loss.item() == pytest.approx(math.sqrt(0.5 - 0.85 / 4), abs=2e-3)


def test_silog_forgives_most_of_a_common_factor():
    target, weight = maps([5.0, 10.0]), maps([1.0, 1.0])
    assert silog(target.log() + 0.1, target, weight) < 0.5 * log_l1(target.log() + 0.1, target, weight)


def test_laplace_scale_by_hand():
    """An error of 0.5 at b = 0.5: 1 + ln 0.5 + ln 2."""
    loss = laplace_scale(maps([0.5]), maps([math.log(0.5)]), maps([1.0]), maps([1.0]))
    assert loss.item() == pytest.approx(1.0)


def test_laplace_scale_is_least_at_the_mean_error():
    log_pred, target, weight = maps([0.1, 0.3]), maps([1.0, 1.0]), maps([1.0, 1.0])
    losses = [laplace_scale(log_pred, maps([math.log(b)] * 2), target, weight).item() for b in (0.1, 0.2, 0.4)]
    assert losses[1] < losses[0]
    assert losses[1] < losses[2]


def test_laplace_scale_leaves_the_depth_alone():
    log_pred = maps([0.5]).requires_grad_()
    log_scale = maps([0.0]).requires_grad_()
    laplace_scale(log_pred, log_scale, maps([1.0]), maps([1.0])).backward()
    assert log_pred.grad is None
    assert log_scale.grad.item() == pytest.approx(0.5)


def test_scale_of_a_sky_that_is_far_enough_becomes_small():
    """No error where 200 m is said of a sky: ln b + ln 2 alone; ln 2 of error where 40 m is said."""
    target, weight, log_scale = maps([INF]), maps([1.0]), maps([0.0])
    assert laplace_scale(maps([math.log(200.0)]), log_scale, target, weight).item() == pytest.approx(math.log(2))
    assert laplace_scale(maps([math.log(40.0)]), log_scale, target, weight).item() == pytest.approx(2 * math.log(2))


def test_gradient_by_hand():
    """Errors 0, 0, 1 along a row: neighbours differ by 0 and 1, so 1/2 along it and nothing across."""
    loss = gradient(maps([0.0, 0.0, 1.0]), maps([1.0, 1.0, 1.0]), maps([1.0, 1.0, 1.0]), strides=(1,))
    assert loss.item() == pytest.approx(0.5 / 2)


def test_gradient_ignores_a_constant_factor_and_pairs_of_two_sources():
    target = maps([1.0, 5.0, 2.0])
    assert gradient(target.log() + 0.4, target, maps([1.0, 1.0, 1.0]), (1,)).item() == pytest.approx(0.0, abs=1e-6)
    assert gradient(maps([0.0, 0.7, 0.7]), maps([1.0, 1.0, 1.0]), maps([1.0, 0.5, 0.5]), (1,)).item() == 0.0


def test_sky_must_only_be_far_enough():
    log_pred = maps([math.log(40.0), math.log(200.0), math.log(1.0)])
    target, weight = maps([INF, INF, 10.0]), maps([1.0, 1.0, 1.0])
    assert beyond_range(log_pred, target, weight).item() == pytest.approx(math.log(2) / 2)
    assert log_l1(log_pred, target, weight).item() == pytest.approx(math.log(10.0))  # the third pixel alone


@pytest.mark.parametrize('name', LOSSES)
def test_gradients_are_finite_beside_unlabelled_pixels(name):
    """0 and +Inf in the target, even with a weight, must not turn into NaN through log or where."""
    log_pred = maps([0.3, -0.2, 0.5, 0.0]).requires_grad_()
    target, weight = maps([2.0, 0.0, INF, 1.0]), maps([1.0, 1.0, 1.0, 1.0])
    parts = LOSSES[name], beyond_range, lambda *maps: gradient(*maps, strides=(1,))
    sum(part(log_pred, target, weight) for part in parts).backward()
    assert torch.isfinite(log_pred.grad).all()
    assert log_pred.grad[..., 0].item() != 0
    assert log_pred.grad[..., 1].item() == 0


@pytest.mark.parametrize('name', LOSSES)
def test_no_label_at_all_is_no_loss(name):
    log_pred = maps([0.3, -0.2]).requires_grad_()
    loss = LOSSES[name](log_pred, maps([0.0, 0.0]), maps([0.0, 0.0]))
    loss.backward()
    assert loss.item() == pytest.approx(0.0, abs=1e-6)
    assert torch.isfinite(log_pred.grad).all()


@pytest.mark.parametrize('name', LOSSES)
def test_a_perfect_prediction_has_a_finite_gradient(name):
    log_pred = maps([0.0, 0.0]).requires_grad_()
    loss = LOSSES[name](log_pred, maps([1.0, 1.0]), maps([1.0, 1.0]))
    loss.backward()
    assert loss.item() == pytest.approx(0.0, abs=1e-6)
    assert torch.isfinite(log_pred.grad).all()
