"""Coordinate frames and the transforms between them: from /tf and /tf_static, or by hand.

`T_a_b` takes points from frame b to frame a; chains cancel by name: `T_cam_imu = T_cam_velo @ T_velo_imu`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .bag import BagReader
from .errors import CalibrationError
from .rotation import between, inverse, rotation_of

Array = NDArray[np.float64]

TF_TYPE = 'tf2_msgs/msg/TFMessage'


@dataclass
class Link:
    """How a frame lies in its parent: one static transform, or samples over time, in the order of their stamps."""

    parent: str
    stamps_ns: list[int] = field(default_factory=list)  # empty: static
    transforms: list[Array] = field(default_factory=list)

    def add(self, T: Array, stamp_ns: int | None) -> None:
        """Add a sample at a stamp [ns], or set the static transform where that is None."""
        if stamp_ns is None:
            self.stamps_ns, self.transforms = [], [T]
            return
        index = bisect_left(self.stamps_ns, stamp_ns)
        if self.transforms and not self.stamps_ns:
            self.transforms = []  # was static
        if index < len(self.stamps_ns) and self.stamps_ns[index] == stamp_ns:
            self.transforms[index] = T
        else:
            self.stamps_ns.insert(index, stamp_ns)
            self.transforms.insert(index, T)


class TfTree:
    """A tree of frames; `lookup` finds the transform between any two of them.

    >>> tree = TfTree()
    >>> tree.add('base', 'laser', np.diag([1.0, 1.0, 1.0, 1.0]))
    >>> tree.lookup('laser', 'base').shape
    (4, 4)
    """

    def __init__(self) -> None:
        self._links: dict[str, Link] = {}

    @classmethod
    def from_bag(cls, bag: BagReader) -> TfTree:
        """Read every transform of a bag's /tf and /tf_static topics, also under a namespace."""
        tree = cls()
        for message in bag.messages([name for name, info in bag.topics.items() if info.type == TF_TYPE]):
            tree.add_message(message.msg, static=bag.topics[message.topic].latched)
        return tree

    @property
    def frames(self) -> list[str]:
        """Return the names of all frames, sorted."""
        return sorted({*self._links, *(link.parent for link in self._links.values())})

    def add(self, parent: str, child: str, T_parent_child: Array, stamp_ns: int | None = None) -> None:
        """Say how a child frame lies in its parent, T (4, 4) [m], at a stamp [ns] or always (None)."""
        parent, child = clean(parent), clean(child)
        T = np.asarray(T_parent_child, np.float64)
        if T.shape != (4, 4) or not np.isfinite(T).all() or parent == child or not child:
            raise CalibrationError('expected a finite transform (4, 4) between two frames, '
                                   f'got {T.shape} for {child!r} in {parent!r}')
        if child not in self._links or self._links[child].parent != parent:
            self._links[child] = Link(parent)  # as in tf2, the last parent that was named counts
        self._links[child].add(T, stamp_ns)

    def add_message(self, msg: Any, static: bool) -> None:
        """Add the transforms of a tf2_msgs/TFMessage."""
        for item in msg.transforms:
            stamp_ns = None if static else item.header.stamp.sec * 1_000_000_000 + item.header.stamp.nanosec
            self.add(item.header.frame_id, item.child_frame_id, matrix_of(item.transform), stamp_ns)

    def lookup(self, target: str, source: str, stamp_ns: int | None = None) -> Array:
        """Return T_target_source (4, 4) [m] at a stamp [ns]; the newest where that is None.

        Between two samples it is interpolated. Raises CalibrationError where a frame is unknown, the two are not
        connected, or the stamp lies outside the samples.
        """
        to_target, to_source = self._path(clean(target)), self._path(clean(source))
        common = next((frame for frame in to_source if frame in to_target), None)
        if common is None:
            raise CalibrationError(f'expected a transform between {target!r} and {source!r}, got two trees; '
                                   f'the frames are {", ".join(self.frames)}')
        T_common_source = self._chain(to_source[: to_source.index(common)], stamp_ns)
        T_common_target = self._chain(to_target[: to_target.index(common)], stamp_ns)
        return inverse(T_common_target) @ T_common_source

    def _path(self, frame: str) -> list[str]:
        """Return a frame and its ancestors, up to the root."""
        if frame not in self.frames:
            raise CalibrationError(f'expected a known frame, got {frame!r}; '
                                   f'the frames are {", ".join(self.frames) or "none"}')
        path = [frame]
        while path[-1] in self._links:
            path.append(self._links[path[-1]].parent)
            if path[-1] in path[:-1]:
                raise CalibrationError(f'expected a tree of frames, got the loop {" -> ".join(path)}')
        return path

    def _chain(self, frames: Iterable[str], stamp_ns: int | None) -> Array:
        """Return the transform from the first of these frames to the parent of the last."""
        T = np.eye(4)
        for frame in frames:
            T = at(self._links[frame], frame, stamp_ns) @ T
        return T


def at(link: Link, child: str, stamp_ns: int | None) -> Array:
    """Return T_parent_child (4, 4) at a stamp [ns], interpolated between samples; the newest where that is None."""
    if not link.stamps_ns or stamp_ns is None:
        return link.transforms[-1]
    if not link.stamps_ns[0] <= stamp_ns <= link.stamps_ns[-1]:
        raise CalibrationError(f'expected {child!r} in {link.parent!r} at {stamp_ns} ns, got it from '
                               f'{link.stamps_ns[0]} to {link.stamps_ns[-1]} ns only')
    right = bisect_left(link.stamps_ns, stamp_ns)
    if link.stamps_ns[right] == stamp_ns:
        return link.transforms[right]
    before, after = link.stamps_ns[right - 1 : right + 1]
    return between(link.transforms[right - 1], link.transforms[right], (stamp_ns - before) / (after - before))


def matrix_of(transform: Any) -> Array:
    """Return the matrix (4, 4) [m] of a geometry_msgs/Transform."""
    t, q = transform.translation, transform.rotation
    T = np.eye(4)
    T[:3, :3] = rotation_of(np.array([q.x, q.y, q.z, q.w]))
    T[:3, 3] = t.x, t.y, t.z
    return T


def clean(frame: str) -> str:
    """Return a frame's name without the leading slash of ROS 1."""
    return frame.lstrip('/')
