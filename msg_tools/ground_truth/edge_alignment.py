"""How well the depth edges of some frames lie on the edges of their images, for many small rotations at once.

After Levinson & Thrun, "Automatic Online Calibration of Cameras and Lasers" (RSS 2013): their score is the image's
edge strength at depth jumps, summed over frames. A pure rotation of the camera moves a pixel whatever its depth is, so
the sparse maps are enough and nothing is projected again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..camera import Array, Intrinsics
from .depth_edges import Edges, depth_edges, normalised_gradients

MOST_EDGES = 3000  # of a frame: an accumulated map has ten times as many, which say no more
BLOCK = 256  # rotations at a time: what bounds the memory


@dataclass(frozen=True)
class AlignedFrame:
    """The edges of a frame's depth map with the gradients (2, H, W) of its image."""

    name: str
    gradients: Array
    edges: Edges
    camera: Intrinsics

    @classmethod
    def of(cls, name: str, rgb: Array, depth_m: Array, camera: Intrinsics) -> AlignedFrame:
        """Find the edges of an image uint8 (H, W, 3) and its sparse depth (H, W) [m]."""
        return cls(name, normalised_gradients(rgb), depth_edges(depth_m, camera).thinned(MOST_EDGES), camera)

    def moved(self, turns_deg: Array) -> tuple[Array, Array]:
        """Return the pixels u, v (N, C) of the edges if LiDAR turned by -turns (C, 3): yaw, pitch, roll [deg].

        Taking a turn out again, that is. To first order: at 1.8 degrees this is half a pixel off.
        """
        x = (self.edges.u - self.camera.cx) / self.camera.fx
        y = (self.edges.v - self.camera.cy) / self.camera.fy
        turns = -np.radians(turns_deg).T.astype(np.float32)
        du = self.camera.fx * np.stack([1 + x * x, -x * y, -y], 1).astype(np.float32)
        dv = self.camera.fy * np.stack([x * y, -(1 + y * y), x], 1).astype(np.float32)
        u, v = (pixels[:, None].astype(np.float32) for pixels in (self.edges.u, self.edges.v))
        return u + du @ turns, v + dv @ turns

    def scores(self, turns_deg: Array) -> Array:
        """Return the summed gradient at the edges (C,) with each of the turns (C, 3) [deg] taken out of the LiDAR."""
        _, height, width = self.gradients.shape
        flat = self.gradients.reshape(-1)
        first = (self.edges.direction * height * width).astype(np.int32)[:, None]
        sums = np.empty(len(turns_deg))
        for start in range(0, len(turns_deg), BLOCK):
            block = slice(start, start + BLOCK)
            u, v = self.moved(turns_deg[block])
            at = np.clip(v + 0.5, 0, height - 1).astype(np.int32) * width  # the nearest pixel
            at += np.clip(u + 0.5, 0, width - 1).astype(np.int32)
            sums[block] = flat.take(at + first, mode='clip').sum(0)  # all are inside: this saves the check
        return sums


def turn_grid(spans_deg: Array, steps_deg: Array, centre_deg: Array) -> Array:
    """Return turns (C, 3) [deg] on a grid around a centre: yaw, pitch, roll within +-span, a step apart."""
    axes = [np.arange(-round(span / step), round(span / step) + 1) * step
            for span, step in zip(spans_deg, steps_deg, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing='ij'), -1).reshape(-1, 3) + centre_deg
