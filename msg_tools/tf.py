"""Coordinate frames and the transforms between them: from /tf and /tf_static, or by hand.

`T_a_b` takes points from frame b to frame a; chains cancel by name: `T_cam_imu = T_cam_velo @ T_velo_imu`.
"""

from __future__ import annotations

from array import array
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
    """How a frame lies in its parent: one static transform, or samples over time, in the order of their stamps.

    A long recording has millions of samples: they are kept as numbers, 16 for each.
    """

    parent: str
    stamps_ns: array[int] = field(default_factory=lambda: array('q'))  # empty: static
    numbers: array[float] = field(default_factory=lambda: array('d'))

    @property
    def transforms(self) -> Array:
        """Return T_parent_child of each sample (N, 4, 4); of a static link one."""
        return np.array(self.numbers).reshape(-1, 4, 4)

    def transform(self, index: int) -> Array:
        """Return T_parent_child (4, 4) of a sample; -1 is the newest."""
        start = 16 * (index % (len(self.numbers) // 16))
        return np.array(self.numbers[start : start + 16]).reshape(4, 4)

    def add(self, T: Array, stamp_ns: int | None) -> None:
        """Add a sample at a stamp [ns], or set the static transform where that is None."""
        numbers = array('d', T.ravel().tolist())
        if stamp_ns is None:
            self.stamps_ns, self.numbers = array('q'), numbers
            return
        if self.numbers and not self.stamps_ns:
            self.numbers = array('d')  # was static
        index = bisect_left(self.stamps_ns, stamp_ns)
        known = index < len(self.stamps_ns) and self.stamps_ns[index] == stamp_ns
        self.numbers[16 * index : 16 * (index + known)] = numbers
        if not known:
            self.stamps_ns.insert(index, stamp_ns)


class TfTree:
    """A tree of frames; `lookup` finds the transform between any two of them.

    >>> tree = TfTree()
    >>> tree.add('base', 'laser', np.diag([1.0, 1.0, 1.0, 1.0]))
    >>> tree.lookup('laser', 'base').shape
    (4, 4)
    """

    def __init__(self) -> None:
        self._links: dict[str, Link] = {}
        self._rivals: dict[str, set[str]] = {}  # of frames that were given several parents

    @classmethod
    def from_bag(cls, bag: BagReader, static_only: bool = False) -> TfTree:
        """Read every transform of a bag's /tf_static and, unless left out, /tf topics, also under a namespace."""
        tree = cls()
        topics = [name for name, info in bag.topics.items() if info.type == TF_TYPE]
        for message in bag.messages([name for name in topics if bag.topics[name].latched or not static_only]):
            tree.add_message(message.msg, static=bag.topics[message.topic].latched)
        return tree

    @property
    def frames(self) -> list[str]:
        """Return the names of all frames, sorted."""
        return sorted({*self._links, *(link.parent for link in self._links.values())})

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return what is odd: frames with two parents."""
        return tuple(f'frame {child!r} has the parents {", ".join(map(repr, sorted(parents)))}; as in tf2 the last '
                     f'counts, {self._links[child].parent!r}' for child, parents in self._rivals.items())

    def add(self, parent: str, child: str, T_parent_child: Array, stamp_ns: int | None = None) -> None:
        """Say how a child frame lies in its parent, T (4, 4) [m], at a stamp [ns] or always (None)."""
        parent, child = clean(parent), clean(child)
        T = np.asarray(T_parent_child, np.float64)
        if T.shape != (4, 4) or not np.isfinite(T).all() or parent == child or not child:
            raise CalibrationError('expected a finite transform (4, 4) between two frames, '
                                   f'got {T.shape} for {child!r} in {parent!r}')
        before = self._links.get(child)
        if before is None or before.parent != parent:
            if before is not None:
                self._rivals.setdefault(child, {before.parent}).add(parent)
            self._links[child] = Link(parent)  # as in tf2, the last parent that was named counts
        self._links[child].add(T, stamp_ns)

    def add_message(self, msg: Any, static: bool) -> None:
        """Add the transforms of a tf2_msgs/TFMessage."""
        for item in msg.transforms:
            stamp_ns = None if static else item.header.stamp.sec * 1_000_000_000 + item.header.stamp.nanosec
            try:
                self.add(item.header.frame_id, item.child_frame_id, matrix_of(item.transform), stamp_ns)
            except CalibrationError as error:
                raise CalibrationError(f'transform of {item.child_frame_id!r} in {item.header.frame_id!r}: '
                                       f'{error}') from error

    def lookup(self, target: str, source: str, stamp_ns: int | None = None) -> Array:
        """Return T_target_source (4, 4) [m] at a stamp [ns]; the newest where that is None.

        Between two samples it is interpolated. Raises CalibrationError where a frame is unknown, the two are not
        connected, or the stamp lies outside the samples.
        """
        to_target, to_source = self._branches(target, source)
        T_common_source = self._chain(to_source, stamp_ns)
        T_common_target = self._chain(to_target, stamp_ns)
        return inverse(T_common_target) @ T_common_source

    def moving(self, target: str, source: str) -> dict[str, Link]:
        """Return the links between two frames that have samples over time, by child. Raises as `lookup` does."""
        chain = [frame for branch in self._branches(target, source) for frame in branch]
        return {frame: self._links[frame] for frame in chain if self._links[frame].stamps_ns}

    def pruned(self, target: str, source: str) -> TfTree:
        """Return a tree of only what lies between two frames, as small as can be sent elsewhere."""
        result = TfTree()
        result._links = {frame: self._links[frame] for branch in self._branches(target, source) for frame in branch}
        return result

    def ancestors(self, frame: str) -> list[str]:
        """Return the frames above a frame, from its parent to the root of its tree. Raises as `lookup` does."""
        return self._path(clean(frame))[1:]

    def _branches(self, target: str, source: str) -> tuple[list[str], list[str]]:
        """Return the frames from the target and from the source up to, but without, what both lie in."""
        to_target, to_source = self._path(clean(target)), self._path(clean(source))
        common = next((frame for frame in to_source if frame in to_target), None)
        if common is None:
            raise CalibrationError(f'expected a transform between {target!r} and {source!r}, got two trees; '
                                   f'the trees are {self._trees()}')
        return to_target[: to_target.index(common)], to_source[: to_source.index(common)]

    def _trees(self) -> str:
        """Say which frames are connected."""
        members: dict[str, list[str]] = {}
        for frame in self.frames:
            members.setdefault(self._path(frame)[-1], []).append(frame)
        return ' and '.join(f'{root} ({", ".join(frame for frame in frames if frame != root)})'
                            for root, frames in members.items())

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
        return link.transform(-1)
    if not link.stamps_ns[0] <= stamp_ns <= link.stamps_ns[-1]:
        raise CalibrationError(f'expected {child!r} in {link.parent!r} at {stamp_ns} ns, got it from '
                               f'{link.stamps_ns[0]} to {link.stamps_ns[-1]} ns only')
    right = bisect_left(link.stamps_ns, stamp_ns)
    if link.stamps_ns[right] == stamp_ns:
        return link.transform(right)
    before, after = link.stamps_ns[right - 1 : right + 1]
    return between(link.transform(right - 1), link.transform(right), (stamp_ns - before) / (after - before))


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
