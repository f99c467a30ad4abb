"""PLY files hold the finite points with their colours."""

import numpy as np

from msg_tools.ply import write_ply


def test_header_counts_the_finite_points_and_bytes_follow(tmp_path):
    xyz = np.array([[[1, 2, 3], [np.nan, 0, 0]], [[4, 5, 6], [np.inf, 1, 1]]], np.float32)
    rgb = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    assert write_ply(tmp_path / 'a.ply', xyz, rgb) == 2
    header, body = (tmp_path / 'a.ply').read_bytes().split(b'end_header\n')
    assert b'element vertex 2\n' in header
    assert b'property float x\nproperty float y\nproperty float z\nproperty uchar red\n' in header
    assert np.frombuffer(body[:12], '<f4').tolist() == [1, 2, 3]
    assert list(body[12:15]) == [0, 1, 2]
    assert list(body[-3:]) == [6, 7, 8]
    assert len(body) == 30
