"""Maps of the same names in two folders: numbers by hand, folder layouts, what cannot be compared, the command."""

import json
from pathlib import Path

import numpy as np
import pytest

from msg_tools.depth_png import encode_depth_steps, write_depth_png
from msg_tools.errors import TruthSetError
from msg_tools.ground_truth.compare import compare_maps, main
from msg_tools.ground_truth.difference_picture import ONLY_OURS, ONLY_THEIRS, difference_colors, difference_picture
from msg_tools.ground_truth.map_difference import DifferenceSum, compare_pair
from msg_tools.ground_truth.map_folder import find_maps
from msg_tools.image_file import read_rgb

OURS = np.array([[10.0, 20.0, 0.0, 5.0, 40.0, 0.0]])  # metres
THEIRS = np.array([[10.0, 25.0, 8.0, 0.0, 40.5, 0.0]])


def write(folder: Path, **maps: np.ndarray) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, depth_m in maps.items():
        write_depth_png(folder / f'{name}.png', depth_m)
    return folder


def steps(*depths_m: float) -> np.ndarray:
    return (256 * np.array([depths_m])).astype(np.uint16)


def test_pixels_are_counted_and_differences_are_of_those_in_both():
    found = compare_pair(steps(*OURS[0]), steps(*THEIRS[0]))
    assert (found.both, found.only_ours, found.only_theirs) == (3, 1, 1)
    assert found.median_m == 0.5  # of 0, 5 and 0.5
    assert found.p95_m == pytest.approx(0.5 + 0.9 * 4.5)
    assert found.median_rel == pytest.approx(0.5 / 40.5)
    assert found.within == pytest.approx((1 / 3, 2 / 3))  # of 0, 20 % and 1.2 %


def test_maps_without_a_common_pixel_have_no_differences():
    found = compare_pair(steps(1, 0), steps(0, 1))
    assert (found.both, found.only_ours, found.only_theirs) == (0, 1, 1)
    assert np.isnan(found.median_m)
    assert found.as_dict()['median_m'] is None


def test_sum_over_pairs_is_that_of_all_pixels_together():
    rng = np.random.default_rng(0)
    ours = rng.integers(1000, 20000, (7, 30, 40)).astype(np.uint16)
    theirs = (ours * rng.normal(1, 0.03, ours.shape)).astype(np.uint16)
    ours[rng.random(ours.shape) < 0.3] = 0
    total = DifferenceSum()
    for pair in zip(ours, theirs, strict=True):
        total.add(*pair)
    found, exact = total.total(), compare_pair(ours.reshape(1, -1), theirs.reshape(1, -1))
    assert (found.both, found.only_ours, found.only_theirs) == (exact.both, exact.only_ours, exact.only_theirs)
    assert found.within == exact.within
    assert found.median_m == pytest.approx(exact.median_m, abs=1 / 256)
    assert found.p95_m == pytest.approx(exact.p95_m, abs=1 / 256)
    assert found.median_rel == pytest.approx(exact.median_rel, rel=0.01)
    assert found.p95_rel == pytest.approx(exact.p95_rel, rel=0.01)


def test_equal_folders_do_not_differ(tmp_path):
    found = compare_maps(write(tmp_path / 'a', x=OURS, y=THEIRS), write(tmp_path / 'b', x=OURS, y=THEIRS))
    assert (found.total.both, found.total.only_ours, found.total.only_theirs) == (8, 0, 0)
    assert (found.total.p95_m, found.total.p95_rel, found.total.within) == (0, 0, (1, 1))


def test_names_in_one_folder_alone_are_listed(tmp_path):
    found = compare_maps(write(tmp_path / 'a', x=OURS, y=OURS), write(tmp_path / 'b', x=THEIRS, z=OURS))
    assert (list(found.frames), found.only_ours, found.only_theirs) == (['x'], ('y',), ('z',))
    assert 'such as y' in found.text()


def test_map_of_another_size_is_an_error_of_that_frame_alone(tmp_path):
    ours = write(tmp_path / 'a', x=OURS, y=OURS, z=OURS)
    theirs = write(tmp_path / 'b', x=THEIRS, y=OURS[:, :4], z=THEIRS)
    (theirs / 'z.png').write_bytes((theirs / 'z.png').read_bytes()[:40])
    found = compare_maps(ours, theirs)
    assert list(found.frames) == ['x']
    assert 'y.png: expected a map of 6x1 as ours, got 4x1' in found.failed['y']
    assert 'z.png: expected a whole PNG file' in found.failed['z']
    assert found.total.both == 3


def test_output_folder_and_depth_benchmark_are_found(tmp_path):
    drive = tmp_path / 'train/2011_09_26_drive_0005_sync'
    ours = write(tmp_path / 'out/depth', x=OURS).parent
    for camera, depth_m in ((2, THEIRS), (3, OURS)):
        write(drive / f'proj_depth/groundtruth/image_{camera:02d}', x=depth_m)
    write(drive / 'proj_depth/velodyne_raw/image_02', x=OURS)
    for theirs in (drive, tmp_path / 'train', tmp_path):
        assert compare_maps(ours, theirs).total.median_m == 0.5
        assert compare_maps(ours, theirs, camera=3).total.median_m == 0


def test_same_name_in_two_drives_is_refused(tmp_path):
    for drive in ('2011_09_26_drive_0001_sync', '2011_09_26_drive_0002_sync'):
        write(tmp_path / drive / 'proj_depth/groundtruth/image_02', x=OURS)
    with pytest.raises(TruthSetError, match=r'expected one map named x, got .*0001.*0002.*name the folder of one'):
        find_maps(tmp_path)


@pytest.mark.parametrize(('theirs', 'message'), [
    ('empty', 'expected depth maps NAME.png .* found none'),
    ('missing', 'no such folder'),
    ('other', 'such as x, got others, such as y'),
])
def test_nothing_to_compare_is_an_error(tmp_path, theirs, message):
    write(tmp_path / 'a', x=OURS)
    write(tmp_path / 'other', y=OURS)
    (tmp_path / 'empty').mkdir()
    with pytest.raises(TruthSetError, match=message):
        compare_maps(tmp_path / 'a', tmp_path / theirs)


def test_difference_is_blue_where_ours_is_nearer_and_red_where_farther():
    colors = difference_colors(steps(9, 0, 11, 0, 5, 0, 0), steps(10, 0, 10, 0, 0, 0, 5))[0]
    assert colors[0].tolist() == [30, 90, 255]
    assert colors[2].tolist() == [235, 30, 30]
    assert (tuple(colors[4]), tuple(colors[6])) == (ONLY_OURS, ONLY_THEIRS)


def test_picture_has_three_panels_with_a_line_of_text_each():
    assert difference_picture(np.zeros((50, 600), np.uint16), np.zeros((50, 600), np.uint16)).shape == (228, 600, 3)


def test_command_prints_a_table_or_json_and_draws_the_frame_that_differs_most(tmp_path, capsys):
    a, b = write(tmp_path / 'a', x=OURS, y=OURS), write(tmp_path / 'b', x=OURS, y=THEIRS)
    assert main([str(a), str(b), '--picture', str(tmp_path / 'worst.png')]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ['frame', 'y', 'x', 'all']
    assert read_rgb(tmp_path / 'worst.png')[-1, 3].any()  # in y alone, one pixel is in ours only
    assert main([str(a), str(b), '--json']) == 0
    found = json.loads(capsys.readouterr().out)
    assert found['frames']['y']['median_m'] == 0.5
    assert found['total']['both'] == 7


def test_command_fails_where_a_frame_could_not_be_compared(tmp_path, capsys):
    a, b = write(tmp_path / 'a', x=OURS, y=OURS), write(tmp_path / 'b', x=OURS)
    (b / 'y.png').write_bytes(encode_depth_steps(np.ones((3, 3), np.uint16)))
    assert main([str(a), str(b)]) == 1
    assert 'y: ' in capsys.readouterr().out
    assert main([str(a), str(tmp_path / 'nothing')]) == 1
    assert 'error: ' in capsys.readouterr().err


def test_annotated_maps_of_both_cameras_differ_as_their_places_do(shared_data):
    """The same street from 0.54 m further right: ground of the same depth, other pixels."""
    drive = shared_data / 'kitti/training/2011_09_26_drive_0001_sync'
    found = compare_maps(drive / 'depth_annotated_02', drive / 'depth_annotated_03')
    assert len(found.frames) == 12
    assert found.total.both == sum(frame.both for frame in found.frames.values())
    assert 0.01 < found.total.median_rel < 0.02
    assert compare_maps(drive / 'depth_annotated_02', drive / 'depth_annotated_02').total.p95_m == 0
