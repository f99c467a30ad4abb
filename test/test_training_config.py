"""Settings of a training run: one dataclass, a YAML file, key=value arguments."""

from pathlib import Path

import pytest
import yaml

from depth_node_training.config import TrainConfig, changed, from_dict, load_config, to_dict, without_paths
from msg_tools.errors import ConfigError


@pytest.fixture
def file(tmp_path):
    path = tmp_path / 'train.yaml'
    path.write_text('steps: 10\nlr: 1e-3\nlabels: {lidar: 1, teacher: 0.5}\nprecision: 32\n')
    return path


def test_file_then_arguments(file):
    config = load_config(file, ['steps=20', 'data=folder', 'max_zoom=1', 'val=', 'train=[images:a, images:b]'])
    assert (config.steps, config.lr, config.data, config.max_zoom) == (20, 1e-3, 'folder', 1.0)
    assert (config.val, config.train, config.precision) == ((), ('images:a', 'images:b'), '32')


def test_a_dotted_key_changes_one_entry_and_keeps_the_order_of_trust(file):
    config = load_config(file, ['labels.teacher=0.2', 'labels.dense=0.1', 'maps.teacher=folder', 'losses.silog=1'])
    assert list(config.labels.items()) == [('lidar', 1.0), ('teacher', 0.2), ('dense', 0.1)]
    assert config.maps == {'teacher': 'folder'}
    assert config.losses['silog'] == 1.0
    assert config.losses['log_l1'] == TrainConfig().losses['log_l1']


@pytest.mark.parametrize(('change', 'text'), [
    ('stepz=1', "got 'stepz'"), ('steps=many', 'steps: expected int'), ('steps', 'key=value'),
    ('lr=fast', 'expected a number'), ('labels.radar=1', 'labels: expected out of .*got radar'),
    ('losses.l3=1', 'losses: expected out of .*got l3'), ('labels=3', 'expected names and values'),
    ('precision=8', 'precision: expected out of 32, bf16, 16'), ('on_error=cry', 'on_error'), ('batch=0', 'batch'),
    ('eval_every=0', 'eval_every: expected a value from 1'), ('warmup=1', 'warmup: expected a value from 0 to 0.99'),
    ('seed=-1', 'seed'), ('lr=nan', 'lr'), ('crop_width=100', 'crop_width: expected a multiple of 32'),
    ('losses={}', 'losses: expected at least one'), ('maps.teecher=folder', 'maps: expected out of .*got teecher'),
    ('train=[a', r'train=\[a: expected a value as YAML'), ('lr.x=3', "before the dot, got 'lr'"),
    ('train=[images: a]', "train: expected texts .*got {'images': 'a'}; is there a space"),
])
def test_wrong_settings(file, change, text):
    with pytest.raises(ConfigError, match=text):
        load_config(file, [change])


def test_text_stays_text():
    """YAML reads the first as the number 20110926, the second as a date, the third as true."""
    config = from_dict({}, ['data=2011_09_26', 'out=2024-05-01', 'note=yes', 'maps.teacher=2011_09_26', 'start='])
    assert (config.data, config.out, config.note, config.start) == ('2011_09_26', '2024-05-01', 'yes', '')
    assert config.maps == {'teacher': '2011_09_26'}
    with pytest.raises(ConfigError, match='data: expected str, got 20110926; put it in quotes'):
        from_dict({'data': 20110926})


def test_what_makes_a_run_another_one():
    config = TrainConfig(labels={'lidar': 1.0, 'teacher': 0.5})
    same = TrainConfig(labels={'lidar': 1.0, 'teacher': 0.5}, data='elsewhere', workers=3, save_every=7)
    assert changed(config, same) == []
    other = TrainConfig(labels={'teacher': 0.5, 'lidar': 1.0}, maps={'teacher': 'maps'}, lr=1e-5)
    assert sorted(changed(config, other)) == ['labels', 'lr', 'maps']


def test_settings_survive_their_file(tmp_path):
    config = TrainConfig(steps=7, maps={'teacher': 'maps'}, labels={'teacher': 0.5, 'lidar': 1.0})
    (tmp_path / 'train.yaml').write_text(yaml.safe_dump(to_dict(config), sort_keys=False))
    assert load_config(tmp_path / 'train.yaml') == config
    assert list(load_config(tmp_path / 'train.yaml').labels) == ['teacher', 'lidar']


def test_a_checkpoint_tells_no_folders_of_this_machine():
    config = TrainConfig(data='/home/me/data', out='/home/me/runs/a', maps={'teacher': '/home/me/maps'},
                         train=('images:/home/me/street#train', 'kitti:kitti/training#train'), val=('bag:~/me/a.mcap',))
    told = without_paths(config)
    assert 'me/' not in str(told)
    assert told['train'] == ['images:street#train', 'kitti:kitti/training#train']


def test_shipped_settings_are_valid():
    load_config(Path(__file__).parents[1] / 'config' / 'train.yaml')
