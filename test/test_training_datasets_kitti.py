"""KITTI as a dataset: an indexed folder, raw drives, and the depth benchmark."""

import logging
import shutil

import cv2
import numpy as np
import pytest
from fixtures_datasets import FOCAL, SHAPE, ground_m, write_image, write_index, write_kitti_frame
from fixtures_kitti import write_tiny_drive

from depth_node_training.datasets import open_source, open_sources, refuse_overlap
from depth_node_training.datasets.frame import DatasetError, truth_map
from depth_node_training.datasets.kitti import read_calibration
from msg_tools.camera import Size
from msg_tools.depth_png import read_depth_png, write_depth_png
from msg_tools.ground_truth.cli import main as velodyne_to_depth
from msg_tools.kitti import KittiDrive


@pytest.fixture
def folder(tmp_path):
    """Return a folder of the layout `kitti`: five frames of four drives, one with its right image."""
    root = tmp_path / 'training'
    rows = [write_kitti_frame(root, 'drive_a', '0000000000', 'lidar'),
            write_kitti_frame(root, 'drive_a', '0000000000', 'none', 'stereo', camera='image_03'),
            write_kitti_frame(root, 'drive_b', '0000000000', 'dense'),
            write_kitti_frame(root, 'drive_c', '0000000000', 'annotated', 'val'),
            write_kitti_frame(root, 'drive_d', '0000000000', 'none', 'stereo')]
    write_index(root, rows)
    return root


def test_lidar_points_land_where_they_were_measured(folder):
    frame = open_source(f'kitti:{folder}#train')[0].read()
    (points,) = frame.labels
    assert frame.camera.fx == FOCAL
    assert points.kind == 'lidar'
    assert len(points.depth_m) == 13 * 30
    np.testing.assert_allclose(points.depth_m, FOCAL * 1.65 / (points.uv[:, 1] - 31.5), atol=1 / 512)
    assert (points.uv % 2 == 0).all()


def test_each_truth_has_its_kind(folder):
    frames = {item.drive: item.read() for item in open_source(f'kitti:{folder}') if '/image_02/' in item.name}
    assert {drive: [points.kind for points in frame.labels] for drive, frame in frames.items()} == {
        'drive_a': ['lidar'], 'drive_b': ['dense'], 'drive_c': ['annotated'], 'drive_d': [],
    }
    np.testing.assert_allclose(truth_map(frames['drive_c']), ground_m(), atol=1 / 512)
    assert len(frames['drive_b'].labels[0].depth_m) < SHAPE[0] * SHAPE[1] / 4  # every second pixel, edges left out


def test_left_images_know_of_their_right_ones(folder):
    items = open_source(f'kitti:{folder}')
    assert [item.name for item in items if item.read_right] == ['drive_a/image_02/0000000000']
    assert items[0].baseline_m == 0.5327
    assert np.array_equal(items[0].read_right(), items[1].read().rgb)


def test_splits(folder):
    assert [item.drive for item in open_source(f'kitti:{folder}#val')] == ['drive_c']
    assert len(open_source(f'kitti:{folder}#train,stereo')) == 4
    refuse_overlap(open_source(f'kitti:{folder}#train,stereo'), open_source(f'kitti:{folder}#val'))


def test_missing_files_are_named(folder, tmp_path):
    with pytest.raises(DatasetError, match=r'nowhere/index\.csv: expected an index'):
        open_source(f'kitti:{tmp_path}/nowhere')
    item = open_source(f'kitti:{folder}')[0]
    for name in ('velodyne/0000000000.bin', 'calib/0000000000_image_02.txt', 'image_02/0000000000.jpg'):
        (folder / 'drive_a' / name).unlink()
        with pytest.raises(DatasetError, match=name):
            item.read()


@pytest.mark.parametrize(('scan', 'message'), [
    (b'12345', 'got 5; is it truncated'),
    (np.float32([[-5, 0, 0, 0]]).tobytes(), 'expected points on the image, got none'),
])
def test_bad_scans_are_named(folder, scan, message):
    (folder / 'drive_a/velodyne/0000000000.bin').write_bytes(scan)
    with pytest.raises(DatasetError, match=rf'0000000000\.bin: .*{message}'):
        open_source(f'kitti:{folder}')[0].read()


def test_bad_calibration_is_named(folder, tmp_path):
    (tmp_path / 'calib.txt').write_text('P_rect_02: 1 2 3\n')
    with pytest.raises(DatasetError, match='Tr_velo_to_cam_rect'):
        read_calibration(tmp_path / 'calib.txt')
    write_image(folder / 'drive_a/image_02/0000000000.jpg', shape=(32, 64))
    with pytest.raises(DatasetError, match=r'0000000000_image_02\.txt: expected intrinsics of an image of 64x32'):
        open_source(f'kitti:{folder}')[0].read()


def test_unknown_truth_is_named(folder):
    write_index(folder, [{**write_kitti_frame(folder, 'drive_a', '0000000000', 'lidar'), 'truth': 'guessed'}])
    with pytest.raises(DatasetError, match="expected truth lidar, annotated, dense or none, got 'guessed'"):
        open_source(f'kitti:{folder}')[0].read()


def test_raw_drive_gives_the_maps_of_velodyne_to_depth(tiny_drive, tmp_path):
    items = {item.name: item for item in open_source(f'kitti_raw:{tiny_drive}')}
    assert len(items) == 6
    for camera in (2, 3):
        assert velodyne_to_depth([str(tiny_drive), str(tmp_path / 'out'), '--camera', str(camera),
                                  '--motion', 'off', '--occlusion', 'off', '--overwrite']) == 0
        for frame in range(3):
            name = f'{frame:010d}'
            read = items[f'{tiny_drive.name}/image_{camera:02d}/{name}'].read()
            assert np.array_equal(truth_map(read), read_depth_png(tmp_path / 'out/depth' / f'{name}.png'))
            assert np.array_equal(read.rgb, KittiDrive(tiny_drive).read_image(camera, frame))
            assert read.camera == KittiDrive(tiny_drive).calibration.intrinsics(camera)


def test_raw_pairs_have_the_calibrations_baseline(tiny_drive):
    items = open_source(f'kitti_raw:{tiny_drive}')
    assert [item.baseline_m for item in items] == [pytest.approx(0.53)] * 3 + [0.0] * 3
    assert np.array_equal(items[1].read_right(), items[4].read().rgb)
    (tiny_drive / 'image_03/data/0000000001.png').unlink()
    assert [item.read_right is None for item in open_source(f'kitti_raw:{tiny_drive}')[:3]] == [False, True, False]


def test_raw_folders_of_any_level_and_drives_by_name(tiny_drive):
    day = tiny_drive.parent
    shutil.copytree(tiny_drive, day / '2011_09_26_drive_0002_sync')
    shutil.copytree(tiny_drive, day / '2011_09_26_drive_0002_extract')  # KITTI's raw images that nobody rectified
    (day / '2011_09_26_drive_0003_sync').mkdir()  # its labels alone, without images
    for root in (day, day.parent):
        assert len(open_source(f'kitti_raw:{root}')) == 12
        for split in ('2011_09_26_drive_0001_sync', '*_0001_sync', '*_0001_*,*_0001_sync'):
            assert {item.drive for item in open_source(f'kitti_raw:{root}#{split}')} == {'2011_09_26_drive_0001_sync'}
    with pytest.raises(DatasetError, match=r"out of 2011_09_26_drive_0001_sync, .*got '0009'"):
        open_source(f'kitti_raw:{day}#*_0001_*,0009')


def test_raw_images_kept_as_jpeg_are_known_by_their_files(tiny_drive):
    """The overlap of train and val is looked for by file, too."""
    for path in (tiny_drive / 'image_02' / 'data').glob('*.png'):
        path.rename(path.with_suffix('.jpg'))
    items = open_source(f'kitti_raw:{tiny_drive}')
    assert {item.file.suffix for item in items if '/image_02/' in item.name} == {'.jpg'}
    assert all(item.file.is_file() for item in items)


def test_raw_images_without_a_scan_have_no_label(tiny_drive):
    (tiny_drive / 'velodyne_points/data/0000000000.bin').unlink()
    assert [len(item.read().labels) for item in open_source(f'kitti_raw:{tiny_drive}')[:2]] == [0, 1]


def test_raw_mistakes_are_named(tiny_drive, tmp_path):
    with pytest.raises(DatasetError, match='got no such folder'):
        open_source(f'kitti_raw:{tmp_path}/nowhere')
    with pytest.raises(DatasetError, match=r'expected a KITTI raw drive.*none in it'):
        open_source(f'kitti_raw:{tiny_drive}/oxts')
    item = open_source(f'kitti_raw:{tiny_drive}')[0]
    write_image(tiny_drive / 'image_02/data/0000000000.png', shape=(16, 48))
    with pytest.raises(DatasetError, match=r'0000000000\.png: expected an image of 96x32 .*got 48x16'):
        item.read()
    (tiny_drive / 'image_02/data/0000000000.png').unlink()
    with pytest.raises(DatasetError, match=r'0000000000\.png: expected an image, found none'):
        item.read()
    (tiny_drive.parent / 'calib_velo_to_cam.txt').unlink()
    with pytest.raises(DatasetError, match=r'calib_velo_to_cam\.txt'):
        open_source(f'kitti_raw:{tiny_drive}')


@pytest.mark.parametrize('npy', [False, True])
def test_synthetic_drive_has_exact_depth_and_its_sky(tiny_drive, npy):
    """As msg_tools.synthetic writes it: of the left camera, +Inf in a NPY and 0 in a PNG where nothing is."""
    depth_m = np.repeat(np.where(np.arange(32) < 8, np.inf, 6.0)[:, None], 96, 1).astype(np.float32)
    folder = tiny_drive / 'depth_exact/image_02'
    folder.mkdir(parents=True)
    write_depth_png(folder / '0000000000.png', depth_m)
    if npy:
        np.save(folder / '0000000000.npy', depth_m)
    left, later, _, right, *_ = (item.read() for item in open_source(f'kitti_raw:{tiny_drive}'))
    assert [points.kind for points in left.labels] == ['exact', 'lidar']
    assert [[points.kind for points in frame.labels] for frame in (later, right)] == [['lidar'], ['lidar']]
    exact = left.labels[0]
    assert len(exact.depth_m) == 96 * 32
    assert (np.isinf(exact.depth_m) == (exact.uv[:, 1] < 8)).all()
    assert np.array_equal(truth_map(left), np.where(np.isinf(depth_m), 0, depth_m))


@pytest.fixture
def benchmark(tmp_path):
    """Return a folder of the depth benchmark: a train and a val drive with one map for each camera, raw data beside."""
    drive = write_tiny_drive(tmp_path / 'raw')
    other = shutil.copytree(drive, drive.parent / '2011_09_26_drive_0002_sync')
    root = tmp_path / 'depth'
    for split, name in (('train', drive.name), ('val', other.name)):
        for camera in ('image_02', 'image_03'):
            folder = root / split / name / 'proj_depth/groundtruth' / camera
            folder.mkdir(parents=True)
            write_depth_png(folder / '0000000001.png', np.full((32, 96), 7.5))
    return root


def test_annotated_maps_find_their_images_beside(benchmark):
    items = open_source(f'kitti_depth:{benchmark}#train')
    assert [item.name for item in items] == [f'2011_09_26_drive_0001_sync/image_0{n}/0000000001' for n in (2, 3)]
    assert [item.baseline_m for item in items] == [pytest.approx(0.53), 0.0]
    frame = items[0].read()
    assert [points.kind for points in frame.labels] == ['annotated']
    assert (truth_map(frame) == 7.5).all()
    assert frame.camera.fx == 50.0
    drive = KittiDrive(benchmark.parent / 'raw/2011_09_26' / items[0].drive)
    assert np.array_equal(frame.rgb, drive.read_image(2, 1))
    assert np.array_equal(items[0].read_right(), drive.read_image(3, 1))


@pytest.mark.parametrize('place', ['depth/raw', 'depth/kitti_raw', 'kitti_raw', '.', 'depth'])
def test_raw_data_is_found_where_it_is_likely(benchmark, place):
    days = benchmark.parent / 'raw/2011_09_26'
    (benchmark.parent / place).mkdir(exist_ok=True)
    days.rename(benchmark.parent / place / days.name)
    assert len(open_source(f'kitti_depth:{benchmark}')) == 4


def test_benchmark_splits_are_apart_and_may_lie_in_a_folder_of_their_archive(benchmark):
    refuse_overlap(open_source(f'kitti_depth:{benchmark}#train'), open_source(f'kitti_depth:{benchmark}#val'))
    (benchmark / 'data_depth_annotated').mkdir()
    for split in ('train', 'val'):
        (benchmark / split).rename(benchmark / 'data_depth_annotated' / split)
    assert len(open_sources([f'kitti_depth:{benchmark}#train', f'kitti_depth:{benchmark}#val'])) == 4


def test_benchmark_mistakes_are_named(benchmark, tmp_path, caplog):
    with pytest.raises(DatasetError, match="expected the folder tests of the KITTI depth benchmark, got train, val"):
        open_source(f'kitti_depth:{benchmark}#tests')
    with pytest.raises(DatasetError, match='got none of its folders'):
        open_source(f'kitti_depth:{tmp_path / "raw"}')
    shutil.rmtree(tmp_path / 'raw/2011_09_26/2011_09_26_drive_0002_sync')
    with caplog.at_level(logging.WARNING), pytest.raises(DatasetError, match=r'ln -s \.\.\./kitti_raw .*depth/raw'):
        open_source(f'kitti_depth:{benchmark}#val')
    folder = benchmark / 'train/2011_09_26_drive_0002_sync/proj_depth/groundtruth'
    folder.mkdir(parents=True)
    assert len(open_source(f'kitti_depth:{benchmark}#train')) == 2
    assert 'left out 1 of 2 drives' in caplog.text
    item = open_source(f'kitti_depth:{benchmark}#train')[0]
    path = benchmark / 'train/2011_09_26_drive_0001_sync/proj_depth/groundtruth/image_02/0000000001.png'
    write_depth_png(path, np.full((16, 48), 7.5))
    with pytest.raises(DatasetError, match=r'0000000001\.png: expected a depth map of 96x32'):
        item.read()
    (tmp_path / 'raw/2011_09_26/2011_09_26_drive_0001_sync/image_02/data/0000000001.png').unlink()
    with pytest.raises(DatasetError, match=r'image_02/data/0000000001\.png: expected an image'):
        item.read()


@pytest.fixture
def selection(tmp_path):
    """Return a folder with depth_selection/val_selection_cropped and one image in it."""
    folder = tmp_path / 'depth/depth_selection/val_selection_cropped'
    for name in ('groundtruth_depth', 'intrinsics'):
        (folder / name).mkdir(parents=True)
    write_image(folder / 'image/2011_09_26_drive_0002_sync_image_0000000005_image_02.png')
    write_depth_png(folder / 'groundtruth_depth/2011_09_26_drive_0002_sync_groundtruth_depth_0000000005_image_02.png',
                    ground_m())
    (folder / 'intrinsics/2011_09_26_drive_0002_sync_image_0000000005_image_02.txt').write_text(
        '70.0 0.0 63.5 0.0 70.0 31.5 0.0 0.0 1.0')
    return tmp_path / 'depth'


def test_selected_images(selection):
    (item,) = open_source(f'kitti_depth:{selection}#val_selection_cropped')
    assert (item.source, item.drive) == ('depth', '2011_09_26_drive_0002_sync')
    assert item.name == 'val_selection_cropped/2011_09_26_drive_0002_sync_image_0000000005_image_02'
    frame = item.read()
    assert frame.camera.fx == FOCAL
    np.testing.assert_allclose(truth_map(frame), ground_m(), atol=1 / 512)


def test_selected_image_without_intrinsics(selection):
    (item,) = open_source(f'kitti_depth:{selection}#val_selection_cropped')
    (path,) = selection.rglob('*.txt')
    path.write_text('70 0 63.5')
    with pytest.raises(DatasetError, match=r'image_02\.txt: expected the nine numbers of K'):
        item.read()


def test_real_folder(shared_data):
    train, val = (open_source(f'kitti:kitti/training#{split}', shared_data) for split in ('train,stereo', 'val'))
    assert (len(train), len(val)) == (377, 36)
    assert (sum(item.read_right is not None for item in train), sum(item.read_right is not None for item in val)) == (
        162, 14)
    refuse_overlap([*train, *open_source('images:kitti/images#train', shared_data)],
                   [*val, *open_source('images:kitti/images#val', shared_data)])
    frame = val[0].read()
    assert 5000 < np.count_nonzero(truth_map(frame)) < 200_000


def test_real_drive_gives_the_maps_of_velodyne_to_depth_and_of_the_folder(real_drive, shared_data, tmp_path):
    folder = {item.name: item for item in open_source('kitti:kitti/training', shared_data)}
    assert velodyne_to_depth([str(real_drive), str(tmp_path), '--images', 'none', '--motion', 'off',
                              '--occlusion', 'off']) == 0
    for item in open_source(f'kitti_raw:{real_drive}')[:17:8]:
        truth_m = truth_map(item.read())
        written_m = read_depth_png(tmp_path / 'depth' / f'{item.name[-10:]}.png')
        assert np.count_nonzero(truth_m != written_m) < 10  # there the file's rotation, of seven digits, is made exact
        assert np.array_equal(truth_m, truth_map(folder[item.name].read()))
        assert item.baseline_m == pytest.approx(0.5327, abs=1e-4)
    assert cv2.imread(str(item.file)).shape[:2] == Size(375, 1242).shape
