"""The training benchmark: what it measures, and the shares by hand."""

import json

import numpy as np
import pytest
import yaml
from fixtures_training import tiny

from depth_node_training import bench_training
from depth_node_training.bench import main as bench
from depth_node_training.bench_training import Speed, loader_speed, some_frames, summary
from depth_node_training.config import to_dict


@pytest.fixture
def config(street_images, tmp_path):
    return tiny(street_images, tmp_path / 'run')


def test_shares_by_hand(config):
    """Without workers 10 images/s at half the time waiting: 20 alone. With one 18, of which it waits a tenth."""
    result = summary(config, [Speed(0, 20.0, 10.0, 0.5), Speed(1, 30.0, 18.0, 0.9)], [1])
    assert result['network_images_s'] == 20.0
    assert result['rows'] == [
        {'workers': 1, 'loader_images_s': 30.0, 'loop_images_s': 18.0, 'in_network': 0.9, 'of_network_alone': 0.9}
    ]


def test_the_loader_is_timed_over_the_second_half(config, monkeypatch):
    clock = iter(np.arange(100.0))  # every look at the clock is a second later
    monkeypatch.setattr(bench_training.time, 'perf_counter', lambda: next(clock))
    frames = some_frames(config, 100)
    assert loader_speed(config, frames) == 4.0  # the last 2 of 4 steps of 2 images between two looks


def test_images_are_taken_from_all_over_the_sources(config):
    names = [item.name for item in some_frames(config, 3).items]
    assert len(names) == 3
    assert {name[0] for name in names} == {'a', 'b'}


def test_the_command_prints_shares_as_json_and_leaves_no_run(config, tmp_path, capsys):
    file = tmp_path / 'train.yaml'
    file.write_text(yaml.safe_dump(to_dict(config)))
    assert bench(['training', str(file), '--workers', '0', '1', '--steps', '1', '--json', 'batch=3']) == 0
    result = json.loads(capsys.readouterr().out)
    assert [row['workers'] for row in result['rows']] == [0, 1]
    assert result['batch'] == 3
    for row in result['rows']:
        assert 0 < row['in_network'] <= 1
        assert row['loop_images_s'] > 0
        assert row['loader_images_s'] > 0
    assert result['rows'][0]['loop_images_s'] <= result['network_images_s'] + 0.1
    assert not (tmp_path / 'run').exists()
    assert bench(['training', str(file), '--workers', '0', '--steps', '1']) == 0
    assert 'of its time in the network' in capsys.readouterr().out


@pytest.mark.parametrize('option', [['--steps', '0'], ['--images', '0'], ['--workers', '-1']])
def test_numbers_that_make_no_sense_are_usage_errors(tmp_path, option):
    with pytest.raises(SystemExit) as end:
        bench(['training', 'train.yaml', *option])
    assert end.value.code == 2


def test_a_missing_config_is_one_line(capsys):
    assert bench(['training', 'nothing.yaml']) == 1
    assert 'nothing.yaml: expected a YAML file' in capsys.readouterr().err
