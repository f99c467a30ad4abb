"""Each loss on numbers a person can check, then what all of them promise: masks, sky, splits, finite gradients."""

import math
from dataclasses import replace

import pytest
import torch

from depth_node_training.batch import Batch, Output
from depth_node_training.losses import (
    LOSSES,
    RANGE_M,
    berhu,
    gradient,
    huber,
    l1,
    laplace,
    laplace_scale,
    log_l1,
    residual,
    residual_m,
    silog,
    smoothness,
)

INF, NAN = math.inf, math.nan
LABELLED = [name for name in LOSSES if name != 'smoothness']


def maps(*rows):
    """Make (B, 1, 1, W) out of rows of W numbers, one per image."""
    return torch.tensor(rows, dtype=torch.float32)[:, None, None]


def output(pred_m, log_scale=0.0):
    """Return an output that says these depths [m] (B, 1, h, w), with ln b the same everywhere."""
    return Output(pred_m.log(), torch.full_like(pred_m, log_scale))


def batch(target, weight=None):
    weight = torch.ones_like(target) if weight is None else weight
    height, width = target.shape[2:]
    return Batch(torch.zeros(len(target), 3, 2 * height, 2 * width, dtype=torch.uint8), target, weight)


def random_step(count=4, seed=3, height=6, width=10):
    """Return an output and a batch with every kind of pixel; the last image has no label."""
    rng = torch.Generator().manual_seed(seed)
    shape = (count, 1, height, width)
    target = torch.rand(shape, generator=rng) * 60 + 2
    target[:, :, :2] = INF
    weight = torch.rand(shape, generator=rng).round(decimals=1)
    weight[:, :, :, :3] = 0.0
    target[weight == 0] = 0.0
    weight[-1], target[-1] = 0.0, 0.0
    rgb = torch.randint(0, 256, (count, 3, 2 * height, 2 * width), generator=rng, dtype=torch.uint8)
    log_depth = torch.rand(shape, generator=rng) * 3 + 1.5
    return Output(log_depth, torch.rand(shape, generator=rng) - 2), Batch(rgb, target, weight)


def test_log_l1_by_hand():
    step = output(maps([20.0, 10.0, 7.0])), batch(maps([10.0, 10.0, 0.0]), maps([1.0, 1.0, 0.0]))
    assert log_l1(*step).item() == pytest.approx(math.log(2) / 2)


def test_l1_by_hand():
    """2 m too far and 6 m too near: 4 m."""
    assert l1(output(maps([12.0, 24.0])), batch(maps([10.0, 30.0]))).item() == pytest.approx(4.0)


def test_weights_within_an_image():
    step = output(maps([20.0, 10.0])), batch(maps([10.0, 10.0]), maps([1.0, 3.0]))
    assert log_l1(*step).item() == pytest.approx(math.log(2) / 4)


def test_an_image_with_few_labels_counts_as_much_as_one_with_many():
    pred, target = maps([20.0, 9.0, 9.0], [80.0, 80.0, 80.0]), maps([10.0, 0.0, 0.0], [10.0, 10.0, 10.0])
    assert log_l1(output(pred), batch(target)).item() == pytest.approx((math.log(2) + math.log(8)) / 2)


def test_an_image_without_labels_counts_as_zero():
    pred, target = maps([20.0, 20.0], [99.0, 99.0]), maps([10.0, 10.0], [0.0, 0.0])
    assert log_l1(output(pred), batch(target)).item() == pytest.approx(math.log(2) / 2)


def test_silog_by_hand():
    """Log errors 1 and 0: mean of squares 1/2, squared mean 1/4; sqrt(1/2 - 0.85/4)."""
    loss = silog(output(maps([math.e, 1.0])), batch(maps([1.0, 1.0])))
    assert loss.item() == pytest.approx(math.sqrt(0.5 - 0.85 / 4), abs=2e-3)


def test_silog_forgives_most_of_a_common_factor():
    step = output(maps([5.5, 11.0])), batch(maps([5.0, 10.0]))
    assert silog(*step).item() == pytest.approx(math.sqrt(0.15) * log_l1(*step).item(), abs=1e-3)


def test_silog_takes_the_root_of_each_image():
    """One image 10 % too far, the other too near: a root over both would see a spread that neither has."""
    step = output(maps([11.0, 11.0], [9.0, 9.0])), batch(maps([10.0, 10.0], [10.0, 10.0]))
    assert silog(*step).item() == pytest.approx(math.sqrt(0.15) * log_l1(*step).item(), abs=1e-3)


def test_berhu_by_hand():
    """Errors 1, 2 and 10 m: c = 2 m, so 1, 2 and (100 + 4) / 4 = 26 m."""
    loss = berhu(output(maps([11.0, 8.0, 20.0])), batch(maps([10.0, 10.0, 10.0])))
    assert loss.item() == pytest.approx((1 + 2 + 26) / 3, rel=1e-5)


def test_berhu_takes_the_largest_error_of_labelled_pixels_of_the_image():
    pred, target = maps([11.0, 8.0, 20.0, 500.0], [90.0, 10.0, 10.0, 10.0]), maps([10.0] * 4, [10.0] * 4)
    weight = maps([1.0, 1.0, 1.0, 0.0], [1.0, 1.0, 1.0, 1.0])
    second = (80**2 + 16**2) / 32 / 4
    assert berhu(output(pred), batch(target, weight)).item() == pytest.approx((29 / 3 + second) / 2, rel=1e-5)


def test_huber_by_hand():
    """Log errors 0.05 and 0.5 at delta 0.1: 0.0025 / 0.2 and 0.5 - 0.05."""
    loss = huber(output(maps([math.exp(0.05), math.exp(0.5)])), batch(maps([1.0, 1.0])))
    assert loss.item() == pytest.approx((0.0125 + 0.45) / 2, rel=1e-5)


def test_laplace_by_hand():
    """A log error of 0.5 at b = 0.5: 1 + ln 0.5 + ln 2 = 1."""
    step = output(maps([math.exp(0.5)]), math.log(0.5)), batch(maps([1.0]))
    assert laplace(*step).item() == laplace_scale(*step).item() == pytest.approx(1.0)


def test_laplace_scale_is_least_at_the_mean_error():
    pred, known = maps([math.exp(0.1), math.exp(0.3)]), batch(maps([1.0, 1.0]))
    losses = [laplace_scale(output(pred, math.log(b)), known).item() for b in (0.1, 0.2, 0.4)]
    assert losses[1] < losses[0]
    assert losses[1] < losses[2]


def test_laplace_trains_depth_and_scale_and_laplace_scale_the_scale_alone():
    for loss, slope in ((laplace, 1.0), (laplace_scale, None)):
        log_depth, log_scale = maps([0.5]).requires_grad_(), maps([0.0]).requires_grad_()
        loss(Output(log_depth, log_scale), batch(maps([1.0]))).backward()
        assert (log_depth.grad is None) if slope is None else log_depth.grad.item() == pytest.approx(slope)
        assert log_scale.grad.item() == pytest.approx(0.5)  # 1 - error / b


def test_gradient_by_hand():
    """Log errors 0, 0, 1 along a row: neighbours differ by 0 and 1, so 1/2 along it and nothing across."""
    loss = gradient(output(maps([1.0, 1.0, math.e])), batch(maps([1.0, 1.0, 1.0])), strides=(1,))
    assert loss.item() == pytest.approx(0.5 / 2)


def test_gradient_over_two_strides():
    """Log errors 0, 0, 1, 0: by one 0 1 1, by two 1 0; across the only row nothing."""
    loss = gradient(output(maps([1.0, 1.0, math.e, 1.0])), batch(maps([1.0] * 4)), strides=(1, 2))
    assert loss.item() == pytest.approx((2 / 3 + 1 / 2) / 4)


def test_gradient_ignores_a_constant_factor_and_pairs_of_two_sources():
    target = maps([1.0, 5.0, 2.0])
    assert gradient(output(target * 1.5), batch(target), (1,)).item() == pytest.approx(0.0, abs=1e-6)
    step = output(maps([1.0, 2.0, 2.0])), batch(maps([1.0, 1.0, 1.0]), maps([1.0, 0.5, 0.5]))
    assert gradient(*step, (1,)).item() == 0.0


def test_smoothness_by_hand():
    """Disparities 1 and 1/3 over their mean 2/3 differ by 1; an edge from black to white divides that by e."""
    pred, known = maps([1.0, 3.0]).expand(1, 1, 2, 2), batch(torch.ones(1, 1, 2, 2))
    assert smoothness(output(pred), known).item() == pytest.approx(1.0)
    rgb = known.rgb.clone()
    rgb[..., 2:] = 255
    assert smoothness(output(pred), replace(known, rgb=rgb)).item() == pytest.approx(math.exp(-1.0))


def test_smoothness_does_not_care_for_metres():
    step, known = random_step()
    near = step._replace(log_depth=step.log_depth - 1.0)
    assert smoothness(near, known).item() == pytest.approx(smoothness(step, known).item(), rel=1e-5)


def test_sky_must_only_be_far_enough():
    pred, target = output(maps([RANGE_M / 2, 200.0, 5.0])), batch(maps([INF, INF, 10.0]))
    log_error, weight = residual(pred, target)
    assert log_error.flatten().tolist() == pytest.approx([-math.log(2), 0.0, -math.log(2)], abs=1e-6)
    assert residual_m(pred, target)[0].flatten().tolist() == pytest.approx([-RANGE_M / 2, 0.0, -5.0], abs=1e-4)
    assert weight.tolist() == maps([1.0, 1.0, 1.0]).tolist()


@pytest.mark.parametrize('name', LABELLED)
def test_sky_counts_with_its_weight_and_pulls_what_is_too_near_away(name):
    log_depth = maps([math.log(20.0), math.log(200.0), math.log(10.0)]).requires_grad_()
    known = batch(maps([INF, INF, 10.0]), maps([1.0, 1.0, 1.0]))
    LOSSES[name](Output(log_depth, maps([0.0, 0.0, 0.0]).requires_grad_()), known).backward()
    if name != 'laplace_scale':
        assert log_depth.grad[..., 0].item() < 0  # a step against the slope makes it farther
        assert log_depth.grad[..., 1].item() == 0  # far enough
    else:
        assert log_depth.grad is None


def test_far_enough_sky_makes_the_mean_smaller():
    """A pixel that is right counts as much as one that is wrong, sky or not."""
    pred, target = output(maps([20.0, 200.0])), maps([10.0, INF])
    assert log_l1(pred, batch(target)).item() == pytest.approx(math.log(2) / 2)
    assert log_l1(pred, batch(target, maps([1.0, 3.0]))).item() == pytest.approx(math.log(2) / 4)


@pytest.mark.parametrize('name', LOSSES)
def test_a_batch_split_in_two_gives_the_same_number_and_gradient(name):
    """What two processes average is what one computes, though the last image has no label."""
    def run(parts):
        step, known = random_step()
        log_depth, log_scale = step.log_depth.requires_grad_(), step.log_scale.requires_grad_()
        losses = [LOSSES[name](Output(log_depth[part], log_scale[part]),
                               Batch(known.rgb[part], known.target[part], known.weight[part])) for part in parts]
        loss = torch.stack(losses).mean()
        loss.backward()
        return loss.item(), [part.grad for part in (log_depth, log_scale) if part.grad is not None]

    (whole, slopes), (halves, others) = run([slice(0, 4)]), run([slice(0, 2), slice(2, 4)])
    assert whole == pytest.approx(halves, rel=1e-6)
    assert whole > 0.01
    for slope, other in zip(slopes, others, strict=True):
        torch.testing.assert_close(slope, other)


@pytest.mark.parametrize('name', LABELLED)
@pytest.mark.parametrize('unlabelled', [0.0, NAN, -1.0])
def test_what_an_unlabelled_pixel_holds_changes_nothing(name, unlabelled):
    step, known = random_step()
    first = LOSSES[name](step, known)
    target = torch.where(known.weight > 0, known.target, unlabelled)
    log_depth = torch.where(known.weight > 0, step.log_depth, 4.0)
    assert LOSSES[name](step._replace(log_depth=log_depth), replace(known, target=target)).item() == first.item()


@pytest.mark.parametrize('name', LOSSES)
@pytest.mark.parametrize('kind', ['mixed', 'weight without label', 'unlabelled', 'all sky', 'zero residual'])
def test_gradients_are_finite(name, kind):
    """0, NaN and +Inf in the target, no label at all, no error at all: no NaN through log, where, root or division."""
    step, known = random_step()
    if kind == 'weight without label':
        known = replace(known, weight=torch.ones_like(known.weight))
        known.target[0, 0, 3, 3] = NAN
    elif kind == 'unlabelled':
        known = replace(known, target=torch.zeros_like(known.target), weight=torch.zeros_like(known.weight))
    elif kind == 'all sky':
        known = replace(known, target=torch.full_like(known.target, INF), weight=torch.ones_like(known.weight))
    elif kind == 'zero residual':
        known = batch(torch.full_like(known.target, 7.0))
        step = step._replace(log_depth=torch.full_like(step.log_depth, 7.0).log())
    log_depth, log_scale = step.log_depth.requires_grad_(), step.log_scale.requires_grad_()
    loss = LOSSES[name](Output(log_depth, log_scale), known)
    loss.backward()
    assert torch.isfinite(loss)
    for part in (log_depth, log_scale):
        assert part.grad is None or torch.isfinite(part.grad).all()
    if kind == 'unlabelled' and name != 'smoothness':
        assert loss.item() == 0.0
    if kind == 'zero residual' and not name.startswith('laplace'):
        assert loss.item() == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize('name', LABELLED)
def test_a_pixel_without_a_label_gets_no_gradient(name):
    step, known = random_step()
    log_depth, log_scale = step.log_depth.requires_grad_(), step.log_scale.requires_grad_()
    LOSSES[name](Output(log_depth, log_scale), known).backward()
    for part in (log_depth, log_scale):
        if part.grad is not None:
            assert not part.grad[known.weight == 0].any()
            assert part.grad[known.weight > 0].any()


@pytest.mark.parametrize('name', LOSSES)
def test_half_precision_outputs_are_held_against_labels_in_float32(name):
    """Ln 30 m and ln 30.2 m are the same number in bfloat16: the difference must be taken after the cast."""
    step, known = random_step()
    rough = Output(*(part.bfloat16() for part in step))
    with torch.autocast('cpu', torch.bfloat16):
        loss = LOSSES[name](rough, known)
    assert loss.dtype == torch.float32
    assert loss.item() == LOSSES[name](Output(*(part.float() for part in rough)), known).item()
