"""The dataset `images`: what each column does, folders without an index, real images of other cameras, bad rows."""

import json

import numpy as np
import pytest
from fixtures_datasets import SHAPE, ground_m, write_image, write_index

from depth_node_training.datasets import open_source
from depth_node_training.datasets.frame import DatasetError, truth_map
from msg_tools.camera import Intrinsics, Size
from msg_tools.depth_png import write_depth_png

PINHOLE = {'fx': 70, 'fy': 71, 'cx': 63.5, 'cy': 31.5}


@pytest.fixture
def folder(tmp_path):
    """Return a folder of an image, its right one, and its depth in two formats."""
    root = tmp_path / 'mine'
    write_image(root / 'a.jpg', seed=1)
    write_image(root / 'right' / 'a.png', seed=2)
    write_depth_png(root / 'a_depth.png', ground_m())
    np.save(root / 'a_depth.npy', ground_m())
    return root


def read_one(folder, **columns):
    write_index(folder, [{'file': 'a.jpg', **PINHOLE, **columns}])
    (item,) = open_source(f'images:{folder}')
    return item.read()


def test_file_and_intrinsics_are_enough(folder):
    frame = read_one(folder)
    assert (frame.drive, frame.name) == ('mine', 'a')
    assert frame.rgb.shape == (*SHAPE, 3)
    assert frame.camera == Intrinsics(70, 71, 63.5, 31.5, Size(*SHAPE))
    assert frame.labels == ()


@pytest.mark.parametrize('name', ['a_depth.png', 'a_depth.npy'])
def test_depth_is_lidar_if_nothing_else_is_said(folder, name):
    frame = read_one(folder, depth=name)
    assert [points.kind for points in frame.labels] == ['lidar']
    np.testing.assert_allclose(truth_map(frame), ground_m(), atol=1 / 512)


def test_filled_depth_loses_its_edges(folder):
    depth_m = ground_m()
    depth_m[:, 64:] *= 3
    write_depth_png(folder / 'a_depth.png', depth_m)
    drawn = truth_map(read_one(folder, depth='a_depth.png', truth='dense'), ('dense',))
    assert (drawn[:30, 62:66] == 0).all()
    assert drawn[10, 40] == 30.0


def test_the_sky_of_a_png_is_nothing_within_range(folder):
    depth_m = ground_m()
    depth_m[:10] = 65535 / 256
    write_depth_png(folder / 'a_depth.png', depth_m)
    frame = read_one(folder, depth='a_depth.png', truth='exact')
    assert np.isinf(frame.labels[0].depth_m).sum() == 10 * SHAPE[1]
    assert (truth_map(frame)[:10] == 0).all()


def test_right_image_and_baseline(folder):
    row = {'file': 'a.jpg', **PINHOLE, 'pair': 'right/a.png'}
    write_index(folder, [{**row, 'baseline': 0.12}])
    (item,) = open_source(f'images:{folder}')
    assert item.baseline_m == 0.12
    assert np.array_equal(item.read_right(), write_image(folder / 'right' / 'a.png', seed=2))
    write_index(folder, [{**row, 'baseline': -0.12}])  # the other image is the left one
    (item,) = open_source(f'images:{folder}')
    assert (item.baseline_m, item.read_right is None) == (-0.12, False)
    write_index(folder, [row, {**row, 'file': 'right/a.png', 'camera': 'image_03'}])  # nobody says how far
    assert [item.read_right for item in open_source(f'images:{folder}')] == [None, None]


def test_kittis_left_cameras_have_kittis_baseline(folder):
    row = {**PINHOLE, 'pair': 'right/a.png'}
    files = {'a.jpg': 'grey', 'right/a.png': 'image_03'}
    write_index(folder, [{'file': file, **row, 'camera': camera} for file, camera in files.items()])
    assert [item.baseline_m for item in open_source(f'images:{folder}')] == [0.5372, 0.0]


@pytest.mark.parametrize(('split', 'drive'), [('split', 'drive'), ('use', 'set')])
def test_splits_and_drives(folder, split, drive):
    for name in 'bcd':
        write_image(folder / f'{name}.jpg')
    write_index(folder, [{'file': f'{name}.jpg', **PINHOLE, split: part, drive: f'drive_{name}'}
                         for name, part in zip('abcd', ('train', 'train', 'val', 'stereo'), strict=True)])
    for text, names in (('#train', 'ab'), ('#val', 'c'), ('#train,stereo', 'abd'), ('', 'abcd')):
        items = open_source(f'images:{folder}{text}')
        assert [item.name for item in items] == list(names)
        assert [item.drive for item in items] == [f'drive_{name}' for name in names]
    with pytest.raises(DatasetError, match="expected splits out of stereo, train, val, got 'tests'"):
        open_source(f'images:{folder}#tests')


def test_names_stay_below_the_folder_of_maps(folder):
    write_image(folder.parent / 'b.png')
    write_index(folder, [{'file': file, **PINHOLE} for file in ('../b.png', str(folder / 'a.jpg'), './right/a.png')])
    names = [item.name for item in open_source(f'images:{folder}')]
    assert names == ['b', str(folder / 'a')[1:], 'right/a']
    assert [item.read().rgb.shape for item in open_source(f'images:{folder}')] == [(*SHAPE, 3)] * 3


def test_an_index_that_a_spreadsheet_wrote(folder):
    (folder / 'index.csv').write_bytes('\ufefffile, fx, fy, cx, cy\r\na.jpg, 70, 71, 63.5, 31.5\r\n\r\n'.encode())
    (item,) = open_source(f'images:{folder}')
    assert item.read().camera.fy == 71


@pytest.mark.parametrize(('columns', 'message'), [
    ({'fx': ''}, r"index\.csv: a\.jpg: expected numbers for fx, fy, cx, cy, got fx=''"),
    ({'width': 'wide', 'height': 64}, r"a\.jpg: expected numbers for width, height, got width='wide'"),
    ({'depth': 'a_depth.png', 'truth': 'guessed'}, r"a\.jpg: expected truth out of lidar.*got 'guessed'"),
    ({'pair': 'right/a.png', 'baseline': 'far'}, r"a\.jpg: expected numbers for baseline, got baseline='far'"),
])
def test_bad_rows_are_named_before_anything_is_read(folder, columns, message):
    write_index(folder, [{'file': 'a.jpg', **PINHOLE, **columns}])
    with pytest.raises(DatasetError, match=message):
        open_source(f'images:{folder}')


@pytest.mark.parametrize(('columns', 'message'), [
    ({'file': 'gone.jpg'}, r'gone\.jpg: expected an image, got: No such file'),
    ({'depth': 'gone.png'}, r'gone\.png: expected a depth PNG, got: No such file'),
    ({'depth': 'gone.npy'}, r'gone\.npy: expected a depth map'),
    ({'fx': 0}, r'index\.csv: a\.jpg: expected finite intrinsics with fx, fy > 0, got fx=0\.0'),
    ({'fx': 'nan'}, r'expected finite intrinsics'),
    ({'width': 256, 'height': 128}, r'a\.jpg: expected an image of 256x128, as its intrinsics, got 128x64; was'),
    ({'cx': 127, 'cy': 63}, r'a\.jpg: expected intrinsics of an image of 128x64, got a principal point of \(127, 63\)'),
    ({'depth': 'right/a.png'}, r'right/a\.png: expected 16-bit grey'),
    ({'depth': 'small.npy'}, r'small\.npy: expected a depth map of 128x64'),
])
def test_bad_files_are_named_when_they_are_read(folder, columns, message):
    np.save(folder / 'small.npy', ground_m()[::2])
    with pytest.raises(DatasetError, match=message):
        read_one(folder, **columns)


def test_a_bad_right_image_is_named(folder):
    write_index(folder, [{'file': 'a.jpg', **PINHOLE, 'pair': 'gone.png', 'baseline': 0.1}])
    with pytest.raises(DatasetError, match=r'gone\.png: expected an image'):
        open_source(f'images:{folder}')[0].read_right()


def test_an_index_without_intrinsics(folder):
    write_index(folder, [{'file': 'a.jpg', 'drive': 'd'}])
    with pytest.raises(DatasetError, match=r'index\.csv: expected columns file, fx, fy, cx, cy, got file, drive'):
        open_source(f'images:{folder}')


def test_binary_index(folder):
    (folder / 'index.csv').write_bytes(b'\xff\xfe\x00')
    with pytest.raises(DatasetError, match=r'index\.csv: expected an index of images'):
        open_source(f'images:{folder}')


def write_calib(folder, **content):
    K = [[70, 0, 63.5], [0, 71, 31.5], [0, 0, 1]]
    (folder / 'a_calib.json').write_text(json.dumps({'K': K, 'width': 128, 'height': 64, **content}))


def test_a_folder_without_an_index(folder):
    write_calib(folder)
    (item,) = open_source(f'images:{folder}')
    frame = item.read()
    assert (item.drive, item.name) == ('mine', 'a')
    assert frame.camera == Intrinsics(70, 71, 63.5, 31.5, Size(*SHAPE))
    np.testing.assert_allclose(truth_map(frame), ground_m(), atol=1 / 512)


def test_a_folder_without_an_index_and_what_can_be_wrong_in_it(folder, tmp_path):
    with pytest.raises(DatasetError, match=r'expected a folder with index\.csv, or images .*got neither'):
        open_source(f'images:{folder}')
    with pytest.raises(DatasetError, match='got no such folder'):
        open_source(f'images:{tmp_path}/nowhere')
    write_calib(folder, K=[1, 2])
    with pytest.raises(DatasetError, match=r'a_calib\.json: expected JSON with K'):
        open_source(f'images:{folder}')
    write_calib(folder, width=64)
    with pytest.raises(DatasetError, match='expected an image of 64x64, as its intrinsics, got 128x64'):
        open_source(f'images:{folder}')[0].read()
    (folder / 'a.jpg').unlink()
    with pytest.raises(DatasetError, match=r'a_calib\.json: expected a\.jpg or \.png beside it'):
        open_source(f'images:{folder}')


def test_real_images_of_other_cameras(shared_data):
    test, train = (open_source(f'images:other_cameras#{split}', shared_data) for split in ('test', 'train'))
    assert (len(test), len(train)) == (30, 38)
    assert {item.drive for item in train} == {'pandaset'}
    street = next(item for item in test if item.drive == 'carla').read()
    assert np.isinf(street.labels[0].depth_m).mean() == pytest.approx(0.31, abs=0.01)  # its sky
    assert 0 < (truth_map(train[0].read()) > 0).mean() < 0.2
    scenes = open_source('images:other_cameras/nuscenes', shared_data)
    assert len(scenes) == 6
    assert {item.read().camera.size for item in scenes} == {Size(900, 1600)}


def test_real_images_with_their_right_ones(shared_data):
    items = open_source('images:kitti/images', shared_data)
    pairs = [item for item in items if item.read_right]
    assert (len(items), len(pairs)) == (456, 124)
    assert {item.baseline_m for item in pairs} == {0.5327, 0.5372}
    for item in pairs[::20]:
        assert item.read().rgb.shape == item.read_right().shape
