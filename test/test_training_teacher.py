"""A teacher's maps: functions by name, checkpoints of ours, averaging over the mirror image, and the command."""

import json

import numpy as np
import pytest

from depth_node.checkpoint import save_checkpoint
from depth_node.model import ModelConfig, build_model
from depth_node_training.data import main
from depth_node_training.datasets.frame import DatasetError, Frame, Item, Points
from depth_node_training.labels import read_map
from depth_node_training.teacher import (
    TeacherError,
    flip_averaged,
    load_teacher,
    widened,
)
from depth_node_training.teacher_scale import ratio_of, scale_of
from msg_tools.camera import Intrinsics, Size

MODULE = '''
import numpy as np
calls = []
def depth(rgb, K):
    """Depth is the focal length over 10, twice as far in the right half, whatever the image shows."""
    calls.append(K.copy())
    depth_m = np.full((4, 8), K[0, 0] / 10, np.float32)
    depth_m[:, 4:] *= 2
    return depth_m
def millimetres(rgb, K):
    return depth(rgb, K) * 1000
def broken(rgb, K):
    raise RuntimeError('out of memory')
def open_sky(rgb, K):
    depth_m = depth(rgb, K)
    depth_m[:, :5] = np.inf
    return depth_m
def integers(rgb, K):
    return np.ones((4, 8), np.int64)
number = 3
'''


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Return the name of a module with a teacher, in the folder that commands run in."""
    name = f'teacher_of_{tmp_path.name.replace("-", "_")}'
    (tmp_path / f'{name}.py').write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return name


def test_a_function_by_its_name(module):
    depth_m = load_teacher(f'{module}:depth')(np.zeros((10, 20, 3), np.uint8), np.diag([70.0, 70.0, 1.0]))
    assert depth_m.shape == (4, 8)
    assert depth_m[0, 0] == 7.0


@pytest.mark.parametrize(('text', 'reason'), [
    ('nowhere_at_all:depth', 'No module named'), ('MODULE:nothing', 'nothing'), ('MODULE:number', 'got int')])
def test_what_is_no_function_is_refused(module, text, reason):
    with pytest.raises(TeacherError, match=reason):
        load_teacher(text.replace('MODULE', module))


def test_mirror_average_by_hand():
    """7 m left and 14 m right, said of both sides, are sqrt(7 * 14) = 9.9 m everywhere; K is mirrored too."""
    seen = []

    def teacher(rgb, K):
        seen.append((rgb.copy(), K.copy()))
        return np.where(np.arange(8) < 4, 7.0, 14.0)[None].repeat(4, 0)

    rgb = np.arange(10 * 20 * 3, dtype=np.uint8).reshape(10, 20, 3)
    K = np.array([[70.0, 0, 12.0], [0, 70, 5], [0, 0, 1]])
    np.testing.assert_allclose(flip_averaged(teacher)(rgb, K), np.sqrt(98.0), rtol=1e-6)
    assert seen[1][1][0, 2] == 19 - 12
    np.testing.assert_array_equal(seen[1][0], rgb[:, ::-1])
    assert K[0, 2] == 12.0


def test_mirror_average_keeps_a_pixel_on_its_side():
    """A teacher that sees what is there: brightness is depth."""
    def teacher(rgb, K):
        return rgb[..., 0].astype(np.float32)

    rgb = np.random.default_rng(0).integers(1, 200, (6, 8, 3), np.uint8)
    np.testing.assert_allclose(flip_averaged(teacher)(rgb, np.eye(3)), rgb[..., 0], rtol=1e-5)


def test_mirror_average_keeps_no_estimate_and_nothing_in_range():
    def teacher(rgb, K):
        return np.array([[0.0, np.nan, np.inf, 5.0, 5.0, np.inf, 5.0, 5.0]], np.float32)

    averaged = flip_averaged(teacher)(np.zeros((1, 8, 3), np.uint8), np.eye(3))
    assert averaged[0].tolist() == [0, 0, np.inf, pytest.approx(5), pytest.approx(5), np.inf, 0, 0]


def test_a_map_grows_between_its_pixels_in_log_depth():
    """Between 10 and 40 m lie 20 m; beside the sky and beside nothing there is no mixture."""
    depth_m = np.array([[10.0, 40.0, np.inf, 0.0, 5.0, 5.0]], np.float32).repeat(2, 0)
    grown = widened(depth_m, 12)
    assert grown.shape == (4, 12)
    np.testing.assert_allclose(np.unique(grown.round(3)), [0, 5, 10, 14.142, 28.284, 40, np.inf], rtol=1e-5)
    assert (grown[:, 4:6] == np.inf).all()
    assert (grown[:, 6:8] == 0).all()
    assert widened(depth_m, 6) is depth_m


def test_command_makes_maps_once(module, street_images, tmp_path, capsys):
    out = tmp_path / 'maps'
    call = ['teacher', f'{module}:depth', 'images:images', str(out), '--data', str(street_images), '--json']
    assert main(call) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])['made'] == 8
    depth_m = read_map(out / 'images' / 'a_0.npy')
    assert depth_m[0, [0, 7]].tolist() == [7.0, 14.0]
    (out / 'images' / 'a_0.npy').unlink()
    assert main(call) == 0
    again = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (again['made'], again['kept'], again['failed']) == (1, 7, {})
    assert main([*call, '--flip']) == 1  # half the maps averaged, half not: nobody would know
    assert 'another folder' in capsys.readouterr().err


@pytest.mark.parametrize(('function', 'reason'), [('millimetres', 'another unit'), ('broken', 'out of memory'),
                                                  ('integers', 'int64')])
def test_a_bad_map_is_named_and_not_written(module, function, reason, street_images, tmp_path, capsys):
    out = tmp_path / 'maps'
    assert main(['teacher', f'{module}:{function}', 'images:images#val', str(out), '--data', str(street_images)]) == 1
    error = capsys.readouterr().err
    assert 'images/c_6: ' in error
    assert reason in error
    assert not list(out.rglob('*.npy'))


def test_a_map_that_is_mostly_sky_is_a_map(module, street_images, tmp_path):
    out = tmp_path / 'maps'
    assert main(['teacher', f'{module}:open_sky', 'images:images#val', str(out), '--data', str(street_images)]) == 0
    assert read_map(out / 'images' / 'c_6.npy')[0, [0, 7]].tolist() == [np.inf, 14.0]


def test_a_checkpoint_of_ours_teaches(street_images, tmp_path, capsys):
    config = ModelConfig(height=32, width=64, focal_px=35.0)
    for name in ('one', 'two'):
        (tmp_path / name).mkdir()
        save_checkpoint(tmp_path / name / 'best.safetensors', build_model(config), config, {})
    call = ['images:images#val', str(tmp_path / 'maps'), '--data', str(street_images), '--backend', 'torch']
    assert main(['teacher', str(tmp_path / 'one' / 'best.safetensors'), *call]) == 0
    depth_m = read_map(tmp_path / 'maps' / 'images' / 'c_6.npy')
    assert depth_m.shape == (64, 128)
    assert np.isfinite(depth_m).any()
    capsys.readouterr()
    assert main(['teacher', str(tmp_path / 'two' / 'best.safetensors'), *call]) == 1  # same name, other weights
    assert 'another folder' in capsys.readouterr().err


def frame_at(depth_m, count=100):
    """Return a frame with so many LiDAR points of one depth."""
    uv = np.stack([np.arange(count) % 16, 1 + np.arange(count) // 16], -1).astype(np.float32)
    points = Points('lidar', uv, np.full(count, depth_m, np.float32))
    return Frame('', '', np.zeros((8, 16, 3), np.uint8), Intrinsics(10, 10, 7.5, 3.5, Size(8, 16)), (points,))


def test_ratio_of_a_frame():
    assert ratio_of(np.full((4, 8), 20.0, np.float32), frame_at(19.0)) == pytest.approx(0.95)
    assert np.isnan(ratio_of(np.full((4, 8), 20.0, np.float32), frame_at(19.0, 10)))
    assert np.isnan(ratio_of(np.full((4, 8), np.inf, np.float32), frame_at(19.0)))


def test_scale_is_the_median_over_drives():
    """A long drive counts as much as a short one: 0.8 (20 frames), 0.95, 1.0."""
    depths = [('a', 16.0)] * 20 + [('b', 19.0), ('c', 20.0)]
    items = [Item('s', drive, str(number), lambda depth_m=depth_m: frame_at(depth_m))
             for number, (drive, depth_m) in enumerate(depths)]

    def teacher(rgb, K):
        return np.full((4, 8), 20.0, np.float32)

    assert scale_of(teacher, items) == 0.95
    with pytest.raises(DatasetError, match='to calibrate on'):
        scale_of(teacher, [Item('s', 'd', '0', lambda: frame_at(19.0, 10))])


def test_command_calibrates_once(module, street_images, tmp_path, capsys):
    """The ground's median is known: the teacher of a constant depth is scaled to it, and a second run keeps that."""
    out = tmp_path / 'maps'
    call = ['teacher', f'{module}:depth', 'images:images#val', str(out), '--data', str(street_images),
            '--calibrate', 'images:images#train', '--flip']
    assert main(call) == 0
    note = json.loads((out / 'maps.json').read_text())
    depth_m = read_map(out / 'images' / 'c_6.npy')
    np.testing.assert_allclose(depth_m, np.sqrt(98.0) * note['scale'], rtol=1e-3)
    assert note['scale'] != 1.0
    assert note['calibrated_on'] == 'images:images#train'
    (out / 'images' / 'c_6.npy').unlink()
    assert main(call) == 0
    np.testing.assert_array_equal(read_map(out / 'images' / 'c_6.npy'), depth_m)
    assert main([*call[:-3], '--flip']) == 1  # not calibrated: another kind of map
    assert 'another folder' in capsys.readouterr().err


def test_a_full_disk_leaves_no_half_map(module, street_images, tmp_path, monkeypatch):
    from depth_node_training import data_maps
    from msg_tools.errors import DepthNodeError

    def full(path, data):
        raise OSError(28, 'No space left on device')

    out = tmp_path / 'maps'
    data_maps.claim(out, {})
    monkeypatch.setattr(data_maps, 'write_whole', full)
    with pytest.raises(DepthNodeError, match='disk full'):
        data_maps.write_map(out / 'a.npy', np.ones((4, 8), np.float32))
    with pytest.raises(DatasetError, match='disk full'):
        data_maps.claim(tmp_path / 'other', {})
    assert not list(out.rglob('a.npy*'))
