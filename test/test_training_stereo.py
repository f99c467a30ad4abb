"""Depth of stereo pairs: a plane whose disparity is known, a synthetic street whose depth is, and the command."""

import json
import shutil

import cv2
import numpy as np
import pytest

from depth_node_training.data import main
from depth_node_training.datasets import open_source
from depth_node_training.datasets.frame import DatasetError, truth_map
from depth_node_training.labels import read_map
from depth_node_training.stereo import read_pair, stereo_depth
from depth_node_training.stereo_offset import Offset, fit_offset
from msg_tools.synthetic import write_drive


def shifted_pair(disparity, height=96, width=320):
    """Return two views of a noisy plane, the right one moved by this many whole pixels."""
    rng = np.random.default_rng(0)
    wide = np.repeat(rng.integers(0, 256, (height // 2, (width + 64) // 2, 3), np.uint8), 2, 0).repeat(2, 1)
    return wide[:, :width], wide[:, disparity : disparity + width]


@pytest.fixture(scope='module')
def street(tmp_path_factory):
    """Return a synthetic drive of two frames with exact depth."""
    return write_drive(tmp_path_factory.mktemp('street'), 2, scale=0.4, azimuths=400, supersample=1.0)


def test_a_plane_12_pixels_away():
    """700 px * 0.5 m / 12 px = 29.17 m."""
    left, right = shifted_pair(12)
    depth_m = stereo_depth(left, right, focal_px=700.0, baseline_m=0.5)
    assert depth_m.shape == (96, 320)
    assert (depth_m > 0).mean() > 0.8
    np.testing.assert_allclose(depth_m[depth_m > 0], 29.17, rtol=0.02)


def test_the_other_image_may_be_the_left_one():
    left, right = shifted_pair(12)
    depth_m = stereo_depth(right, left, focal_px=700.0, baseline_m=-0.5)
    np.testing.assert_allclose(depth_m[depth_m > 0], 29.17, rtol=0.02)
    assert (depth_m > 0).mean() > 0.8


def test_what_only_one_image_sees_has_no_depth():
    """The left edge of the left image lies outside the right one."""
    left, right = shifted_pair(12)
    assert (stereo_depth(left, right, 700.0, 0.5)[:, :10] == 0).all()


def test_images_that_show_different_things_have_hardly_any_depth():
    rng = np.random.default_rng(1)
    left, right = rng.integers(0, 256, (2, 96, 320, 3), np.uint8)
    assert (stereo_depth(left, right, 700.0, 0.5) > 0).mean() < 0.15


def test_overexposed_ground_has_no_depth():
    """Two white areas match anywhere: a white road once came out as far as the sky."""
    left, right = (image.copy() for image in shifted_pair(12))
    left[40:, 80:], right[40:, 80:] = 255, 255
    depth_m = stereo_depth(left, right, 700.0, 0.5)
    assert (depth_m[50:, 100:] == 0).all()
    assert (depth_m[:35, 100:] > 0).mean() > 0.8


def test_a_street_agrees_with_its_exact_depth(street):
    item = open_source(f'kitti_raw:{street}')[0]
    depth_m, truth_m = stereo_depth(*read_pair(item)), truth_map(item.read())
    both = (depth_m > 0) & (truth_m > 0) & (truth_m < 40)
    error = np.abs(depth_m - truth_m)[both] / truth_m[both]
    assert both.mean() > 0.25
    assert np.median(error) < 0.03
    assert (error > 0.2).mean() < 0.05


def test_command_makes_what_is_missing(street, tmp_path, capsys):
    out = tmp_path / 'maps'
    call = ['stereo', f'kitti_raw:{street}', str(out), '--json']
    assert main(call) == 0
    first = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (first['made'], first['kept'], first['failed']) == (2, 0, {})
    maps = sorted(out.rglob('*.npy'))
    item = open_source(f'kitti_raw:{street}')[0]
    assert out / item.source / f'{item.name}.npy' in maps
    half = read_map(maps[0])
    whole = stereo_depth(*read_pair(item))
    np.testing.assert_allclose(half, whole, rtol=1e-3)  # 497 pixels wide: small enough as it is
    maps[1].unlink()
    before = maps[0].stat().st_mtime_ns
    assert main([*call, '--jobs', '2']) == 0
    again = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (again['made'], again['kept']) == (1, 1)
    assert maps[0].stat().st_mtime_ns == before
    assert not list(out.rglob('*.part'))


def test_a_folder_of_other_maps_is_not_mixed(street, tmp_path, capsys):
    (tmp_path / 'maps.json').write_text('{"maker": "teacher"}')
    assert main(['stereo', f'kitti_raw:{street}', str(tmp_path)]) == 1
    assert 'another folder' in capsys.readouterr().err
    (tmp_path / 'maps.json').write_text(f'{{"maker": "teacher", "calibrated_on": "kitti_raw:{street}"}}')
    assert main(['stereo', f'kitti_raw:{street}', str(tmp_path), '--calibrate', f'kitti_raw:{street}']) == 1
    assert 'another folder' in capsys.readouterr().err


def test_pairs_that_cannot_be_matched_are_named(street, tmp_path, capsys):
    for path in (street / 'image_03' / 'data').glob('*1.png'):
        path.rename(path.with_suffix('.away'))
    try:
        items = open_source(f'kitti_raw:{street}')
        single = next(item for item in items if item.read_right is None)
        with pytest.raises(DatasetError, match='single image'):
            read_pair(single)
    finally:
        for path in (street / 'image_03' / 'data').glob('*1.away'):
            path.rename(path.with_suffix('.png'))
    assert main(['stereo', f'kitti_raw:{tmp_path}', str(tmp_path / 'out')]) == 1
    assert capsys.readouterr().err.startswith('depth_data stereo: error: ')


def test_real_pair_agrees_with_its_scan(shared_data):
    """Measured on a frame of drive 0001: the median of stereo over annotated depth is 1.02."""
    item = next(item for item in open_source('kitti:kitti/training#val', shared_data)
                if '_0001_' in item.drive and item.read_right is not None)
    depth_m, truth_m = stereo_depth(*read_pair(item)), truth_map(item.read())
    both = (depth_m > 0) & (truth_m > 0)
    assert both.sum() > 10_000
    assert np.median(depth_m[both] / truth_m[both]) == pytest.approx(1.0, abs=0.04)


def test_offset_by_hand():
    """In an image 4 px wide x is -0.75, -0.25, 0.25, 0.75; an offset of 0.01 widths is 0.04 px everywhere."""
    np.testing.assert_allclose(Offset(0.01).pixels(4), 0.04)
    np.testing.assert_allclose(Offset(0, 0.1, 1).pixels(4), 4 * np.array([0.4875, 0.0375, 0.0875, 0.6375]))
    np.testing.assert_allclose(Offset(0.01, 0.1, 1).mirrored().pixels(4), Offset(0.01, 0.1, 1).pixels(4)[::-1])


def test_offset_is_found_among_outliers():
    rng = np.random.default_rng(0)
    x, true = rng.uniform(-1, 1, 5000), rng.uniform(0.005, 0.1, 5000)
    wanted = Offset(0.0004, -0.0002, 0.0008)
    matched = true - (wanted.constant + wanted.linear * x + wanted.square * x**2) + rng.normal(0, 1e-4, 5000)
    matched[:500] *= rng.uniform(0.3, 1, 500)  # beside edges
    found = fit_offset([np.stack([x, true, matched], -1)[part] for part in (slice(0, 1000), slice(1000, 5000))])
    assert (found.constant, found.linear, found.square) == pytest.approx((0.0004, -0.0002, 0.0008), abs=3e-5)


def test_an_offset_moves_depth_as_its_pixels_say():
    """A disparity of 12 px that lacks one is 13 px: 26.9 m and not 29.2."""
    left, right = shifted_pair(12)
    depth_m = stereo_depth(left, right, 700.0, 0.5, Offset(1 / 320))
    np.testing.assert_allclose(depth_m[depth_m > 0], 26.92, rtol=0.02)


def test_command_corrects_a_rig_that_squints(street, tmp_path, capsys):
    """The right images moved by a pixel make everything too far, until the exact depth says so."""
    squinting = shutil.copytree(street.parent, tmp_path / street.parent.name) / street.name
    for path in (squinting / 'image_03' / 'data').glob('*.png'):
        cv2.imwrite(str(path), np.roll(cv2.imread(str(path)), 1, axis=1))
    source, ratios = f'kitti_raw:{squinting}', {}
    for name, more in (('plain', []), ('calibrated', ['--calibrate', source])):
        assert main(['stereo', source, str(tmp_path / name), *more]) == 0
        item = open_source(source)[0]
        depth_m, truth_m = read_map(tmp_path / name / item.source / f'{item.name}.npy'), truth_map(item.read())
        both = (depth_m > 0) & (truth_m > 15) & (truth_m < 40)
        ratios[name] = np.median(depth_m[both] / truth_m[both])
    assert ratios['plain'] > 1.06
    assert ratios['calibrated'] == pytest.approx(1.0, abs=0.02)
    assert 'disparities were off by' in capsys.readouterr().err
    with pytest.raises(DatasetError, match='pixels with LiDAR'):
        fit_offset([np.zeros((0, 3))])
