"""What is seen through an edge goes, what is seen beside it stays: by hand, and against an exact depth map."""

import numpy as np
import pytest

from msg_tools.depth_png import read_depth_png
from msg_tools.errors import ConfigError
from msg_tools.ground_truth.kitti_raw import KittiRawSource
from msg_tools.ground_truth.maps import Chunk, MapMaker
from msg_tools.ground_truth.occlusion import Spacing, spacing_of, without_occluded
from msg_tools.ground_truth.settings import Step, TruthSettings
from msg_tools.synthetic import write_drive

SPACING = Spacing(rows=4.0, columns=2.0, floor_slope=0.0)


def sparse(*points: tuple[int, int, float]) -> np.ndarray:
    """Return a map of 24 rows and 32 columns with depths [m] at (column, row)."""
    steps = np.zeros((24, 32), np.uint16)
    for column, row, depth_m in points:
        steps[row, column] = round(depth_m * 256)
    return steps


def left(steps: np.ndarray) -> set[tuple[int, int]]:
    return {(int(u), int(v)) for v, u in np.argwhere(steps)}


def filtered(steps: np.ndarray, step: str = '5%', spacing: Spacing = SPACING) -> set[tuple[int, int]]:
    return left(without_occluded(steps, Step.parse(step), spacing)[0])


def test_background_between_two_near_points_goes():
    assert filtered(sparse((10, 10, 5), (12, 10, 20), (14, 11, 5))) == {(10, 10), (14, 11)}


def test_background_beside_an_edge_stays():
    steps = sparse((10, 10, 5), (10, 14, 5), (13, 12, 20), (16, 12, 20))
    assert filtered(steps) == left(steps)


def test_what_lies_beside_a_near_point_by_one_pixel_goes():
    assert filtered(sparse((10, 10, 5), (11, 11, 20))) == {(10, 10)}


def test_two_near_points_that_are_far_away_hide_nothing():
    steps = sparse((4, 10, 5), (12, 10, 20), (20, 10, 5))
    assert filtered(steps) == left(steps)


@pytest.mark.parametrize(('step', 'goes'), [('5%', True), ('15%', False), ('0.5m', True), ('1.5m', False),
                                            ('off', False)])
def test_the_step_says_how_much_nearer(step, goes):
    steps = sparse((10, 10, 9), (12, 10, 10), (14, 10, 9))
    assert ((12, 10) not in filtered(steps, step)) == goes


def test_a_floor_is_no_occluder():
    slope = 1 / (700 * 1.5)  # of inverse depth per row, from a camera 1.5 m above it
    floor = [(column, row, 1 / (slope * (row + 18))) for row in range(0, 24, 3) for column in range(0, 32, 2)]
    steps = sparse(*floor)
    assert spacing_of(steps).floor_slope == pytest.approx(slope, rel=0.02)
    flat = Spacing(rows=6.0, columns=2.0, floor_slope=0.0)
    assert filtered(steps, '5%', flat) != left(steps)  # a floor 3 rows below is more than 5 % nearer
    assert filtered(steps, '5%', Spacing(6.0, 2.0, slope)) == left(steps)


def test_spacing_is_that_of_the_beams():
    steps = sparse(*((column, row, 10) for row in range(1, 24, 5) for column in range(0, 32, 3)))
    spacing = spacing_of(steps)
    assert (spacing.rows, spacing.columns, spacing.floor_slope) == (5, 3, 0)


def test_nothing_is_left_of_nothing_and_the_map_is_not_touched():
    empty = np.zeros((24, 32), np.uint16)
    assert without_occluded(empty, Step.parse('5%'), spacing_of(empty))[1] == 0
    steps = sparse((10, 10, 5), (11, 10, 20), (12, 10, 5))
    before = steps.copy()
    assert without_occluded(steps, Step.parse('5%'), SPACING)[1] == 1
    assert np.array_equal(steps, before)


@pytest.mark.parametrize('text', ['5', '5 cm', '-1m', '0%', '100%', 'nan%', '', '1e3m'])
def test_steps_that_mean_nothing_are_refused(text):
    with pytest.raises(ConfigError, match='expected metres like'):
        Step.parse(text)


def test_steps_print_as_they_are_read():
    assert [str(Step.parse(text)) for text in ('0.5m', '5%', '2.5 %', 'off')] == ['0.5m', '5%', '2.5%', 'off']


@pytest.fixture(scope='module')
def synthetic_drive(tmp_path_factory):
    return write_drive(tmp_path_factory.mktemp('street'), frames=1, supersample=1.0)


def exact_and_drawn(drive, occlusion):
    """Return the exact depth [m] of a synthetic drive's first frame and the map of its scan, which is of one moment."""
    source = KittiRawSource.open(drive, 2, with_images=False)
    maker = MapMaker(source, TruthSettings(motion='off', occlusion=occlusion), None)
    drawn = next(maker.maps(Chunk(source.entries()[:1], 0, 1))).steps / 256
    exact = read_depth_png(drive / 'depth_exact/image_02/0000000000.png')
    return exact, drawn


def test_synthetic_street_loses_what_bleeds_and_keeps_the_rest(synthetic_drive):
    exact, everything = exact_and_drawn(synthetic_drive, 'off')
    _, kept = exact_and_drawn(synthetic_drive, '5%')
    farthest = np.max([np.roll(exact, (v, u), (0, 1)) for v in (-1, 0, 1) for u in (-1, 0, 1)], 0)
    known = (everything > 0) & (exact > 0)
    bleeding = known & (everything > 1.02 * farthest + 0.05)
    assert bleeding.sum() > 50
    assert (kept[bleeding] == 0).mean() > 0.9
    assert (kept[known & ~bleeding] == 0).mean() < 0.03
