"""velodyne_to_depth on tiny drives and bags: its files, its manifest, and every input that can be wrong."""

import csv
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from fixtures_kitti import tiny_scan, write_tiny_drive

from msg_tools.camera import depth_map, transform
from msg_tools.depth_png import depth_to_steps, read_depth_png, read_depth_steps, write_depth_png
from msg_tools.ground_truth import cli
from msg_tools.ground_truth import output as truth_output
from msg_tools.ground_truth.cli import main
from msg_tools.ground_truth.work import Work
from msg_tools.kitti import KittiDrive

SCAN = 'velodyne_points/data/0000000001.bin'
IMAGE = 'image_02/data/0000000001.png'
PLAIN = '--motion', 'off', '--occlusion', 'off'


def manifest(out: Path) -> list[dict[str, str]]:
    with (out / 'manifest.csv').open(newline='') as file:
        return list(csv.DictReader(file))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def out(tmp_path):
    return tmp_path / 'out'


def convert(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def test_drive_becomes_depth_images_and_a_manifest(tiny_drive, out, capsys):
    assert convert(tiny_drive, out) == 0
    files = ['0000000000.png', '0000000001.png', '0000000002.png']
    assert names(out) == ['depth', 'image', 'intrinsics.txt', 'manifest.csv', 'settings.json']
    assert names(out / 'depth') == names(out / 'image') == files
    row = manifest(out)[1]
    assert (row['name'], row['frame'], row['points'], row['status']) == ('0000000001', '1', '11520', 'ok')
    assert row['cloud_stamp_ns'] == str(KittiDrive(tiny_drive).stamps_ns('velodyne_points')[1])
    assert row['image_stamp_ns'] == str(KittiDrive(tiny_drive).stamps_ns('image_02')[1])
    depth = read_depth_steps(out / 'depth/0000000001.png')
    assert int(row['pixels']) == np.count_nonzero(depth)
    assert float(row['coverage']) == pytest.approx(np.count_nonzero(depth) / (96 * 32), abs=1e-5)
    captured = capsys.readouterr()
    assert captured.out.startswith(f'{out}: 3 frames (3 ok)')
    assert captured.err == ''


@pytest.mark.parametrize('camera', [2, 3])
def test_depth_is_that_of_the_wall_in_the_cameras_own_frame(tiny_drive, out, camera):
    assert convert(tiny_drive, out, '--camera', camera, *PLAIN) == 0
    calibration = KittiDrive(tiny_drive).calibration
    view = calibration.intrinsics(camera)
    wall = transform(calibration.T_cam_velo(camera), tiny_scan(0)[:, :3].astype(np.float64))
    expected = depth_to_steps(depth_map(wall, view.P, view.size)).astype(int)
    assert np.abs(read_depth_steps(out / 'depth/0000000000.png') - expected).max() <= 1
    ahead = read_depth_png(out / 'depth/0000000000.png')[18:, 45:52]
    assert np.median(ahead[ahead > 0]) == pytest.approx(8 - 0.27 + 0.0025, abs=0.05)


def test_images_are_linked_copied_or_left_out(tiny_drive, tmp_path):
    original = tiny_drive / IMAGE
    for choice in ('link', 'copy', 'none'):
        assert convert(tiny_drive, tmp_path / choice, '--images', choice) == 0
    assert (tmp_path / 'link' / 'image' / original.name).samefile(original)
    copy = tmp_path / 'copy' / 'image' / original.name
    assert not copy.samefile(original)
    assert copy.read_bytes() == original.read_bytes()
    assert names(tmp_path / 'none') == ['depth', 'intrinsics.txt', 'manifest.csv', 'settings.json']


def test_where_links_are_not_possible_images_are_copied(tiny_drive, out, monkeypatch):
    def refuse(*_):
        raise OSError('not on this disk')

    monkeypatch.setattr(os, 'link', refuse)
    monkeypatch.setattr(os, 'symlink', refuse)
    assert convert(tiny_drive, out) == 0
    assert (out / 'image/0000000001.png').read_bytes() == (tiny_drive / IMAGE).read_bytes()


def test_other_disk_gets_symbolic_links(tiny_drive, out, monkeypatch):
    monkeypatch.setattr(os, 'link', lambda *_: (_ for _ in ()).throw(OSError(18, 'Invalid cross-device link')))
    assert convert(tiny_drive, out) == 0
    assert (out / 'image/0000000001.png').is_symlink()
    assert (out / 'image/0000000001.png').samefile(tiny_drive / IMAGE)


def test_second_run_over_the_first(tiny_drive, out):
    assert convert(tiny_drive, out) == 0
    before = {path: path.read_bytes() for path in out.rglob('*') if path.is_file()}
    assert convert(tiny_drive, out) == 0
    assert {path: path.read_bytes() for path in out.rglob('*') if path.is_file()} == before


def test_jpeg_images_keep_their_suffix(tiny_drive, out):
    image = cv2.imread(str(tiny_drive / IMAGE))
    (tiny_drive / IMAGE).unlink()
    cv2.imwrite(str((tiny_drive / IMAGE).with_suffix('.jpg')), image)
    assert convert(tiny_drive, out) == 0
    assert names(out / 'image') == ['0000000000.png', '0000000001.jpg', '0000000002.png']


def test_overlay_shows_depth_on_the_image(tiny_drive, out):
    assert convert(tiny_drive, out, '--overlay', '--images', 'none') == 0
    picture, image = cv2.imread(str(out / 'overlay/0000000001.png')), cv2.imread(str(tiny_drive / IMAGE))
    depth = read_depth_steps(out / 'depth/0000000001.png')
    assert picture.shape == image.shape
    untouched = cv2.erode((depth == 0).astype(np.uint8), np.ones((5, 5))) > 0
    assert untouched.any()
    assert np.array_equal(picture[untouched], image[untouched] // 2)
    assert not np.array_equal(picture[depth > 0], image[depth > 0] // 2)


def test_monodepth2_mode_draws_a_pixel_up_and_left(tiny_drive, tmp_path):
    maps = []
    for mode in ('nearest', 'monodepth2'):
        assert convert(tiny_drive, tmp_path / mode, '--mode', mode, *PLAIN) == 0
        maps.append(read_depth_steps(tmp_path / mode / 'depth/0000000000.png'))
    ours, theirs = maps
    assert np.array_equal(ours[1:, 1:-1], theirs[:-1, :-2])  # but for the last column, which belongs to a seam


def test_json_is_one_line_on_stdout(tiny_drive, out, capsys):
    (tiny_drive / SCAN).write_bytes(tiny_scan()[: 720 * 9].tobytes())
    assert convert(tiny_drive, out, '--json') == 0
    lines = capsys.readouterr().out.splitlines()
    summary = json.loads(lines[0])
    assert len(lines) == 1
    assert {key: summary[key] for key in ('out', 'mode', 'frames', 'ok', 'partial', 'skipped', 'failed')} == {
        'out': str(out), 'mode': 'nearest', 'frames': 3, 'ok': 2, 'partial': 1, 'skipped': 0, 'failed': 0,
    }
    assert summary['pixels'] > 500
    assert 0 < summary['coverage'] < 1


def test_two_processes_make_the_same_files(tmp_path):
    drive = write_tiny_drive(tmp_path, frames=10, first=4)
    (drive / 'velodyne_points/data/0000000007.bin').write_bytes(b'123')
    for jobs in (1, 2):
        assert convert(drive, tmp_path / str(jobs), '--jobs', jobs, '--overlay') == 1
    one, two = ({path.relative_to(tmp_path / jobs): path.read_bytes() for path in (tmp_path / jobs).rglob('*.*')}
                for jobs in '12')
    assert one == two
    assert len(one) == 9 * 3 + 3
    assert [row['status'] for row in manifest(tmp_path / '2')] == ['ok'] * 3 + ['failed'] + ['ok'] * 6


def test_partial_scan_is_a_warning_and_has_its_map(tiny_drive, out, capsys):
    (tiny_drive / SCAN).write_bytes(tiny_scan()[: 720 * 9].tobytes())
    assert convert(tiny_drive, out) == 0
    assert 'warning: 0000000001: partial scan: without the beams below' in capsys.readouterr().err
    row = manifest(out)[1]
    assert row['status'] == 'partial'
    assert row['reason'].startswith('partial scan')
    assert (out / 'depth/0000000001.png').exists()


def break_scan(drive: Path) -> None:
    (drive / SCAN).write_bytes(bytes(1234))


def lose_scan(drive: Path) -> None:
    (drive / SCAN).unlink()


def empty_scan(drive: Path) -> None:
    (drive / SCAN).write_bytes(b'')


def blind_scan(drive: Path) -> None:
    (drive / SCAN).write_bytes((-np.abs(tiny_scan())).tobytes())  # all behind the car


def lose_image(drive: Path) -> None:
    (drive / IMAGE).unlink()


def break_image(drive: Path) -> None:
    (drive / IMAGE).write_bytes(b'no image')


def resize_image(drive: Path) -> None:
    cv2.imwrite(str(drive / IMAGE), np.zeros((16, 48, 3), np.uint8))


BAD_FRAMES = {
    break_scan: 'expected a multiple of 16 bytes',
    lose_scan: 'expected a Velodyne scan, got: No such file',
    empty_scan: 'expected a multiple of 16 bytes (x, y, z, reflectance as float32), got 0',
    blind_scan: 'expected points on the image, got none of 11520',
    lose_image: 'expected an image, found none',
    break_image: 'a broken file',
    resize_image: 'expected an image of 96x32 as the calibration has it, got 48x16',
}


@pytest.mark.parametrize('spoil', BAD_FRAMES, ids=lambda spoil: spoil.__name__)
def test_bad_frame_says_why_and_the_others_are_made(tiny_drive, out, capsys, spoil):
    spoil(tiny_drive)
    assert convert(tiny_drive, out) == 1
    captured = capsys.readouterr()
    warning = captured.err.splitlines()[0]
    assert warning.startswith('velodyne_to_depth: warning: 0000000001: ')
    assert BAD_FRAMES[spoil] in warning
    assert '2 ok, 1 failed' in captured.out
    row = manifest(out)[1]
    assert (row['status'], row['points']) == ('failed', '')
    assert BAD_FRAMES[spoil] in row['reason']
    assert row['cloud_stamp_ns']
    assert names(out / 'depth') == names(out / 'image') == ['0000000000.png', '0000000002.png']


def test_drive_without_images_is_enough_for_depth_alone(tiny_drive, out):
    for path in tiny_drive.glob('image_0?/data/*'):
        path.unlink()
    assert convert(tiny_drive, out, '--images', 'none') == 0
    assert len(names(out / 'depth')) == 3


def test_missing_stamps_are_a_warning(tiny_drive, out, capsys):
    (tiny_drive / 'velodyne_points/timestamps.txt').unlink()
    assert convert(tiny_drive, out) == 0
    assert 'warning' in capsys.readouterr().err
    assert manifest(out)[0]['cloud_stamp_ns'] == ''


def blank_line(path: Path, number: int) -> None:
    """Empty a line of a time stamps file, as KITTI's are where a frame was lost."""
    lines = path.read_text().splitlines()
    path.write_text('\n'.join([*lines[:number], '', *lines[number + 1:]]) + '\n')


def test_blank_line_of_stamps_is_no_stamp_and_not_the_year_1677(tiny_drive, out):
    blank_line(tiny_drive / 'velodyne_points/timestamps.txt', 1)
    assert convert(tiny_drive, out) == 0
    rows = manifest(out)
    assert [row['cloud_stamp_ns'] == '' for row in rows] == [False, True, False]
    assert rows[1]['offset_ms'] == ''


@pytest.mark.parametrize('spoil', [
    lambda drive: (drive / 'oxts/data/0000000001.txt').write_text('1 2 3'),
    lambda drive: (drive / 'oxts/data/0000000001.txt').write_text(
        (drive / 'oxts/data/0000000001.txt').read_text().replace('10.0', 'nan')),
    lambda drive: blank_line(drive / 'oxts/timestamps.txt', 1),
], ids=['short', 'nan', 'no stamp'])
def test_broken_oxts_record_is_left_out_with_a_warning(tiny_drive, out, tmp_path, capsys, spoil):
    assert convert(tiny_drive, tmp_path / 'whole', '--accumulate', 1) == 0
    spoil(tiny_drive)
    assert convert(tiny_drive, out, '--accumulate', 1) == 0
    error = capsys.readouterr().err
    assert 'oxts' in error
    assert 'the poses go on without it' in error
    whole, without = manifest(tmp_path / 'whole'), manifest(out)  # the car's speed is constant: nothing is lost
    assert [row['x_m'] for row in without] == [row['x_m'] for row in whole]


def test_without_the_imus_calibration_scans_are_not_moved_and_a_warning_says_so(tiny_drive, out, capsys):
    (tiny_drive.parent / 'calib_imu_to_velo.txt').unlink()
    assert convert(tiny_drive, out) == 0
    assert re.search('warning: the motion of the scans is not undone .*calib_imu_to_velo', capsys.readouterr().err)
    assert convert(tiny_drive, out, '--motion', 'on') == 1


@pytest.mark.parametrize(('file', 'change', 'message'), [
    ('velodyne_points/timestamps.txt', lambda lines: [lines[1], lines[0], lines[2]], 'clouds in the order of their '),
    ('image_02/timestamps.txt', lambda lines: [line.replace('2011', '2012') for line in lines], 'different clocks'),
])
def test_odd_stamps_are_a_warning(tiny_drive, out, capsys, file, change, message):
    path = tiny_drive / file
    path.write_text('\n'.join(change(path.read_text().splitlines())))
    assert convert(tiny_drive, out) == 0
    assert message in capsys.readouterr().err


@pytest.mark.parametrize('options', [(), ('--images', 'none')])
def test_exposure_at_a_stamp_that_is_not_there_is_an_error(tiny_drive, out, options):
    blank_line(tiny_drive / 'image_02/timestamps.txt', 1)
    assert convert(tiny_drive, out, '--exposure', 'image', *options) == 1
    reasons = [row['reason'] for row in manifest(out)]
    missing = 'expected the stamp of the image for --exposure image, got a frame without'
    assert reasons == ([missing] * 3 if options else ['', missing, ''])


def test_slow_loops_are_said_once(tiny_drive, out, monkeypatch, capsys):
    monkeypatch.setattr(cli, 'is_compiled', lambda: False)
    assert convert(tiny_drive, out) == 0
    assert capsys.readouterr().err.count('pip install numba') == 1


def test_failed_frames_are_listed_whatever_comes_of_the_comparison(tiny_drive, out, tmp_path, capsys):
    (tiny_drive / SCAN).write_bytes(b'')
    assert convert(tiny_drive, out, '--compare', tmp_path / 'nowhere') == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith('velodyne_to_depth: warning: 0000000001: ')
    assert lines[1].startswith(f'velodyne_to_depth: error: {tmp_path}/nowhere: ')


def test_maps_of_another_size_are_not_compared_and_the_exit_status_says_so(tiny_drive, out, tmp_path, capsys):
    (tmp_path / 'theirs').mkdir()
    write_depth_png(tmp_path / 'theirs/0000000001.png', np.ones((8, 8), np.float32))
    assert convert(tiny_drive, out, '--compare', tmp_path / 'theirs', '--json') == 1
    compared = json.loads(capsys.readouterr().out)['compared']
    assert (compared['failed'], compared['both'], compared['median_m']) == (1, 0, None)


def test_json_has_no_nan(tiny_drive, out, tmp_path, capsys):
    assert convert(tiny_drive, out, '--report', tmp_path / 'report.html', '--json') == 0

    def refuse(name):
        raise ValueError(f'no JSON: {name}')

    done = json.loads(capsys.readouterr().out, parse_constant=refuse)
    assert (done['calibration']['verdict'], done['calibration']['score']) == ('unknown', None)


@pytest.mark.parametrize('suffix', ['csv', 'parquet'])
def test_name_that_is_no_text(tiny_drive, tmp_path, suffix):
    folder = tmp_path / os.fsdecode(b'caf\xe9')
    tiny_drive.parent.rename(folder)
    source, out = folder / tiny_drive.name, folder / 'out'
    command = [sys.executable, '-m', 'msg_tools.ground_truth.cli', source, out, '--manifest', suffix]
    done = subprocess.run(command, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b'')
    assert b'caf\\udce9/out: 3 frames (3 ok)' in done.stdout
    assert convert(source, out, '--manifest', suffix) == 0


def test_missing_calibration_names_the_file_the_place_and_the_option(tiny_drive, out, capsys):
    (tiny_drive.parent / 'calib_cam_to_cam.txt').unlink()
    assert convert(tiny_drive, out) == 1
    error = capsys.readouterr().err
    assert error.startswith(f'velodyne_to_depth: error: {tiny_drive.parent}/calib_cam_to_cam.txt: expected')
    assert '--calib' in error
    assert error.count('\n') == 1
    assert not out.exists()


def test_calibration_from_elsewhere(tiny_drive, out, tmp_path):
    (tmp_path / 'calib').mkdir()
    for path in tiny_drive.parent.glob('calib_*.txt'):
        path.rename(tmp_path / 'calib' / path.name)
    assert convert(tiny_drive, out, '--calib', tmp_path / 'calib') == 0


def test_sources_that_are_none(tiny_drive, out, tmp_path, capsys):
    (tmp_path / 'empty.mcap').write_bytes(b'')
    (tmp_path / 'noscans/image_02').mkdir(parents=True)
    bad = {
        tmp_path / 'nowhere': 'got no such folder or file',
        tmp_path / 'nowhere.mcap': 'got no such folder or file',
        tmp_path / 'empty.mcap': 'got an empty file',
        tiny_drive / 'oxts': 'got a folder with data, timestamps.txt',
        tmp_path / 'noscans': 'got a folder with image_02',
    }
    for source, message in bad.items():
        assert convert(source, out) == 1
        assert message in capsys.readouterr().err


def test_topics_are_for_bags(tiny_drive, out, capsys):
    assert convert(tiny_drive, out, '--cloud-topic', '/points') == 1
    assert 'expected a bag' in capsys.readouterr().err


@pytest.mark.parametrize('options', [
    ('--jobs', '0'), ('--jobs', '-1'), ('--jobs', 'two'), ('--accumulate', '-1'), ('--occlusion', 'some'),
    ('--tolerance', '2'), ('--mode', 'monodepth2', '--motion', 'on'), ('--mode', 'monodepth2', '--accumulate', '5'),
    ('--mode', 'monodepth2', '--occlusion', '5%'), ('--max-pose-gap', 'nan'), ('--max-speed', '0'),
], ids=' '.join)
def test_usage_errors_exit_with_2(tiny_drive, out, options):
    with pytest.raises(SystemExit) as exit_info:
        convert(tiny_drive, out, *options)
    assert exit_info.value.code == 2
    assert not out.exists()


def test_monodepth2_mode_leaves_out_what_it_does_not_have(tiny_drive, out):
    assert convert(tiny_drive, out, '--mode', 'monodepth2', '--motion', 'off', '--vel-depth') == 0
    done = json.loads((out / 'settings.json').read_text())
    assert {name: done[name] for name in ('motion', 'accumulate', 'occlusion', 'mixed_edges', 'vel_depth')} == {
        'motion': 'off', 'accumulate': 0, 'occlusion': 'off', 'mixed_edges': True, 'vel_depth': True}


def test_scans_are_not_moved_where_there_are_no_poses_and_a_warning_says_so(tiny_drive, out, capsys):
    shutil.rmtree(tiny_drive / 'oxts')
    assert convert(tiny_drive, out) == 0
    assert 'warning: the motion of the scans is not undone (--motion off): ' in capsys.readouterr().err
    assert json.loads((out / 'settings.json').read_text())['motion'] == 'off'


@pytest.mark.parametrize('options', [('--motion', 'on'), ('--accumulate', 2), ('--motion', 'on', '--poses', 'none')])
def test_poses_that_are_needed_and_missing_are_an_error(tiny_drive, out, capsys, options):
    if 'none' not in options:
        shutil.rmtree(tiny_drive / 'oxts')
    assert convert(tiny_drive, out, *options) == 1
    assert re.search('error: .*(poses|OXTS)', capsys.readouterr().err)
    assert not out.exists()


def test_parquet_manifest_takes_the_place_of_the_csv(tiny_drive, out, capsys):
    parquet = pytest.importorskip('pyarrow.parquet')
    assert convert(tiny_drive, out) == 0
    assert convert(tiny_drive, out, '--manifest', 'parquet', '--json') == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])['kept'] == 3
    assert names(out) == ['depth', 'image', 'intrinsics.txt', 'manifest.parquet', 'settings.json']
    assert parquet.read_table(out / 'manifest.parquet')['frame'].to_pylist() == [0, 1, 2]


def test_output_that_cannot_be_written(tiny_drive, tmp_path, capsys):
    (tmp_path / 'file').write_text('')
    assert convert(tiny_drive, tmp_path / 'file') == 1
    assert 'expected a folder to write to' in capsys.readouterr().err


def test_full_disk_ends_it_with_one_error_and_leaves_no_half_file(tiny_drive, out, monkeypatch, capsys):
    write = truth_output.write_whole

    def full(path, data):
        if path == out / 'depth/0000000001.png':
            raise OSError(28, 'No space left on device')
        write(path, data)

    monkeypatch.setattr(truth_output, 'write_whole', full)
    assert convert(tiny_drive, out) == 1
    error = capsys.readouterr().err
    assert error.startswith(f'velodyne_to_depth: error: {out}/depth/0000000001.png: expected to write it, got: No s')
    assert error.count('\n') == 1
    assert [row['name'] for row in manifest(out)] == ['0000000000']
    assert names(out / 'depth') == ['0000000000.png']


def test_interruption_keeps_what_is_done(tiny_drive, out, monkeypatch):
    rows = Work.rows

    def interrupted(work, chunk):
        yield from itertools.islice(rows(work, chunk), 2)
        raise KeyboardInterrupt

    monkeypatch.setattr(Work, 'rows', interrupted)
    assert convert(tiny_drive, out) == 130
    assert [row['name'] for row in manifest(out)] == ['0000000000', '0000000001']


def test_real_drive(real_drive, out, capsys):
    assert convert(real_drive, out, '--jobs', 2, '--json', *PLAIN) == 0
    captured = capsys.readouterr()
    summary = json.loads(captured.out)
    assert (summary['frames'], summary['ok'], summary['partial']) == (17, 16, 1)
    assert 'warning: 0000000153: partial scan: without the beams below -18 degrees' in captured.err
    assert manifest(out)[0]['pixels'] == '20161'
