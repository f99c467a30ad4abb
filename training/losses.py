"""Losses by name: what a network said of a batch (Output), held against its labels (Batch), as one number.

Each is a mean over all images of the batch of something of the image alone, nearly always a mean over its pixels by
weight; an image without labels gives 0. So an image with few labels counts as much as one with a dense map, and the
number stays the same however a batch is split evenly over processes.

A target of +Inf (nothing within RANGE_M: the sky) is a label as any other, but one-sided: too near is an error, far
enough is none. A new loss is a function and a line in LOSSES; what it needs beside labels becomes a field of Batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from .batch import Batch, Output

Loss = Callable[[Output, Batch], Tensor]

RANGE_M = 80.0  # canonical; a prediction from here on is right where nothing is within range
TINY = 1e-6


def goal(output: Output, batch: Batch) -> tuple[Tensor, Tensor]:
    """Return the log depth (B, 1, h, w) that the labels ask for, and the weight: 0 where there is no label.

    Where any depth is right (no label; beyond range and far enough) it is the prediction itself, gradient and all.
    """
    log_depth, target = output.log_depth.float(), batch.target.float()
    labelled = (target > 0) & (batch.weight > 0)  # False for NaN
    finite = labelled & torch.isfinite(target)
    known = torch.where(finite, target, 1.0).log()  # the inner where keeps NaN out of the gradient
    beyond = torch.where(labelled, log_depth.clamp(min=math.log(RANGE_M)), log_depth)
    return torch.where(finite, known, beyond), torch.where(labelled, batch.weight.float(), 0.0)


def residual(output: Output, batch: Batch) -> tuple[Tensor, Tensor]:
    """Return ln pred - ln target (B, 1, h, w) float32, min(ln pred - ln RANGE_M, 0) beyond range, and the weight."""
    wanted, weight = goal(output, batch)
    return output.log_depth.float() - wanted, weight


def residual_m(output: Output, batch: Batch) -> tuple[Tensor, Tensor]:
    """Return pred - target (B, 1, h, w) [m, canonical], min(pred - RANGE_M, 0) beyond range, and the weight."""
    wanted, weight = goal(output, batch)
    return output.log_depth.float().exp() - wanted.exp(), weight


def image_means(values: Tensor, weight: Tensor) -> Tensor:
    """Average values (B, 1, h, w) by weight within each image; 0 where it has no label."""
    return (values * weight).sum((1, 2, 3)) / weight.sum((1, 2, 3)).clamp(min=TINY)


def l1(output: Output, batch: Batch) -> Tensor:
    """Mean |pred - target| [m]: far pixels decide."""
    error, weight = residual_m(output, batch)
    return image_means(error.abs(), weight).mean()


def log_l1(output: Output, batch: Batch) -> Tensor:
    """Mean |ln pred - ln target|: about the relative error."""
    error, weight = residual(output, batch)
    return image_means(error.abs(), weight).mean()


def silog(output: Output, batch: Batch, focus: float = 0.85) -> Tensor:
    """Scale-invariant log error of each image, sqrt(mean d^2 - focus mean(d)^2): Eigen et al. 2014, focus as in BTS.

    BTS takes one root over all pixels of a batch (and ten times that), which depends on how a batch is split.
    """
    error, weight = residual(output, batch)
    square = image_means(error**2, weight) - focus * image_means(error, weight) ** 2
    return ((square + TINY).sqrt() - math.sqrt(TINY)).mean()  # the root's slope is infinite at 0


def berhu(output: Output, batch: Batch) -> Tensor:
    """Reverse Huber in metres: |e|, above c = 0.2 max|e| of the image (e^2 + c^2) / 2c; Laina et al. 2016.

    They take the largest error of the batch; one for each image does not depend on how a batch is split.
    """
    error, weight = residual_m(output, batch)
    size = error.abs()
    limit = 0.2 * size.detach().amax((1, 2, 3), keepdim=True).clamp(min=TINY)
    return image_means(torch.where(size <= limit, size, (size**2 + limit**2) / (2 * limit)), weight).mean()


def huber(output: Output, batch: Batch, delta: float = 0.1) -> Tensor:
    """Huber's loss of the log error over its delta: r^2 / (2 delta) below delta, |r| - delta / 2 above."""
    error, weight = residual(output, batch)
    return image_means(F.smooth_l1_loss(error, torch.zeros_like(error), reduction='none', beta=delta), weight).mean()


def laplace(output: Output, batch: Batch) -> Tensor:
    """Mean -ln of a Laplace density of scale b over the log error: trains depth and scale; Kendall and Gal 2017."""
    error, weight = residual(output, batch)
    log_scale = output.log_scale.float()
    return image_means(error.abs() * torch.exp(-log_scale) + log_scale + math.log(2.0), weight).mean()


def laplace_scale(output: Output, batch: Batch) -> Tensor:
    """Return `laplace` for the scale alone: the depth gets no gradient."""
    return laplace(Output(output.log_depth.detach(), output.log_scale), batch)


def gradient(output: Output, batch: Batch, strides: tuple[int, ...] = (1, 2, 4)) -> Tensor:
    """Mean difference of the log error between neighbours of one source: asks for edges where the target has them.

    Gradient matching over several distances, after Ranftl et al. 2020. Neighbours of different weight come from
    different sources, whose disagreement is no edge.
    """
    error, weight = residual(output, batch)
    losses = []
    for stride in strides:
        for axis in (2, 3):
            length = max(error.shape[axis] - stride, 0)
            here, there = error.narrow(axis, 0, length), error.narrow(axis, -length, length)
            pair, other = weight.narrow(axis, 0, length), weight.narrow(axis, -length, length)
            losses.append(image_means((here - there).abs(), torch.where(pair == other, pair, 0.0)))
    return torch.stack(losses).mean()


def smoothness(output: Output, batch: Batch) -> Tensor:
    """Mean slope of disparity over its mean, less where the image has an edge; needs no labels; Godard et al. 2019."""
    log_depth = output.log_depth.float()
    pixels = log_depth[0].numel()
    disparity = pixels * torch.softmax(-log_depth.flatten(1), 1).view_as(log_depth)  # 1/depth over its mean
    rgb = F.interpolate(batch.rgb.float() / 255, size=log_depth.shape[2:], mode='area')
    losses = []
    for axis in (2, 3):
        edge = rgb.diff(dim=axis).abs().mean(1, keepdim=True)
        losses.append((disparity.diff(dim=axis).abs() * torch.exp(-edge)).mean((1, 2, 3)))
    return (losses[0] + losses[1]).mean()


LOSSES: dict[str, Loss] = {
    'silog': silog,
    'l1': l1,
    'log_l1': log_l1,
    'berhu': berhu,
    'huber': huber,
    'laplace': laplace,
    'laplace_scale': laplace_scale,
    'gradient': gradient,
    'smoothness': smoothness,
}
