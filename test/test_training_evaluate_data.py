"""depth_eval on datasets, configs and bags, of networks as of folders of maps, and its report."""

import json
import re
import shutil
from functools import partial
from html.parser import HTMLParser

import numpy as np
import pytest
import yaml
from fixtures_datasets import FOCAL, SHAPE, ground_m, write_image, write_index, write_kitti_frame
from fixtures_training import write_images

from depth_node.checkpoint import save_checkpoint
from depth_node.estimator import DepthEstimator
from depth_node.model import ModelConfig, build_model
from depth_node_training.evaluate import main as depth_eval
from depth_node_training.evaluate_data import Data, Frame, Measured, open_data
from depth_node_training.evaluate_predictors import network, row_mean_predictor, stretched
from depth_node_training.metrics import Protocol
from msg_tools.camera import Size
from msg_tools.depth_png import write_depth_png
from msg_tools.kitti_bag import main as kitti_to_bag

CONFIG = ModelConfig(height=SHAPE[0], width=SHAPE[1], focal_px=FOCAL)


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    """Return a checkpoint of a network of random weights."""
    path = tmp_path_factory.mktemp('run') / 'random.safetensors'
    save_checkpoint(path, build_model(CONFIG), CONFIG, {})
    return path


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    """Return a folder with kitti/training: a drive to train on, two to validate, and a frame without truth."""
    root = tmp_path_factory.mktemp('data') / 'kitti' / 'training'
    write_index(root, [
        write_kitti_frame(root, 'drive_1', '0', 'lidar', 'train'),
        write_kitti_frame(root, 'drive_2', '0', 'lidar', 'val'),
        write_kitti_frame(root, 'drive_3', '0', 'annotated', 'val'),
        write_kitti_frame(root, 'drive_3', '1', 'none', 'val'),
    ])
    return root.parents[1]


def run(capsys, *arguments):
    code = depth_eval([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def as_json(capsys, *arguments):
    code, out, err = run(capsys, *arguments, '--crop', 'none', '--json')
    assert code == 0, err
    return json.loads(out.splitlines()[-1])


def test_a_checkpoint_on_a_folder(checkpoint, data, capsys):
    result = as_json(capsys, '--checkpoint', checkpoint, '--data', data)
    assert result['images'] == 2
    assert list(result['drives']) == ['drive_2', 'drive_3']
    assert result['baselines']['row_mean']['abs_rel'] == pytest.approx(0.0, abs=0.1)  # the same ground in `train`
    assert result['drives']['drive_2']['baselines']['flat_ground']['abs_rel'] == pytest.approx(0.0, abs=0.01)
    assert 'random.safetensors' in result['prediction']
    assert set(result['confidence']) >= {'kept80_abs_rel', 'ause', 'sparsification', 'reliability', 'calibration_error'}
    assert any('1 of 3 frames have no measured depth' in text for text in result['warnings'])


def test_a_source_and_a_config_name_the_same_frames(checkpoint, data, tmp_path, capsys):
    config = tmp_path / 'config.yaml'
    config.write_text(yaml.safe_dump({'train': ['kitti:kitti/training#train'], 'val': ['kitti:kitti/training#val']}))
    found = [as_json(capsys, '--checkpoint', checkpoint, '--data', *words) for words in (
        [data], [f'kitti:{data}/kitti/training#val'], [config, f'data={data}'])]
    for result in found[1:]:
        assert result['abs_rel'] == found[0]['abs_rel']
        assert result['baselines'] == found[0]['baselines']


def test_the_split_is_chosen(checkpoint, data, capsys):
    result = as_json(capsys, '--checkpoint', checkpoint, '--data', data, '--split', 'train')
    assert list(result['drives']) == ['drive_1']


def test_predictions_for_a_dataset(data, tmp_path, capsys):
    """Maps of half the size, 10 % too far, of two of three frames."""
    for name in ('drive_2/image_02/0', 'drive_3/image_02/0'):
        (tmp_path / name).parent.mkdir(parents=True)
        np.save(tmp_path / f'{name}.npy', (1.1 * ground_m()[::2, ::2]).astype(np.float16))
    code, _, err = run(capsys, '--pred', tmp_path, '--data', data)
    assert code == 1
    assert '--resize' in err
    result = as_json(capsys, '--pred', tmp_path, '--data', data, '--resize')
    assert result['missing'] == 1
    assert result['abs_rel'] == pytest.approx(0.1, abs=0.05)
    assert 'confidence' not in result


def test_farther_than_the_node_looks(data):
    """The metrics' limits take the place of the node's 80 m."""
    estimator = DepthEstimator(lambda rgb: (np.full((32, 64), np.log(100), np.float32),) * 2, CONFIG, 'far')
    frame = open_data(str(data)).frames[0].read()
    assert np.isinf(estimator(frame.rgb, frame.camera).depth_m).all()
    depth_m = network(estimator, Protocol('none', 1.0, 200.0))(frame).depth_m
    np.testing.assert_allclose(depth_m, 100.0, rtol=1e-5)


def test_stretching_keeps_holes_and_edges_of_holes():
    """Twice as wide: between 10 and 20 m it is smooth, around a hole the nearest counts, +Inf stays."""
    found = stretched(np.array([[10.0, 20.0, np.nan, 30.0, np.inf]], np.float32), Size(1, 10))[0]
    assert found[[0, 1, 2, 3]].tolist() == [10.0, 12.5, 17.5, 20.0]
    assert np.isnan(found[[4, 5]]).all()
    assert found[[6, 7]].tolist() == [30.0, 30.0]
    assert np.isinf(found[[8, 9]]).all()


def test_stretching_shrinks_to_the_nearest_pixel():
    """Six pixels become four: their middles lie at 0.25, 1.75, 3.25 and 4.75, between holes at 0, 2, 3 and 5."""
    found = stretched(np.array([[np.nan, 1.0, np.nan, np.nan, 4.0, np.nan]], np.float32), Size(1, 4))[0]
    assert np.isnan(found).all()


def test_the_row_mean_is_fitted_on_all_sources(tmp_path):
    """Two sources whose frames share a name, walls at 10 and 30 m: 20 m, not the last one's 30."""
    fit = [Frame(drive, 'same name', partial(wall, drive, depth_m)) for drive, depth_m in (('a', 10.0), ('b', 30.0))]
    frame = wall('c', 50.0)
    predictor = row_mean_predictor(Data('', [Frame('c', 'x', lambda: frame)], fit))
    np.testing.assert_allclose(predictor(frame).depth_m, 20.0)


def wall(drive, depth_m):
    return Measured(drive, 'same name', np.full((8, 16), depth_m, np.float32), None, None)


def test_several_sources_have_names_of_their_own(checkpoint, tmp_path, capsys):
    for folder in ('one', 'two'):
        write_images(tmp_path / folder, {'val': [f'drive of {folder}', f'drive of {folder}']})
        for path in (tmp_path / folder).glob('*_depth.png'):
            name = path.stem.removesuffix('_depth').replace('drive of two', 'drive of one')
            (tmp_path / 'pred' / folder).mkdir(parents=True, exist_ok=True)
            shutil.copy(path, tmp_path / 'pred' / folder / f'{name}.png')
    config = tmp_path / 'config.yaml'
    config.write_text(yaml.safe_dump({'data': str(tmp_path), 'train': [], 'val': ['images:one', 'images:two']}))
    result = as_json(capsys, '--checkpoint', checkpoint, '--data', config)
    assert result['images'] == 4
    assert list(result['drives']) == ['drive of one', 'drive of two']
    result = as_json(capsys, '--pred', tmp_path / 'pred', '--data', config)
    assert (result['images'], result['missing'], result['abs_rel']) == (2, 2, 0.0)


def test_a_bag(checkpoint, tiny_drive, tmp_path, capsys):
    assert kitti_to_bag([str(tiny_drive), str(tmp_path / 'bag')]) == 0
    capsys.readouterr()
    found = [as_json(capsys, '--checkpoint', checkpoint, '--data', text)
             for text in (tmp_path / 'bag', f'bag:{tmp_path / "bag"}')]
    assert found[0]['images'] > 0
    assert found[0]['abs_rel'] == found[1]['abs_rel']
    assert found[0]['baselines']['row_mean']['abs_rel'] > 0


@pytest.mark.parametrize(('arguments', 'text'), [
    (['--checkpoint', 'default'], 'expected --pred DIR --gt DIR'),
    (['--checkpoint', 'default', '--pred', 'x', '--data', 'y'], 'expected --pred DIR --gt DIR'),
    (['--checkpoint', 'default', '--gt', 'x'], 'expected --pred DIR --gt DIR'),
    (['--checkpoint', 'default', '--data', 'nowhere.yaml'], 'nowhere.yaml: expected a YAML file'),
    (['--checkpoint', 'default', '--data', 'nowhere.mcap'], 'nowhere.mcap'),
    (['--checkpoint', 'default', '--data', 'kitti:nowhere#val'], r'nowhere.*index\.csv'),
])
def test_wrong_input_is_one_line(capsys, arguments, text):
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (1, '')
    assert err.count('\n') == 1
    assert re.search(text, err)


class Page(HTMLParser):
    """What a browser would find: tags that are closed in order, and what they point at."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.links, self.words = [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ('src', 'href')]
        if tag not in ('meta', 'link', 'img', 'br'):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


@pytest.fixture(scope='module')
def page(checkpoint, data, tmp_path_factory):
    path = tmp_path_factory.mktemp('report') / 'new folder' / 'report.html'
    words = ['--checkpoint', checkpoint, '--data', data, '--crop', 'none', '--report', path]
    assert depth_eval([str(word) for word in words]) == 0
    return Page(path.read_text())


def test_the_report_is_whole_and_needs_no_network(page):
    assert page.open == []
    assert all(link.startswith(('data:image/jpeg;base64,', 'data:,')) for link in page.links)  # the last: no icon
    assert not {'script', 'iframe'} & set(page.tags)
    text = ' '.join(page.words)
    assert 'nan' not in text.lower().split()
    for words in ('Metrics', 'By drive', 'By distance', 'Confidence', 'worst', 'Warnings', 'drive_3'):
        assert words in text


def test_the_report_shows_five_pictures_of_each_frame(page):
    assert page.tags.count('img') == 5 * 2  # two frames in all, each shown once
    assert page.tags.count('svg') == 5


@pytest.mark.parametrize(('image', 'pictures'), [('', 3), ('image/a<b>.png', 4)])
def test_a_report_of_folders_shows_the_images_beside(tmp_path, capsys, image, pictures):
    if image:
        write_image(tmp_path / image)
    for folder, factor in (('depth', 1.0), ('pred', 1.1)):
        (tmp_path / folder).mkdir()
        write_depth_png(tmp_path / folder / 'a<b>.png', factor * ground_m())
    code, _, err = run(capsys, '--pred', tmp_path / 'pred', '--gt', tmp_path / 'depth', '--crop', 'none', '--report',
                       tmp_path / 'report.html')
    assert code == 0, err
    page = Page((tmp_path / 'report.html').read_text())
    assert page.tags.count('img') == pictures
    assert 'a<b>' in page.words


def test_real_frames(shared_data, capsys):
    """The checkpoint that ships is better than both baselines on drives of the validation split."""
    result = as_json(capsys, '--checkpoint', 'default', '--data', shared_data, '--backend', 'auto')
    assert result['images'] == 36
    assert result['abs_rel'] < 0.8 * min(found['abs_rel'] for found in result['baselines'].values())
    assert result['confidence']['kept80_gain'] > 0.1
    assert result['sharpness']['edge_f1'] > 0.1
