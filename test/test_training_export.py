"""depth_export: what it writes runs as the checkpoint does, brings all that is needed, and bad files are told apart."""

import json
import shutil
import sys
import zipfile
from contextlib import nullcontext
from importlib import import_module
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from depth_node.checkpoint import save_checkpoint
from depth_node.estimator import DepthEstimator
from depth_node.exported import load_exported
from depth_node.header import KEY
from depth_node.model import NETWORKS, ModelConfig, build_model
from depth_node.predict import main as predict
from depth_node_training import export, export_formats
from depth_node_training.export_check import check_images, compare, sizes_to_check
from msg_tools.camera import Intrinsics, Size
from msg_tools.errors import BackendError, CheckpointError, ConfigError, ImageError

CONFIG = ModelConfig(name='tiny', height=64, width=96, focal_px=70.0)
SIZE = Size(128, 192)
CAMERA = Intrinsics(140.0, 140.0, 96.0, 64.0, SIZE)
NEEDS = {'onnx': 'onnx', 'openvino': 'openvino', 'torchscript': 'torch'}
LIBRARIES = {'onnx': 'onnxruntime', 'openvino': 'openvino', 'torchscript': 'torch'}


class Tiny(nn.Module):
    """The smallest network that has what real ones have: strides, a skip, an upsampling to the size of another map."""

    def __init__(self, config):
        super().__init__()
        self.down = nn.Conv2d(3, 8, 3, 2, 1)
        self.deep = nn.Sequential(nn.Conv2d(8, 8, 3, 4, 1), nn.BatchNorm2d(8), nn.ReLU())
        self.head = nn.Conv2d(8, 2, 3, 1, 1)

    def forward(self, rgb):
        half = self.down(rgb / 255)
        wide = nn.functional.interpolate(self.deep(half), size=half.shape[-2:], mode='bilinear', align_corners=False)
        maps = self.head(half + wide)
        return maps[:, :1] + 2.5, maps[:, 1:].clamp(-5, 1.5) - 1.0


@pytest.fixture(scope='module', autouse=True)
def tiny():
    NETWORKS['tiny'] = Tiny
    yield
    del NETWORKS['tiny']


@pytest.fixture(scope='module')
def picture(tmp_path_factory):
    """Return an image file with edges and texture."""
    import cv2

    rgb = np.random.default_rng(0).normal(0, 20, (*SIZE.shape, 3)) + np.linspace(200, 40, SIZE.height)[:, None, None]
    rgb[40:90, 60:120] = (20, 30, 220)
    path = tmp_path_factory.mktemp('images') / 'street.png'
    cv2.imwrite(str(path), np.clip(rgb, 0, 255).astype(np.uint8))
    return path


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    """Return a checkpoint of the tiny network."""
    torch.manual_seed(5)
    path = tmp_path_factory.mktemp('weights') / 'best.safetensors'
    save_checkpoint(path, build_model(CONFIG), CONFIG, {'training': {'steps': 7}})
    return path


@pytest.fixture(scope='module')
def exported(checkpoint, picture, tmp_path_factory):
    """Return a function that exports once by the command: `exported('onnx', '--fixed')` is the file."""
    made = {}

    def run(name, *options):
        if (name, options) not in made:
            pytest.importorskip(NEEDS[name])
            folder = tmp_path_factory.mktemp(name)
            arguments = [str(checkpoint), str(folder), '--format', name, '--images', str(picture), *options]
            assert export.main(arguments) == 0
            made[name, options] = folder / f'best{export_formats.FORMATS[name].suffix}'
        return made[name, options]

    return run


def image(size=SIZE, seed=1):
    return np.random.default_rng(seed).integers(0, 256, (*size.shape, 3), np.uint8)


@pytest.mark.parametrize('name', NEEDS)
def test_the_estimator_takes_an_exported_file_for_a_checkpoint(exported, checkpoint, name):
    path = exported(name)
    run, wanted = (DepthEstimator.from_checkpoint(item, 'cpu', backend, 1)
                   for item, backend in ((path, 'auto'), (checkpoint, 'torch')))
    assert run.model == CONFIG
    assert run.fixed_size is None
    assert path.name in run.description
    for size in (SIZE, Size(256, 192)):
        camera = Intrinsics(140.0, 140.0, 96.0, 64.0, size)
        got, want = run(image(size), camera), wanted(image(size), camera)
        assert np.ptp(want.depth_m) > 1.0
        np.testing.assert_allclose(got.depth_m, want.depth_m, rtol=1e-4)
        np.testing.assert_allclose(got.confidence, want.confidence, atol=1e-4)


@pytest.mark.parametrize('name', NEEDS)
def test_what_is_known_of_the_network_is_in_the_file(exported, name):
    found = load_exported(exported(name), 'cpu')
    assert found.model_config == CONFIG
    assert found.metadata['training'] == {'steps': 7}
    assert found.metadata['export'] == {'format': name, 'fixed': False, 'half': False, 'torch': torch.__version__}


@pytest.mark.parametrize('name', NEEDS)
def test_one_input_size_alone_takes_every_camera(exported, checkpoint, name):
    """The image lies in the middle of the input, so what is cut out of the answer is what was put in."""
    run = DepthEstimator.from_checkpoint(exported(name, '--fixed', '--size', '96x64'), 'cpu')
    assert run.fixed_size == Size(96, 64)
    plain = DepthEstimator.from_checkpoint(checkpoint, 'cpu', 'torch')
    plain.fixed_size = run.fixed_size
    for size, focal in ((SIZE, 140.0), (Size(100, 60), 70.0), (Size(375, 1242), 721.5)):
        camera = Intrinsics(focal, focal, size.width / 2, size.height / 2, size)
        got, want = run(image(size), camera), plain(image(size), camera)
        assert got.depth_m.shape == got.confidence.shape == size.shape
        np.testing.assert_allclose(got.depth_m, want.depth_m, rtol=1e-4)


def test_a_graph_of_one_size_refuses_another(exported):
    backend = load_exported(exported('onnx', '--fixed', '--size', '96x64'), 'cpu').backend
    with pytest.raises(BackendError, match='ONNX Runtime failed'):
        backend(image(Size(64, 96)))


def test_weights_in_half_precision_are_half_the_size_and_say_nearly_the_same(exported):
    whole, half = (exported('openvino', *options).with_suffix('.bin').stat().st_size for options in ((), ('--half',)))
    assert half < 0.7 * whole
    assert load_exported(exported('openvino', '--half')).metadata['export']['half'] is True


def test_the_command_says_how_far_each_file_is_from_torch(checkpoint, picture, tmp_path, capsys):
    pytest.importorskip('onnx')
    arguments = [str(checkpoint), str(tmp_path), '--format', 'onnx', 'torchscript', '--images', str(picture.parent)]
    assert export.main([*arguments, '--json']) == 0
    result = json.loads(capsys.readouterr().out)
    assert result['images'] == 1
    assert [item['format'] for item in result['files']] == ['onnx', 'torchscript']
    for item in result['files']:
        assert 0 <= item['depth_median'] <= item['depth_max'] < 1e-3
        assert item['size'] == 'any'
    assert export.main(arguments) == 0
    assert 'largest difference' in capsys.readouterr().out


def test_a_file_that_differs_from_torch_is_not_written_over_a_good_one(checkpoint, picture, tmp_path, monkeypatch,
                                                                      capsys):
    target = tmp_path / 'net.torchscript.pt'
    target.write_text('the old file')

    def other_weights(model, path, header, form):
        with torch.no_grad():
            model.head.bias += 0.01  # of log depth: 1 %
        export_formats.write_torchscript(model, path, header, form)

    bad = export_formats.Format('.torchscript.pt', other_weights, 1e-3)
    monkeypatch.setitem(export_formats.FORMATS, 'torchscript', bad)
    monkeypatch.setattr(export, 'compare', lambda backend, model, *rest: compare(backend, fresh(checkpoint), *rest))
    assert export.main([str(checkpoint), str(target), '--images', str(picture)]) == 1
    error = capsys.readouterr().err
    assert 'expected depth and confidence within 0.001 of what torch says, got differences of 0.01' in error
    assert [path.name for path in tmp_path.iterdir()] == ['net.torchscript.pt']
    assert target.read_text() == 'the old file'
    assert export.main([str(checkpoint), str(target), '--images', str(picture), '--tolerance', '0.02']) == 0
    assert target.read_bytes()[:2] == b'PK'


def test_a_file_of_another_confidence_is_not_written(checkpoint, picture, tmp_path, monkeypatch, capsys):
    def other_scale(model, path, header, form):
        with torch.no_grad():
            model.head.bias[1] += 0.1
        export_formats.write_torchscript(model, path, header, form)
        with torch.no_grad():
            model.head.bias[1] -= 0.1

    bad = export_formats.Format('.torchscript.pt', other_scale, 1e-3)
    monkeypatch.setitem(export_formats.FORMATS, 'torchscript', bad)
    assert export.main([str(checkpoint), str(tmp_path / 'x.torchscript.pt'), '--images', str(picture)]) == 1
    assert 'not written' in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_torchscript_is_checked_on_the_cpu_beside_a_gpu(checkpoint, picture, tmp_path, monkeypatch):
    """CUDA's convolutions have products of 10 bits by default, which is more than the tolerance."""
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    assert export.main([str(checkpoint), str(tmp_path / 'x.torchscript.pt'), '--images', str(picture)]) == 0


def fresh(path):
    from depth_node.checkpoint import load_checkpoint

    return load_checkpoint(path).model()


def test_differences_are_relative_and_by_hand():
    class Flat:
        description = 'flat'

        def __call__(self, rgb):
            shape = rgb.shape[0] // 2, rgb.shape[1] // 2
            log_depth = np.full(shape, np.log(11.0), np.float32)
            log_depth[0, 0] = np.log(12.0)
            return log_depth, np.full(shape, np.log(0.2), np.float32)

    class Wall(nn.Module):
        def forward(self, rgb):
            half = torch.zeros_like(rgb[:, :1, ::2, ::2])
            return half + np.log(10.0), half + np.log(0.1)

    found = compare(Flat(), Wall(), [image()], [Size(32, 64)])
    assert found.depth_max == pytest.approx(0.2, rel=1e-5)
    assert found.depth_median == pytest.approx(0.1, rel=1e-5)
    probability = [1 - np.exp(-np.log(1.25) / b) for b in (0.1, 0.2)]  # Laplace
    assert found.confidence_max == pytest.approx(probability[0] - probability[1], rel=1e-5)


def test_a_network_of_any_size_is_checked_at_another_one_too():
    assert sizes_to_check(Size(192, 640), fixed=True) == [Size(192, 640)]
    assert sizes_to_check(Size(192, 640), fixed=False) == [Size(192, 640), Size(224, 320)]
    assert sizes_to_check(Size(32, 32), fixed=False) == [Size(32, 32), Size(64, 32)]


def test_without_images_a_street_is_drawn():
    (street,) = check_images([])
    assert street.shape == (188, 621, 3)
    assert street.std() > 30


@pytest.mark.parametrize(('out', 'formats', 'wanted'), [
    ('x.onnx', [], {'onnx': 'x.onnx'}),
    ('x.onnx', ['onnx'], {'onnx': 'x.onnx'}),
    ('x.torchscript.pt', [], {'torchscript': 'x.torchscript.pt'}),
    ('out', ['onnx', 'openvino'], {'onnx': 'out/best.onnx', 'openvino': 'out/best.xml'}),
])
def test_files_are_named_after_the_checkpoint_or_as_asked(tmp_path, out, formats, wanted):
    got = export.targets(tmp_path / out, 'runs/first/best.safetensors', formats)
    assert got == {name: tmp_path / path for name, path in wanted.items()}


@pytest.mark.parametrize(('out', 'formats'), [('x.onnx', ['openvino']), ('out', []), ('x.onnx', ['onnx', 'openvino'])])
def test_a_file_name_that_fits_no_format_is_refused(tmp_path, out, formats):
    with pytest.raises(ConfigError, match='expected a folder and --format'):
        export.targets(tmp_path / out, 'best.safetensors', formats)


@pytest.mark.parametrize(('options', 'said'), [
    (['--size', '100x640'], "multiples of 32 px, got '100x640'"),
    (['--size', 'big'], 'expected a size as HxW'),
    (['--half'], 'expected --half with format openvino'),
    (['--tolerance', 'nan'], 'expected --tolerance of 0 or more'),
    (['--images', 'nothing.png'], 'nothing.png: expected an image'),
])
def test_wrong_options_are_one_line(checkpoint, tmp_path, capsys, options, said):
    assert export.main([str(checkpoint), str(tmp_path / 'x.onnx'), *options]) == 1
    assert said in capsys.readouterr().err


def test_a_folder_without_images_is_named(tmp_path):
    with pytest.raises(ImageError, match='expected a folder with images'):
        check_images([tmp_path])


def test_tensorrt_that_is_not_installed_says_how_to_get_it(checkpoint, picture, tmp_path, capsys):
    pytest.importorskip('onnx')
    try:
        import tensorrt  # noqa: F401
    except ImportError:
        arguments = [str(checkpoint), str(tmp_path / 'x.engine'), '--images', str(picture)]
        assert export.main(arguments) == 1
        assert 'pip install tensorrt' in capsys.readouterr().err
        assert list(tmp_path.iterdir()) == []
    else:
        pytest.skip('it is installed')


@pytest.fixture
def tensorrt_backend(monkeypatch):
    """Return the module as it is where TensorRT is installed and there is no GPU."""
    monkeypatch.setitem(sys.modules, 'tensorrt', ModuleType('tensorrt'))
    monkeypatch.delitem(sys.modules, 'depth_node.backends.tensorrt_backend', raising=False)
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    yield import_module('depth_node.backends.tensorrt_backend')
    sys.modules.pop('depth_node.backends.tensorrt_backend')


def test_the_header_lies_before_an_engine(tensorrt_backend, tmp_path):
    path = tmp_path / 'x.engine'
    path.write_bytes(tensorrt_backend.with_header('{"é": 1}', b'engine'))
    assert path.read_bytes()[:4] == b'\x09\x00\x00\x00'  # in UTF-8
    assert tensorrt_backend.read_engine(path) == ('{"é": 1}', b'engine')
    path.write_bytes(b'an engine of another program')
    assert tensorrt_backend.read_engine(path)[0] is None


def test_an_engine_is_refused_where_there_is_no_gpu_or_no_header(tensorrt_backend, tmp_path):
    path = tmp_path / 'x.engine'
    header = {'format': 1, 'model': CONFIG.to_dict(), 'export': {'fixed': True, 'height': 64, 'width': 96}}
    path.write_bytes(tensorrt_backend.with_header(json.dumps(header), b'engine'))
    with pytest.raises(BackendError, match='expected a CUDA device'):
        DepthEstimator.from_checkpoint(path)
    path.write_bytes(b'an engine of another program')
    with pytest.raises(CheckpointError, match='expected our header'):
        DepthEstimator.from_checkpoint(path)


class FakeEngine:
    """An engine's inputs and outputs, as TensorRT 10 tells them."""

    def __init__(self, **tensors):
        self.tensors = tensors
        self.num_io_tensors = len(tensors)

    def get_tensor_name(self, i):
        return list(self.tensors)[i]

    def get_tensor_dtype(self, name):
        return SimpleNamespace(name=self.tensors[name][0])

    def get_tensor_shape(self, name):
        return self.tensors[name][1]


@pytest.mark.parametrize('change', [
    {}, {'rgb': ('UINT8', (1, 640, 960, 3))}, {'rgb': ('FLOAT', (1, 64, 96, 3))},
    {'log_depth': ('HALF', (1, 1, 32, 48))}, {'another': ('FLOAT', (1,))},
])
def test_an_engine_that_would_read_other_memory_than_its_header_says_is_refused(tensorrt_backend, tmp_path, change):
    right = {'rgb': ('UINT8', (1, 64, 96, 3)), **dict.fromkeys(('log_depth', 'log_scale'), ('FLOAT', (1, 1, 32, 48)))}
    engine = FakeEngine(**{**right, **change})
    with pytest.raises(CheckpointError, match='changed after depth_export') if change else nullcontext():
        tensorrt_backend.require_interface(tmp_path / 'x.engine', engine, Size(64, 96))


@pytest.mark.gpu
def test_tensorrt_says_what_torch_says(checkpoint, picture, tmp_path):
    pytest.importorskip('tensorrt')
    target = tmp_path / 'x.engine'
    assert export.main([str(checkpoint), str(target), '--images', str(picture)]) == 0
    assert DepthEstimator.from_checkpoint(target)(image(), CAMERA).depth_m.shape == SIZE.shape


def test_nothing_but_a_cast_touches_the_bytes_of_an_onnx_graph(exported):
    """TensorRT refuses a graph that transposes or scales uint8."""
    onnx = pytest.importorskip('onnx')
    graph = onnx.load(exported('onnx')).graph
    assert [node.op_type for node in graph.node if 'rgb' in node.input] == ['Cast']


def test_depth_predict_runs_an_exported_file(exported, picture, tmp_path):
    path = exported('onnx')
    assert predict([str(picture), '--out', str(tmp_path), '--fx', '140', '--checkpoint', str(path)]) == 0
    assert [item.name for item in tmp_path.iterdir()] == ['street.png']


def test_a_network_of_another_paper_is_exported(tmp_path, picture):
    """Its checkpoint does not run in the node; what depth_export makes of it does."""
    pytest.importorskip('openvino')
    config = ModelConfig(name='fastdepth', height=64, width=96, focal_px=70.0)
    save_checkpoint(tmp_path / 'peer.safetensors', build_model(config), config, {})
    target = tmp_path / 'peer.xml'
    assert export.main([str(tmp_path / 'peer.safetensors'), str(target), '--images', str(picture)]) == 0
    assert DepthEstimator.from_checkpoint(target).model.name == 'fastdepth'


def test_no_such_file(tmp_path):
    with pytest.raises(CheckpointError, match=r'x\.onnx: expected a file that depth_export made.*no such file'):
        DepthEstimator.from_checkpoint(tmp_path / 'x.onnx')


@pytest.mark.parametrize('name', NEEDS)
@pytest.mark.parametrize('part', [0.0, 0.5, 0.99])
def test_a_file_that_was_cut_short(exported, tmp_path, name, part):
    for file in exported(name).parent.glob('best*'):
        shutil.copy(file, tmp_path)
    path = tmp_path / exported(name).name
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])
    with pytest.raises(CheckpointError, match='cut short'):
        DepthEstimator.from_checkpoint(path, 'cpu')


def test_weights_that_are_missing_or_cut_short(exported, tmp_path):
    path = tmp_path / 'net.xml'
    shutil.copy(exported('openvino'), path)
    with pytest.raises(CheckpointError, match=r'net\.xml: expected its weights beside it in net\.bin'):
        DepthEstimator.from_checkpoint(path)
    weights = exported('openvino').with_suffix('.bin').read_bytes()
    path.with_suffix('.bin').write_bytes(weights[: len(weights) // 2])
    with pytest.raises(CheckpointError, match='cut short'):
        DepthEstimator.from_checkpoint(path)


def test_weights_of_another_export_are_refused(exported, tmp_path):
    """They fit in size, and would give metres of nothing."""
    path = tmp_path / 'net.xml'
    shutil.copy(exported('openvino'), path)
    weights = bytearray(exported('openvino').with_suffix('.bin').read_bytes())
    weights[len(weights) // 2] ^= 1
    path.with_suffix('.bin').write_bytes(weights)
    with pytest.raises(CheckpointError, match=r'net\.xml: .* net\.bin of another export .* copy both files'):
        DepthEstimator.from_checkpoint(path)


def foreign(name, folder, header=None, model=None):
    """Write a graph as another program would, with or without a header like ours; return its file."""
    path = folder / f'x{export_formats.FORMATS[name].suffix}'
    export_formats.FORMATS[name].write(model or Tiny(CONFIG).eval(), path, header or 'none', export_formats.Form())
    if header is None and name == 'onnx':
        import onnx

        graph = onnx.load(path)
        del graph.metadata_props[:]
        onnx.save(graph, path)
    if header is None and name == 'openvino':
        path.write_text(path.read_text().replace(f'<{KEY} ', '<other '))
    if header is None and name == 'torchscript':
        with zipfile.ZipFile(path) as archive:
            files = {item: archive.read(item) for item in archive.namelist() if '/extra/' not in item}
        with zipfile.ZipFile(path, 'w') as archive:
            for item, data in files.items():
                archive.writestr(item, data)
    return path


@pytest.mark.parametrize('name', NEEDS)
def test_a_graph_of_another_program(tmp_path, name):
    pytest.importorskip(NEEDS[name])
    with pytest.raises(CheckpointError, match=r'expected our header of format 1.*got none; is it a network of'):
        load_exported(foreign(name, tmp_path), 'cpu')


@pytest.mark.parametrize('name', NEEDS)
def test_a_header_of_another_version(tmp_path, name):
    pytest.importorskip(NEEDS[name])
    header = json.dumps({'format': 99, 'model': CONFIG.to_dict()})
    with pytest.raises(CheckpointError, match='a header of another format'):
        load_exported(foreign(name, tmp_path, header), 'cpu')


@pytest.mark.parametrize('about', [None, [], 'x', {'fixed': True}, {'fixed': True, 'height': -64, 'width': -96},
                                   {'fixed': True, 'height': 64, 'width': 2**40}, {'fixed': True, 'height': 60,
                                                                                   'width': 96}])
def test_a_header_whose_one_size_is_none(tmp_path, about):
    header = json.dumps({'format': 1, 'model': CONFIG.to_dict(), 'export': about})
    with pytest.raises(CheckpointError, match=r'x\.torchscript\.pt: expected the one input size in its header'):
        load_exported(foreign('torchscript', tmp_path, header), 'cpu')


def test_a_header_of_an_impossible_network_names_the_file(tmp_path):
    header = json.dumps({'format': 1, 'model': {**CONFIG.to_dict(), 'focal_px': -1}})
    with pytest.raises(CheckpointError, match=r'x\.torchscript\.pt: expected a focal length > 0 px'):
        load_exported(foreign('torchscript', tmp_path, header), 'cpu')


def test_names_in_a_graph_that_are_no_text(exported, tmp_path):
    data = exported('onnx').read_bytes()
    assert data.count(KEY.encode()) == 1
    (tmp_path / 'x.onnx').write_bytes(data.replace(KEY.encode(), b'depth_n\xc9de'))
    with pytest.raises(CheckpointError, match=r'x\.onnx: expected a whole ONNX file'):
        load_exported(tmp_path / 'x.onnx')


@pytest.mark.parametrize(('name', 'byte'), [('onnx', 'uint8'), ('openvino', 'u8')])
def test_a_graph_of_one_size_whose_header_says_any(tmp_path, name, byte):
    pytest.importorskip(NEEDS[name])
    path = tmp_path / f'x{export_formats.FORMATS[name].suffix}'
    header = json.dumps({'format': 1, 'model': CONFIG.to_dict()})
    export_formats.FORMATS[name].write(Tiny(CONFIG).eval(), path, header, export_formats.Form(Size(64, 96)))
    said = rf'expected a graph from rgb {byte} \[1, -1, -1, 3\] to log_depth, log_scale, got one from rgb {byte} \[1, 6'
    with pytest.raises(CheckpointError, match=said):
        load_exported(path)


def test_a_graph_of_other_inputs(tmp_path):
    onnx = pytest.importorskip('onnx')
    path = foreign('onnx', tmp_path, json.dumps({'format': 1, 'model': CONFIG.to_dict()}))
    graph = onnx.load(path)
    graph.graph.input[0].name = 'image'
    for node in graph.graph.node:
        node.input[:] = ['image' if item == 'rgb' else item for item in node.input]
    onnx.save(graph, path)
    with pytest.raises(CheckpointError, match=r'expected a graph from rgb uint8 .*got one from image uint8'):
        load_exported(path)


def test_a_graph_whose_answer_is_of_another_size(tmp_path):
    class WholeSize(nn.Module):
        def forward(self, rgb):
            return rgb[:, :1], rgb[:, 1:2]

    header = json.dumps({'format': 1, 'model': CONFIG.to_dict()})
    with pytest.raises(BackendError, match=r'x\.torchscript\.pt: .*expected log_depth float32 \(32, 48\)'):
        load_exported(foreign('torchscript', tmp_path, header, WholeSize().eval()), 'cpu')


@pytest.mark.parametrize('name', NEEDS)
def test_a_file_brings_its_backend(exported, name):
    other = 'openvino' if name != 'openvino' else 'torch'
    with pytest.raises(BackendError, match=f'expected backend {LIBRARIES[name]} or auto, got {other}'):
        DepthEstimator.from_checkpoint(exported(name), 'cpu', other)


@pytest.mark.parametrize(('name', 'text'), [('onnx', 'ONNX Runtime that can use cuda'),
                                            ('openvino', 'expected device cpu or auto')])
def test_libraries_of_the_cpu_refuse_cuda(exported, name, text):
    with pytest.raises(BackendError, match=text):
        DepthEstimator.from_checkpoint(exported(name), 'cuda')


def test_a_full_disk_leaves_the_old_file(checkpoint, picture, tmp_path, monkeypatch, capsys):
    target = tmp_path / 'x.torchscript.pt'
    target.write_text('the old file')

    def full(*_):
        raise OSError(28, 'No space left on device')

    monkeypatch.setitem(export_formats.FORMATS, 'torchscript', export_formats.Format('.torchscript.pt', full, 1e-3))
    assert export.main([str(checkpoint), str(target), '--images', str(picture)]) == 1
    assert 'is the disk full?' in capsys.readouterr().err
    assert target.read_text() == 'the old file'
    assert len(list(tmp_path.iterdir())) == 1
