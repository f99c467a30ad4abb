"""monodepth2's own code for ground truth, as a peer to time and to compare with pixel by pixel."""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from msg_tools.camera import Array
from msg_tools.errors import ConfigError
from msg_tools.kitti import KittiDrive

REMOVED_FROM_NUMPY = {'int': int, 'float': float, 'bool': bool}  # names that code of 2019 still uses


@dataclass(frozen=True)
class Peer:
    """monodepth2's generate_depth_map for one camera of a drive, with or without its reading of files."""

    module: ModuleType
    calibration: Path
    camera: int

    @classmethod
    def load(cls, path: Path, drive: KittiDrive, camera: int) -> Peer:
        """Load kitti_utils.py from a checkout; the names that NumPy removed are given back to it.

        Raises ConfigError where it is not that file.
        """
        for name, value in REMOVED_FROM_NUMPY.items():
            if name not in np.__dict__:
                setattr(np, name, value)
        try:
            spec = importlib.util.spec_from_file_location('monodepth2_kitti_utils', path)
            if spec is None or spec.loader is None:
                raise ImportError('not a Python file')
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
        except (ImportError, OSError, SyntaxError) as error:
            raise ConfigError(f'{path}: expected kitti_utils.py of a monodepth2 checkout, got: {error}') from error
        if not hasattr(module, 'generate_depth_map'):
            raise ConfigError(f"{path}: expected monodepth2's kitti_utils.py, got a file without generate_depth_map")
        return cls(module, drive.calibration.folder, camera)

    def read_and_project(self, scan: Path) -> Array:
        """Return its depth map (H, W) [m] of a scan's file."""
        return np.asarray(self.module.generate_depth_map(str(self.calibration), str(scan), self.camera))

    def project(self, points: Array) -> Array:
        """Return its depth map (H, W) [m] of points (N, 4) with 1 in the last column; no file is read."""
        with contextlib.ExitStack() as stack:
            stack.enter_context(replaced(self.module, 'load_velodyne_points', lambda name: points))
            stack.enter_context(replaced(self.module, 'read_calib_file', self._read_calibration))
            return self.read_and_project(Path('in memory'))

    def _read_calibration(self, path: str) -> Any:
        known = self.module.__dict__.setdefault('_known_calibration', {})
        if path not in known:
            known[path] = self.module.__dict__['_read_calib_file'](path)
        return known[path]


@contextlib.contextmanager
def replaced(module: ModuleType, name: str, function: Callable[..., Any]) -> Iterator[None]:
    """Put another function in a module's place for a while; the old one stays there as `_name`."""
    old = getattr(module, name)
    setattr(module, f'_{name}', old)
    setattr(module, name, function)
    try:
        yield
    finally:
        setattr(module, name, old)


def homogeneous(points: Array) -> Array:
    """Return points (N, 4) with 1 for the reflectance, as the peer's reader returns them."""
    return np.concatenate([points[:, :3], np.ones((len(points), 1), np.float32)], 1)
