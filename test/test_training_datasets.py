"""What all datasets share: frames and truth maps, maps as points, sources by name, and no frame on both sides."""

import os
import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
from fixtures_datasets import SHAPE, write_image, write_index

from depth_node_training.datasets import open_source, open_sources, refuse_overlap
from depth_node_training.datasets.camera_check import camera_of
from depth_node_training.datasets.depth_file import read_depth
from depth_node_training.datasets.frame import (
    DatasetError,
    Frame,
    Item,
    Points,
    dataset_errors,
    map_points,
    truth_map,
    without_edges,
)
from msg_tools.camera import Intrinsics, Size
from msg_tools.depth_png import encode_depth_steps
from msg_tools.errors import CloudError, DepthPngError

SIZE = Size(*SHAPE)
CAMERA = Intrinsics(70, 70, 63.5, 31.5, SIZE)
PINHOLE = {'fx': 70, 'fy': 70, 'cx': 63.5, 'cy': 31.5}


def points(kind, *labels):
    """Return labels (u, v, depth)."""
    u, v, depth_m = np.array(labels, np.float32).T
    return Points(kind, np.stack([u, v], -1), depth_m)


def frame(*labels):
    return Frame('drive', 'name', np.zeros((*SHAPE, 3), np.uint8), CAMERA, labels)


def item(drive, name='a', file=None, source='folder'):
    return Item(source, drive, name, lambda: frame(), file=file)


def test_truth_is_drawn_at_the_nearest_pixel_and_the_nearest_wins():
    truth_m = truth_map(frame(points('lidar', (10.4, 20, 5.0), (9.6, 20.3, 7.0), (-0.6, 0, 3.0), (127.4, 63.4, 9.0))))
    assert truth_m.shape == SHAPE
    assert truth_m[20, 10] == 5.0
    assert truth_m[63, 127] == 9.0
    assert np.count_nonzero(truth_m) == 2


def test_of_two_kinds_of_truth_the_better_wins_and_the_sky_is_none():
    lidar = points('lidar', (1, 1, 4.9), (2, 2, 80.0), (3, 3, 6.0))
    exact = points('exact', (1, 1, 5.0), (2, 2, np.inf))
    teacher = points('teacher', (4, 4, 1.0))
    truth_m = truth_map(frame(exact, lidar, teacher))
    assert truth_m[1, 1] == 5.0
    assert truth_m[2, 2] == 0.0  # a point that the scanner saw in what is the sky
    assert truth_m[3, 3] == 6.0
    assert truth_m[4, 4] == 0.0
    assert truth_map(frame(exact, lidar), ('lidar',))[1, 1] == np.float32(4.9)


def test_map_of_another_size_covers_the_same_view():
    """A pixel of a 2x4 map over a 64x128 image is 32 px wide: its centre is at 15.5, 47.5, ..."""
    found = map_points(np.array([[0, 5, np.nan, 0], [0, 0, 0, np.inf]], np.float32), CAMERA, 'teacher')
    assert found.kind == 'teacher'
    assert found.uv.tolist() == [[47.5, 15.5], [111.5, 47.5]]
    assert found.depth_m.tolist() == [5.0, np.inf]


def test_every_second_pixel_stays_where_it_is():
    depth_m = np.arange(1, SIZE.pixels + 1, dtype=np.float32).reshape(SHAPE)
    found = map_points(depth_m, CAMERA, 'dense', stride=2)
    assert found.uv[:3].tolist() == [[0, 0], [2, 0], [4, 0]]
    assert found.depth_m[65] == depth_m[2, 2]


def test_dense_maps_lose_their_edges_and_keep_the_sky():
    depth_m = np.full((9, 12), 10.0)
    depth_m[:, 5:] = np.inf
    kept = without_edges(depth_m)
    assert (kept[:, 3:7] == 0).all()
    assert (kept[:, :3] == 10).all()
    assert np.isinf(kept[:, 7:]).all()


def test_errors_of_other_readers_become_ours():
    @dataset_errors
    def read(error):
        raise error

    for error in (CloudError('scan.bin: no scan'), OSError('disk gone')):
        with pytest.raises(DatasetError, match=str(error)):
            read(error)
    with pytest.raises(ZeroDivisionError):  # a mistake of ours is not hidden
        read(ZeroDivisionError())


def png(path: Path, steps) -> Path:
    path.write_bytes(encode_depth_steps(np.asarray(steps, np.uint16)))
    return path


def npy(path: Path, values) -> Path:
    np.save(path, values)
    return path


def test_depth_files_are_metres_with_a_sky(tmp_path):
    assert read_depth(png(tmp_path / 'a.png', [[0, 256, 65535]]), Size(1, 3)).tolist() == [[0, 1, np.inf]]
    assert read_depth(npy(tmp_path / 'a.npy', [[np.nan, 1.5, np.inf]]), Size(1, 3)).tolist() == [[0, 1.5, np.inf]]


@pytest.mark.parametrize(('values', 'message'), [
    (np.full((2, 2), 5.0), r'expected a depth map of 3x2.*got shape \(2, 2\)'),
    (np.zeros((2, 3)), 'without any; is it empty'),
    (np.full((2, 3), 2560.0), r'expected metres, got a median of 2560; is it another unit'),  # a PNG read as it is
    (np.full((2, 3), 0.02), 'got a median of 0.02'),  # metres divided by 256 once more
    (np.full((2, 3), 5000, np.uint16), 'expected float metres, got uint16'),
    (np.array([[None]]), r'expected a depth map .* in a \.npy file'),
], ids=['size', 'empty', 'steps', 'too near', 'integers', 'objects'])
def test_depth_that_cannot_be_is_named(tmp_path, values, message):
    with pytest.raises(DatasetError, match=rf'bad\.npy: .*{message}|bad\.npy: {message}'):
        read_depth(npy(tmp_path / 'bad.npy', values), Size(2, 3))


def test_a_picture_of_depth_is_no_depth(tmp_path):
    cv2.imwrite(str(tmp_path / 'bad.png'), np.full((2, 3), 100, np.uint8))
    with pytest.raises(DepthPngError, match='expected 16-bit grey'):
        read_depth(tmp_path / 'bad.png', Size(2, 3))


def test_a_principal_point_tells_intrinsics_of_another_size():
    kitti = np.array([[721.5, 0, 609.6], [0, 721.5, 172.9], [0, 0, 1]])
    assert camera_of(kitti, Size(375, 1242), 'a').fx == 721.5
    assert camera_of(kitti - [[0, 0, 0], [0, 0, 100], [0, 0, 0]], Size(275, 1242), 'cropped sky').cy == 72.9
    for size in (Size(187, 621), Size(281, 932), Size(750, 2484)):
        with pytest.raises(DatasetError, match=rf'calib: expected intrinsics of an image of {size}, got .*609\.6'):
            camera_of(kitti, size, 'calib')
        assert camera_of(kitti, size, 'calib', calibrated=size).cx == 609.6  # whoever names the size is believed
    with pytest.raises(DatasetError, match='expected an image of 1242x375, as its intrinsics, got 621x187'):
        camera_of(kitti, Size(187, 621), 'calib', Size(375, 1242))
    with pytest.raises(DatasetError, match='calib: expected finite intrinsics with fx, fy > 0'):
        camera_of(np.zeros((3, 3)), Size(375, 1242), 'calib')


@pytest.mark.parametrize('text', ['kitti', 'nyu:folder', ''])
def test_a_source_names_its_dataset(text):
    with pytest.raises(DatasetError, match=r'expected a source NAME:PATH.*kitti, kitti_raw, kitti_depth, images, bag'):
        open_source(text)


def images_folder(root: Path, names: list[str], **columns) -> Path:
    for name in names:
        write_image(root / name)
    write_index(root, [{'file': name, **PINHOLE, **columns} for name in names])
    return root


def test_paths_are_relative_to_the_base_and_home(tmp_path, monkeypatch):
    images_folder(tmp_path / 'mine', ['a.png'])
    monkeypatch.setenv('HOME', str(tmp_path))
    monkeypatch.chdir(tmp_path / 'mine')
    for text, base in (('images:mine', tmp_path), ('images:~/mine', '/nowhere'), ('images:.', ''), ('images:', '')):
        (found,) = open_source(text, base)
        assert (found.source, found.drive, found.name, found.file) == ('mine', 'mine', 'a', tmp_path / 'mine' / 'a.png')


def test_frames_that_would_share_a_map_are_refused(tmp_path):
    for folder in ('one/images', 'two/images'):
        images_folder(tmp_path / folder, ['a.png'])
    with pytest.raises(DatasetError, match=r'images/a twice: .*one/images/a\.png and .*two/images/a\.png'):
        open_sources(['images:one/images', 'images:two/images'], tmp_path)
    images_folder(tmp_path / 'both', ['a.png', 'a.jpg'])
    with pytest.raises(DatasetError, match=r'both/a twice'):
        open_source('images:both', tmp_path)


def test_a_drive_on_both_sides_is_refused():
    train, val = [item('drive_a'), item('drive_b')], [item('drive_c')]
    refuse_overlap(train, val)
    with pytest.raises(DatasetError, match=r'expected drives apart in train and val, got 1 in both: drive_b'):
        refuse_overlap(train, [*val, item('drive_b')])


@pytest.mark.parametrize('link', [os.link, os.symlink])
def test_a_file_on_both_sides_is_refused_by_whatever_path(tmp_path, link):
    write_image(tmp_path / 'a.png')
    link(tmp_path / 'a.png', tmp_path / 'b.png')
    write_image(tmp_path / 'c.png')
    train = [item('one', file=tmp_path / 'a.png')]
    refuse_overlap(train, [item('two', file=tmp_path / 'c.png'), item('two', file=tmp_path / 'gone.png'), item('two')])
    with pytest.raises(DatasetError, match=r'files apart in train and val, got 1 in both, such as .*b\.png as .*a'):
        refuse_overlap(train, [item('two', file=tmp_path / 'b.png')])


def test_items_go_to_other_processes(tmp_path):
    """DataLoader's workers are spawned on some systems."""
    images_folder(tmp_path / 'mine', ['a.png'], pair='a.png', baseline=0.5)
    (found,) = pickle.loads(pickle.dumps(open_source('images:mine', tmp_path)))
    assert np.array_equal(found.read().rgb, found.read_right())
