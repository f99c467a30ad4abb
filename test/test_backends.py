"""The backends: the same numbers from each, the choice between them, and what is said where one is missing."""

import os
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch

from depth_node import backends
from depth_node.backends import selection
from depth_node.backends.selection import working
from depth_node.backends.sizes import KEPT, PerSize
from depth_node.backends.torch_backend import TorchBackend
from depth_node.model import ModelConfig, build_model
from msg_tools.camera import Size
from msg_tools.errors import BackendError

SIZE = Size(64, 96)
TOLERANCE = 1e-3  # of log depth: a thousandth of the depth
NEEDS = {'torch': 'torch', 'openvino': 'openvino', 'onnxruntime': 'onnx'}


@pytest.fixture(scope='module')
def model():
    torch.manual_seed(0)
    network = build_model(ModelConfig(decoder=(8, 8, 8, 8)))
    for weight in network.parameters():  # so that the output depends on the input
        if weight.ndim == 4:
            torch.nn.init.kaiming_normal_(weight)
    return network


def street(size=SIZE):
    """Return a picture with what real ones have: a gradient, edges, texture and saturated parts."""
    rng = np.random.default_rng(1)
    rgb = np.linspace(255, 40, size.height)[:, None, None] + rng.normal(0, 12, (*size.shape, 3))
    rgb = np.clip(rgb, 0, 255).astype(np.uint8)
    cv2.rectangle(rgb, (size.width // 4, size.height // 3), (size.width // 2, size.height), (20, 30, 200), -1)
    cv2.line(rgb, (0, size.height), (size.width // 2, size.height // 2), (250, 250, 250), 3)
    return rgb


@pytest.fixture(scope='module')
def expected(model):
    with torch.inference_mode():
        maps = model.eval()(torch.from_numpy(street()).permute(2, 0, 1)[None].float())
    return [item[0, 0].numpy() for item in maps]


@pytest.fixture(scope='module', params=NEEDS)
def backend(request, model):
    """Return each backend that is installed, made once for all tests."""
    pytest.importorskip(NEEDS[request.param])
    return backends.choose(model, SIZE, 'cpu', request.param).backend


def test_each_backend_gives_what_the_network_gives(backend, expected):
    assert np.ptp(expected[0]) > 0.1
    for got, want in zip(backend(street()), expected, strict=True):
        assert got.dtype == np.float32
        assert got.shape == (32, 48)
        np.testing.assert_allclose(got, want, atol=TOLERANCE)


def test_a_backend_takes_any_multiple_of_32_and_its_answer_is_the_callers_own(backend):
    first = backend(street())[0]
    copy = first.copy()
    assert backend(street(Size(32, 64)))[0].shape == (16, 32)
    assert (backend(street()[::-1].copy())[0] != copy).any()
    assert (first == copy).all()


def test_a_backend_says_what_it_is(backend):
    assert 'CPU' in backend.description


def test_auto_takes_openvino_where_it_is_installed(model, monkeypatch):
    pytest.importorskip('openvino')
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    choice = backends.choose(model, SIZE)
    assert choice.backend.description.startswith('OpenVINO')
    assert 'fastest' in choice.reason


def test_auto_falls_back_to_torch_and_says_why(model, monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    hide(monkeypatch, 'openvino')
    choice = backends.choose(model, SIZE)
    assert choice.backend.description.startswith('PyTorch')
    assert "pip install 'depth_node[openvino]'" in choice.reason


@pytest.mark.parametrize(('name', 'library', 'extra'), [
    ('openvino', 'openvino', 'openvino'), ('onnxruntime', 'onnxruntime', 'onnx'), ('onnxruntime', 'onnx', 'onnx'),
])
def test_a_backend_that_is_not_installed_names_the_extra_that_brings_it(model, monkeypatch, name, library, extra):
    hide(monkeypatch, library)
    with pytest.raises(BackendError, match=rf"pip install 'depth_node\[{extra}\]'"):
        backends.choose(model, SIZE, 'cpu', name)


def hide(monkeypatch, library):
    """Make a library as if it were not installed."""
    for name in [name for name in sys.modules if name.startswith('depth_node.backends.')]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, library, None)


def test_auto_goes_on_where_cuda_is_there_but_fails(model, monkeypatch):
    pytest.importorskip('openvino')
    if torch.cuda.is_available():
        pytest.skip('it would work')
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(selection, 'has_cuda', lambda: True)
    choice = backends.choose(model, SIZE)
    assert choice.backend.description.startswith('OpenVINO')
    assert 'PyTorch cannot use cuda' in choice.reason


def test_cuda_without_a_device_is_refused(model, monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    with pytest.raises(BackendError, match='expected a CUDA device, got none'):
        backends.choose(model, SIZE, 'cuda')


def test_openvino_is_not_for_cuda(model):
    with pytest.raises(BackendError, match='expected backend torch, tensorrt or onnxruntime for device cuda'):
        backends.choose(model, SIZE, 'cuda', 'openvino')


def test_an_onnxruntime_without_cuda_says_what_to_install(model):
    onnxruntime = pytest.importorskip('onnxruntime')
    if 'CUDAExecutionProvider' in onnxruntime.get_available_providers():
        pytest.skip('it has CUDA')
    with pytest.raises(BackendError, match=r'can use cuda, got .*CPUExecutionProvider; install onnxruntime-gpu'):
        backends.choose(model, SIZE, 'cuda', 'onnxruntime')


def test_an_onnxruntime_that_takes_the_cpu_without_a_word_is_refused(model, monkeypatch):
    """It does where CUDA's libraries are missing."""
    onnxruntime = pytest.importorskip('onnxruntime')
    pytest.importorskip('onnx')
    make, asked = onnxruntime.InferenceSession, []

    def session(graph, options, providers):
        asked.extend(providers)
        return make(graph, options, providers=['CPUExecutionProvider'])

    monkeypatch.setattr(onnxruntime, 'get_available_providers', lambda: ['CUDAExecutionProvider'])
    monkeypatch.setattr(onnxruntime, 'InferenceSession', session)
    with pytest.raises(BackendError, match='expected an ONNX Runtime that can use cuda:1'):
        backends.choose(model, SIZE, 'cuda:1', 'onnxruntime')
    assert asked[0] == ('CUDAExecutionProvider', {'device_id': '1'})


def test_tensorrt_is_not_for_the_cpu(model):
    with pytest.raises(BackendError, match='expected device cuda or auto for backend tensorrt, got cpu'):
        backends.choose(model, SIZE, 'cpu', 'tensorrt')


def test_an_unknown_backend_is_refused(model):
    with pytest.raises(BackendError, match='expected a backend out of auto, torch'):
        backends.choose(model, SIZE, 'cpu', 'tflite')


@pytest.mark.parametrize('backend', ['auto', 'torch', 'openvino'])
def test_an_unknown_device_is_refused(model, backend):
    """It ran on the CPU without a word."""
    with pytest.raises(BackendError, match="expected a device out of auto, cpu, cuda, cuda:N, got 'gpu'"):
        backends.choose(model, SIZE, 'gpu', backend)


def test_a_cuda_device_with_a_number_is_one(model, monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    with pytest.raises(BackendError, match='expected a CUDA device, got none'):
        backends.choose(model, SIZE, 'cuda:1')
    with pytest.raises(BackendError, match='expected backend torch, tensorrt or onnxruntime for device cuda:1'):
        backends.choose(model, SIZE, 'cuda:1', 'openvino')


@pytest.mark.parametrize(('answer', 'said'), [
    (lambda maps: (maps[0][1:], maps[1]), r'expected log_depth float32 \(32, 48\), got float32 \(31, 48\)'),
    (lambda maps: (maps[0], maps[1].astype(np.float16)), r'expected log_scale float32 \(32, 48\), got float16'),
    (lambda maps: (maps[0] * np.nan, maps[1]), 'expected finite log_depth, got NaN'),
])
def test_an_answer_that_is_none_is_refused(answer, said):
    class Odd:
        description = 'odd'

        def __call__(self, rgb):
            return answer([np.zeros((rgb.shape[0] // 2, rgb.shape[1] // 2), np.float32)] * 2)

    with pytest.raises(BackendError, match=f'odd: {said}'):
        working(Odd(), SIZE)


def test_signals_are_handled_after_networks_in_openvino_have_gone():
    """Two that were dropped in the order in which they were made left signals a stack that was freed."""
    pytest.importorskip('openvino')
    code = """if True:
        import gc, os, signal
        from depth_node import backends
        from depth_node.model import ModelConfig, build_model
        from msg_tools.camera import Size
        signal.signal(signal.SIGTERM, lambda *_: print('handled'))
        model = build_model(ModelConfig(decoder=(8, 8, 8, 8)))
        kept = [backends.choose(model, Size(32, 64), 'cpu', 'openvino') for _ in range(2)]
        while kept:
            del kept[0]
            gc.collect()
        os.kill(os.getpid(), signal.SIGTERM)
    """
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, 'handled\n')


def test_openvino_neither_forks_nor_tells_anybody(tmp_path):
    """A fork of a process with DDS's threads has crashed, and CI with it."""
    pytest.importorskip('openvino')
    code = """if True:
        import os
        os.register_at_fork(before=lambda: print('forked', flush=True))
        from depth_node import backends
        from depth_node.model import ModelConfig, build_model
        from msg_tools.camera import Size
        backends.choose(build_model(ModelConfig(decoder=(8, 8, 8, 8))), Size(32, 64), 'cpu', 'openvino')
    """
    done = subprocess.run([sys.executable, '-c', code], env={**os.environ, 'HOME': str(tmp_path)}, capture_output=True,
                          text=True, check=True)
    assert done.stdout == ''
    assert not list(tmp_path.iterdir())


def test_a_network_that_fails_says_so_as_a_backend(model):
    class Broken(torch.nn.Module):
        def forward(self, rgb):
            raise RuntimeError('out of memory')

    with pytest.raises(BackendError, match='out of memory'):
        backends.choose(Broken(), SIZE, 'cpu', 'torch')


def test_a_network_in_training_is_run_without_a_change_to_it():
    """Validation runs the network while it trains."""
    layers = torch.nn.Conv2d(3, 4, 3, 2, 1), torch.nn.BatchNorm2d(4), torch.nn.Dropout(0.5), Maps()
    network = torch.nn.Sequential(*layers)
    backend = TorchBackend(network, 'cpu', 0)
    first = backend(street())[0]
    assert (backend(street())[0] == first).all()  # no dropout, and no batch norm that learns
    assert network.training
    assert network[1].num_batches_tracked.item() == 0
    assert not network[0].weight.is_contiguous(memory_format=torch.channels_last)


def test_a_network_that_is_ready_is_not_copied():
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3, 2, 1), Maps()).eval().to(memory_format=torch.channels_last)
    backend = TorchBackend(network, 'cpu', 0)
    first = backend(street())[0]
    with torch.no_grad():
        network[0].bias += 1.0
    np.testing.assert_allclose(backend(street())[0], first + 1.0, atol=1e-4)


class Maps(torch.nn.Module):
    """The first two channels as log depth and log scale."""

    def forward(self, x):
        return x[:, :1], x[:, 1:2]


@pytest.mark.gpu
def test_cuda_gives_what_the_cpu_gives(model, expected):
    if not torch.cuda.is_available():
        pytest.skip('no CUDA device')
    choice = backends.choose(model, SIZE, 'auto', 'auto')
    assert 'CUDA' in choice.reason
    for got, want in zip(choice.backend(street()), expected, strict=True):
        np.testing.assert_allclose(got, want, atol=5e-3)  # TF32 convolutions


def test_what_is_compiled_is_kept_for_the_sizes_used_last():
    made = []
    table = PerSize(lambda size: made.append(size) or size)
    sizes = [Size(32, 32 * i) for i in range(1, KEPT + 1)]
    for size in [*sizes, *sizes]:
        assert table[size] == size
    assert made == sizes
    table[Size(64, 64)]  # forgets the one used longest ago
    table[sizes[-1]]
    table[sizes[0]]
    assert made == [*sizes, Size(64, 64), sizes[0]]
