"""Engines are built once for each case and kept; TensorRT itself and the GPU are stood in for."""

import os
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch

from depth_node.backends.network import Network
from msg_tools.camera import Size
from msg_tools.errors import BackendError

SIZE = Size(64, 96)


class Engine:
    """An engine: what it was made of. TensorRT refuses what it has not built."""

    def __init__(self, data, size, name):
        if not data.startswith(b'engine'):
            raise BackendError(f'{name}: refused')
        self.data, self.size = data, size


@pytest.fixture
def cache(monkeypatch, tmp_path):
    """Return the module, on a machine with a GPU that builds an engine 'engine N' at the N-th time."""
    pytest.importorskip('onnxruntime')
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    tensorrt = ModuleType('tensorrt')
    tensorrt.__version__ = '10.1'
    names = [f'depth_node.backends.tensorrt_{name}' for name in ('backend', 'cache')]
    monkeypatch.setitem(sys.modules, 'tensorrt', tensorrt)
    for name in names:
        monkeypatch.delitem(sys.modules, name, raising=False)
    module = import_module(names[1])
    count = iter(range(100))
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(torch.cuda, 'get_device_name', lambda: 'A GPU')
    monkeypatch.setattr(torch.cuda, 'get_device_capability', lambda: (9, 0))
    monkeypatch.setattr(module, 'Engine', Engine)
    monkeypatch.setattr(module, 'onnx_bytes', lambda model, size: b'onnx')
    monkeypatch.setattr(module, 'built', lambda onnx, precision: b'engine %d' % next(count))
    yield module
    for name in names:
        sys.modules.pop(name, None)


def network(content='abc'):
    """Return the network of a checkpoint of this content; none: of no file."""
    file = Path(os.environ['XDG_CACHE_HOME'], f'{content}.safetensors')
    file.write_text(content)
    return Network(torch.nn.Identity, None, file if content else None)


def files(folder):
    return sorted(Path(folder, 'depth_node').glob('*.engine'))


def test_an_engine_is_built_once(cache, tmp_path, caplog):
    assert cache.cached_engine(network(), SIZE).data == b'engine 0'
    assert 'building a TensorRT engine for images of 96x64, once' in caplog.text
    assert cache.cached_engine(network(), SIZE).data == b'engine 0'
    assert len(files(tmp_path)) == 1


@pytest.mark.parametrize('what', ['checkpoint', 'size', 'gpu', 'capability', 'tensorrt', 'precision'])
def test_another_case_gets_another_engine(cache, monkeypatch, what):
    cache.cached_engine(network(), SIZE)
    monkeypatch.setattr(torch.cuda, 'get_device_name', lambda: 'Another' if what == 'gpu' else 'A GPU')
    monkeypatch.setattr(torch.cuda, 'get_device_capability', lambda: (8, 9) if what == 'capability' else (9, 0))
    monkeypatch.setattr(cache.tensorrt, '__version__', '10.2' if what == 'tensorrt' else '10.1')
    content, size = 'other' if what == 'checkpoint' else 'abc', Size(64, 128) if what == 'size' else SIZE
    assert cache.cached_engine(network(content), size, 'fp16' if what == 'precision' else 'auto').data == b'engine 1'


@pytest.mark.parametrize('spoil', [
    lambda data: data[:-3], lambda data: b'', lambda data: data[:20] + b'x' + data[21:],
], ids=['cut short', 'empty', 'changed'])
def test_a_damaged_engine_is_built_again(cache, tmp_path, spoil):
    cache.cached_engine(network(), SIZE)
    (path,) = files(tmp_path)
    path.write_bytes(spoil(path.read_bytes()))
    assert cache.cached_engine(network(), SIZE).data == b'engine 1'
    assert cache.cached_engine(network(), SIZE).data == b'engine 1'


def test_an_engine_that_tensorrt_refuses_is_built_again(cache, tmp_path):
    cache.cached_engine(network(), SIZE)
    (path,) = files(tmp_path)
    cache.keep(b'of another driver', path)
    assert cache.cached_engine(network(), SIZE).data == b'engine 1'


def test_a_cache_that_cannot_be_written_costs_time_alone(cache, tmp_path):
    (tmp_path / 'depth_node').write_text('a file where the folder should be')
    assert cache.cached_engine(network(), SIZE).data == b'engine 0'
    assert cache.cached_engine(network(), SIZE).data == b'engine 1'


def test_a_precision_is_a_flag_of_the_builder_where_there_is_one(cache, monkeypatch):
    module = sys.modules['depth_node.backends.tensorrt_backend']
    monkeypatch.setattr(cache.tensorrt, 'BuilderFlag', SimpleNamespace(FP16='the flag'), raising=False)
    assert module.flag_of('fp16') == 'the flag'
    with pytest.raises(BackendError, match=r'expected a TensorRT that builds in bf16, got 10\.1'):
        module.flag_of('bf16')


def test_a_network_of_no_file_is_not_kept(cache, tmp_path):
    cache.cached_engine(network(''), SIZE)
    assert not files(tmp_path)


def test_only_the_newest_engines_are_kept(cache, tmp_path):
    for i in range(12):
        cache.cached_engine(network(), Size(32, 32 * i + 32))
    assert len(files(tmp_path)) == 8


def test_a_size_has_its_engine_and_keeps_it(cache, monkeypatch):
    made = []
    monkeypatch.setattr(cache, 'Engine', lambda data, size, name: made.append(size) or (lambda rgb: (rgb, rgb)))
    backend = cache.tensorrt_backend(network())
    for size in (SIZE, SIZE, Size(32, 32)):
        backend._run(torch.zeros((1, *size.shape, 3), dtype=torch.uint8))
    assert made == [SIZE, Size(32, 32)]
