import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from msg_tools.colors import NONE_RGB, SKY_RGB, depth_colors, overlay


def color_of(depth_m, **options):
    return depth_colors(np.float32([[depth_m]]), **options)[0, 0].astype(int)


@pytest.mark.parametrize('nothing', [np.nan, 0.0, -1.0, -np.inf])
def test_no_depth_is_black(nothing):
    assert tuple(color_of(nothing)) == NONE_RGB


def test_sky_is_light_gray_blue():
    assert tuple(color_of(np.inf)) == SKY_RGB


def test_near_is_warm_and_far_is_cool():
    near, middle, far = color_of(2.0), color_of(np.sqrt(2.0 * 80.0)), color_of(80.0)
    assert near[0] > 150 > near[2]
    assert middle[1] > 200
    assert far[2] > 150 > far[0]


def test_beyond_the_ends_the_color_stays():
    assert np.array_equal(color_of(0.001), color_of(2.0))
    assert np.array_equal(color_of(1e6), color_of(80.0))


def test_equal_ratios_are_equal_steps():
    """From 1 to 100 m, 10 m is the middle of the scale, as 5 m is from 1 to 25 m."""
    assert np.array_equal(color_of(10.0, near_m=1.0, far_m=100.0), color_of(5.0, near_m=1.0, far_m=25.0))


@given(st.floats(0.25, 1000, width=32))
def test_look_up_by_bits_is_within_a_step_of_the_logarithm(depth_m):
    """The colors of 1 % less and 1 % more bracket the color, so what the look-up drops is not seen."""
    around = [color_of(depth_m * factor) for factor in (0.99, 1.0, 1.01)]
    assert np.abs(around[0] - around[1]).max() <= 12
    assert np.abs(around[2] - around[1]).max() <= 12


def test_any_float_array_is_taken():
    depth_m = np.linspace(1, 90, 24).reshape(4, 6)
    colors = depth_colors(depth_m)
    assert colors.shape == (4, 6, 3)
    assert colors.dtype == np.uint8
    assert np.array_equal(depth_colors(depth_m[:, ::2]), colors[:, ::2])


def test_overlay_draws_dots_on_a_darker_image():
    rgb = np.full((9, 9, 3), 100, np.uint8)
    sparse = np.zeros((9, 9), np.float32)
    sparse[4, 4] = 5.0
    drawn = overlay(rgb, sparse, radius=1)
    changed = (drawn != 50).any(-1)
    assert np.argwhere(changed).tolist() == [[3, 4], [4, 3], [4, 4], [4, 5], [5, 4]]
    assert np.array_equal(drawn[4, 4], color_of(5.0))
    assert np.count_nonzero((overlay(rgb, sparse, radius=0) != 50).any(-1)) == 1


def test_nearest_dot_wins_in_an_overlay():
    sparse = np.zeros((5, 7), np.float32)
    sparse[2, 2], sparse[2, 4] = 3.0, 30.0
    for depth_m in (sparse, sparse[:, ::-1]):
        drawn = overlay(np.zeros((5, 7, 3), np.uint8), depth_m, radius=2)
        assert np.array_equal(drawn[2, 3], color_of(3.0))


def test_overlay_draws_no_frame_around_the_image():
    """OpenCV's own border of an erosion is the largest finite number, not infinity."""
    drawn = overlay(np.full((6, 8, 3), 100, np.uint8), np.full((6, 8), np.nan), radius=2)
    assert (drawn == 50).all()
