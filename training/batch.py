"""What goes into a training step and what comes out: two records that losses, loader and loop share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor


@dataclass(frozen=True, slots=True)
class Batch:
    """rgb uint8 (B, 3, h, w), channels last; target [m, canonical; +Inf: nothing in range] and weight (B, 1, h/2, w/2).

    A pixel without a label has weight 0 and target 0.
    """

    rgb: Tensor
    target: Tensor
    weight: Tensor


class Output(NamedTuple):
    """What a network says of a batch: ln depth [m, canonical] and ln b of its Laplace error, (B, 1, h/2, w/2) each."""

    log_depth: Tensor
    log_scale: Tensor
