"""The callback benchmark: its table from made-up times, and one short run for real."""

import json

import pytest

from depth_node.checkpoint import save_checkpoint
from depth_node.model import ModelConfig, build_model
from depth_node_training.bench import main as bench
from depth_node_training.bench_callback import table


def test_ratios_are_those_of_the_medians_to_the_network():
    rows = table({'network alone': [0.01, 0.02, 0.03], 'callback': [0.03, 0.03, 0.09]})
    assert [(row['stage'], row['median_ms'], row['ratio']) for row in rows] == [
        ('network alone', 20.0, 1.0), ('callback', 30.0, 1.5)]


@pytest.mark.parametrize('option', [['--repeat', '0'], ['--threads', '-1']])
def test_numbers_that_make_no_sense_are_usage_errors(option):
    with pytest.raises(SystemExit) as end:
        bench(['callback', *option])
    assert end.value.code == 2


@pytest.mark.ros
def test_a_short_run_for_real(tmp_path, capsys):
    pytest.importorskip('rclpy')
    config = ModelConfig(height=32, width=96, decoder=(8, 8, 8, 8))
    save_checkpoint(tmp_path / 'net.safetensors', build_model(config), config, {})
    assert bench(['callback', '--checkpoint', str(tmp_path / 'net.safetensors'), '--backend', 'torch', '--threads', '1',
                  '--repeat', '2', '--json']) == 0
    result = json.loads(capsys.readouterr().out)
    assert result['image'] == '1242x375'
    stages = {row['stage']: row['median_ms'] for row in result['rows']}
    assert list(stages) == ['network alone', 'convert', 'infer', 'fill depth', 'fill camera_info', 'fill points',
                            'callback', 'serialise depth', 'serialise points']
    assert all(value > 0 for value in stages.values())
    assert stages['callback'] >= stages['infer']
