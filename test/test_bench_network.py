"""The network benchmark: sizes, networks, turns and ratios."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from depth_node.checkpoint import load_checkpoint, save_checkpoint
from depth_node.header import header_text
from depth_node.model import NETWORKS, ModelConfig, build_model
from depth_node_training.bench import main as bench
from depth_node_training.bench_network import WARM_UP, time_in_turns
from depth_node_training.export_formats import Form, write_torchscript
from depth_node_training.input_sizes import parse_size, size_text
from msg_tools.camera import Size
from msg_tools.errors import ConfigError


class Small(nn.Module):
    """Two maps from two convolutions."""

    def __init__(self, config):
        super().__init__()
        self.layer = nn.Conv2d(3, 2, 3, 2, 1)

    def forward(self, rgb):
        maps = self.layer(rgb)
        return maps[:, :1], maps[:, 1:]


@pytest.fixture
def small(monkeypatch):
    """Register a network that is fast."""
    monkeypatch.setitem(NETWORKS, 'small', Small)
    return ModelConfig(name='small', height=32, width=64, focal_px=40.0)


@pytest.fixture
def checkpoint(small, tmp_path):
    save_checkpoint(tmp_path / 'a.safetensors', build_model(small), small, {})
    return tmp_path / 'a.safetensors'


def test_a_size_is_height_by_width():
    assert parse_size('64x96') == Size(64, 96)
    assert size_text(Size(64, 96)) == '64x96'


@pytest.mark.parametrize('text', ['64', '64x', '64x90', 'axb', '1x2x3', '0x32', '-32x32'])
def test_a_size_that_is_none_is_named(text):
    with pytest.raises(ConfigError, match=text):
        parse_size(text)


def test_backends_take_turns_on_the_same_image():
    calls = []

    def fake(name):
        def run(rgb):
            calls.append((name, rgb.shape, int(rgb.sum())))
            return np.zeros((1, 1)), np.zeros((1, 1))
        return run

    size = Size(32, 64)
    rows = time_in_turns([(('net', 'a', size), fake('a')), (('net', 'b', size), fake('b'))], repeat=2)
    assert [name for name, *_ in calls] == ['a', 'b'] * (2 + WARM_UP)
    assert len({call[1:] for call in calls}) == 1
    assert [(row['backend'], row['size']) for row in rows] == [('a', '32x64'), ('b', '32x64')]
    assert rows[0]['ratio'] == 1.0


def rows_of(capsys, *arguments):
    assert bench(['network', '--backend', 'torch', '--repeat', '1', '--json', *arguments]) == 0
    return json.loads(capsys.readouterr().out)['rows']


def test_the_command_prints_a_row_for_each_backend_as_json(capsys, checkpoint):
    rows = rows_of(capsys, '--checkpoint', str(checkpoint), '--size', '32x64')
    assert [(row['network'], row['backend'], row['size']) for row in rows] == [(str(checkpoint), 'torch', '32x64')]
    assert rows[0]['p10_ms'] <= rows[0]['median_ms'] <= rows[0]['p90_ms']


def test_networks_are_timed_beside_a_checkpoint_each_at_every_size(capsys, checkpoint):
    rows = rows_of(capsys, '--checkpoint', str(checkpoint), '--network', 'small', '--size', '32x32', '64x32')
    assert [(row['network'], row['size']) for row in rows] == [
        (str(checkpoint), '32x32'), ('small', '32x32'), (str(checkpoint), '64x32'), ('small', '64x32')
    ]


def test_checkpoints_of_one_name_in_two_folders_are_two(capsys, checkpoint, tmp_path):
    """depth_train calls all of them best.safetensors."""
    (tmp_path / 'other').mkdir()
    other = tmp_path / 'other' / checkpoint.name
    other.write_bytes(checkpoint.read_bytes())
    rows = rows_of(capsys, '--checkpoint', str(checkpoint), str(other))
    assert [row['network'] for row in rows] == [str(checkpoint), str(other)]


@pytest.mark.parametrize('option', [['--repeat', '0'], ['--threads', '-1']])
def test_numbers_that_make_no_sense_are_usage_errors(option):
    with pytest.raises(SystemExit) as end:
        bench(['network', *option])
    assert end.value.code == 2


def test_a_checkpoint_is_timed_at_its_own_size_unless_told(capsys, checkpoint):
    assert [row['size'] for row in rows_of(capsys, '--checkpoint', str(checkpoint))] == ['32x64']


def test_an_exported_file_is_timed_in_its_library(capsys, checkpoint, tmp_path):
    target = tmp_path / 'net.torchscript.pt'
    config = load_checkpoint(checkpoint).model_config
    write_torchscript(build_model(config), target, header_text(config.to_dict(), {}), Form())
    rows = rows_of(capsys, '--checkpoint', str(target), str(checkpoint))
    assert [(row['network'], row['backend']) for row in rows] == [
        (str(target), 'torch'), (str(checkpoint), 'torch')
    ]


def test_an_exported_file_of_one_size_is_left_out_at_others(capsys, checkpoint, tmp_path):
    target = tmp_path / 'net.torchscript.pt'
    config = load_checkpoint(checkpoint).model_config
    about = {'export': {'fixed': True, 'height': 32, 'width': 64}}
    write_torchscript(build_model(config), target, header_text(config.to_dict(), about), Form(Size(32, 64)))
    assert bench(['network', '--checkpoint', str(target), '--repeat', '1', '--size', '64x64', '32x64', '--json']) == 0
    printed = capsys.readouterr()
    assert [row['size'] for row in json.loads(printed.out)['rows']] == ['32x64']
    assert 'left out at 64x64: it takes 32x64 alone' in printed.err


def test_an_unknown_network_is_one_line(capsys):
    assert bench(['network', '--network', 'nothing']) == 1
    assert 'expected --network out of mobilenet_v2' in capsys.readouterr().err


def foreign(path, axes=None, inputs=1):
    """Write somebody's network as ONNX."""
    images = tuple(torch.zeros(1, 3, 32, 64) for _ in range(inputs))
    model = Sum(inputs)
    torch.onnx.export(model, images, str(path), dynamo=False, input_names=[f'x{i}' for i in range(inputs)],
                      dynamic_axes=axes)
    return str(path)


class Sum(nn.Module):
    def __init__(self, inputs):
        super().__init__()
        self.layer = nn.Conv2d(3, 1, 3, padding=1)

    def forward(self, *images):
        return self.layer(sum(images))


@pytest.mark.parametrize('backend', ['openvino', 'onnxruntime'])
def test_other_peoples_networks_are_timed_beside_ours(capsys, checkpoint, tmp_path, backend):
    for name in ('onnx', backend):
        pytest.importorskip(name)
    path = foreign(tmp_path / 'theirs.onnx')
    assert bench(['network', '--checkpoint', str(checkpoint), '--peer', path, '--backend', backend, '--repeat', '1',
                  '--json']) == 0
    rows = json.loads(capsys.readouterr().out)['rows']
    assert [(row['network'], row['backend'], row['size']) for row in rows] == [
        (str(checkpoint), backend, '32x64'), ('theirs', backend, '32x64')]


@pytest.mark.parametrize('backend', ['openvino', 'onnxruntime'])
@pytest.mark.parametrize(('make', 'expected'), [
    (lambda path: path.write_bytes(b'nothing') and str(path), 'expected an ONNX file, got'),
    (lambda path: foreign(path, {'x0': {2: 'height'}}), 'expected an input of one fixed size (1, 3, h, w), got'),
    (lambda path: foreign(path, inputs=2), 'expected a network of one input, got 2'),
])
def test_a_peer_that_cannot_be_timed_is_one_line(capsys, checkpoint, tmp_path, backend, make, expected):
    for name in ('onnx', backend):
        pytest.importorskip(name)
    path = make(tmp_path / 'theirs.onnx')
    assert bench(['network', '--checkpoint', str(checkpoint), '--peer', path, '--backend', backend]) == 1
    assert expected in capsys.readouterr().err
