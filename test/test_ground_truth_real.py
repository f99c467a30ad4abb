"""Real scans through the whole command: the bag's maps are the folder's, motion undone fits better, scans add up."""

import csv
import json

import numpy as np
import pytest

from msg_tools import kitti_bag
from msg_tools.depth_png import read_depth_steps
from msg_tools.ground_truth.cli import main
from msg_tools.ground_truth.compare import compare_maps

pytestmark = pytest.mark.slow


def convert(capsys, *arguments) -> dict:
    """Run velodyne_to_depth with --json and return what it says; it must go well."""
    capsys.readouterr()
    assert main([*map(str, arguments), '--json']) == 0
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_bag_gives_the_maps_of_the_folder_pixel_for_pixel(real_drive, tmp_path, capsys):
    assert kitti_bag.main([str(real_drive), str(tmp_path / 'bag'), '--frames', '40:46']) == 0
    convert(capsys, tmp_path / 'bag', tmp_path / 'of_bag', '--accumulate', 1)
    convert(capsys, real_drive, tmp_path / 'of_folder', '--accumulate', 1)
    of_bag, of_folder = (sorted((tmp_path / name / 'depth').iterdir()) for name in ('of_bag', 'of_folder'))
    assert len(of_bag) == 6
    for one, other in list(zip(of_bag, of_folder, strict=False))[:5]:  # the bag's last has no scan after it
        assert one.read_bytes() == other.read_bytes()


def test_edges_meet_better_once_the_motion_is_undone(real_drive, tmp_path, capsys):
    above_chance = {}
    for name, options in (('still', ['--motion', 'off']), ('undone', [])):
        result = convert(capsys, real_drive, tmp_path / name, *options, '--report', tmp_path / f'{name}.html')
        assert result['calibration']['verdict'] == 'fits'
        above_chance[name] = result['calibration']['score'] - result['calibration']['chance']
    assert above_chance['undone'] > 1.04 * above_chance['still']


def test_accumulation_has_four_times_the_pixels_and_little_disagreement(real_drive, tmp_path, capsys):
    single = convert(capsys, real_drive, tmp_path / 'single')
    dense = convert(capsys, real_drive, tmp_path / 'dense', '--accumulate', 5)
    assert dense['pixels'] > 4 * single['pixels']
    with open(tmp_path / 'dense/manifest.csv') as file:
        rows = list(csv.DictReader(file))[:16]
    assert np.mean([float(row['disagreement_m']) for row in rows]) < 0.06
    compared = compare_maps(tmp_path / 'dense', tmp_path / 'single')
    assert compared.total.as_dict()['median_m'] == 0.0
    assert (read_depth_steps(tmp_path / 'single/depth/0000000048.png') > 0).sum() < 20_000


def test_accumulated_maps_agree_with_kittis_annotated_ones(shared_data, tmp_path, capsys):
    pytest.importorskip('kiss_icp')
    drive = shared_data / 'kitti/training/2011_09_26_drive_0001_sync'
    result = convert(capsys, drive, tmp_path / 'out', '--accumulate', 5, '--poses', 'kiss-icp',
                     '--compare', drive / 'depth_annotated_02')
    assert result['compared']['within_0.05'] > 0.98
    assert result['compared']['both'] > 400_000
