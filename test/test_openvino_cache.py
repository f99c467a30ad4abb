"""Converted networks kept from start to start: without torch, never another checkpoint's, never in the way."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from depth_node.backends.network import Network
from depth_node.estimator import DepthEstimator
from depth_node.model import ModelConfig, build_model

pytest.importorskip('openvino')
from depth_node.backends import openvino_cache
from depth_node.backends.openvino_backend import OpenvinoBackend

RGB = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    return tmp_path / 'depth_node'


class Source:
    """A network, and how often it had to be built."""

    def __init__(self, seed=0):
        torch.manual_seed(seed)
        self.model, self.built = build_model(ModelConfig(decoder=(8, 8, 8, 8))).eval(), 0

    def build(self):
        self.built += 1
        return self.model

    def depth(self, digest):
        return OpenvinoBackend(openvino_cache.cached_graph(Network(self.build, digest)), 1)(RGB)[0]


def test_a_network_is_built_once_and_gives_the_same_after(folder):
    source = Source()
    first, second = source.depth('a'), source.depth('a')
    assert source.built == 1
    np.testing.assert_array_equal(first, second)
    assert len(list(folder.iterdir())) == 2


def test_another_checkpoint_is_another_network(folder):
    one, other = Source(0), Source(1)
    assert np.abs(one.depth('a') - other.depth('b')).max() > 0
    assert (one.built, other.built) == (1, 1)


def test_a_network_of_no_file_is_not_kept(folder):
    source = Source()
    source.depth('')
    assert not folder.exists()


@pytest.mark.parametrize('suffix', ['.xml', '.bin'])
@pytest.mark.parametrize('damage', [lambda data: data[:100], lambda data: b'', lambda data: data[:-9] + b'x' * 9])
def test_what_is_damaged_is_made_again(folder, suffix, damage):
    source = Source()
    source.depth('a')
    path = openvino_cache.cache_path('a').with_suffix(suffix)
    path.write_bytes(damage(path.read_bytes()))
    expected = source.depth('a')
    assert source.built == 2
    np.testing.assert_array_equal(source.depth('a'), expected)
    assert source.built == 2


def test_a_cache_that_cannot_be_written_costs_only_time(folder, monkeypatch):
    folder.parent.joinpath('depth_node').write_text('a file where the folder should be')
    source = Source()
    source.depth('a')
    source.depth('a')
    assert source.built == 2
    monkeypatch.delenv('XDG_CACHE_HOME')
    monkeypatch.setattr(openvino_cache.Path, 'home', classmethod(no_home))
    assert openvino_cache.cache_path('a') is None


def test_code_without_its_sources_and_a_folder_of_another_user_cost_only_time(folder, monkeypatch):
    """Both ended the node."""
    source = Source()
    with monkeypatch.context() as patch:
        patch.setattr(openvino_cache, 'read_graph', not_allowed)
        source.depth('a')
    monkeypatch.setattr(openvino_cache, 'CODE', ('no_such_file.py',))
    source.depth('a')
    assert source.built == 2


def not_allowed(_):
    raise PermissionError('Permission denied')


def no_home(_):
    raise RuntimeError('Could not determine home directory.')


def test_only_the_newest_are_kept(folder, monkeypatch):
    monkeypatch.setattr(openvino_cache, 'KEPT', 2)
    source = Source()
    for digest in 'abc':
        source.depth(digest)
    assert not openvino_cache.cache_path('a').exists()
    assert {path.stem for path in folder.iterdir()} == {openvino_cache.cache_path(digest).stem for digest in 'bc'}


def test_code_that_converts_otherwise_makes_another_graph(folder, monkeypatch):
    before = openvino_cache.cache_path('a')
    monkeypatch.setattr(openvino_cache, 'CODE', openvino_cache.CODE[:1])
    assert openvino_cache.cache_path('a') != before


def test_the_second_start_needs_no_torch():
    """Which takes most of the time and the memory of a start."""
    DepthEstimator.from_checkpoint(device='cpu', backend='openvino')
    script = ("import sys; from depth_node import DepthEstimator; DepthEstimator.from_checkpoint(device='cpu'); "
              "sys.exit('torch' in sys.modules)")
    assert subprocess.run([sys.executable, '-c', script], check=False).returncode == 0
