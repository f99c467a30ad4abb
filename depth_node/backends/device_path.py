"""The path around a network on a GPU: an image goes there whole and metres come back, so that the host waits once.

What HostPath does with OpenCV, torch does here, on any of its devices.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from msg_tools.camera import Array, Size
from msg_tools.errors import BackendError

from ..plan import Plan
from ..result import LOG_DELTA1, DepthResult, Limits
from ..upsampling import AROUND, FAR, NEAR
from .recorded import Mirror, Recorded
from .sizes import PerSize

Network = Callable[[Tensor], tuple[Tensor, Tensor]]  # rgb float (1, 3, h, w) in 0..255 to two maps (1, 1, h/2, w/2)


class DevicePath:
    """From an image's bytes to metres on one of torch's devices."""

    def __init__(self, network: Network, device: torch.device) -> None:
        self.network, self.device = network, device
        self._program: Program | None = None

    def __call__(self, rgb: Array, plan: Plan, limits: Limits, out: Array | None = None) -> DepthResult:
        """Return the depth of an image uint8 (H, W, 3), in out float32 (H, W) if given. Raises BackendError."""
        try:
            if self._program is None or not self._program.fits(plan):
                self._program = None  # its memory goes first
                self._program = Program(self.network, plan, self.device)
            depth_m, log_scale = self._program(rgb, plan, limits)
        except RuntimeError as error:  # torch's errors of memory and of devices are such, too
            raise BackendError(f'PyTorch on {self.device} failed: {error}') from error
        if out is None:
            return DepthResult(depth_m.copy(), log_scale.copy(), plan)
        np.copyto(out, depth_m)
        return DepthResult(out, log_scale.copy(), plan)


class DeviceNetwork:
    """The network alone on images uint8 (h, w, 3) that the host has resized: a backend's call."""

    def __init__(self, network: Network, device: torch.device) -> None:
        self.network, self.device = network, device
        self.programs = PerSize(self._program)

    def __call__(self, rgb: Array) -> tuple[Array, Array]:
        """Return log_depth and log_scale (h/2, w/2). Raises BackendError."""
        try:
            bytes_in, maps, run = self.programs[Size(*rgb.shape[:2])]
            np.copyto(bytes_in.array, rgb)
            run()
        except RuntimeError as error:
            raise BackendError(f'PyTorch on {self.device} failed: {error}') from error
        log_depth, log_scale = maps.array.copy()
        return log_depth, log_scale

    def _program(self, size: Size) -> tuple[Mirror, Mirror, Recorded]:
        rgb = Mirror((*size.shape, 3), torch.uint8, self.device)
        maps = Mirror((2, size.height // 2, size.width // 2), torch.float32, self.device)

        def work() -> None:
            maps.tensor.copy_(torch.cat(self.network(rgb.tensor.permute(2, 0, 1)[None].float()), 1)[0])

        return rgb, maps, Recorded(work, [rgb], [maps], self.device)


class Program:
    """The work on images of one size, and its memory."""

    def __init__(self, network: Network, plan: Plan, device: torch.device) -> None:
        self.network, self.plan = network, plan
        half = plan.content_size.height // 2, plan.content_size.width // 2
        self.rgb = Mirror((*plan.size.shape, 3), torch.uint8, device)
        self.numbers = Mirror((4,), torch.float32, device)
        self.depth_m, self.log_scale = (Mirror(shape, torch.float32, device) for shape in (plan.size.shape, half))
        self.run = Recorded(self._work, [self.rgb, self.numbers], [self.depth_m, self.log_scale], device)

    def fits(self, plan: Plan) -> bool:
        """Return whether a plan has the sizes that this program is for."""
        return sizes_of(plan) == sizes_of(self.plan)

    def __call__(self, rgb: Array, plan: Plan, limits: Limits) -> tuple[Array, Array]:
        """Return depth (H, W) [m] and log_scale (h/2, w/2) in memory that the next call writes to."""
        np.copyto(self.rgb.array, rgb)
        self.numbers.array[:] = plan.log_correction, limits.log_min, limits.log_max, limits.min_confidence
        self.run()
        return self.depth_m.array, self.log_scale.array

    def _work(self) -> None:
        """Compute depth and log_scale from rgb and the numbers, all on the device."""
        log_correction, log_min, log_max, min_confidence = self.numbers.tensor.unbind()
        maps = self.network(network_input(self.rgb.tensor, self.plan))
        log_depth, log_scale = (cut(item.float(), self.plan) for item in maps)
        log_depth = torch.where(torch.isfinite(log_depth), log_depth + log_correction, torch.nan)
        log_depth = upsampled(sharpened(log_depth), self.plan.size)
        confidence = upsampled(confidence_of(log_scale), self.plan.size)
        depth_m = torch.where(log_depth > log_max, torch.inf, log_depth.exp())
        right = (log_depth >= log_min) & (confidence >= min_confidence)  # False for NaN
        self.depth_m.tensor.copy_(torch.where(right, depth_m, torch.nan)[0, 0])
        self.log_scale.tensor.copy_(log_scale[0, 0])


def of_bytes(network: Network) -> Network:
    """Return a network that takes images uint8 (1, h, w, 3) as one that takes float (1, 3, h, w)."""
    return lambda rgb: network(rgb.round().to(torch.uint8).permute(0, 2, 3, 1).contiguous())


def sizes_of(plan: Plan) -> tuple[Size, Size, Size]:
    """Return what a program is made for: all of a plan but its numbers."""
    return plan.size, plan.content_size, plan.input_size


def network_input(rgb: Tensor, plan: Plan) -> Tensor:
    """Resize an image uint8 (H, W, 3) to float (1, 3, h, w), as plan.network_input but for its rounding to bytes."""
    small = resized(rgb.permute(2, 0, 1)[None].float(), plan.content_size)
    (top, left), content, room = plan.offset, plan.content_size, plan.input_size
    return F.pad(small, (left, room.width - left - content.width, top, room.height - top - content.height))


def resized(x: Tensor, size: Size) -> Tensor:
    """Resize images (B, C, H, W) without aliasing, in the same steps as plan.resized."""
    while reduction(x, size) >= 3:
        x = F.interpolate(x, (x.shape[2] // 2, x.shape[3] // 2), mode='area')
    if reduction(x, size) >= 1.5:
        return F.avg_pool2d(upsampled(x, Size(2 * size.height, 2 * size.width)), 2)
    return upsampled(x, size)


def reduction(x: Tensor, size: Size) -> float:
    """Return by which factor images become smaller at this size, in the direction where that is least."""
    return min(x.shape[2] / size.height, x.shape[3] / size.width)


def upsampled(x: Tensor, size: Size) -> Tensor:
    """Resize maps (B, C, H, W) bilinearly, corners on corners as OpenCV does."""
    return F.interpolate(x, size.shape, mode='bilinear', align_corners=False)


def sharpened(x: Tensor) -> Tensor:
    """Make the edges of log depth (1, 1, h/2, w/2) steeper along its rows, as upsampling.sharpened."""
    near, far = (mean(x, *size) for size in (NEAR, FAR))
    width, height = AROUND
    padding = height // 2, width // 2
    highest, lowest = (sign * F.max_pool2d(sign * x, (height, width), 1, padding) for sign in (1, -1))
    return torch.where(torch.isfinite(x).all(), torch.clamp(x + (near - far), lowest, highest), x)


def mean(x: Tensor, width: int, height: int) -> Tensor:
    """Return the means of the pixels around each, mirrored at the border as OpenCV does."""
    around = F.pad(x, (width // 2, width // 2, height // 2, height // 2), mode='reflect')
    return F.avg_pool2d(around, (height, width), 1)


def cut(x: Tensor, plan: Plan) -> Tensor:
    """Cut the image's part out of a map (1, 1, h/2, w/2) of the network."""
    top, left = plan.offset[0] // 2, plan.offset[1] // 2
    return x[..., top : top + plan.content_size.height // 2, left : left + plan.content_size.width // 2]


def confidence_of(log_scale: Tensor) -> Tensor:
    """Return the confidence 0..1 of log scales, as result.confidence_of."""
    return torch.nan_to_num(-torch.expm1(-LOG_DELTA1 * torch.exp(-log_scale)), nan=0.0)
