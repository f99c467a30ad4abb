"""Write a point cloud as a binary PLY file, which MeshLab, CloudCompare, Open3D and Blender open."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .camera import Array

_VERTEX = np.dtype([('x', '<f4'), ('y', '<f4'), ('z', '<f4'), ('red', 'u1'), ('green', 'u1'), ('blue', 'u1')])


def write_ply(path: Path, xyz: Array, rgb: Array) -> int:
    """Write the finite ones of points (..., 3) [m] with colours uint8 (..., 3); return how many."""
    xyz, rgb = xyz.reshape(-1, 3), rgb.reshape(-1, 3)
    finite = np.isfinite(xyz).all(axis=1)
    vertices = np.empty(int(finite.sum()), _VERTEX)
    for i, (axis, color) in enumerate(zip(('x', 'y', 'z'), ('red', 'green', 'blue'), strict=True)):
        vertices[axis], vertices[color] = xyz[finite, i], rgb[finite, i]
    properties = '\n'.join(f'property {"uchar" if vertices[name].dtype == np.uint8 else "float"} {name}'
                           for name in _VERTEX.names or ())
    header = f'ply\nformat binary_little_endian 1.0\nelement vertex {len(vertices)}\n{properties}\nend_header\n'
    path.write_bytes(header.encode() + vertices.tobytes())
    return len(vertices)
