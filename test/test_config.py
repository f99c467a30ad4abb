"""The node's settings: ranges, types, and the parameter file that ships."""

from dataclasses import fields, replace
from pathlib import Path

import pytest
import yaml

from depth_node.config import NodeConfig, to_yaml
from msg_tools.errors import ConfigError

PARAMETER_FILE = Path(__file__).parents[1] / 'config/mono.yaml'


def test_defaults_are_valid():
    assert NodeConfig().max_depth_m == 80.0


@pytest.mark.parametrize(('name', 'value', 'text'), [
    ('max_depth_m', 80, r'max_depth_m: expected float, got 80 \(int\)'),
    ('cloud_stride', 2.0, 'cloud_stride: expected int'),
    ('cloud_stride', True, 'cloud_stride: expected int'),
    ('cloud_stride', 0, 'cloud_stride: expected a value from 1 to 16, got 0'),
    ('max_depth_m', float('nan'), 'max_depth_m: expected a value from'),
    ('device', 'gpu', 'device: expected one of auto, cpu, cuda, got'),
    ('min_depth_m', 9.0, None),
])
def test_a_wrong_value_is_refused_with_what_was_expected(name, value, text):
    if text is None:
        with pytest.raises(ConfigError, match='expected min_depth_m < max_depth_m'):
            NodeConfig(**{name: value, 'max_depth_m': 5.0})
        return
    with pytest.raises(ConfigError, match=text):
        NodeConfig(**{name: value})


def test_every_setting_says_what_it_means():
    for item in fields(NodeConfig):
        assert item.metadata['text'], item.name
        assert (item.metadata['low'] is None) == (item.metadata['high'] is None), item.name


def test_the_parameter_file_is_made_from_the_settings():
    """If it is not: python -m depth_node.config > config/mono.yaml"""
    assert PARAMETER_FILE.read_text() == to_yaml(NodeConfig())


def test_the_parameter_file_has_each_setting_with_its_type():
    """rclpy refuses 80 where it expects 80.0."""
    values = yaml.safe_load(PARAMETER_FILE.read_text())['/**']['depth_node']['ros__parameters']
    assert {name: (type(value), value) for name, value in values.items()} == {
        item.name: (type(item.default), item.default) for item in fields(NodeConfig)
    }


def test_other_settings_can_be_written_too():
    config = replace(NodeConfig(), checkpoint='a "quoted" name', cloud_colored=True)
    values = yaml.safe_load(to_yaml(config))['/**']['depth_node']['ros__parameters']
    assert NodeConfig(**values) == config
