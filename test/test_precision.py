"""Precisions: each is what was asked for, or refused with what to do; never fp32 under another name."""

from dataclasses import fields

import numpy as np
import pytest
import torch

from depth_node import backends
from depth_node.backends.precision import PRECISIONS, require_fp32, require_precision
from depth_node.backends.torch_backend import TorchBackend
from depth_node.checkpoint import save_checkpoint
from depth_node.config import NodeConfig
from depth_node.estimator import DepthEstimator
from depth_node.model import ModelConfig, build_model
from depth_node.predict import main as predict
from depth_node_training.evaluate_predictors import load_estimator
from msg_tools.camera import Size
from msg_tools.errors import BackendError

SIZE = Size(64, 96)


class Third(torch.nn.Module):
    """A layer whose log depth is a third of a byte of the image (with a bias of 0), which binary numbers only near."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Conv2d(3, 2, 2, 2)
        with torch.no_grad():
            self.layer.weight.zero_()
            self.layer.weight[0, 0, 0, 0] = 1 / 3
            self.layer.bias.zero_()

    def forward(self, rgb):
        maps = self.layer(rgb)
        return maps[:, :1], maps[:, 1:]


def of_ones(**options):
    """Return what the layer says of bytes of 1, and how it is described."""
    backend = backends.choose(Third(), SIZE, 'cpu', **options).backend
    log_depth, log_scale = backend(np.ones((*SIZE.shape, 3), np.uint8))
    assert log_depth.dtype == log_scale.dtype == np.float32
    assert np.ptp(log_depth) == 0
    return float(log_depth[0, 0]), backend.description


@pytest.mark.parametrize(('precision', 'third'), [
    ('auto', 0.33333334),  # 24 bits
    ('fp32', 0.33333334),
    ('bf16', 0.33398438),  # 8 bits: 171 / 512
    ('fp16', 0.33325195),  # 11 bits: 1365 / 4096
])
def test_a_third_has_the_digits_of_its_precision_in_torch(precision, third):
    value, description = of_ones(backend='torch', precision=precision)
    assert value == pytest.approx(third, abs=1e-8)
    assert description.endswith(f', {precision}') == (precision in ('bf16', 'fp16'))


@pytest.mark.parametrize('backend', ['openvino', 'onnxruntime'])
@pytest.mark.parametrize('precision', ['auto', 'fp32'])
def test_fp32_is_what_every_backend_has(backend, precision):
    pytest.importorskip({'openvino': 'openvino', 'onnxruntime': 'onnx'}[backend])
    assert of_ones(backend=backend, precision=precision)[0] == pytest.approx(1 / 3, abs=1e-7)


@pytest.mark.parametrize('precision', PRECISIONS)
def test_the_network_that_ships_says_nearly_the_same_in_each(precision, shipped):
    rgb = np.random.default_rng(0).integers(0, 256, (*SIZE.shape, 3), np.uint8)
    wanted = TorchBackend(shipped, 'cpu', 0)(rgb)
    for got, want in zip(TorchBackend(shipped, 'cpu', 0, precision)(rgb), wanted, strict=True):
        assert np.ptp(want) > 0.3
        assert np.abs(got - want).max() < {'bf16': 0.1, 'fp16': 0.01}.get(precision, 1e-6)


@pytest.fixture(scope='module')
def shipped():
    from depth_node.checkpoint import default_checkpoint, load_checkpoint

    return load_checkpoint(default_checkpoint()).model()


def test_onnxruntime_refuses_another_than_fp32():
    pytest.importorskip('onnx')
    with pytest.raises(BackendError, match='ONNX Runtime: expected precision auto or fp32, got bf16; leave it at auto'):
        of_ones(backend='onnxruntime', precision='bf16')


@pytest.mark.parametrize('precision', ['fp64', '', 'int8'])
def test_an_unknown_precision_is_refused(precision):
    with pytest.raises(BackendError, match=f"expected a precision out of auto, fp32, bf16, fp16, got '{precision}'"):
        of_ones(backend='torch', precision=precision)
    with pytest.raises(BackendError, match='expected a precision'):
        require_precision(precision)


def test_what_runs_in_fp32_alone_says_so():
    require_fp32('auto', 'x')
    require_fp32('fp32', 'x')
    with pytest.raises(BackendError, match='x: expected precision auto or fp32, got fp16'):
        require_fp32('fp16', 'x')


@pytest.fixture
def openvino_backend():
    pytest.importorskip('openvino')
    from depth_node.backends import openvino_backend

    return openvino_backend


class Cpu:
    """OpenVINO's core on a CPU with these capabilities."""

    def __init__(self, core, capabilities):
        self.core, self.capabilities = core, capabilities

    def get_property(self, device, name):
        assert (device, name) == ('CPU', 'OPTIMIZATION_CAPABILITIES')
        return self.capabilities

    def __getattr__(self, name):
        return getattr(self.core, name)


@pytest.fixture
def cpu(openvino_backend, monkeypatch):
    """Return a function that makes this CPU one with other capabilities, as OpenVINO tells them."""
    core = openvino_backend.core()
    return lambda *names: monkeypatch.setattr(openvino_backend, 'core', lambda: Cpu(core, ['INT8', 'FP32', *names]))


def test_the_cpus_precisions_are_known(openvino_backend, cpu):
    assert set(openvino_backend.precisions()) >= {'fp32'}
    cpu()
    assert openvino_backend.precisions() == ['fp32']
    cpu('BF16', 'FP16')
    assert openvino_backend.precisions() == ['fp32', 'bf16', 'fp16']


@pytest.mark.parametrize(('precision', 'others', 'has'), [('bf16', ('FP16',), 'fp32, fp16'), ('fp16', (), 'fp32')])
def test_openvino_refuses_what_the_cpu_lacks_before_it_converts(cpu, precision, others, has):
    """It would compute in fp32 without a word."""
    cpu(*others)
    network = backends.Network(lambda: pytest.fail('converted'))
    said = rf'expected a precision that this CPU has \({has}\), got {precision}; use auto or fp32, or an int8 file'
    for backend in ('openvino', 'auto'):  # auto: not torch instead, which is slower than in fp32
        with pytest.raises(BackendError, match=said):
            backends.choose(network, SIZE, 'cpu', backend, precision=precision)


@pytest.mark.parametrize(('precision', 'hint'), [('auto', 'f32'), ('fp32', 'f32'), ('bf16', 'bf16'), ('fp16', 'f16')])
def test_the_precision_reaches_the_compiled_network(openvino_backend, precision, hint, monkeypatch):
    """Where the CPU has it; elsewhere what was compiled in fp32 is refused, even if the CPU had been thought to."""
    has = precision in ('auto', *openvino_backend.precisions())
    monkeypatch.setattr(openvino_backend, 'precisions', lambda: ['fp32', 'bf16', 'fp16'])
    backend = openvino_backend.OpenvinoBackend(openvino_backend.converted(Third()), 1, precision)
    assert backend.settings[openvino_backend.HINT] == hint
    if not has:
        with pytest.raises(BackendError, match=f'expected a network in {hint}, got one in f32; use precision auto'):
            backend(np.ones((*SIZE.shape, 3), np.uint8))
        return
    compiled = backend.requests[SIZE].get_compiled_model()
    assert compiled.get_property(openvino_backend.HINT).to_string() == hint
    assert backend.description.endswith(f', {precision}') == (precision in ('bf16', 'fp16'))


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    config = ModelConfig(height=64, width=96, focal_px=70.0, decoder=(8, 8, 8, 8))
    path = tmp_path_factory.mktemp('weights') / 'best.safetensors'
    save_checkpoint(path, build_model(config), config, {})
    return path


def test_the_estimator_takes_a_precision(checkpoint, cpu):
    cpu()
    assert 'fp16' in DepthEstimator.from_checkpoint(checkpoint, 'cpu', 'torch', 1, 'fp16').description
    with pytest.raises(BackendError, match='expected a precision that this CPU has'):
        DepthEstimator.from_checkpoint(checkpoint, 'cpu', precision='bf16')


def test_an_exported_file_takes_a_precision_where_its_library_does(checkpoint, cpu, tmp_path):
    from depth_node_training import export

    assert export.main([str(checkpoint), str(tmp_path), '--format', 'openvino', 'torchscript']) == 0
    cpu()
    assert DepthEstimator.from_checkpoint(tmp_path / 'best.xml', precision='fp32')
    with pytest.raises(BackendError, match='expected a precision that this CPU has'):
        DepthEstimator.from_checkpoint(tmp_path / 'best.xml', precision='fp16')
    with pytest.raises(BackendError, match=r'best\.torchscript\.pt \(torch\): expected precision auto or fp32'):
        DepthEstimator.from_checkpoint(tmp_path / 'best.torchscript.pt', 'cpu', precision='fp16')


def test_the_nodes_setting_is_the_backends():
    (item,) = [item for item in fields(NodeConfig) if item.name == 'precision']
    assert item.metadata['choices'] == PRECISIONS
    assert (item.default, item.metadata['live']) == ('auto', False)


def test_the_commands_hand_it_on(checkpoint, tmp_path, capsys):
    pytest.importorskip('onnx')
    arguments = [str(tmp_path / 'x.png'), '--out', str(tmp_path), '--checkpoint', str(checkpoint), '--fx', '70']
    (tmp_path / 'x.png').write_bytes(b'')
    assert predict([*arguments, '--device', 'cpu', '--backend', 'onnxruntime', '--precision', 'bf16']) == 1
    assert 'expected precision auto or fp32, got bf16' in capsys.readouterr().err
    with pytest.raises(BackendError, match='expected precision auto or fp32, got bf16'):
        load_estimator(str(checkpoint), 'cpu', 'onnxruntime', 'bf16')
