"""Datasets, labels and the training loop on a tiny folder in the layout of our KITTI subset."""

import csv
import json

import cv2
import numpy as np
import pytest
import torch

from depth_node.checkpoint import load_checkpoint
from depth_node_training.batches import batches, drive_chances, load_frames
from depth_node_training.config import TrainConfig, load_config
from depth_node_training.datasets.frame import DatasetError, Frame, beyond, map_points, without_edges
from depth_node_training.datasets.images import folder_labels
from depth_node_training.datasets.kitti import kitti_frame, kitti_truth, read_calibration, read_index
from depth_node_training.sky import sky_mask, sky_points
from depth_node_training.train import main as depth_train
from depth_node_training.train import one_cycle, train, update_average
from depth_node_training.validate import load_val
from msg_tools.camera import Intrinsics, Size
from msg_tools.depth_png import write_depth_png
from msg_tools.errors import ConfigError

SIZE = Size(64, 128)
FOCAL = 70.0
# forward (x of the Velodyne) is z of the camera, left (y) is -x, up (z) is -y
TR = '0 -1 0 0 0 0 -1 0 1 0 0 0'
P = f'{FOCAL} 0 63.5 0 0 {FOCAL} 31.5 0 0 0 1 0'


def write_frame(root, drive, frame, truth, split='train', seed=0):
    """Write an image whose brightness falls with depth, and a scan of a ground 1.65 m below."""
    rng = np.random.default_rng(seed)
    folder = root / drive
    for name in ('image_02', 'calib', 'velodyne', f'depth_{truth}_02'):
        (folder / name).mkdir(parents=True, exist_ok=True)
    rows = np.arange(SIZE.height)
    depth = np.where(rows > 34, FOCAL * 1.65 / np.maximum(rows - 31.5, 1), 30.0).astype(np.float32)
    image = (255 - 3 * depth[:, None, None]).clip(0, 255) + rng.normal(0, 5, (64, 128, 3))
    cv2.imwrite(str(folder / 'image_02' / f'{frame}.jpg'), image.clip(0, 255).astype(np.uint8))
    (folder / 'calib' / f'{frame}_image_02.txt').write_text(f'P_rect_02: {P}\nTr_velo_to_cam_rect: {TR}\n')
    v, u = np.mgrid[36:62:2, 4:124:4]
    z = depth[v]
    scan = np.stack([z, -(u - 63.5) * z / FOCAL, -(v - 31.5) * z / FOCAL, np.zeros_like(z)], -1).reshape(-1, 4)
    if truth == 'lidar':
        scan.astype(np.float32).tofile(folder / 'velodyne' / f'{frame}.bin')
    elif truth != 'none':
        write_depth_png(folder / f'depth_{truth}_02' / f'{frame}.png', np.repeat(depth[:, None], SIZE.width, 1))
    return {'split': split, 'drive': drive, 'frame': frame, 'camera': 'image_02', 'width': 128, 'height': 64,
            'truth': truth, 'points': len(scan), 'note': ''}


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    """Return a folder with kitti/training (four frames, three drives) and an empty kitti/images."""
    root = tmp_path_factory.mktemp('data')
    training, images = root / 'kitti' / 'training', root / 'kitti' / 'images'
    images.mkdir(parents=True)
    rows = [write_frame(training, 'drive_a', '0000000000', 'lidar', seed=1),
            write_frame(training, 'drive_a', '0000000001', 'lidar', seed=2),
            write_frame(training, 'drive_b', '0000000000', 'dense', seed=3),
            write_frame(training, 'drive_c', '0000000000', 'annotated', split='val', seed=4),
            write_frame(training, 'drive_d', '0000000000', 'none', split='stereo', seed=5)]
    for folder, content, names in ((training, rows, list(rows[0])), (images, [], ['split', 'file'])):
        with (folder / 'index.csv').open('w', newline='') as file:
            writer = csv.DictWriter(file, names)
            writer.writeheader()
            writer.writerows(content)
    return root


def tiny(data, out, **changes):
    settings = {'height': 32, 'width': 64, 'focal_px': 35.0, 'batch': 2, 'steps': 2, 'lr': 5e-4, 'threads': 1,
                'warmup': 0.0, 'ema': 0.0, 'eval_every': 100}
    return TrainConfig(data=str(data), out=str(out), **{**settings, **changes})


def test_lidar_points_land_where_they_were_measured(data):
    root = data / 'kitti' / 'training'
    frame = kitti_frame(root, read_index(root)[0], focal_px=1000.0)
    (points,) = frame.labels
    assert frame.camera.fx == FOCAL
    assert len(points.depth_m) == 13 * 30
    row = points.uv[:, 1]
    np.testing.assert_allclose(points.depth_m, FOCAL * 1.65 / (row - 31.5), rtol=1e-4)
    np.testing.assert_allclose(points.uv / 2, np.rint(points.uv / 2), atol=1e-3)


def test_image_is_kept_at_the_size_that_training_needs(data):
    root = data / 'kitti' / 'training'
    frame = kitti_frame(root, read_index(root)[0], focal_px=FOCAL / 2)
    assert frame.rgb.shape == (32, 64, 3)
    assert frame.camera.size == SIZE


def test_truth_for_evaluation_is_the_same_scan(data):
    root = data / 'kitti' / 'training'
    rgb, camera, truth_m = kitti_truth(root, read_index(root)[0])
    assert rgb.shape == (64, 128, 3)
    assert camera.size == SIZE
    assert truth_m[40, 8] == pytest.approx(FOCAL * 1.65 / 8.5, rel=1e-4)
    assert (truth_m > 0).sum() == 13 * 30


def test_only_labelled_training_images_are_loaded(data):
    frames = load_frames(tiny(data, 'unused'))
    assert [frame.drive for frame in frames] == ['drive_a', 'drive_a', 'drive_b']


def test_validation_takes_its_own_split(data):
    assert [frame.drive for frame in load_val(data)] == ['drive_c']


def test_missing_files_are_named(data, tmp_path):
    with pytest.raises(DatasetError, match=r'index\.csv'):
        read_index(tmp_path)
    root = data / 'kitti' / 'training'
    row = {**read_index(root)[0], 'frame': '0000000009'}
    with pytest.raises(DatasetError, match=r'0000000009\.jpg.*no file'):
        kitti_frame(root, row, 35.0)
    (tmp_path / 'calib.txt').write_text('P_rect_02: 1 2 3\n')
    with pytest.raises(DatasetError, match='Tr_velo_to_cam_rect'):
        read_calibration(tmp_path / 'calib.txt')


def test_map_of_another_size_covers_the_same_view():
    """A pixel of a 2x4 map over a 64x128 image is 32 px wide: its centre is at 15.5, 47.5, ..."""
    camera = Intrinsics(70, 70, 63.5, 31.5, SIZE)
    points = map_points(np.array([[0, 5, 0, 0], [0, 0, 0, 7]], np.float32), camera, 0.5)
    assert points.uv.tolist() == [[47.5, 15.5], [111.5, 47.5]]
    assert points.depth_m.tolist() == [5.0, 7.0]


def test_dense_maps_lose_their_edges():
    depth_m = np.full((9, 9), 10.0)
    depth_m[:, 5:] = 30.0
    kept = without_edges(depth_m)
    assert (kept[:, 3:7] == 0).all()
    assert (kept[:, :3] == 10).all()
    assert (kept[:, 7:] == 30).all()


def test_folder_of_maps(tmp_path):
    frame = Frame('drive', 'a/b', np.zeros((64, 128, 3), np.uint8), Intrinsics(70, 70, 63.5, 31.5, SIZE))
    assert folder_labels(tmp_path, frame, 0.5, 60.0) == []
    (tmp_path / 'a').mkdir()
    np.save(tmp_path / 'a' / 'b.npy', np.array([[10.0, 70.0], [0.0, np.nan]], np.float16))
    (points,) = folder_labels(tmp_path, frame, 0.5, 60.0)
    assert points.depth_m.tolist() == [10.0, np.inf]
    assert points.weight == 0.5
    np.save(tmp_path / 'a' / 'b.npy', np.full((2, 2), 10000.0))
    with pytest.raises(DatasetError, match='another unit'):
        folder_labels(tmp_path, frame, 0.5, 60.0)


def test_far_depths_only_say_far():
    assert beyond(np.array([64.9, 65.0, 300.0], np.float32), 65.0).tolist() == [pytest.approx(64.9), np.inf, np.inf]


def test_sky_is_white_or_blue_smooth_and_above():
    rgb = np.full((100, 100, 3), 60, np.uint8)
    rgb[:30] = 250
    rgb[:30, 60:] = (100, 150, 220)
    rgb[70:] = 250  # a bright road
    mask = sky_mask(rgb)
    assert mask[10, 20]
    assert mask[10, 80]
    assert not mask[50:].any()


def test_a_white_wall_is_not_sky_where_the_teacher_says_near():
    rgb = np.full((64, 128, 3), 250, np.uint8)
    frame = Frame('drive', 'name', rgb, Intrinsics(70, 70, 63.5, 31.5, SIZE))
    guard = map_points(np.where(np.arange(32) < 16, 8.0, 40.0)[None].repeat(16, 0), frame.camera)
    sky = sky_points(frame, guard)
    assert np.isinf(sky.depth_m).all()
    assert sky.uv[:, 0].min() > 64
    assert sky.uv[:, 1].max() < 29


def test_a_long_drive_is_drawn_by_the_root_of_its_size():
    frames = [Frame(drive, '', np.zeros((1, 1, 3)), None) for drive in ['long'] * 9 + ['short']]
    chances = drive_chances(frames)
    assert chances[:9].sum() == pytest.approx(0.75)
    assert chances[9] == pytest.approx(0.25)


def test_batches_depend_on_the_seed_alone(data):
    config = tiny(data, 'unused')
    frames = load_frames(config)
    first, again, other = (list(batches(frames, config, 2, seed)) for seed in (1, 1, 2))
    assert first[0].rgb.shape == (2, 3, 32, 64)
    assert first[0].target.shape == (2, 1, 16, 32)
    assert all(torch.equal(a.rgb, b.rgb) and torch.equal(a.target, b.target) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0].rgb, other[0].rgb)


def test_training_lowers_the_loss_and_repeats_itself(data, tmp_path):
    losses = []
    for name in ('one', 'two'):
        config = tiny(data, tmp_path / name, steps=12)
        result = train(config, load_frames(config), load_val(data), tmp_path / name)
        log = [json.loads(line) for line in (tmp_path / name / 'log.jsonl').read_text().splitlines()]
        losses.append([row['loss'] for row in log if 'loss' in row])
    assert losses[0] == losses[1]
    checkpoint = load_checkpoint(tmp_path / 'one' / 'best.safetensors')
    assert checkpoint.metadata['val']['mean'] == result['val']['mean']
    assert checkpoint.metadata['training']['steps'] == 12
    assert load_checkpoint(tmp_path / 'one' / 'last.safetensors').model_config.focal_px == 35.0
    first = next(iter(batches(load_frames(config), config, 1, 99)))
    before, after = (loss_of(path, first, config) for path in (None, tmp_path / 'one' / 'last.safetensors'))
    assert after < 0.7 * before


def loss_of(path, batch, config):
    from depth_node_training.train import start_model, step_losses

    torch.manual_seed(config.seed)
    model = start_model(config) if path is None else load_checkpoint(path).model()
    return step_losses(model, batch, config)['depth'].item()


def test_a_loss_that_is_not_a_number_stops_the_run_and_keeps_the_batch(data, tmp_path, monkeypatch):
    from depth_node_training.losses import LOSSES
    from depth_node_training.train import TrainingError

    monkeypatch.setitem(LOSSES, 'log_l1', lambda log_pred, target, weight: log_pred.mean() * float('nan'))
    config = tiny(data, tmp_path)
    frames = load_frames(config)
    with pytest.raises(TrainingError, match=r'finite loss.*bad_batch\.pt'):
        train(config, frames, [], tmp_path)
    assert torch.load(tmp_path / 'bad_batch.pt', weights_only=True)['rgb'].shape == (2, 3, 32, 64)


def test_frozen_blocks_keep_their_weights():
    from depth_node_training.train import start_model

    model = start_model(TrainConfig(height=32, width=64, frozen_blocks=2))
    frozen = [name for name, parameter in model.named_parameters() if not parameter.requires_grad]
    assert frozen
    assert all(name.startswith(('encoder.stem', 'encoder.blocks.0.', 'encoder.blocks.1.')) for name in frozen)


def test_without_flatbuffers_the_message_says_what_to_install(monkeypatch):
    import sys

    from depth_node_training.train import start_model

    monkeypatch.setitem(sys.modules, 'depth_node_training.pretrained', None)
    with pytest.raises(ConfigError, match='pip install'):
        start_model(TrainConfig(height=32, width=64, encoder='weights.tflite'))


def test_learning_rate_rises_and_falls():
    assert [one_cycle(part, 0.5) for part in (0.0, 0.5, 0.75, 1.0)] == pytest.approx([0.1, 1.0, 0.5, 0.0])


def test_average_by_hand():
    average, model = torch.nn.Linear(1, 1), torch.nn.Linear(1, 1)
    torch.nn.init.constant_(average.weight, 1.0)
    torch.nn.init.constant_(model.weight, 3.0)
    update_average(average, model, 0.75)
    assert average.weight.item() == 1.5


def test_config_from_file_and_arguments(tmp_path):
    (tmp_path / 'train.yaml').write_text('steps: 10\nlr: 1e-3\n')
    config = load_config(tmp_path / 'train.yaml', ['steps=20', 'data=folder', 'max_zoom=1'])
    assert (config.steps, config.lr, config.data, config.max_zoom) == (20, 1e-3, 'folder', 1.0)


@pytest.mark.parametrize(('change', 'text'), [('stepz=1', "got 'stepz'"), ('steps=many', 'steps: expected int'),
                                              ('steps', 'key=value'), ('lr=fast', 'expected a number')])
def test_wrong_settings(tmp_path, change, text):
    (tmp_path / 'train.yaml').write_text('steps: 10\n')
    with pytest.raises(ConfigError, match=text):
        load_config(tmp_path / 'train.yaml', [change])


def test_shipped_settings_are_valid():
    from pathlib import Path

    load_config(Path(__file__).parents[1] / 'config' / 'train.yaml')


def test_command_says_what_is_missing(tmp_path, capsys):
    (tmp_path / 'train.yaml').write_text('steps: 1\n')
    assert depth_train([str(tmp_path / 'train.yaml')]) == 1
    assert depth_train([str(tmp_path / 'train.yaml'), f'data={tmp_path}']) == 1
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith('depth_train: error: expected data=FOLDER')
    assert 'index.csv' in second


def test_command_trains(data, tmp_path, capsys):
    (tmp_path / 'train.yaml').write_text(
        'height: 32\nwidth: 64\nfocal_px: 35\nbatch: 1\nsteps: 1\nthreads: 1\n')
    assert depth_train([str(tmp_path / 'train.yaml'), f'data={data}', f'out={tmp_path}', '--json']) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result['step'] == 1
    assert set(result['val']['drives']) == {'drive_c'}


