"""int8 files: calibrated on images as the estimator sees them, run as any other, and refused where they cannot be."""

import json
import logging
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from depth_node.checkpoint import load_checkpoint, save_checkpoint
from depth_node.estimator import DepthEstimator
from depth_node.exported import load_exported
from depth_node.model import NETWORKS, ConvSame, InvertedResidual, ModelConfig, build_model
from depth_node.plan import network_input
from depth_node_training import export, export_int8
from depth_node_training.export_check import Difference, check_images, spread
from depth_node_training.export_formats import Form
from depth_node_training.export_int8 import calibration_input, calibration_inputs, heads
from msg_tools.camera import Intrinsics, Size
from msg_tools.errors import BackendError

CONFIG = ModelConfig(name='small', height=64, width=96, focal_px=70.0)
SIZE = Size(128, 192)


class Small(nn.Module):
    """A network with what the one that ships is made of: few layers, since each costs time when it is calibrated."""

    def __init__(self, config):
        super().__init__()
        self.layers = nn.Sequential(ConvSame(3, 16, 3, stride=2), InvertedResidual(16, 16, 1, 2), ConvSame(16, 16, 1))
        self.depth, self.scale = (nn.Conv2d(16, 1, 1) for _ in range(2))
        with torch.no_grad():
            self.depth.weight *= 5

    def forward(self, rgb):
        x = self.layers((rgb - 128) / 128)
        return self.depth(x) + 2.5, self.scale(x).clamp(-5, 1.5) - 1


@pytest.fixture(scope='module', autouse=True)
def small():
    NETWORKS['small'] = Small
    yield
    del NETWORKS['small']


@pytest.fixture(scope='module')
def pictures(tmp_path_factory):
    """Return a folder of five pictures with edges and texture."""
    folder = tmp_path_factory.mktemp('images')
    rng = np.random.default_rng(0)
    for i in range(5):
        rgb = rng.normal(0, 20, (*SIZE.shape, 3)) + np.linspace(200, 40, SIZE.height)[:, None, None]
        rgb[30 + 8 * i : 90, 60:120] = (20, 30, 220)
        cv2.imwrite(str(folder / f'{i}.png'), np.clip(rgb, 0, 255).astype(np.uint8))
    return folder


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    """Return a checkpoint whose depths depend on the image."""
    torch.manual_seed(1)
    path = tmp_path_factory.mktemp('weights') / 'best.safetensors'
    save_checkpoint(path, build_model(CONFIG), CONFIG, {})
    return path


@pytest.fixture(scope='module')
def int8(checkpoint, pictures, tmp_path_factory):
    """Return a function that exports in int8 once by the command: `int8('--fixed')` is the file."""
    pytest.importorskip('openvino')
    pytest.importorskip('nncf')
    made = {}

    def run(*options):
        if options not in made:
            path = tmp_path_factory.mktemp('int8') / 'net.xml'
            arguments = [str(checkpoint), str(path), '--int8', '--images', str(pictures), '--fx', '140', *options]
            assert export.main(arguments) == 0
            made[options] = path
        return made[options]

    return run


def camera(size=SIZE):
    return Intrinsics(140.0, 140.0, size.width / 2, size.height / 2, size)


def test_an_int8_file_runs_in_the_estimator_as_any_other(int8, checkpoint, pictures):
    run, wanted = (DepthEstimator.from_checkpoint(item, 'cpu', backend, 1)
                   for item, backend in ((int8(), 'auto'), (checkpoint, 'torch')))
    assert run.model == CONFIG
    assert run.fixed_size is None
    rgb = check_images([pictures])[0]
    for image in (rgb, rgb[:96].copy()):
        size = Size(*image.shape[:2])
        got, want = run(image, camera(size)).depth_m, wanted(image, camera(size)).depth_m
        assert np.ptp(np.log(want)) > 0.1
        assert np.abs(np.log(got / want)).mean() < 0.03
        assert (got != want).any()


def test_its_layers_are_int8_but_for_the_heads(int8):
    """As OpenVINO compiled them, and not only as the file asks."""
    backend = load_exported(int8(), 'cpu', threads=1).backend
    request = backend.requests[Size(64, 96)]
    layers = [op.get_rt_info() for op in request.get_compiled_model().get_runtime_model().get_ops()]
    kinds = [info['runtimePrecision'].astype(str) for info in layers if info['layerType'].astype(str) == 'Convolution']
    assert len(kinds) - kinds.count('f32') == 5
    assert kinds.count('f32') <= 2  # log depth and log scale, which OpenVINO may run as one
    assert set(kinds) <= {'f32', 'u8', 'i8'}


def test_its_weights_have_seven_bits(int8):
    """Without VNNI two products are added in 16 bits: 2 * 255 * 63 = 32,130 fits; with 127 a sky came nearer.

    Depthwise layers (5 dimensions) add nothing over channels.
    """
    from depth_node.backends.openvino_backend import read_graph

    graph = read_graph(int8())[0]
    weights = [op.data for op in graph.get_ops()
               if op.get_type_name() == 'Constant' and op.get_element_type().to_string() == 'i8']
    assert len(weights) == 5
    assert [np.abs(item.astype(int)).max() for item in weights if item.ndim == 4] == [63] * 4


def test_its_header_says_what_it_is(int8):
    about = load_exported(int8(), 'cpu').metadata['export']
    assert about == {'format': 'openvino', 'torch': torch.__version__, 'fixed': False, 'half': False, 'int8': True,
                     'calibration_images': 5}


def test_it_can_be_of_one_size(int8, pictures):
    run = DepthEstimator.from_checkpoint(int8('--fixed', '--size', '96x64'), 'cpu')
    assert run.fixed_size == Size(96, 64)
    assert run(check_images([pictures])[0], camera()).depth_m.shape == SIZE.shape


def test_it_can_be_checked_in_the_same_command_with_formats_that_are_not(checkpoint, pictures, tmp_path, capsys):
    pytest.importorskip('nncf')
    arguments = [str(checkpoint), str(tmp_path), '--format', 'openvino', 'torchscript', '--int8', '--json',
                 '--images', str(pictures)]
    assert export.main(arguments) == 0
    out = capsys.readouterr().out
    assert len(out.splitlines()) == 1  # NNCF's bars are not there
    files = json.loads(out)['files']
    assert [(item['int8'], item['tolerance']) for item in files] == [(True, export.INT8_TOLERANCE), (False, 1e-3)]
    assert files[0]['depth_mean'] > files[1]['depth_mean']


def test_nncf_tells_nobody():
    """It has OpenVINO's telemetry, which is off."""
    pytest.importorskip('nncf')
    code = """if True:
        import sys
        from depth_node_training.export_int8 import library
        library()
        from nncf.telemetry import wrapper
        print(isinstance(wrapper.telemetry, wrapper.NNCFTelemetry), sys.modules['openvino_telemetry'])
    """
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout == 'False None\n'


def test_without_nncf_the_extra_is_named(checkpoint, pictures, tmp_path, monkeypatch, capsys):
    pytest.importorskip('openvino')
    monkeypatch.setitem(sys.modules, 'nncf', None)
    assert export.main([str(checkpoint), str(tmp_path / 'x.xml'), '--int8', '--images', str(pictures)]) == 1
    assert "expected NNCF for int8" in (error := capsys.readouterr().err)
    assert "pip install 'depth_node[int8]'" in error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(('options', 'said'), [
    (['--int8'], 'expected --images with --int8, got none; give images of what the robot sees'),
    (['--int8', '--half'], 'expected --half or --int8, got both'),
    (['--int8', '--format', 'onnx'], 'expected --int8 with format openvino, got onnx; leave it out'),
    (['--fx', '100'], 'expected --fx with --int8'),
    (['--int8', '--images', 'x.png', '--fx', '0'], 'expected --fx with --int8, greater than 0 px, got 0.0'),
])
def test_options_that_do_not_go_together(checkpoint, tmp_path, capsys, options, said):
    formats = [] if '--format' in options else ['--format', 'openvino']
    assert export.main([str(checkpoint), str(tmp_path), *formats, *options]) == 1
    assert said in capsys.readouterr().err


def test_a_file_that_is_far_from_torch_in_the_mean_is_not_written(checkpoint, pictures, tmp_path, capsys):
    pytest.importorskip('nncf')
    arguments = [str(checkpoint), str(tmp_path / 'x.xml'), '--int8', '--images', str(pictures), '--tolerance', '1e-6']
    assert export.main(arguments) == 1
    assert 'expected depth and confidence in the mean within 1e-06 of what torch says' in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(('calibration', 'refused'), [((), True), (['an input'], False)])
def test_single_pixels_count_but_for_int8(tmp_path, calibration, refused):
    difference = Difference(depth_max=0.5, depth_median=0.01, confidence_max=0.3, depth_mean=0.02, confidence_mean=0.03)
    form = Form(calibration=calibration)
    export.require_near(tmp_path, difference, form, 0.51)
    if refused:
        with pytest.raises(export.ExportError, match=r'confidence within 0\.04 of what torch says, got .* of 0\.5 '):
            export.require_near(tmp_path, difference, form, 0.04)
    else:
        export.require_near(tmp_path, difference, form, 0.04)
    with pytest.raises(export.ExportError, match='not written'):
        export.require_near(tmp_path, difference, form, 0.025)


def test_inputs_are_what_the_estimator_gives_the_network(pictures):
    rgb = check_images([pictures])[0]
    run = DepthEstimator(None, CONFIG, 'none')
    half = calibration_input(rgb, 140.0, CONFIG, None)  # since 140 px is twice the focal length that it knows
    assert half.shape == (64, 96, 3)
    np.testing.assert_array_equal(half, network_input(rgb, run.plan(SIZE, camera())))
    assert calibration_input(rgb, 280.0, CONFIG, None).shape == (32, 64, 3)  # a quarter, or nearly: 1.2 times magnified
    assert calibration_input(rgb, None, CONFIG, None).shape == (64, 96, 3)  # the field of view of the training
    assert calibration_input(rgb, 140.0, CONFIG, Size(64, 64)).shape == (64, 64, 3)


def test_an_unknown_focal_length_is_no_warning_for_each_image(pictures, caplog):
    with caplog.at_level(logging.WARNING):
        inputs = calibration_inputs(sorted(pictures.iterdir()), None, CONFIG, None)
    assert not caplog.records
    assert [item.shape for item in inputs] == [(1, 64, 96, 3)] * 5
    assert {item.dtype for item in inputs} == {np.dtype(np.uint8)}


@pytest.mark.parametrize(('count', 'most', 'wanted'), [
    (3, 5, [0, 1, 2]), (5, 3, [0, 2, 4]), (9, 2, [0, 8]), (1, 4, [0]), (0, 4, []),
])
def test_of_many_images_some_are_taken_evenly(count, most, wanted):
    assert spread(list(range(count)), most) == wanted


def test_of_a_folder_with_many_images_enough_are_read(pictures, monkeypatch):
    monkeypatch.setattr(export_int8, 'ENOUGH', 2)
    assert len(calibration_inputs(sorted(pictures.iterdir()), None, CONFIG, None)) == 2
    assert len(check_images([pictures], 3)) == 3
    assert len(check_images([pictures])) == 5


def test_the_heads_are_the_last_convolutions(checkpoint):
    pytest.importorskip('openvino')
    from depth_node.backends.openvino_backend import converted

    names = heads(converted(load_checkpoint(checkpoint).model()))
    assert [name.split('/')[0] for name in names] == ['__module.model.depth', '__module.model.scale']


def test_what_nncf_cannot_do_is_told_as_ours(monkeypatch):
    pytest.importorskip('nncf')
    with pytest.raises(BackendError, match=r'NNCF [\d.]+ cannot quantise this network'):
        export_int8.quantised('no graph', [])
