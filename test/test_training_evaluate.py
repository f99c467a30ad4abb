import json
import re

import numpy as np
import pytest

from depth_node_training.baselines import flat_ground, row_mean
from depth_node_training.evaluate import main as depth_eval
from depth_node_training.stereo import stereo_depth
from msg_tools.camera import Intrinsics, Size
from msg_tools.depth_png import write_depth_png

CAMERA = Intrinsics(100.0, 100.0, 31.5, 19.5, Size(40, 64))


def ground(height_m=1.65):
    return flat_ground(height_m)(np.zeros(0), CAMERA)


def test_flat_ground_by_hand():
    """Row 36 looks down 0.165 per metre: 1.65 / 0.165 = 10 m. From the horizon up: 80 m."""
    depth_m = ground()
    assert depth_m.shape == (40, 64)
    assert depth_m[36, 0] == pytest.approx(10.0)
    assert (depth_m[:20] == 80.0).all()


def test_row_mean_by_hand():
    """Two images of equal weight say 10 and 20 m of the row that falls 0.1 per metre."""
    samples = [(np.array([0.1, 0.1]), np.array([10.0, 10.0])), (np.array([0.1]), np.array([20.0]))]
    depth_m = row_mean(samples)(np.zeros(0), CAMERA)
    assert depth_m[30, 5] == pytest.approx(15.0)


def test_row_mean_serves_cameras_of_other_size():
    samples = [((np.arange(40) - 19.5) / 100, ground()[:, 0])]
    twice = Intrinsics(200.0, 200.0, 63.5, 39.5, Size(80, 128))
    predicted = row_mean(samples)(np.zeros(0), twice)
    np.testing.assert_allclose(predicted[60:, 0], flat_ground()(np.zeros(0), twice)[60:, 0], rtol=0.15)


@pytest.fixture
def folders(tmp_path):
    """Write truth that is a flat ground, and predictions 10 % too far, one of them as .npy."""
    truth, pred = tmp_path / 'gt', tmp_path / 'pred'
    for folder in (truth, pred):
        folder.mkdir()
    for name, height in (('a', 1.65), ('b', 1.65), ('c', 1.8)):
        write_depth_png(truth / f'{name}.png', np.where(ground(height) < 70, ground(height), 0))
    write_depth_png(pred / 'a.png', ground() * 1.1)
    np.save(pred / 'b.npy', ground() * np.float32(1.1))
    return truth, pred


def run(capsys, *arguments):
    code = depth_eval([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_folders(folders, capsys):
    truth, pred = folders
    code, out, err = run(capsys, '--pred', pred, '--gt', truth, '--crop', 'none', '--json',
                         '--fx', 100, '--fy', 100, '--cx', 31.5, '--cy', 19.5)
    result = json.loads(out.splitlines()[-1])
    assert code == 0
    assert len(out.splitlines()) == 1
    assert '1 of 3 frames have no prediction: c' in err
    assert result['abs_rel'] == pytest.approx(0.1, abs=2e-3)
    assert (result['images'], result['missing'], result['crop']) == (2, 1, 'none')
    assert result['baselines']['flat_ground']['abs_rel'] == pytest.approx(0.0, abs=2e-3)
    assert result['baselines']['row_mean']['abs_rel'] == pytest.approx(0.0, abs=2e-3)  # the other image is the same


def test_without_a_camera_there_is_no_flat_ground(folders, capsys):
    _, out, _ = run(capsys, '--pred', folders[1], '--gt', folders[0], '--json')
    assert json.loads(out)['baselines']['flat_ground'] is None


def test_table_shows_the_baselines_beside(folders, capsys):
    code, out, _ = run(capsys, '--pred', folders[1], '--gt', folders[0], '--crop', 'none')
    assert code == 0
    assert 'prediction  0.100' in out
    assert 'row_mean' in out
    assert 'no scaling' in out


def test_a_limit_on_depth(folders, capsys):
    _, out, _ = run(capsys, '--pred', folders[1], '--gt', folders[0], '--crop', 'none', '--max-depth', 20, '--json')
    assert json.loads(out)['rmse_m'] < 2.0


@pytest.mark.parametrize(('arguments', 'text'), [
    ([], 'expected --pred DIR --gt DIR, or --checkpoint'),
    (['--pred', 'x', '--gt', 'y'], 'y: expected depth PNGs, got none'),
    (['--checkpoint', 'missing.safetensors', '--data', 'nowhere'], r'nowhere.*index\.csv'),
    (['--pred', 'x', '--gt', 'y', '--max-depth', '0'], 'expected --min-depth < --max-depth'),
])
def test_wrong_input_is_one_line(capsys, arguments, text):
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (1, '')
    assert err.startswith('depth_eval: error: ')
    assert err.count('\n') == 1
    assert re.search(text, err)


def test_predictions_of_another_size(folders, capsys):
    truth, pred = folders
    np.save(pred / 'b.npy', np.ones((10, 10), np.float32))
    code, _, err = run(capsys, '--pred', pred, '--gt', truth)
    assert code == 1
    assert 'b.npy: expected 64x40' in err


def test_predictions_of_other_names(folders, tmp_path, capsys):
    (tmp_path / 'empty').mkdir()
    code, _, err = run(capsys, '--pred', tmp_path / 'empty', '--gt', folders[0])
    assert code == 1
    assert 'got none of 3 names' in err


def test_pickled_prediction_is_refused(folders, capsys):
    np.save(folders[1] / 'b.npy', np.array([{}], object), allow_pickle=True)
    code, _, err = run(capsys, '--pred', folders[1], '--gt', folders[0])
    assert code == 1
    assert 'b.npy' in err


def test_stereo_of_a_wall_by_hand():
    """A textured wall at a disparity of 12 px: 100 px x 0.6 m / 12 px = 5 m; where it matches nothing, 0."""
    rng = np.random.default_rng(5)
    wall = rng.integers(0, 255, (96, 300, 3), np.uint8)
    left, right = wall[:, 20:276], wall[:, 32:288]
    depth_m = stereo_depth(np.ascontiguousarray(left), np.ascontiguousarray(right), 100.0, 0.6)
    inner = depth_m[10:-10, 60:-20]
    assert np.mean(inner > 0) > 0.9
    np.testing.assert_allclose(np.median(inner[inner > 0]), 5.0, rtol=0.01)


def test_stereo_without_texture_says_nothing():
    rng = np.random.default_rng(5)
    left, right = (rng.integers(0, 255, (96, 256, 3), np.uint8) for _ in range(2))
    assert np.mean(stereo_depth(left, right, 100.0, 0.6) > 0) < 0.05
