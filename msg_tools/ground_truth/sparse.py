"""The sparse form of a depth map: only the pixels that have depth, as a compressed NumPy archive."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..camera import Array, Size
from ..depth_png import STEPS_PER_M
from ..errors import DepthPngError


class SparseDepth(NamedTuple):
    """The pixels of a map that have depth: column u and row v, uint16 (n,), and depth float32 (n,) [m], row by row."""

    u: Array
    v: Array
    depth_m: Array
    size: Size


def encode_sparse(steps: Array) -> bytes:
    """Encode a depth map uint16 (H, W) [1/256 m] as an archive of u, v, steps uint16 (n,) and shape (2,)."""
    v, u = np.nonzero(steps)
    data = io.BytesIO()
    np.savez_compressed(data, u=u.astype(np.uint16), v=v.astype(np.uint16), steps=steps[v, u],
                        shape=np.array(steps.shape, np.uint16))
    return data.getvalue()


def read_sparse(path: Path | str) -> SparseDepth:
    """Read a sparse depth map. Raises DepthPngError where the file is missing, broken or another archive.

    Drawn: `depth_m = np.zeros(sparse.size.shape, np.float32); depth_m[sparse.v, sparse.u] = sparse.depth_m`.
    """
    try:
        with np.load(path) as data:
            depth_m = data['steps'] / np.float32(STEPS_PER_M)
            return SparseDepth(data['u'], data['v'], depth_m, Size(*map(int, data['shape'])))
    except (OSError, KeyError, ValueError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise DepthPngError(f'{path}: expected an archive of u, v, steps and shape, got: {error}') from error
