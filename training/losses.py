"""Losses on log depth: log_pred and target (B, 1, h, w), each pixel with a weight (0: no label).

A target of +Inf says that nothing is within range (the sky): see `beyond_range`, which the others leave out.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]


def log_target(target_m: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Return ln(target) and the weights of pixels with a finite target; 0 and 0 elsewhere, so that no NaN arises."""
    weight = torch.where(torch.isfinite(target_m) & (target_m > 0), weight, 0.0)
    return torch.where(weight > 0, target_m, 1.0).log(), weight


def weighted_mean(values: Tensor, weight: Tensor) -> Tensor:
    """Average by weight within each image (B, 1, h, w), then over the images that have a label; 0 where none has.

    So an image with few labelled pixels counts as much as one with a dense map.
    """
    total = weight.sum((1, 2, 3))
    means = (values * weight).sum((1, 2, 3)) / total.clamp(min=1e-6)
    return means.sum() / (total > 0).sum().clamp(min=1)


def log_l1(log_pred: Tensor, target_m: Tensor, weight: Tensor) -> Tensor:
    """Mean |ln pred - ln target|: about the relative error."""
    target, weight = log_target(target_m, weight)
    return weighted_mean((log_pred - target).abs(), weight)


def silog(log_pred: Tensor, target_m: Tensor, weight: Tensor, focus: float = 0.85) -> Tensor:
    """Scale-invariant log error, sqrt(mean d^2 - focus mean(d)^2), of Eigen et al. 2014 as BTS weighs it."""
    target, weight = log_target(target_m, weight)
    error = log_pred - target
    square = weighted_mean(error**2, weight) - focus * weighted_mean(error, weight) ** 2
    return (square + 1e-6).sqrt() - 1e-3  # the root's slope is infinite at 0


def gradient(log_pred: Tensor, target_m: Tensor, weight: Tensor, strides: tuple[int, ...] = (1, 2, 4)) -> Tensor:
    """Mean difference of the log error between neighbours of one source: asks for edges where the target has them.

    Gradient matching over several distances, after Ranftl et al. 2020. Neighbours of different weight come from
    different sources, whose disagreement is no edge.
    """
    target, weight = log_target(target_m, weight)
    error = log_pred - target
    losses = []
    for stride in strides:
        for axis in (2, 3):
            length = error.shape[axis] - stride
            here, there = error.narrow(axis, 0, length), error.narrow(axis, stride, length)
            pair, other = weight.narrow(axis, 0, length), weight.narrow(axis, stride, length)
            losses.append(weighted_mean((here - there).abs(), torch.where(pair == other, pair, 0.0)))
    return torch.stack(losses).mean()


def laplace_scale(log_pred: Tensor, log_scale: Tensor, target_m: Tensor, weight: Tensor) -> Tensor:
    """Mean -ln of a Laplace density of scale b over the error: the loss of the scale alone, depth gets no gradient.

    Where the target is beyond range, a prediction that is far enough has no error.
    """
    log_pred = log_pred.detach()
    target, known = log_target(target_m, weight)
    error = torch.where(torch.isinf(target_m), too_near(log_pred), (log_pred - target).abs())
    weight = torch.where(torch.isinf(target_m), weight, known)
    return weighted_mean(error * torch.exp(-log_scale) + log_scale + math.log(2.0), weight)


def too_near(log_pred: Tensor, range_m: float = 80.0) -> Tensor:
    """Return ln(range / pred) where the prediction is nearer than the range, 0 where it is farther."""
    return (math.log(range_m) - log_pred).clamp(min=0.0)


def beyond_range(log_pred: Tensor, target_m: Tensor, weight: Tensor) -> Tensor:
    """Mean of `too_near` where the target is +Inf."""
    weight = torch.where(torch.isinf(target_m), weight, 0.0)
    return (too_near(log_pred) * weight).sum() / weight.sum().clamp(min=1e-6)  # by pixel: a patch of sky is no image


LOSSES: dict[str, Loss] = {'log_l1': log_l1, 'silog': silog}
