"""depth_study: rows by seeds, a table with their spread, and nothing trained twice."""

import json

import pytest
import yaml
from fixtures_training import tiny

from depth_node_training.config import to_dict
from depth_node_training.study import main, spread


@pytest.fixture
def study(street_images, tmp_path):
    base = to_dict(tiny(street_images, tmp_path, steps=2))
    path = tmp_path / 'study.yaml'
    tables = {'Losses': {'as they are': [], 'L1 in metres': ['losses={l1: 1.0}']}, 'Rates': {'low': ['lr=1e-6']}}
    path.write_text(yaml.safe_dump({'base': base, 'seeds': [1, 2], 'tables': tables}, sort_keys=False))
    return path


def test_every_row_is_trained_with_every_seed_once(study, tmp_path, capsys):
    out = tmp_path / 'out'
    assert main([str(study), str(out)]) == 0
    assert '### Losses' in capsys.readouterr().out
    rows = json.loads((out / 'results.json').read_text())
    assert [(row['row'], row['seed']) for row in rows] == [
        ('as they are', 1), ('as they are', 2), ('L1 in metres', 1), ('L1 in metres', 2), ('low', 1), ('low', 2)]
    assert len({row['abs_rel'] for row in rows}) == len(rows)
    values = [row['abs_rel'] for row in rows[:2]]
    assert f'| as they are | 2 | {spread(values)} |' in (out / 'table.md').read_text()

    logs = {path: path.read_bytes() for path in out.rglob('log.jsonl')}
    (out / 'table.md').unlink()
    assert main([str(study), str(out)]) == 0
    assert {path: path.read_bytes() for path in out.rglob('log.jsonl')} == logs
    assert (out / 'table.md').exists()


def test_two_processes_share_a_study_by_table(study, tmp_path, capsys):
    out = tmp_path / 'out'
    assert main([str(study), str(out), '--only', 'Rates']) == 0
    assert 'Losses' not in (out / 'table.md').read_text()
    assert len(list(out.rglob('result.json'))) == 2
    assert main([str(study), str(out), '--only', 'Speeds']) == 1
    assert "expected a table out of Losses, Rates, got 'Speeds'" in capsys.readouterr().err


def test_settings_may_stand_before_and_behind_only(study, tmp_path):
    out = tmp_path / 'out'
    assert main([str(study), str(out), 'steps=1', '--only', 'Rates', 'batch=1']) == 0
    assert {yaml.safe_load(path.read_text())['batch'] for path in out.rglob('config.yaml')} == {1}
    assert {yaml.safe_load(path.read_text())['steps'] for path in out.rglob('config.yaml')} == {1}


def test_a_row_that_was_changed_does_not_keep_its_figures(study, tmp_path, capsys):
    content = yaml.safe_load(study.read_text())
    content.update(seeds=[1], tables={'Rates': {'low': 'lr=1e-6'}})
    study.write_text(yaml.safe_dump(content))
    call = [str(study), str(tmp_path / 'out')]
    assert main(call) == 0
    study.write_text(study.read_text().replace('lr=1e-6', 'lr=1e-5'))
    assert main(call) == 1
    assert 'Rates-low/1: expected the settings that its run began with (lr=1e-06)' in capsys.readouterr().err


@pytest.mark.parametrize(('change', 'message'), [
    ({'seeds': 3}, 'expected a study with base, seeds and tables'),
    ({'base': None}, 'expected a study with base, seeds and tables'),
    ({'seeds': [1, 1]}, 'names of their own, got two for the folder'),
    ({'tables': {'Rates': {'lr 1e-3': ['lr=1e-3'], 'lr=1e+3': ['lr=1e+3']}}}, 'Rates-lr_1e_3/1; only letters'),
    ({'tables': {'Rates': {'low': ['val=']}}}, 'val: expected sources to measure the rows on, got none'),
])
def test_studies_that_cannot_be_are_named(study, tmp_path, capsys, change, message):
    study.write_text(yaml.safe_dump({**yaml.safe_load(study.read_text()), **change}))
    assert main([str(study), str(tmp_path / 'out')]) == 1
    assert message in capsys.readouterr().err


def test_spread_is_that_of_a_sample():
    assert spread([0.1, 0.2, 0.3]) == '0.200 ± 0.100'
    assert spread([0.1]) == '0.100'


def test_what_is_no_study_is_named(tmp_path, capsys):
    (tmp_path / 'train.yaml').write_text('train: []')
    assert main([str(tmp_path / 'train.yaml'), str(tmp_path / 'out')]) == 1
    assert 'expected a study with base, seeds and tables' in capsys.readouterr().err
