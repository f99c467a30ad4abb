"""The callback benchmark: its table from made-up times, its counts of memory, and one short run for real."""

import json

import numpy as np
import pytest

from depth_node.checkpoint import save_checkpoint
from depth_node.model import ModelConfig, build_model
from depth_node_training.bench import main as bench
from depth_node_training.bench_callback import table


def test_ratios_are_those_of_the_medians_to_the_network():
    rows = table({'network alone': [0.01, 0.02, 0.03], 'callback': [0.03, 0.03, 0.09]})
    assert [(row['stage'], row['median_ms'], row['ratio']) for row in rows] == [
        ('network alone', 20.0, 1.0), ('callback', 30.0, 1.5)]


def test_the_tail_is_told_as_a_part_of_the_median():
    row, = table({'network alone': [i / 1000 for i in range(101)]})
    assert (row['median_ms'], row['p99_ms'], row['p99_of_median']) == (50.0, 99.0, 1.98)


@pytest.mark.parametrize('option', [['--repeat', '0'], ['--threads', '-1'], ['--stride', '0']])
def test_numbers_that_make_no_sense_are_usage_errors(option):
    with pytest.raises(SystemExit) as end:
        bench(['callback', *option])
    assert end.value.code == 2


@pytest.mark.ros
def test_allocations_are_those_of_one_call_and_not_what_is_kept():
    pytest.importorskip('rclpy')
    from depth_node.ros.bench_callback import allocated_mb

    kept = {}

    def callback(image):
        if not kept:
            kept['buffer'] = np.empty(5_000_000, np.uint8)
        np.empty(2_000_000, np.uint8).fill(image)

    assert 2.0 <= allocated_mb(callback, [1, 2]) < 2.5


@pytest.mark.ros
def test_page_faults_are_counted_for_each_image():
    pytest.importorskip('rclpy')
    from depth_node.ros.bench_callback import memory_of

    def touch(_):
        np.ones(64 << 20, np.uint8)  # new memory each time: so large that it goes back at once

    fresh = memory_of(touch, [0], 3)['faults_per_frame']
    assert fresh > 10
    assert memory_of(lambda _: None, [0], 3)['faults_per_frame'] < fresh / 10


@pytest.mark.ros
def test_a_short_run_for_real(ros_domain, tmp_path, capsys):
    pytest.importorskip('rclpy')
    config = ModelConfig(height=32, width=96, decoder=(8, 8, 8, 8))
    save_checkpoint(tmp_path / 'net.safetensors', build_model(config), config, {})
    assert bench(['callback', '--checkpoint', str(tmp_path / 'net.safetensors'), '--backend', 'torch', '--threads', '1',
                  '--repeat', '2', '--json']) == 0
    result = json.loads(capsys.readouterr().out)
    assert result['image'] == '1242x375'
    assert result['faults_per_frame'] >= 0
    assert result['allocated_mb'] > 0
    stages = {row['stage']: row['median_ms'] for row in result['rows']}
    assert list(stages) == [
        'network alone', 'convert', 'infer', 'fill depth', 'fill camera_info', 'fill points', 'callback',
        'serialise image', 'deserialise image', 'serialise depth', 'deserialise depth', 'serialise points',
        'deserialise points', 'publish depth', 'publish points']
    assert all(value > 0 for value in stages.values())
    assert stages['callback'] >= stages['infer']
