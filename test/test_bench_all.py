"""depth_bench all: which commands it runs, what it keeps, and text and chart made from made-up and real results."""

import json
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from depth_node_training import bench_all
from depth_node_training.bench import main as bench
from depth_node_training.bench_all import PARTS, USUAL, output_of, plan, read, run, shown
from depth_node_training.bench_chart import age_panel, curves, draw, ratio_panel, ratios, ticks
from depth_node_training.bench_machine import instructions, machine
from depth_node_training.bench_render import UNMEASURED, markdown
from depth_node_training.bench_runs import read_runs
from depth_node_training.bench_sources import SOURCES
from depth_node_training.bench_tables import cell, md_table
from msg_tools.errors import ConfigError

DOCS = Path(__file__).parents[1] / 'docs'
SPREAD = {'p50': 40.0, 'p90': 50.0, 'p99': 60.0, 'max': 70.0, 'p99_of_p50': 1.5}


def node_run(rate='10', p50=40.0, **changes):
    age = {**SPREAD, 'p50': p50}
    return {
        'rate': rate, 'seconds': 9.0, 'subscribers': 1, 'stride': 2, 'load': 0.5, 'image': '64x48 rgb8',
        'network': 'a wall', 'sent': 11, 'received': 10, 'lost': 1, 'published': 9, 'published_hz': 9.9,
        'dropped': {'superseded by a newer image': 1}, 'stages_ms': {'infer': {'p50': 30.0, 'p90': 31.0, 'p99': 32.0}},
        'evenness': {'missing': 1, 'of': 9, 'longest_run': 1, 'gap_ms': {'p50': 100.0, 'max': 200.0}},
        'age_ms': {'depth': {'all': age, 'first': age, 'second': age, 'third': age}},
        'process': {'cpu_cores': 0.5, 'faults_per_frame': 3.0, 'memory_start_mb': 300.0, 'memory_end_mb': 305.0,
                    'memory_most_mb': 310.0, 'memory_mb_per_min': None},
        'age_ms_per_min': None, 'minutes': [], **changes,
    }


def network_row(network, backend, median_ms, ratio, size='192x640'):
    return {'network': network, 'backend': backend, 'size': size, 'median_ms': median_ms, 'p10_ms': median_ms,
            'p90_ms': median_ms, 'p99_ms': median_ms, 'ratio': ratio}


def entry(command, result):
    return {'command': f'depth_bench {command}', 'date': '2026-01-01 00:00 UTC', 'load_before': 0.25, 'result': result}


@pytest.fixture
def result():
    """What one machine without a GPU measured: peers, our node and a plain one."""
    about = {'cpu': 'A CPU', 'cores': 2, 'virtual': False, 'instructions': {'AVX2': True, 'AVX-512': False},
             'memory_gb': 8, 'gpu': [], 'system': 'Debian', 'python': '3.11.7', 'versions': {'numpy': '2.0'}}
    rows = [network_row('default', 'openvino', 20.0, 1.0), network_row('default', 'onnxruntime', 22.0, 1.1),
            network_row('fastdepth', 'openvino', 40.0, 2.0), network_row('fastdepth', 'onnxruntime', 10.0, 0.5)]
    slow = [node_run(p50=3000.0), node_run('max', 600.0)]
    return {'machine': about, 'before': [], 'parts': {
        'peers': [entry('network --peer fastdepth.onnx', {'rows': rows})],
        'node': [entry('node --rate 10 max', {'label': 'now', 'runs': [node_run(), node_run('max', 55.0)]})],
        'node_peers': [entry('node --peer fastdepth.onnx --peer-queue 10', {'label': '', 'runs': slow})],
    }}


@pytest.fixture
def written(result, tmp_path):
    (tmp_path / 'speed.json').write_text(json.dumps(result))
    return tmp_path / 'speed.json'


def arguments(**changes):
    return SimpleNamespace(**{'threads': 2, 'device': 'cpu', 'repeat': 5, 'seconds': 60.0, 'label': 'now', 'peer': [],
                              'node_peer': [], 'only': PARTS, **changes})


def test_peers_run_where_they_are_given_and_only_on_the_cpu():
    assert list(plan(arguments(only=USUAL))) == ['network', 'callback', 'node', 'subscribers']
    files = {'peer': ['a.onnx'], 'node_peer': ['a.onnx', 'b.onnx']}
    parts = plan(arguments(**files))
    assert set(parts) == set(PARTS)
    assert parts['soak'] == [['node', '--threads', '2', '--label', 'now', '--rate', '30', '--seconds', '1200']]
    assert 'soak' not in USUAL  # twenty minutes are not for everybody
    assert [words[-3:] for words in parts['node_peers']] == [
        [name, '--peer-queue', queue] for name in files['node_peer'] for queue in ('10', '1')]
    on_gpu = plan(arguments(device='cuda', only=USUAL, **files))
    assert list(on_gpu) == ['network', 'callback', 'node', 'subscribers']
    assert on_gpu['node'][0][-9:] == ['--param', 'device:=cuda', '--seconds', '60', '--rate', '10', '30', '60', 'max']


def test_single_parts_can_be_run():
    assert list(plan(arguments(only=['callback']))) == ['callback']


@pytest.mark.parametrize('part', PARTS)
def test_every_planned_command_is_one_that_depth_bench_takes(part, monkeypatch):
    """Its own parser must take each: one wrong option would only show after minutes."""
    from depth_node_training import bench_callback, bench_network, bench_node

    for module in (bench_callback, bench_network, bench_node):
        monkeypatch.setattr(module, 'report', lambda args: 0)
    for words in plan(arguments(peer=['a.onnx'], node_peer=['a.onnx']))[part]:
        assert bench([*words, '--json']) == 0


def test_a_command_is_shown_without_folders_of_this_machine():
    assert shown(['network', '--peer', '/home/me/secret/a.onnx']) == 'depth_bench network --peer a.onnx'


def test_what_a_part_measured_is_kept_when_another_fails(tmp_path, monkeypatch, capsys):
    def fake(words):
        failed = words[0] == 'callback'
        about = {'command': shown(words), 'date': 'today', 'load_before': 0.0}
        return about | ({'error': 'no room'} if failed else {'result': {'rows': [network_row('a', 'b', 1.0, 1)]}})

    monkeypatch.setattr(bench_all, 'run', fake)
    assert bench(['all', '--out', str(tmp_path), '--only', 'network', 'callback']) == 1
    assert 'failed: callback' in capsys.readouterr().err
    text = (tmp_path / 'speed.md').read_text()
    assert 'This part failed: no room' in text
    assert '### The network alone' in text
    assert bench(['all', '--out', str(tmp_path), '--only', 'network']) == 0
    assert set(read(tmp_path / 'speed.json')['parts']) == {'network', 'callback'}


def test_a_command_that_fails_is_noted_with_its_last_line():
    outcome = run(['network', '--network', 'nothing'])
    assert outcome['error'].startswith('depth_bench network: error: expected --network out of')
    assert outcome['command'] == 'depth_bench network --network nothing'


def test_a_command_that_is_stopped_takes_its_processes_with_it(monkeypatch):
    started = []
    original = subprocess.Popen.communicate

    def interrupted(process):
        started.append(process)
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess.Popen, 'communicate', interrupted)
    with pytest.raises(KeyboardInterrupt):
        output_of([sys.executable, '-c', 'import time; time.sleep(60)'])
    monkeypatch.setattr(subprocess.Popen, 'communicate', original)
    assert started[0].poll() is not None


@pytest.mark.parametrize('option', [['--seconds', '0'], ['--repeat', '0'], ['--threads', '-1'], ['--only', 'nothing']])
def test_numbers_that_make_no_sense_are_usage_errors(option):
    with pytest.raises(SystemExit) as end:
        bench(['all', *option])
    assert end.value.code == 2


def test_the_text_has_each_table_beside_its_command(result):
    text = markdown([result])
    assert UNMEASURED in text
    assert '`depth_bench network --peer fastdepth.onnx`; 2026-01-01 00:00 UTC, load before 0.25' in text
    assert '| FastDepth, not pruned | [dwofk/fast-depth](https://github.com/dwofk/fast-depth) at e684920 |' in text
    assert 'weights at random: speed only' in text
    assert 'ready-made float input' in text
    assert '| 10 Hz | 11 | 1 | 9 | 9.9 | 1 superseded by a newer image | 1 | 100, 200 |' in text
    assert '| max | 55 / 50 / 60 / 70 | 1.5 | 55, 55, 55 | - | - |' in text
    assert '| infer | 30 / 31 / 32 | 30 / 31 / 32 |' in text
    assert text.count('\n# ') == 0
    assert 'Before and after' not in text


def test_every_table_has_cells_for_its_header(result):
    for table in re.findall(r'(?:^\|.*\n)+', markdown([result]), re.MULTILINE):
        assert len({line.count('|') for line in table.splitlines()}) == 1


def test_a_machine_with_a_gpu_is_a_chapter_of_its_own(result):
    gpu = json.loads(json.dumps(result))
    gpu['machine']['gpu'] = ['A GPU']
    text = markdown([result, gpu])
    assert UNMEASURED not in text
    assert re.findall(r'^## (.*)$', text, re.MULTILINE) == ['A CPU, 2 cores', 'A GPU, A CPU, 2 cores']


def test_a_soak_is_told_by_minute(result):
    minutes = [{'minute': i, 'frames': 600, 'age_p50_ms': 30.0, 'age_p99_ms': 50.0, 'memory_mb': 300.0 + i}
               for i in range(20)]
    result['parts']['node'][0]['result']['runs'] = [node_run(minutes=minutes)]
    assert '| 19 | 600 | 30.0 | 50.0 | 319.0 |' in markdown([result])


def test_what_another_machine_measured_is_added_as_a_file_beside_it(written, result, tmp_path):
    result['machine'] |= {'gpu': ['A GPU'], 'cpu': 'Another CPU'}
    (tmp_path / 'speed_gpu.json').write_text(json.dumps(result))
    assert bench(['all', '--render', str(written)]) == 0
    text = (tmp_path / 'speed.md').read_text()
    assert re.findall(r'^## (.*)$', text, re.MULTILINE) == ['A CPU, 2 cores', 'A GPU, Another CPU, 2 cores']
    assert UNMEASURED not in text


def before_file(tmp_path, runs, label='version 1'):
    path = tmp_path / 'old.json'
    path.write_text(json.dumps({'label': label, 'runs': runs}))
    return path


def test_versions_stand_beside_each_other_by_stage(written, tmp_path):
    """60 ms before and 30 now is a ratio of 0.5; a stage that the old version did not know has none."""
    old = node_run(p50=80.0, stages_ms={'infer': {'p50': 60.0, 'p90': 61.0, 'p99': 62.0}})
    path = before_file(tmp_path, [old, node_run('30')])
    assert bench(['all', '--render', str(written), '--before', str(path)]) == 0
    text = (tmp_path / 'speed.md').read_text().split('### Before and after')[1]
    assert '| at 10 Hz | version 1 | now | ratio |' in text
    assert '| infer | 60 / 62 | 30 / 32 | 0.50 |' in text
    assert '| age of depth at the subscriber | 80 / 60 | 40 / 60 | 0.50 |' in text
    assert '30 Hz' not in text  # now did not run at it
    assert bench(['all', '--render', str(written), '--before', str(path)]) == 0
    assert len(read(written)['before']) == 1  # the same label replaces


def test_what_version_0_1_printed_can_be_read(tmp_path, written):
    path = tmp_path / 'old.json'
    flat = {'rate_hz': 10.0, 'published': 9, 'cpu_cores': 0.7, 'memory_mb': {'start': 1.0, 'end': 340.0, 'most': 341.0},
            'age_ms': {'depth': {}}, 'stages_ms': {'infer': '60.0 / 61.0 / 62.0'}}
    path.write_text('a line of something else\n' + json.dumps(flat) + '\n')
    runs = read_runs(path)
    assert runs['label'] == 'old'
    assert runs['runs'][0]['rate'] == '10'
    assert runs['runs'][0]['stages_ms'] == {'infer': {'p50': 60.0, 'p90': 61.0, 'p99': 62.0}}
    assert bench(['all', '--render', str(written), '--before', str(path)]) == 0
    assert '| infer | 60 / 62 | 30 / 32 | 0.50 |' in (tmp_path / 'speed.md').read_text()


@pytest.mark.parametrize('text', ['', 'nothing', '{}', '[]', '{"runs": 3'])
def test_a_file_of_something_else_is_one_line(tmp_path, capsys, text):
    path = tmp_path / 'speed.json'
    path.write_text(text)
    with pytest.raises(ConfigError, match=r'speed\.json: expected what depth_bench node --json prints'):
        read_runs(path)
    assert bench(['all', '--render', str(path)]) == 1
    assert 'speed.json: expected what depth_bench all has written' in capsys.readouterr().err


def test_the_chart_has_each_network_by_its_faster_runtime(result):
    assert ratios(result) == [('FastDepth, not pruned, 192x640', 0.5, 10.0), ('depth_node (ours), 192x640', 1.0, 20.0)]


def test_the_chart_has_a_curve_of_each_node(result):
    ours, plain = curves(result)
    assert (ours.name, plain.name) == ('depth_node (ours)', 'plain node, FastDepth, not pruned, queue of 10')
    assert (ours.color, ours.shape) != (plain.color, plain.shape)
    assert plain.p50 == {'10': 3000.0, 'max': 600.0}
    assert ticks(10.0, 100.0) == [10.0, 20.0, 50.0, 100.0]


def test_the_chart_is_written_and_left_out_where_there_is_nothing(result, tmp_path):
    draw(result, tmp_path / 'speed.png')
    picture = cv2.imread(str(tmp_path / 'speed.png'))
    assert picture.shape[1] == 1500
    assert np.unique(picture.reshape(-1, 3), axis=0).shape[0] > 10
    draw({'parts': {}}, tmp_path / 'none.png')
    assert not (tmp_path / 'none.png').exists()
    assert ratio_panel([]) is None
    assert age_panel([]) is None


def test_numbers_in_tables_have_three_digits():
    assert [cell(value) for value in (0.06789, 0.1, 20.94, 1204.3, 7, None)] == ['0.0679', '0.1', '20.9', '1204', '7',
                                                                                  '-']
    assert md_table([('a', 'b'), (1, 2.5)]) == '| a | b |\n|---|---|\n| 1 | 2.5 |'


def test_the_machine_is_described_without_its_name():
    facts = machine()
    assert facts['cores'] >= 1
    assert 'numpy' in facts['versions']
    assert instructions(['avx2', 'avx_vnni']) == {'AVX2': True, 'AVX-512': False, 'VNNI': True, 'BF16': False,
                                                  'AMX': False}
    assert set(facts) == {'cpu', 'cores', 'virtual', 'instructions', 'memory_gb', 'gpu', 'system', 'python', 'versions'}


def test_sources_name_a_repository_and_a_commit():
    for source in SOURCES.values():
        assert re.fullmatch(r'\[(\S+/\S+)\]\(https://github\.com/\1\) at [0-9a-f]{7}', str(source))


def test_the_text_in_docs_is_what_its_json_gives():
    paths = sorted(DOCS.glob('speed*.json'))
    assert paths
    assert (DOCS / 'speed.md').read_text() == markdown([read(path) for path in paths])
    assert (DOCS / 'images' / 'speed.png').exists()
