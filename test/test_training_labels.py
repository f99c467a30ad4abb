"""Labels from everywhere: folders of maps, a teacher rescaled, the sky, and which of two labels is taken."""

import numpy as np
import pytest

from depth_node_training.datasets.frame import DatasetError, Frame, Item, Points, map_points
from depth_node_training.labels import read_labelled, require_maps, scale_to, shrunk
from msg_tools.camera import Intrinsics, Size

SIZE = Size(64, 128)
CAMERA = Intrinsics(70, 70, 63.5, 31.5, SIZE)


def frame(*labels, rgb=None):
    return Frame('drive', 'a/b', np.zeros((64, 128, 3), np.uint8) if rgb is None else rgb, CAMERA, labels)


def item(*labels):
    return Item('folder', 'drive', 'a/b', lambda: frame(*labels))


def points(kind, *labels):
    """Return labels (u, v, depth)."""
    u, v, depth_m = np.array(labels, np.float32).T
    return Points(kind, np.stack([u, v], -1), depth_m)


@pytest.fixture
def teacher(tmp_path):
    """Return what writes the teacher's map of the frame, and the settings that name its folder."""
    def write(depth_m, dtype=np.float16):
        (tmp_path / 'folder/a').mkdir(parents=True, exist_ok=True)
        np.save(tmp_path / 'folder/a/b.npy', np.asarray(depth_m, dtype))
        return {'teacher': str(tmp_path)}

    return write


def test_a_folder_of_maps_covers_the_view_and_far_only_says_far(teacher, tmp_path):
    assert read_labelled(item(), {'teacher': 0.5}, {'teacher': str(tmp_path)}).uv.shape == (0, 2)
    labelled = read_labelled(item(), {'teacher': 0.5}, teacher([[10.0, 70.0], [0.0, np.nan]]))
    assert labelled.depth_m.tolist() == [np.inf, 10.0]
    assert labelled.uv.tolist() == [[95.5, 15.5], [31.5, 15.5]]
    assert labelled.weight.tolist() == [0.5, 0.5]


@pytest.mark.parametrize(('depth_m', 'message'), [
    (np.full((2, 2), 1e4), 'another unit'), (np.ones(4), r'shape \(4,\)'),
])
def test_maps_that_are_none_are_named(teacher, depth_m, message):
    maps = teacher(depth_m, np.float32)
    with pytest.raises(DatasetError, match=rf'b\.npy: .*{message}'):
        read_labelled(item(), {'teacher': 1.0}, maps)


@pytest.mark.parametrize('write', [lambda path: path.write_bytes(b''), lambda path: path.write_bytes(b'PK\x03\x04'),
                                   lambda path: path.write_bytes(path.read_bytes()[:-3])], ids=['empty', 'zip', 'cut'])
def test_files_that_are_no_maps_are_named(teacher, tmp_path, write):
    maps = teacher(np.full((2, 2), 10.0))
    write(tmp_path / 'folder/a/b.npy')
    with pytest.raises(DatasetError, match=r'b\.npy: expected a depth map'):
        read_labelled(item(), {'teacher': 1.0}, maps)


def test_a_map_may_be_sky_for_the_most_part(teacher):
    labelled = read_labelled(item(), {'teacher': 0.5}, teacher([[np.inf, np.inf], [np.inf, 10.0]]))
    assert labelled.depth_m.tolist() == [np.inf, np.inf, np.inf, 10.0]


def test_maps_of_no_frame_are_refused(teacher, tmp_path):
    require_maps([item()], teacher(np.ones((2, 2))))
    with pytest.raises(DatasetError, match=r'maps\.teacher: .*teacherz/folder/a/b\.npy, got no such folder'):
        require_maps([item()], {'teacher': str(tmp_path / 'teacherz')})
    (tmp_path / 'folder').rename(tmp_path / 'renamed')
    with pytest.raises(DatasetError, match=r'maps\.teacher: .*got none; was it made of sources of the same names'):
        require_maps([item()], {'teacher': str(tmp_path)})


def test_a_teacher_beside_stereo_that_found_nothing_stays_as_it_is(teacher):
    labelled = read_labelled(item(Points('stereo', np.zeros((0, 2), np.float32), np.zeros(0, np.float32))),
                             {'stereo': 0.7, 'teacher': 0.5}, teacher([[10.0]]))
    assert labelled.depth_m.tolist() == [10.0]


def test_the_most_trusted_comes_last_and_then_the_nearest():
    """Whoever draws in this order draws over what counts less."""
    labels = points('dense', (5, 5, 9.0)), points('lidar', (5, 5, 7.0), (5, 5, 8.0)), points('stereo', (5, 5, 3.0))
    labelled = read_labelled(item(*labels), {'lidar': 1.0, 'dense': 0.3}, {})
    assert labelled.depth_m.tolist() == [9.0, 8.0, 7.0]
    assert labelled.weight.tolist() == pytest.approx([0.3, 1.0, 1.0])


def test_two_kinds_of_one_weight_are_told_apart():
    """The gradient loss takes neighbours of one weight for neighbours of one source."""
    kinds = ['exact', 'annotated', 'lidar', 'dense', 'teacher']
    labels = [points(kind, (n, 0, 5.0)) for n, kind in enumerate(kinds)]
    for weight in (0.5, 0.7, 1.0):
        found = read_labelled(item(*labels), dict.fromkeys(kinds, weight), {}).weight
        assert len(set(found.tolist())) == len(kinds)
        assert found == pytest.approx(weight, rel=2e-6)


def test_a_teacher_is_rescaled_to_what_was_measured(teacher):
    camera = CAMERA.resized(Size(128, 256))  # enough cells of 8x8 pixels
    measured = map_points(np.full((32, 64), 12.0), camera, 'lidar')
    wide = Item('folder', 'drive', 'a/b', lambda: Frame('drive', 'a/b', np.zeros((128, 256, 3), np.uint8), camera,
                                                        (measured,)))
    maps = teacher(np.full((64, 128), 10.0))
    weights = {'lidar': 1.0, 'teacher': 0.5}
    depths = [read_labelled(wide, weights, maps, align).depth_m[0] for align in (True, False)]
    assert depths == pytest.approx([12.0, 10.0])


def test_an_image_is_kept_at_the_size_that_training_needs():
    labelled = read_labelled(item(), {}, {})
    small = shrunk(labelled, focal_px=35.0)
    assert small.rgb.shape == (32, 64, 3)
    assert small.camera == CAMERA
    assert shrunk(labelled, 71.0).rgb.shape == (64, 128, 3)


def test_a_dense_map_is_compared_where_the_better_labels_are():
    """A map of 5 m left and 20 m right, twice too far: better labels on the right alone say so, all of them 10 m."""
    camera = Intrinsics(100.0, 100.0, 80.0, 40.0, Size(80, 160))
    depth_m = np.where(np.arange(160) < 80, 5.0, 20.0)[None].repeat(80, 0).astype(np.float32)
    better = np.zeros((80, 160), np.float32)
    better[10:70, 100:150] = 10.0
    labels = [map_points(better, camera, 'lidar')]
    assert scale_to(map_points(depth_m, camera, 'teacher'), labels, camera) == pytest.approx(0.5, rel=1e-4)
    few = [map_points(np.where(np.arange(160) < 2, better.max(), 0)[None], camera, 'lidar')]
    assert scale_to(map_points(depth_m, camera, 'teacher'), few, camera) == 1.0
