"""depth_bench ground_truth: its table and JSON, with a stand-in for the peer's file."""

import json

import pytest

from depth_node_training.bench_ground_truth import main

PEER = '''
import numpy as np

def load_velodyne_points(filename):
    points = np.fromfile(filename, dtype=np.float32).reshape(-1, 4)
    points[:, 3] = 1.0
    return points

def read_calib_file(path):
    lines = (line.split(':', 1) for line in open(path) if ':' in line)
    return {key: value for key, value in lines}

def generate_depth_map(calib_dir, velo_filename, cam=2, vel_depth=False):
    width, height = map(float, read_calib_file(calib_dir + '/calib_cam_to_cam.txt')['S_rect_02'].split())
    assert load_velodyne_points(velo_filename)[:, 3].min() == 1.0
    depth = np.zeros((np.int(height), np.int(width)))
    depth[0, :3] = 200.0
    return depth
'''


@pytest.fixture
def peer(tmp_path):
    path = tmp_path / 'kitti_utils.py'
    path.write_text(PEER)
    return path


def test_ours_alone(tiny_drive, capsys):
    assert main([str(tiny_drive), '--repeat', '1', '--json']) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result['drive'], result['scans'], result['points']) == ('2011_09_26_drive_0001_sync', 3, 11520)
    assert result['different_pixels'] is None
    rows = {row['what']: row for row in result['rows']}
    assert rows['ours, nearest']['ratio'] == 1.0
    assert all(row['p10_ms'] <= row['median_ms'] <= row['p90_ms'] for row in rows.values())


def test_beside_a_peer_pixels_are_compared(tiny_drive, peer, capsys):
    assert main([str(tiny_drive), '--peer', str(peer), '--repeat', '1']) == 0
    text = capsys.readouterr().out
    assert 'monodepth2, with reading' in text
    different = int(text.rsplit(' ', 1)[1])
    assert different > 3 * 1000  # the stand-in draws three pixels, ours about a thousand per scan


@pytest.mark.parametrize(('content', 'message'), [
    (None, 'expected kitti_utils.py'), ('def (', 'expected kitti_utils.py'), ('x = 1', 'without generate_depth_map'),
])
def test_file_that_is_not_the_peers(tiny_drive, tmp_path, capsys, content, message):
    path = tmp_path / 'other.py'
    if content is not None:
        path.write_text(content)
    assert main([str(tiny_drive), '--peer', str(path)]) == 1
    assert message in capsys.readouterr().err
