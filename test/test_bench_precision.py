"""The precision benchmark: differences by hand, and the whole table on images that are drawn."""

import json
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from torch import nn

from depth_node.checkpoint import save_checkpoint
from depth_node.model import NETWORKS, ConvSame, ModelConfig, build_model
from depth_node_training.bench import main as bench
from depth_node_training.bench_precision import Case, Change, row, text, times
from depth_node_training.evaluate_data import Measured
from depth_node_training.evaluate_predictors import Prediction
from depth_node_training.evaluate_scores import Scores
from depth_node_training.metrics import Protocol
from msg_tools.camera import Intrinsics, Size
from msg_tools.depth_png import write_depth_png

CAMERA = Intrinsics(40.0, 40.0, 32.0, 16.0, Size(32, 64))
TRUTH = np.full((32, 64), 10.0, np.float32)


def frame(name='a'):
    return Measured('drive', name, TRUTH, np.zeros((32, 64, 3), np.uint8), CAMERA)


def says(depth_m):
    return lambda _: Prediction(np.full((32, 64), depth_m, np.float32))


@pytest.mark.parametrize(('here', 'there', 'wanted'), [
    (10.0, 10.0, 0.0),
    (20.0, 10.0, np.log(2)),
    (np.inf, 40.0, np.log(2)),  # beyond 80 m all is one
    (np.inf, 100.0, 0.0),
])
def test_how_far_a_network_is_from_fp32(here, there, wanted):
    change = Change(says(here), says(there), 80.0)
    assert change(frame()).depth_m[0, 0] == here
    assert change.values == [pytest.approx(wanted, abs=1e-6)]


def test_a_pixel_without_an_estimate_is_left_out():
    half = np.full((32, 64), 10.0, np.float32)
    half[:16] = np.nan
    change = Change(lambda _: Prediction(half), says(20.0), 80.0)
    change(frame())
    assert change.values == [pytest.approx(np.log(2))]


def test_a_row_is_paired_with_fp32():
    """Truth is 10 m; fp32 says 11 m and bf16 12 m: an abs_rel of 0.1 and of 0.2."""
    protocol = Protocol('none', 1e-3, 80.0)
    scores = {'prediction': Scores(10), 'bf16': Scores(10)}
    for name, depth_m in (('prediction', 11.0), ('bf16', 12.0)):
        for image in 'ab':
            scores[name].add('drive', image, TRUTH, says(depth_m)(None), protocol)
    change = SimpleNamespace(values=[0.1, 0.3])
    backend = SimpleNamespace(description='PyTorch')
    first = row(Case('fp32', backend, 5.9), scores, {'bf16': change}, {'fp32': (20.0, 1.0)})
    found = row(Case('bf16', backend, None, timed=False), scores, {'bf16': change}, {'fp32': (20.0, 1.0)})
    assert first['abs_rel'] == pytest.approx(0.1)
    assert (first['median_ms'], first['ratio'], first['MB'], first['change']) == (20.0, 1.0, 5.9, None)
    assert found['abs_rel'] == pytest.approx(0.2)
    assert found['abs_rel - fp32'] == pytest.approx([0.1, 0.1, 0.1])
    assert found['rmse_m - fp32'] == pytest.approx([1.0, 1.0, 1.0])
    assert (found['median_ms'], found['change']) == (None, pytest.approx(0.2))


def test_what_is_emulated_is_not_timed():
    calls = []
    cases = [Case('a', lambda _: calls.append('a'), None), Case('b', lambda _: calls.append('b'), None, timed=False)]
    assert list(times(cases, Size(32, 64), 2)) == ['a']
    assert set(calls) == {'a'}


@pytest.mark.parametrize(('value', 'wanted'), [
    (None, '-'), (0.12345, '0.1235'), (12.345, '12.35'), ('fp32', 'fp32'),
    ([0.00123, -0.1, 0.2], '+0.0012 (-0.1000 to +0.2000)'),
])
def test_cells(value, wanted):
    assert text(value) == wanted


class Small(nn.Module):
    """A network that costs no time."""

    def __init__(self, config):
        super().__init__()
        self.layers = nn.Sequential(ConvSame(3, 8, 3, stride=2), nn.Conv2d(8, 2, 1))

    def forward(self, rgb):
        maps = self.layers((rgb - 128) / 128)
        return maps[:, :1] + 2.5, maps[:, 1:].clamp(-5, 1.5) - 1


@pytest.fixture
def arguments(tmp_path, monkeypatch):
    """Write a checkpoint, and images with depth; return the options that measure the one on the others."""
    monkeypatch.setitem(NETWORKS, 'small', Small)
    config = ModelConfig(name='small', height=32, width=64, focal_px=40.0)
    save_checkpoint(tmp_path / 'a.safetensors', build_model(config), config, {})
    lines = ['split,file,drive,width,height,fx,fy,cx,cy,depth,truth']
    rng = np.random.default_rng(0)
    for name in 'ab':
        cv2.imwrite(str(tmp_path / f'{name}.png'), rng.integers(0, 256, (32, 64, 3), np.uint8))
        write_depth_png(tmp_path / f'{name}_depth.png', TRUTH)
        lines.append(f'val,{name}.png,drive_{name},64,32,40,40,32,16,{name}_depth.png,lidar')
    (tmp_path / 'index.csv').write_text('\n'.join(lines) + '\n')
    return ['precision', '--checkpoint', str(tmp_path / 'a.safetensors'), '--data', f'images:{tmp_path}#val',
            '--crop', 'none', '--repeat', '2', '--draws', '20', '--threads', '1']


def test_all_precisions_are_measured_and_only_what_runs_is_timed(arguments, capsys):
    pytest.importorskip('openvino')
    from depth_node.backends.openvino_backend import precisions

    assert bench([*arguments, '--json']) == 0
    result = json.loads(capsys.readouterr().out)
    rows = {item['precision']: item for item in result['rows']}
    assert result['images'] == 2
    assert list(rows) == ['fp32', 'fp16 weights', 'bf16', 'fp16']
    assert rows['fp32']['ratio'] == 1.0
    assert rows['fp32']['change'] is None
    assert rows['fp16 weights']['MB'] > 0
    assert rows['bf16']['MB'] is None
    assert 0 < rows['fp16']['change'] < rows['bf16']['change'] < 0.05
    for name in ('bf16', 'fp16'):
        assert (rows[name]['median_ms'] is not None) == (name in precisions())
        assert ('OpenVINO' in rows[name]['runs in']) == (name in precisions())
    assert bench(arguments) == 0
    assert 'abs_rel - fp32' in capsys.readouterr().out


def test_int8_where_there_are_images_to_calibrate_with(arguments, tmp_path, capsys):
    pytest.importorskip('openvino')
    pytest.importorskip('nncf')
    assert bench([*arguments, '--images', str(tmp_path / 'a.png'), '--json']) == 0
    rows = {item['precision']: item for item in json.loads(capsys.readouterr().out)['rows']}
    assert 0 < rows['int8']['change'] < 0.1
    assert rows['int8']['median_ms'] > 0


def test_options_that_are_wrong(arguments, capsys):
    assert bench([*arguments, '--repeat', '0']) == 1
    assert 'expected --repeat of 1 or more' in capsys.readouterr().err
