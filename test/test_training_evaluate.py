"""depth_eval on folders of depth PNGs: numbers by hand, and input that is wrong in every way we know of."""

import json
import re

import cv2
import numpy as np
import pytest

from depth_node_training.baselines import flat_ground
from depth_node_training.evaluate import main as depth_eval
from msg_tools.camera import Intrinsics, Size
from msg_tools.depth_png import write_depth_png

CAMERA = Intrinsics(100.0, 100.0, 31.5, 19.5, Size(40, 64))


def ground(height_m=1.65):
    return flat_ground(height_m)(np.zeros(0), CAMERA)


@pytest.fixture
def folders(tmp_path):
    """Write truth that is a flat ground, and predictions 10 % too far, one of them as .npy."""
    truth, pred = tmp_path / 'gt', tmp_path / 'pred'
    for folder in (truth, pred):
        folder.mkdir()
    for name, height in (('a', 1.65), ('b', 1.65), ('c', 1.8)):
        write_depth_png(truth / f'{name}.png', np.where(ground(height) < 70, ground(height), 0))
    write_depth_png(pred / 'a.png', ground() * 1.1)
    np.save(pred / 'b.npy', ground() * np.float32(1.1))
    return truth, pred


def run(capsys, *arguments):
    code = depth_eval([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def as_json(capsys, *arguments):
    code, out, err = run(capsys, *arguments, '--json')
    assert code == 0, err
    return json.loads(out)


def test_folders(folders, capsys):
    truth, pred = folders
    code, out, err = run(capsys, '--pred', pred, '--gt', truth, '--crop', 'none', '--json',
                         '--fx', 100, '--fy', 100, '--cx', 31.5, '--cy', 19.5)
    result = json.loads(out.splitlines()[-1])
    assert code == 0
    assert len(out.splitlines()) == 1
    assert '1 of 3 frames have no prediction: c' in err
    assert result['abs_rel'] == pytest.approx(0.1, abs=2e-3)
    assert (result['images'], result['missing'], result['crop']) == (2, 1, 'none')
    assert result['baselines']['flat_ground']['abs_rel'] == pytest.approx(0.0, abs=2e-3)
    assert result['baselines']['row_mean']['abs_rel'] == pytest.approx(0.0, abs=2e-3)  # the other image is the same


def test_without_a_camera_there_is_no_flat_ground(folders, capsys):
    _, out, _ = run(capsys, '--pred', folders[1], '--gt', folders[0], '--json')
    assert json.loads(out)['baselines']['flat_ground'] is None


def test_table_shows_the_baselines_beside(folders, capsys):
    code, out, _ = run(capsys, '--pred', folders[1], '--gt', folders[0], '--crop', 'none')
    assert code == 0
    assert 'prediction  0.100' in out
    assert 'row_mean' in out
    assert 'no scaling' in out


def test_a_limit_on_depth(folders, capsys):
    _, out, _ = run(capsys, '--pred', folders[1], '--gt', folders[0], '--crop', 'none', '--max-depth', 20, '--json')
    assert json.loads(out)['rmse_m'] < 2.0


@pytest.mark.parametrize(('arguments', 'text'), [
    ([], 'expected --pred DIR --gt DIR, or --checkpoint'),
    (['--pred', 'x', '--gt', 'y'], 'y: expected depth PNGs, got none'),
    (['--checkpoint', 'missing.safetensors', '--data', 'nowhere'], r'nowhere.*index\.csv'),
    (['--pred', 'x', '--gt', 'y', '--max-depth', '0'], 'expected 0 <= --min-depth < --max-depth'),
    (['--pred', 'x', '--gt', 'y', '--max-depth', 'inf'], '--max-depth, finite'),  # an error of inf would be no number
    (['--pred', 'x', '--gt', 'y', '--beside', 'a', 'b'], "key=value only where --data is a training config, got 'b'"),
    (['--checkpoint', '.', '--data', 'kitti:x'], '--checkpoint .: expected a file, got a folder'),
])
def test_wrong_input_is_one_line(capsys, arguments, text):
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (1, '')
    assert err.startswith('depth_eval: error: ')
    assert err.count('\n') == 1
    assert re.search(text, err)


def test_predictions_of_another_size(folders, capsys):
    truth, pred = folders
    np.save(pred / 'b.npy', np.ones((10, 10), np.float32))
    code, _, err = run(capsys, '--pred', pred, '--gt', truth)
    assert code == 1
    assert 'b.npy: expected 64x40' in err


def test_predictions_of_other_names(folders, tmp_path, capsys):
    (tmp_path / 'empty').mkdir()
    code, _, err = run(capsys, '--pred', tmp_path / 'empty', '--gt', folders[0])
    assert code == 1
    assert 'got none of 3 names' in err


def test_pickled_prediction_is_refused(folders, capsys):
    np.save(folders[1] / 'b.npy', np.array([{}], object), allow_pickle=True)
    code, _, err = run(capsys, '--pred', folders[1], '--gt', folders[0])
    assert code == 1
    assert 'b.npy' in err


def test_intervals_bins_and_edges_lie_beside_the_metrics(folders, capsys):
    result = as_json(capsys, '--pred', folders[1], '--gt', folders[0], '--crop', 'none')
    low, high = result['intervals']['abs_rel']
    assert low <= result['abs_rel'] <= high
    assert result['bins']['0-10']['abs_rel'] == pytest.approx(0.1, abs=3e-3)
    assert sum(found['share'] for found in result['bins'].values()) == pytest.approx(1.0, abs=1e-4)
    assert result['sharpness']['edge_f1'] is None  # a level ground has no edges
    assert result['baselines']['row_mean']['difference']['abs_rel'][0] == pytest.approx(0.1, abs=4e-3)
    assert result['ratio'] == pytest.approx(1.1, abs=3e-3)


def test_no_draws_no_intervals(folders, capsys):
    result = as_json(capsys, '--pred', folders[1], '--gt', folders[0], '--draws', 0)
    assert result['intervals']['abs_rel'] == [None, None]


def test_folders_of_drives_are_averaged_by_drive(tmp_path, capsys):
    """Three maps of a drive 10 % too far, one of another 30 %: 0.2."""
    for name, factor in (('a/0', 1.1), ('a/1', 1.1), ('a/2', 1.1), ('b/0', 1.3)):
        for folder in ('gt', 'pred'):
            (tmp_path / folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_depth_png(tmp_path / f'gt/{name}.png', np.full((40, 64), 10.0))
        np.save(tmp_path / f'pred/{name}.npy', np.full((40, 64), 10.0 * factor))
    result = as_json(capsys, '--pred', tmp_path / 'pred', '--gt', tmp_path / 'gt')
    assert result['abs_rel'] == pytest.approx(0.2)
    assert result['drives']['a']['images'] == 3
    assert result['drives']['b']['abs_rel'] == pytest.approx(0.3)
    code, out, _ = run(capsys, '--pred', tmp_path / 'pred', '--gt', tmp_path / 'gt')
    assert code == 0
    assert 'mean over 2 drives' in out


def test_another_folder_beside(folders, tmp_path, capsys):
    truth, pred = folders
    better = tmp_path / 'better'
    better.mkdir()
    for name in 'ab':
        np.save(better / f'{name}.npy', ground())
    result = as_json(capsys, '--pred', pred, '--gt', truth, '--crop', 'none', '--beside', better)
    assert result['baselines']['better']['abs_rel'] == pytest.approx(0.0, abs=2e-3)
    assert result['baselines']['better']['difference']['abs_rel'][0] == pytest.approx(0.1, abs=3e-3)
    named = as_json(capsys, '--pred', pred, '--gt', truth, '--beside', f'x={better}', '--beside', better)
    assert list(named['baselines']) == ['x', 'better', 'row_mean', 'flat_ground']
    code, _, err = run(capsys, '--pred', pred, '--gt', truth, '--beside', better, '--beside', better)
    assert code == 1
    assert 'give NAME=PATH' in err


def write_drives(root, **folders):
    """Write maps 40x64 of one depth each: folder='a/0 10, b/0 11.5'."""
    for folder, names in folders.items():
        for name, depth_m in (pair.split() for pair in names.split(', ')):
            path = root / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            depth = np.full((40, 64), float(depth_m), np.float32)
            if folder == 'gt':
                write_depth_png(path.with_suffix('.png'), depth)
            else:
                np.save(path.with_suffix('.npy'), depth)
    return ['--pred', root / 'pred', '--gt', root / 'gt', '--crop', 'none']


def test_frames_that_one_beside_lacks_are_named(tmp_path, capsys):
    """Its row is of one easy frame; without a word it would look twice as good as it is."""
    words = write_drives(tmp_path, gt='a 10, b 10', pred='a 11, b 13', few='a 11', none='c 10')
    code, out, err = run(capsys, *words, '--beside', tmp_path / 'few', '--beside', tmp_path / 'none', '--json')
    assert code == 0
    assert 'few has no prediction of 1 of 2 frames: b' in err
    assert 'none has no prediction of 2 of 2 frames: a, b' in err
    found = json.loads(out)['baselines']
    assert found['few']['difference']['abs_rel'][0] == 0.0  # on the frame of both
    assert found['none'] is None


def test_one_beside_that_knows_fewer_pixels_is_named(tmp_path, capsys):
    words = write_drives(tmp_path, gt='a 10', pred='a 11', holes='a 11')
    depth_m = np.load(tmp_path / 'holes/a.npy')
    depth_m[:, :32] = np.nan
    np.save(tmp_path / 'holes/a.npy', depth_m)
    _, _, err = run(capsys, *words, '--beside', tmp_path / 'holes')
    assert 'holes has estimates of 50% of the measured pixels, the prediction of 100%' in err


def test_a_drive_without_any_estimate_has_no_numbers_in_the_report_either(tmp_path, capsys):
    words = write_drives(tmp_path, gt='a/0 10, b/0 10', pred='a/0 11, b/0 nan')
    code, out, err = run(capsys, *words, '--json', '--report', tmp_path / 'report.html')
    assert code == 0
    assert '1 frames have no estimate at all' in err
    assert list(json.loads(out)['drives']) == ['a']


def test_few_drives_promise_less(tmp_path, capsys):
    names = ', '.join(f'{drive}/0 10' for drive in 'abcdefghij')
    _, few, _ = run(capsys, *write_drives(tmp_path / 'few', gt='a/0 10, b/0 10', pred='a/0 10, b/0 11'))
    _, many, _ = run(capsys, *write_drives(tmp_path / 'many', gt=names, pred=names))
    assert '95 %, few drives' in few
    assert '95 % interval' in many


def test_a_report_that_cannot_be_written_is_told_before_measuring(folders, capsys):
    (folders[1] / 'a.png').write_bytes(b'never read')
    for report, text in ((folders[0], 'got a folder'), (folders[1] / 'b.npy' / 'x.html', 'expected a folder')):
        code, _, err = run(capsys, '--pred', folders[1], '--gt', folders[0], '--report', report)
        assert code == 1
        assert text in err


def test_a_file_whose_name_is_no_text_is_in_the_report(tmp_path, capsys):
    words = write_drives(tmp_path, gt='a 10', pred='a 11')
    for path in (tmp_path / 'gt/a.png', tmp_path / 'pred/a.npy'):
        path.rename(path.with_name('\udcff' + path.suffix))  # the byte 0xff, no UTF-8
    code, _, err = run(capsys, *words, '--report', tmp_path / 'report.html')
    assert code == 0, err
    assert '\\udcff' in (tmp_path / 'report.html').read_text()


def test_predictions_of_another_size_are_stretched_when_asked(folders, capsys):
    truth, pred = folders
    for name in 'abc':
        (pred / f'{name}.png').unlink(missing_ok=True)
        np.save(pred / f'{name}.npy', np.full((10, 16), 10.0, np.float16))
    assert as_json(capsys, '--pred', pred, '--gt', truth, '--resize')['images'] == 3


def test_nan_is_no_estimate_and_inf_is_far(folders, capsys):
    truth, pred = folders
    depth_m = ground()
    depth_m[:, :32] = np.nan
    depth_m[:, 32:48] = np.inf
    np.save(pred / 'b.npy', depth_m)
    (pred / 'a.png').unlink()
    result = as_json(capsys, '--pred', pred, '--gt', truth, '--crop', 'none')
    assert result['coverage'] == 0.5
    assert result['abs_rel'] > 1.0
    assert np.isfinite(result['rmse_m'])


def test_a_frame_without_any_estimate_is_named(folders, capsys):
    np.save(folders[1] / 'b.npy', np.full((40, 64), np.nan, np.float32))
    code, out, err = run(capsys, '--pred', folders[1], '--gt', folders[0], '--crop', 'none', '--json')
    assert code == 0
    assert '1 frames have no estimate at all' in err
    assert json.loads(out)['coverage'] == 0.5


def test_no_estimate_anywhere(folders, capsys):
    (folders[1] / 'a.png').unlink()
    np.save(folders[1] / 'b.npy', np.full((40, 64), np.nan, np.float32))
    code, out, err = run(capsys, '--pred', folders[1], '--gt', folders[0])
    assert (code, out) == (1, '')
    assert 'got none in any image' in err


def test_truth_of_zeros_is_left_out_and_named(folders, capsys):
    write_depth_png(folders[0] / 'a.png', np.zeros((40, 64)))
    code, out, err = run(capsys, '--pred', folders[1], '--gt', folders[0], '--json')
    assert code == 0
    assert '1 of 3 frames have no measured depth that counts, and are left out: a' in err
    assert json.loads(out)['images'] == 1


def test_truth_of_nothing_but_zeros(folders, capsys):
    for name in 'abc':
        write_depth_png(folders[0] / f'{name}.png', np.zeros((40, 64)))
    code, out, err = run(capsys, '--pred', folders[1], '--gt', folders[0])
    assert (code, out) == (1, '')
    assert 'expected images with measured depth in crop garg' in err


def test_a_drive_without_truth_is_named(tmp_path, capsys):
    for name, depth_m in (('a/0', 10.0), ('b/0', 0.0)):
        for folder in ('gt', 'pred'):
            (tmp_path / folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_depth_png(tmp_path / f'gt/{name}.png', np.full((40, 64), depth_m))
        np.save(tmp_path / f'pred/{name}.npy', np.full((40, 64), 10.0))
    code, out, err = run(capsys, '--pred', tmp_path / 'pred', '--gt', tmp_path / 'gt', '--json')
    assert code == 0
    assert '1 drives have no frame that was measured: b' in err
    assert list(json.loads(out)['drives']) == ['a']


@pytest.mark.parametrize(('depth_m', 'text'), [
    (ground() * 256, r'expected metres, got a median of \d+; is it another unit'),
    ((ground() * 256).astype(np.uint16), 'expected a map of floats .* got uint16'),
    (np.ones((3, 40, 64), np.float32), r'got float32 \(3, 40, 64\)'),
    (np.array(['x']), 'expected a map of floats'),
    (ground() * 1e-3, 'expected metres'),
])
def test_maps_that_are_no_metres(folders, capsys, depth_m, text):
    np.save(folders[1] / 'b.npy', depth_m)
    code, out, err = run(capsys, '--pred', folders[1], '--gt', folders[0])
    assert (code, out) == (1, '')
    assert re.search(text, err)
    assert 'b.npy' in err


@pytest.mark.parametrize(('factor', 'text'), [(10.0, 'decimetres'), (3.9, '16UC1 image'), (0.1, 'decimetres')])
def test_another_unit_that_is_still_plausible_is_told(folders, capsys, factor, text):
    (folders[1] / 'a.png').unlink()
    write_depth_png(folders[0] / 'b.png', np.full((40, 64), 8.0))
    np.save(folders[1] / 'b.npy', np.full((40, 64), 8.0 * factor))
    code, out, err = run(capsys, '--pred', folders[1], '--gt', folders[0], '--crop', 'none', '--json')
    assert code == 0
    assert f'predictions are {factor:.3g} times the measured depth in the median' in err
    assert text in err
    assert json.loads(out)['warnings']


def an_archive(path):
    with path.open('wb') as file:
        np.savez(file, depth=np.ones((40, 64)))


@pytest.mark.parametrize('write', [
    lambda path: path.write_bytes(b''), an_archive, lambda path: np.save(path, np.zeros((0, 0), np.float32)),
], ids=['empty', 'archive', 'no pixel'])
def test_maps_that_are_no_map(folders, capsys, write):
    write(folders[1] / 'b.npy')
    code, out, err = run(capsys, '--pred', folders[1], '--gt', folders[0], '--resize')
    assert (code, out) == (1, '')
    assert 'b.npy: expected ' in err


def test_truth_of_8_bits(folders, capsys):
    cv2.imwrite(str(folders[0] / 'a.png'), np.full((40, 64), 9, np.uint8))
    code, _, err = run(capsys, '--pred', folders[1], '--gt', folders[0])
    assert code == 1
    assert 'expected 16-bit grey' in err


def test_camera_of_three_numbers(folders, capsys):
    code, _, err = run(capsys, '--pred', folders[1], '--gt', folders[0], '--fx', 100)
    assert code == 1
    assert 'all of --fx --fy --cx --cy' in err
