"""The README against the code: its parameter table, its commands, its pictures and its links."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from depth_node.config import NodeConfig

ROOT = Path(__file__).parents[1]
README = (ROOT / 'README.md').read_text()
SETUP = (ROOT / 'setup.py').read_text()


def parameter_row(item):
    """Return the README's table row for one parameter."""
    default = str(item.default).lower() if isinstance(item.default, bool) else item.default
    default = f'`{default}`' if default != '' else ''
    low, high, choices = (item.metadata[key] for key in ('low', 'high', 'choices'))
    allowed = ', '.join(choices) or (f'{low} to {high}' if low is not None else '')
    live = 'yes' if item.metadata['live'] else ''
    return f'| `{item.name}` | {default} | {allowed} | {item.metadata["text"]} | {live} |'


@pytest.mark.parametrize('item', fields(NodeConfig), ids=lambda item: item.name)
def test_each_parameter_has_its_row(item):
    assert parameter_row(item) in README


def test_no_row_is_left_of_a_parameter_that_is_gone():
    section = README.split('### Parameters')[1].split('\n## ')[0]
    assert len(re.findall(r'^\| `', section, re.MULTILINE)) == len(fields(NodeConfig))


def test_each_command_is_named():
    names = re.findall(r"^    '(\w+)': '[\w.]+',$", SETUP, re.MULTILINE)
    assert len(names) >= 10
    assert [name for name in names if f'`{name}' not in README] == []


def test_links_and_pictures_exist():
    targets = re.findall(r'\]\((?!http)([^)#]+)\)', README)
    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []


def test_a_newcomers_two_commands_are_make_targets():
    makefile = (ROOT / 'Makefile').read_text()
    for name in re.findall(r'^make (\w+)', README, re.MULTILINE):
        assert re.search(rf'^{name}:', makefile, re.MULTILINE), name
