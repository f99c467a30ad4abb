"""The node benchmark: its figures from made-up samples, and one short run for real."""

import json
from types import SimpleNamespace

import pytest

from depth_node.checkpoint import save_checkpoint
from depth_node.model import ModelConfig, build_model
from depth_node_training.bench import main as bench
from depth_node_training.bench_node import by_thirds, summary, table
from msg_tools.errors import DepthNodeError

STATUS = {
    'message': '10.0 depth images a second', 'published': '9', 'network': 'a wall', 'dropped: bad image': '2',
    'infer p50 / p90 / p99 [ms]': '1.0 / 2.0 / 3.0',
}


def record(ages_s, cloud=False):
    samples = [(float(i), age) for i, age in enumerate(ages_s)]
    return SimpleNamespace(sent=11, image='64x48 rgb8', ages={'depth': samples, 'points': samples if cloud else []},
                           memory_mb=[(0.0, 300.0), (1.0, 310.0), (2.0, 305.0)], cpu_s=4.0, status=STATUS)


def test_ages_are_told_for_each_third_in_milliseconds():
    thirds = by_thirds([(i, age) for i, age in enumerate([0.01] * 5 + [0.02] * 5 + [0.03] * 5)])
    assert {name: spread['p50'] for name, spread in thirds.items()} == {'first': 10.0, 'second': 20.0, 'third': 30.0}
    assert by_thirds([(0, 0.0), (1, 0.0), *[(i, i / 1000) for i in range(101)]])['third']['p99'] <= 100.0


def test_a_queue_shows_as_growth_between_the_thirds():
    result = summary(record([0.01 * i for i in range(9)], cloud=True))
    assert result['growth_ms'] == {'depth': 60.0, 'points': 60.0}
    assert summary(record([0.05] * 9))['growth_ms'] == {'depth': 0.0}


def test_the_summary_has_counts_memory_and_the_nodes_own_times():
    result = summary(record([0.05] * 9))
    assert (result['sent'], result['published'], result['dropped']) == (11, 9, {'bad image': 2})
    assert result['memory_mb'] == {'start': 300.0, 'end': 305.0, 'most': 310.0}
    assert result['cpu_cores'] == 0.5
    assert result['stages_ms'] == {'infer': '1.0 / 2.0 / 3.0'}
    text = table({'rate_hz': 10.0, 'seconds': 9.0, 'load': 0.1, **result})
    assert '11 images sent, 9 depth images published, dropped: 2 bad image' in text
    assert '300 MB at the start, 305 MB at the end' in text


def test_a_run_without_depth_is_an_error_that_says_what_the_node_says():
    with pytest.raises(DepthNodeError, match='got 0 of 11 images; the node says: 10'):
        summary(record([]))


def test_a_rate_of_zero_is_refused():
    with pytest.raises(SystemExit) as end:
        bench(['node', '--rate', '0'])
    assert end.value.code == 2


@pytest.mark.ros
def test_a_short_run_for_real(ros_domain, tmp_path, capsys):
    pytest.importorskip('rclpy')
    config = ModelConfig(height=64, width=96, focal_px=60.0, decoder=(8, 8, 8, 8))
    path = tmp_path / 'random.safetensors'
    save_checkpoint(path, build_model(config), config, {})
    arguments = ['--rate', '10', '--seconds', '2', '--param', f'checkpoint:={path}', 'backend:=torch', '--json']
    assert bench(['node', *arguments]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result['sent'] == 40  # two seconds of warm-up before
    assert result['image'] == '1242x375 rgb8'
    assert 0 < result['published'] <= 40
    assert {'depth', 'points'} <= set(result['age_ms'])
    assert result['memory_mb']['start'] > 50


@pytest.mark.ros
def test_a_node_that_does_not_start_is_an_error_with_its_words(ros_domain, tmp_path, capsys):
    pytest.importorskip('rclpy')
    assert bench(['node', '--seconds', '1', '--param', f'checkpoint:={tmp_path / "none.safetensors"}']) == 1
    error = capsys.readouterr().err
    assert error.startswith('depth_bench node: error: expected the node to start, got: ')
    assert 'none.safetensors' in error
