"""The files of a data set: layouts, intrinsics, settings, the sparse form, and the PNG by either encoder."""

import csv
import json

import cv2
import numpy as np
import pytest
from fixtures_kitti import write_tiny_drive
from fixtures_sources import FaultySource

from msg_tools import depth_png
from msg_tools.calibration_file import read_calibration
from msg_tools.camera import Intrinsics, Size
from msg_tools.camera_info import CameraModel
from msg_tools.depth_png import encode_depth_steps, read_depth_png, read_depth_steps
from msg_tools.errors import DepthPngError
from msg_tools.ground_truth import cli
from msg_tools.ground_truth.camera_files import intrinsics_text
from msg_tools.ground_truth.kitti_raw import KittiRawSource
from msg_tools.ground_truth.lens import Lens
from msg_tools.ground_truth.output import names_in, write_lens
from msg_tools.ground_truth.sparse import encode_sparse, read_sparse

STEPS = np.array([[0, 256, 0], [640, 0, 65535]], np.uint16)


def convert(*arguments: object) -> int:
    return cli.main([str(argument) for argument in arguments])


@pytest.fixture
def out(tmp_path):
    return tmp_path / 'out'


def test_intrinsics_are_nine_numbers_in_a_line(tiny_drive, out):
    assert convert(tiny_drive, out) == 0
    assert (out / 'intrinsics.txt').read_text() == (
        '50.000000 0.000000 47.500000 0.000000 50.000000 15.500000 0.000000 0.000000 1.000000\n')


def test_settings_say_what_was_done_and_from_what(tiny_drive, out):
    assert convert(tiny_drive, out, '--occlusion', '0.5m', '--camera', 3) == 0
    settings = json.loads((out / 'settings.json').read_text())
    assert (settings['occlusion'], settings['camera'], settings['source']) == ('0.5m', 3, str(tiny_drive))
    with (out / 'manifest.csv').open() as file:
        assert {row['settings'] for row in csv.DictReader(file)} == {settings['digest']}


def test_benchmark_layout_has_a_folder_for_each_drive(tiny_drive, out, capsys):
    assert convert(tiny_drive, out) == 0
    one = (out / 'depth/0000000002.png').read_bytes()
    assert convert(tiny_drive, out, '--layout', 'benchmark') == 0
    drive = out / tiny_drive.name
    assert sorted(path.name for path in drive.iterdir()) == [
        'image_02', 'intrinsics.txt', 'manifest.csv', 'proj_depth', 'settings.json']
    assert (drive / 'proj_depth/groundtruth/image_02/0000000002.png').read_bytes() == one
    assert (drive / 'image_02/data/0000000002.png').exists()
    capsys.readouterr()
    assert convert(tiny_drive, out, '--layout', 'benchmark') == 0
    assert '3 of them were there' in capsys.readouterr().out


def test_sparse_form_holds_the_pixels_of_the_map(tiny_drive, out):
    assert convert(tiny_drive, out, '--sparse') == 0
    sparse, depth_m = read_sparse(out / 'sparse/0000000001.npz'), read_depth_png(out / 'depth/0000000001.png')
    drawn = np.zeros(sparse.size.shape, np.float32)
    drawn[sparse.v, sparse.u] = sparse.depth_m
    assert np.array_equal(drawn, depth_m)


def test_sparse_form_by_hand(tmp_path):
    (tmp_path / 'a.npz').write_bytes(encode_sparse(STEPS))
    sparse = read_sparse(tmp_path / 'a.npz')
    assert (sparse.u.tolist(), sparse.v.tolist(), sparse.size) == ([1, 0, 2], [0, 1, 1], Size(2, 3))
    assert sparse.depth_m.tolist() == [1.0, 2.5, 65535 / 256]
    assert encode_sparse(STEPS) == encode_sparse(STEPS)  # no time of day in it


@pytest.mark.parametrize('data', [None, b'', b'PK', encode_sparse(STEPS)[:200]])
def test_broken_sparse_form(tmp_path, data):
    if data is not None:
        (tmp_path / 'a.npz').write_bytes(data)
    with pytest.raises(DepthPngError, match='expected an archive of u, v, steps and shape'):
        read_sparse(tmp_path / 'a.npz')


def test_frames_with_cameras_of_their_own_have_intrinsics_of_their_own(tmp_path, out, monkeypatch, capsys):
    drive = write_tiny_drive(tmp_path)
    monkeypatch.setattr(cli, 'source_of', lambda args: FaultySource(
        KittiRawSource.open(args.source, 2, True), tmp_path, focals=(50.0, 51.0, 50.0)))
    assert convert(drive, out) == 0
    assert not (out / 'intrinsics.txt').exists()
    focals = [float((out / f'intrinsics/{frame:010d}.txt').read_text().split()[0]) for frame in range(3)]
    assert focals == [50.0, 51.0, 50.0]
    (out / 'intrinsics/0000000000.txt').unlink()
    assert convert(drive, out) == 0
    assert '2 of them were there' in capsys.readouterr().out


@pytest.mark.parametrize(('model', 'D'), [
    ('plumb_bob', [-0.37, 0.2, 0.0022, 0.0013, -0.072]),
    ('rational_polynomial', [0.1, 0.02, 0.001, 0.002, 0.003, 0.2, 0.01, 0.004]),
    ('equidistant', [0.01, -0.02, 0.003, -0.0004]),
])
def test_raw_images_have_their_distortion_beside_them(tmp_path, model, D):
    K = np.array([[66.0, 0, 50], [0, 65, 20], [0, 0, 1]])
    lens = Lens.of_raw(CameraModel(K, np.array(D), np.eye(3), K, model, Size(40, 100)))
    write_lens(tmp_path / 'intrinsics', lens)
    back = read_calibration(tmp_path / 'intrinsics.yaml')
    assert (back.distortion_model, back.d.tolist(), back.k.tolist()) == (model, D, K.ravel().tolist())
    assert (back.width, back.height) == (100, 40)


def test_pinhole_has_no_yaml(tmp_path):
    lens = Lens(Intrinsics(50.0, 50.0, 47.5, 15.5, Size(32, 96)))
    write_lens(tmp_path / 'intrinsics', lens)
    assert [path.name for path in tmp_path.iterdir()] == ['intrinsics.txt']
    assert np.loadtxt(tmp_path / 'intrinsics.txt').reshape(3, 3).tolist() == lens.camera.K.tolist()
    assert intrinsics_text(lens).count('\n') == 1


def test_names_of_whole_files_also_in_folders_below(tmp_path):
    (tmp_path / '00').mkdir()
    for name in ('a.png', 'b.c.jpg', '00/d.png', '.e.png.1234.part'):
        (tmp_path / name).touch()
    assert names_in(tmp_path) == {'a', 'b.c', '00/d'}


def test_png_is_the_same_image_with_and_without_isal(monkeypatch, tmp_path):
    pytest.importorskip('isal')
    steps = np.random.default_rng(0).integers(1, 65536, (64, 200)).astype(np.uint16)
    steps[np.random.default_rng(1).random(steps.shape) > 0.05] = 0
    fast = encode_depth_steps(steps)
    monkeypatch.setattr(depth_png, 'isal_zlib', None)
    plain = encode_depth_steps(steps)
    assert fast != plain
    for data in (fast, plain):
        (tmp_path / 'a.png').write_bytes(data)
        assert np.array_equal(read_depth_steps(tmp_path / 'a.png'), steps)
        assert np.array_equal(cv2.imread(str(tmp_path / 'a.png'), cv2.IMREAD_UNCHANGED), steps)
