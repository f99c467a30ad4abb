"""Every command: help with an example, version, usage errors, one-line errors."""

from importlib import import_module

import pytest

from msg_tools import cli
from msg_tools.errors import BagError

COMMANDS = {
    'depth_node': 'depth_node.node',
    'depth_predict': 'depth_node.predict',
    'depth_demo': 'depth_node.demo.run',
    'kitti_to_bag': 'msg_tools.kitti_bag',
    'velodyne_to_depth': 'msg_tools.ground_truth.cli',
    'depth_train': 'depth_node_training.train',
    'depth_eval': 'depth_node_training.evaluate',
    'depth_bench': 'depth_node_training.bench',
    'bag_replay': 'depth_node.ros.replay',
    'bag_record': 'depth_node.ros.record',
}


def main_of(name):
    """Return a command's main; the test is skipped where its libraries are missing."""
    if name == 'depth_node' or name.startswith('bag_'):
        pytest.importorskip('rclpy')
    return import_module(COMMANDS[name]).main


@pytest.mark.parametrize('name', COMMANDS)
def test_help_shows_an_example(name, capsys):
    with pytest.raises(SystemExit) as ended:
        main_of(name)(['--help'])
    assert ended.value.code == 0
    assert f'example:\n  {name} ' in capsys.readouterr().out


@pytest.mark.parametrize('name', COMMANDS)
def test_a_usage_error_exits_with_2(name, capsys):
    with pytest.raises(SystemExit) as ended:
        main_of(name)(['--no-such-option'])
    assert ended.value.code == 2
    assert f'{name}: error: ' in capsys.readouterr().err


@pytest.mark.parametrize('name', COMMANDS)
def test_version_is_that_of_the_package(name, capsys):
    with pytest.raises(SystemExit) as ended:
        main_of(name)(['--version'])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f'{name} {cli.package_version()}\n'


def test_our_own_error_is_one_line_and_exit_status_1(capsys):
    def body():
        raise BagError('drive.mcap: expected a bag,\n   got a text file')

    assert cli.run('bag_replay', body) == 1
    assert capsys.readouterr().err == 'bag_replay: error: drive.mcap: expected a bag, got a text file\n'


def test_another_error_is_a_bug_and_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        cli.run('bag_replay', lambda: 1 // 0)


def test_a_table_is_aligned_under_its_header():
    assert cli.columns([('name', 'abs_rel'), ('ours', 0.125)]) == 'name  abs_rel\nours  0.125'


def test_json_is_one_line_on_stdout(capsys):
    cli.print_json({'frames': 3, 'out': 'a'})
    assert capsys.readouterr().out == '{"frames": 3, "out": "a"}\n'
