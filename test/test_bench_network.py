"""The network benchmark: sizes, turns and ratios."""

import json

import numpy as np
import pytest

from depth_node.model import ModelConfig
from depth_node_training.bench import main as bench
from depth_node_training.bench_network import sizes, time_in_turns
from msg_tools.camera import Size
from msg_tools.errors import ConfigError


def test_sizes_are_height_by_width_and_default_to_the_training():
    assert sizes(['64x96', '32x32'], ModelConfig()) == [Size(64, 96), Size(32, 32)]
    assert sizes(None, ModelConfig(height=96, width=320)) == [Size(96, 320)]


@pytest.mark.parametrize('text', ['64', '64x', '64x90', 'axb', '1x2x3', '0x32'])
def test_a_size_that_is_none_is_named(text):
    with pytest.raises(ConfigError, match=text):
        sizes([text], ModelConfig())


def test_backends_take_turns_on_the_same_image():
    calls = []

    def fake(name):
        def run(rgb):
            calls.append((name, rgb.shape, int(rgb.sum())))
            return np.zeros((1, 1)), np.zeros((1, 1))
        return run

    timing = time_in_turns({'a': fake('a'), 'b': fake('b')}, Size(32, 64), repeat=2)
    assert [name for name, *_ in calls] == ['a', 'b'] * 5
    assert len({call[1:] for call in calls}) == 1
    assert timing['a']['ratio'] == 1.0


def test_the_command_prints_a_row_for_each_backend_as_json(capsys):
    assert bench(['network', '--backend', 'torch', '--size', '32x64', '--repeat', '1', '--json']) == 0
    rows = json.loads(capsys.readouterr().out)['rows']
    assert [(row['backend'], row['size']) for row in rows] == [('torch', '32x64')]
    assert rows[0]['p10_ms'] <= rows[0]['median_ms'] <= rows[0]['p90_ms']
