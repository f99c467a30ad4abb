"""depth_data: pictures of labels, faults that check must find, and a subset that trains like its source."""

import csv
import json
import os
import shutil

import cv2
import numpy as np
import pytest
from fixtures_datasets import ground_m, write_image, write_index, write_kitti_frame

from depth_node_training import data_show
from depth_node_training.augment import Sample
from depth_node_training.data import main
from depth_node_training.data_facts import look_of
from depth_node_training.data_maps import write_map
from depth_node_training.data_picture import draw, fitted, panels, stacked, target_picture
from depth_node_training.data_subset import depth_steps
from depth_node_training.datasets import open_source
from depth_node_training.datasets.frame import Frame, Points, map_points, truth_map
from msg_tools.camera import Intrinsics, Size
from msg_tools.colors import SKY_RGB
from msg_tools.depth_png import read_depth_steps
from msg_tools.errors import DepthNodeError

SIZE = Size(64, 128)
CAMERA = Intrinsics(70, 70, 63.5, 31.5, SIZE)


@pytest.fixture
def data(tmp_path):
    """Return a folder with `kitti`: two LiDAR frames of a drive and a dense one of another to train on, one for val."""
    root = tmp_path / 'kitti'
    root.mkdir()
    frames = (('drive_a', '0000000000', 'lidar', 'train'), ('drive_a', '0000000001', 'lidar', 'train'),
              ('drive_b', '0000000000', 'dense', 'train'), ('drive_c', '0000000000', 'annotated', 'val'))
    write_index(root, [write_kitti_frame(root, *frame) for frame in frames])
    for seed, path in enumerate(sorted(root.glob('*/image_02/*.jpg'))):
        write_image(path, seed)
    return tmp_path


@pytest.fixture
def settings(data):
    """Return the settings of a training on it with a teacher that sees the ground 10 % farther."""
    for path in (data / 'kitti').glob('*/image_02/*.jpg'):
        target = data / 'teacher' / 'kitti' / path.relative_to(data / 'kitti').with_suffix('.npy')
        target.parent.mkdir(parents=True, exist_ok=True)
        np.save(target, (ground_m() * 1.1).astype(np.float16))
    (data / 'train.yaml').write_text(
        f'data: {data}\ntrain: [kitti:kitti#train]\nval: [kitti:kitti#val]\nmaps: {{teacher: {data / "teacher"}}}\n'
        'height: 32\nwidth: 64\nfocal_px: 35.0\n')
    return data / 'train.yaml'


def frame_with(*labels):
    return Frame('drive', 'name', np.full((64, 128, 3), 90, np.uint8), CAMERA, labels)


def labels_at(kind, *rows):
    u, v, depth_m = np.array(rows, np.float32).T
    return Points(kind, np.stack([u, v], -1), depth_m)


# show


def test_labels_are_drawn_where_they_are_and_the_nearest_wins():
    depth_m = draw(labels_at('lidar', (10, 20, 5), (11, 20, 9), (60, 40, np.inf)), SIZE, Size(32, 64))
    assert depth_m[10, 5] == 5.0
    assert np.isposinf(depth_m[20, 30])
    assert (depth_m != 0).sum() == 2


def test_panels_name_each_kind_and_the_target():
    target = np.zeros((16, 32), np.float32)
    target[:8] = np.inf
    sample = Sample(np.zeros((32, 64, 3), np.uint8), target, (target > 0).astype(np.float32))
    found = panels(frame_with(labels_at('lidar', (10, 20, 5)), labels_at('sky', (60, 4, np.inf))), 96, sample)
    assert [panel.title for panel in found] == ['image', 'lidar: 1', 'sky: 1', 'input', 'target']
    assert {panel.rgb.shape for panel in found} == {(48, 96, 3)}
    assert tuple(found[4].rgb[5, 50]) == SKY_RGB
    assert tuple(found[4].rgb[40, 50]) == (0, 0, 0)
    assert tuple(found[1].rgb[40, 80]) == (22, 22, 22)  # the image, darkened


def test_less_weight_is_darker():
    target = np.full((2, 4), 10.0, np.float32)
    weight = np.array([[1.0] * 4, [0.2] * 4], np.float32)
    picture = target_picture(Sample(np.zeros((4, 8, 3), np.uint8), target, weight), Size(2, 4)).astype(int)
    assert (picture[1].max(-1) < 0.6 * picture[0].max(-1)).all()


def test_pictures_fit_and_stack():
    assert fitted(np.full((10, 10, 3), 255, np.uint8), Size(20, 60)).mean(axis=(0, 2)).nonzero()[0].tolist() == list(
        range(20, 40))
    assert stacked([np.zeros((2, 3, 3), np.uint8), np.zeros((4, 5, 3), np.uint8)]).shape == (6, 5, 3)


def test_show_writes_sheets_and_lines(data, tmp_path, capsys):
    out = tmp_path / 'out'
    assert main(['show', 'kitti:kitti#train', '--data', str(data), '--out', str(out), '--per-sheet', '2']) == 0
    assert '3 frames on 2 sheets' in capsys.readouterr().out
    assert cv2.imread(str(out / 'sheet_000.jpg')).shape[1] == 4 * 400
    assert (out / 'sheet_001.jpg').exists()
    first, _, third = (out / 'frames.txt').read_text().splitlines()
    assert first.startswith('drive_a kitti/drive_a/image_02/0000000000 128x64 f=70px | lidar 390 (4.')
    assert 'dense ' in third


def test_show_adds_what_a_training_adds(settings, tmp_path, capsys):
    out = tmp_path / 'out'
    call = ['show', 'kitti:kitti#train', '--labels-from', str(settings), '--out', str(out), '--every', '2']
    assert main(call) == 0
    line = (out / 'frames.txt').read_text().splitlines()[0]
    assert 'teacher 8192 (' in line
    assert 'sky ' in line
    before = (out / 'sheet_000.jpg').read_bytes()
    assert main(call) == 0
    assert (out / 'sheet_000.jpg').read_bytes() == before  # the sample is drawn by its name, not by chance


def test_show_names_a_frame_that_cannot_be_read_and_goes_on(data, tmp_path, capsys):
    (data / 'kitti/drive_a/image_02/0000000000.jpg').write_bytes(b'no image')
    out = tmp_path / 'out'
    assert main(['show', 'kitti:kitti#train', '--data', str(data), '--out', str(out)]) == 1
    captured = capsys.readouterr()
    assert 'drive_a/image_02/0000000000' in captured.err
    assert '2 frames on 1 sheets, 1 could not be read' in captured.out


def test_a_window_needs_a_display(data, monkeypatch, capsys):
    monkeypatch.delenv('DISPLAY', raising=False)
    monkeypatch.delenv('WAYLAND_DISPLAY', raising=False)
    monkeypatch.setattr('sys.platform', 'linux')
    assert main(['show', 'kitti:kitti', '--data', str(data), '--window']) == 1
    assert 'expected a display' in capsys.readouterr().err


def test_an_opencv_without_windows_is_named(monkeypatch):
    def headless(*args):
        raise cv2.error('The function is not implemented')

    monkeypatch.setattr(cv2, 'imshow', headless)
    with pytest.raises(DepthNodeError, match='headless'):
        data_show.ask(np.zeros((4, 4, 3), np.uint8))


def test_keys_go_on_back_and_out(data, monkeypatch, capsys):
    keys = iter([ord('n'), ord('x'), ord('p'), ord(' '), ord('q')])
    shown = []
    monkeypatch.setenv('DISPLAY', ':0')
    monkeypatch.setattr(cv2, 'imshow', lambda name, picture: shown.append(picture))
    monkeypatch.setattr(cv2, 'waitKey', lambda delay: next(keys))
    monkeypatch.setattr(cv2, 'getWindowProperty', lambda name, what: 1.0)
    monkeypatch.setattr(cv2, 'destroyAllWindows', lambda: None)
    assert main(['show', 'kitti:kitti#train', '--data', str(data), '--window']) == 0
    numbers = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert numbers == ['1/3', '2/3', '1/3', '2/3']
    assert len(shown) == 4


def test_show_wants_somewhere_to_show(data):
    with pytest.raises(SystemExit) as stopped:
        main(['show', 'kitti:kitti'])
    assert stopped.value.code == 2


# maps


def test_a_map_of_fewer_pixels_lies_where_it_was(tmp_path):
    """Each pixel of a map 1500 px wide says its own column: of three the middle one stays, and is read back there."""
    write_map(tmp_path / 'a.npy', np.repeat(np.arange(1500.0)[None] + 1, 6, 0))
    camera = Intrinsics(700, 700, 749.5, 2.5, Size(6, 1500))
    points = map_points(np.load(tmp_path / 'a.npy').astype(np.float32), camera, 'teacher')
    np.testing.assert_allclose(points.uv[:, 0], points.depth_m - 1, atol=0.5)
    assert abs((points.uv[:, 0] - points.depth_m + 1).mean()) < 0.01


# check


def faults(capsys):
    """Return what check printed: the sources' rows, and texts to frames of the faults."""
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    return {row['source']: row for row in found['sources']}, {
        fault['text']: (fault['wrong'], fault['frames']) for fault in found['faults']}


def test_good_data_pass(settings, capsys):
    assert main(['check', str(settings), '--json']) == 0
    rows, found = faults(capsys)
    train = rows['kitti:kitti#train']
    assert (train['frames'], train['failed'], train['drives'], train['sizes']) == (3, 0, 2, ['128x64'])
    assert train['kinds']['lidar']['frames'] == 2
    assert train['kinds']['lidar']['labels'] == 390
    assert train['kinds']['teacher']['ratio'] == pytest.approx(1 / 1.1, abs=0.05)
    assert rows['kitti:kitti#val']['kinds']['annotated']['frames'] == 1
    assert found == {}


def test_check_prints_a_table(settings, capsys):
    assert main(['check', str(settings)]) == 0
    text = capsys.readouterr().out
    assert text.splitlines()[0].split() == ['source', 'frames', 'failed', 'drives', 'pairs', 'label', 'in', 'frames',
                                            'labels', 'median', 'm', 'better/map']
    assert text.splitlines()[-1] == '0 wrong, 0 suspicious'


def test_a_frame_that_cannot_be_read_is_wrong(data, capsys):
    (data / 'kitti/drive_a/velodyne/0000000001.bin').write_bytes(b'123')
    assert main(['check', 'kitti:kitti', '--data', str(data), '--json']) == 1
    rows, found = faults(capsys)
    ((text, (wrong, frames)),) = found.items()
    assert wrong
    assert frames == ['kitti/drive_a/image_02/0000000001']
    assert text.startswith('cannot be read: ')
    assert rows['kitti:kitti']['failed'] == 1


def test_a_drive_on_both_sides_is_wrong(data, capsys):
    rows = list(csv.DictReader((data / 'kitti/index.csv').open()))
    rows[1]['split'] = 'val'
    write_index(data / 'kitti', rows)
    assert main(['check', 'kitti:kitti#train', 'kitti:kitti#val', '--data', str(data), '--json']) == 1
    _, found = faults(capsys)
    assert found['drive drive_a is in train and in val'] == (
        True, ['kitti/drive_a/image_02/0000000000', 'kitti/drive_a/image_02/0000000001'])


def test_one_image_on_both_sides_is_wrong_and_a_smaller_copy_suspicious(data, capsys):
    folder = data / 'kitti'
    shutil.copy(folder / 'drive_a/image_02/0000000000.jpg', folder / 'drive_c/image_02/0000000000.jpg')
    call = ['check', 'kitti:kitti#train', 'kitti:kitti#val', '--data', str(data), '--json']
    assert main(call) == 1
    _, found = faults(capsys)
    same = ['kitti/drive_a/image_02/0000000000', 'kitti/drive_c/image_02/0000000000']
    assert found['the same image in train and in val'] == (True, same)
    image = cv2.imread(str(folder / 'drive_a/image_02/0000000000.jpg'))
    cv2.imwrite(str(folder / 'drive_c/image_02/0000000000.jpg'), image, [cv2.IMWRITE_JPEG_QUALITY, 60])
    assert main(call) == 0
    _, found = faults(capsys)
    assert found == {'all but the same image in train and in val': (False, same)}
    assert main([*call, '--strict']) == 1


def test_pictures_of_one_scene_look_alike_at_any_size():
    rng = np.random.default_rng(0)
    image = cv2.resize(rng.integers(0, 256, (12, 40, 3), np.uint8), (400, 120))
    other = cv2.resize(rng.integers(0, 256, (12, 40, 3), np.uint8), (400, 120))
    assert (look_of(image) != look_of(cv2.resize(image, (300, 90), interpolation=cv2.INTER_AREA))).mean() < 0.04
    assert (look_of(image) != look_of(other)).mean() > 0.3


def write_flat(root, name, **changes):
    """Write an image with depth 10 m everywhere, and return its row."""
    write_image(root / f'{name}.png', seed=len(name))
    np.save(root / f'{name}.npy', np.full(SIZE.shape, changes.pop('depth_m', 10.0), np.float32))
    return {'file': f'{name}.png', 'drive': 'a', 'fx': 70.0, 'fy': 70.0, 'cx': 63.5, 'cy': 31.5, 'depth': f'{name}.npy',
            **changes}


def test_suspicious_frames_are_named(tmp_path, capsys):
    root = tmp_path / 'mine'
    rows = [write_flat(root, f'image_{"x" * i}') for i in range(4)]
    rows += [write_flat(root, 'other_unit', depth_m=150.0), write_flat(root, 'other_camera_', fx=120.0, fy=120.0)]
    rows += [{**rows[0], 'file': 'copy.png'}]
    shutil.copy(root / rows[0]['file'], root / 'copy.png')
    write_index(root, rows)
    assert main(['check', f'images:{root}', '--json']) == 0
    _, found = faults(capsys)
    texts = {text.split(':')[0] if 'focal' not in text else 'focal': frames for text, (_, frames) in found.items()}
    assert texts == {'lidar': ['mine/other_unit'], 'focal': ['mine/other_camera_'],
                     'the same image': ['mine/image_', 'mine/copy']}


def test_a_teacher_of_another_frame_is_suspicious(settings, capsys):
    path = settings.parent / 'teacher/kitti/drive_a/image_02/0000000001.npy'
    np.save(path, np.load(path) * 2)
    assert main(['check', str(settings), '--json']) == 0
    _, found = faults(capsys)
    ((text, (wrong, frames)),) = found.items()
    assert text.startswith('teacher: off what is measured')
    assert (wrong, frames) == (False, ['kitti/drive_a/image_02/0000000001'])


def test_images_without_a_label_are_suspicious_in_a_training(settings, capsys):
    rows = list(csv.DictReader((settings.parent / 'kitti/index.csv').open()))
    rows[0]['truth'] = 'none'
    write_index(settings.parent / 'kitti', rows)
    assert main(['check', str(settings), '--json', '--set', 'maps={}']) == 0
    _, found = faults(capsys)
    ((text, found_frames),) = found.items()
    assert text.startswith('no label of exact, ')
    assert found_frames == (False, ['kitti/drive_a/image_02/0000000000'])


def test_labels_that_are_not_trained_on_are_none(settings, capsys):
    """The drive that has a dense map alone teaches nothing where LiDAR alone counts."""
    assert main(['check', str(settings), '--json', '--set', 'maps={}', 'labels={lidar: 1.0, dense: 0.0}']) == 0
    _, found = faults(capsys)
    assert found == {'no label of lidar': (False, ['kitti/drive_b/image_02/0000000000'])}


def test_check_wants_settings_or_sources(settings, capsys):
    assert main(['check', str(settings), 'kitti:kitti']) == 1
    assert main(['check', 'kitti:kitti', '--maps', 'teacher']) == 1
    assert main(['check', 'nowhere:kitti']) == 1
    assert [line.split(':')[1] for line in capsys.readouterr().err.splitlines()] == [' error'] * 3


# subset


def test_a_subset_is_the_same_data(data, tmp_path, capsys):
    out = tmp_path / 'small'
    call = ['subset', 'kitti:kitti#train', 'kitti:kitti#val', str(out), '--data', str(data), '--every', '2', '--json']
    assert main(call) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == {
        'out': str(out), 'frames': 3, 'drives': 3, 'depth': 3, 'failed': 0}
    whole = {item.name: item.read() for item in open_source('kitti:kitti', data)}
    items = open_source(f'images:{out}')
    assert [item.drive for item in items] == ['drive_a', 'drive_b', 'drive_c']
    assert [len(open_source(f'images:{out}#{split}')) for split in ('train', 'val')] == [2, 1]
    for item in items:
        frame, old = item.read(), whole[item.name.removeprefix('image/')]
        np.testing.assert_array_equal(frame.rgb, old.rgb)
        assert frame.camera == old.camera
        assert frame.labels[0].kind == old.labels[0].kind
    lidar, before = items[0].read(), whole['drive_a/image_02/0000000000']
    new_m, old_m = truth_map(lidar), truth_map(before)
    np.testing.assert_array_equal(new_m > 0, old_m > 0)
    assert np.abs(new_m - old_m).max() <= 1 / 512
    assert os.stat(items[0].file).st_ino == os.stat(data / 'kitti/drive_a/image_02/0000000000.jpg').st_ino


def test_a_subset_may_be_a_copy_of_some_drives(data, tmp_path, capsys):
    out = tmp_path / 'small'
    assert main(['subset', 'kitti:kitti', str(out), '--data', str(data), '--drives', '*_a', '--count', '1', '--images',
                 'copy', '--split', 'debug']) == 0
    (item,) = open_source(f'images:{out}#debug')
    original = data / 'kitti/drive_a/image_02/0000000000.jpg'
    assert item.file.read_bytes() == original.read_bytes()
    assert os.stat(item.file).st_ino != os.stat(original).st_ino
    assert main(['subset', 'kitti:kitti', str(out), '--data', str(data)]) == 1
    assert main(['subset', 'kitti:kitti', str(tmp_path / 'x'), '--data', str(data), '--drives', 'z']) == 1
    assert main(['subset', 'kitti:kitti', str(out / 'index.csv'), '--data', str(data)]) == 1
    first, second, third = capsys.readouterr().err.splitlines()
    assert 'new or empty folder' in first
    assert 'new or empty folder, got a file' in third
    assert 'drive_a, drive_b, drive_c' in second


def test_steps_of_a_depth_file():
    steps = depth_steps(labels_at('exact', (3, 4, 10.001), (3, 4, 12), (5, 6, np.inf), (7, 8, 255.99), (9, 9, 0.003)),
                        frame_with())
    assert (steps[4, 3], steps[6, 5], steps[8, 7], steps[9, 9]) == (2560, 65535, 65533, 1)
    assert np.count_nonzero(steps) == 4


def test_pairs_and_what_is_beyond_go_along(tmp_path):
    root = tmp_path / 'rig'
    row = write_flat(root, 'left')
    right = write_image(root / 'right.png', 7)
    depth_m = np.full(SIZE.shape, 10.0, np.float32)
    depth_m[:20] = np.inf
    np.save(root / 'left.npy', depth_m)
    write_index(root, [{**row, 'pair': 'right.png', 'baseline': 0.12, 'truth': 'exact'}])
    out = tmp_path / 'small'
    assert main(['subset', f'images:{root}', str(out)]) == 0
    (item,) = open_source(f'images:{out}')
    np.testing.assert_array_equal(item.read_right(), right)
    assert item.baseline_m == 0.12
    assert (read_depth_steps(out / 'depth' / 'left.png')[:20] == 65535).all()
    assert np.isposinf(item.read().labels[0].depth_m).sum() == 20 * 128


def test_frames_of_a_bad_file_are_named_and_left_out(data, tmp_path, capsys):
    (data / 'kitti/drive_a/image_02/0000000000.jpg').unlink()
    assert main(['subset', 'kitti:kitti', str(tmp_path / 'small'), '--data', str(data)]) == 1
    captured = capsys.readouterr()
    assert 'drive_a/image_02/0000000000' in captured.err
    assert '3 frames of 3 drives' in captured.out


@pytest.mark.parametrize('part', ['show', 'check', 'subset', 'stereo', 'teacher'])
def test_each_part_has_help_with_an_example(part, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([part, '--help'])
    assert stopped.value.code == 0
    assert f'depth_data {part} ' in capsys.readouterr().out.split('example:')[1]
