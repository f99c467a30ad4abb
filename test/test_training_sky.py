"""The rule for sky on hand-made images: white, pale and blue count; roads, walls and facades do not."""

import numpy as np
import pytest

from depth_node_training.datasets.frame import Frame, map_points
from depth_node_training.sky import far_parts, sky_mask, sky_points
from msg_tools.camera import Intrinsics, Size

SIZE = Size(64, 128)


def frame_of(rgb):
    return Frame('drive', 'name', rgb, Intrinsics(70, 70, 63.5, 31.5, SIZE))


def guard_of(frame, depth_m):
    """Return a teacher's points of a map 16x32, a column each `depth_m` (32,)."""
    return map_points(np.asarray(depth_m, np.float32)[None].repeat(16, 0), frame.camera, 'teacher')


@pytest.mark.parametrize('color', [(255, 255, 255), (222, 255, 255), (230, 245, 255), (100, 150, 220), (200, 205, 210)])
def test_colors_of_the_sky(color):
    rgb = np.full((100, 100, 3), 60, np.uint8)
    rgb[:30] = color
    mask = sky_mask(rgb)
    assert mask[2:27].mean() > 0.9
    assert not mask[30:].any()


@pytest.mark.parametrize('color', [(120, 120, 120), (250, 240, 200), (60, 120, 60), (90, 90, 110)])
def test_colors_of_other_things(color):
    rgb = np.full((100, 100, 3), 60, np.uint8)
    rgb[:30] = color
    assert not sky_mask(rgb).any()


def test_a_bright_road_and_a_window_are_below():
    rgb = np.full((100, 100, 3), 60, np.uint8)
    rgb[70:] = 250  # a road
    rgb[20:35, 40:60] = 250  # a window that does not reach the top
    assert not sky_mask(rgb).any()


def test_leaves_are_not_smooth():
    rgb = np.full((100, 100, 3), 255, np.uint8)
    rgb[:30] = np.random.default_rng(0).integers(150, 256, (30, 100, 1), np.uint8)
    assert sky_mask(rgb)[:28].mean() < 0.01


def test_a_white_wall_is_not_sky_where_the_teacher_says_near():
    frame = frame_of(np.full((64, 128, 3), 250, np.uint8))
    sky = sky_points(frame, guard_of(frame, np.where(np.arange(32) < 16, 8.0, 40.0)))
    assert np.isinf(sky.depth_m).all()
    assert sky.uv[:, 0].min() > 64
    assert sky.uv[:, 1].max() < 29


def test_a_pale_facade_down_the_street_is_not_sky():
    """At 30 m beside a sky of which the teacher says 45 m; it was labelled as sky once."""
    rgb = np.full((64, 128, 3), 40, np.uint8)
    rgb[:, :50], rgb[:, 60:] = (175, 199, 215), 255
    frame = frame_of(rgb)
    sky = sky_points(frame, guard_of(frame, np.where(np.arange(32) < 14, 30.6, 45.0)))
    assert len(sky.depth_m)
    assert sky.uv[:, 0].min() > 58


def test_far_parts_by_hand():
    parts, depth_m = np.array([0, 1, 1, 1, 2, 2, 3]), np.array([9.0, 50, 60, 70, 41, 43, 20])
    assert far_parts(parts, depth_m) == [1, 2]  # 0.7 * 60 = 42
    assert far_parts(parts[4:], depth_m[4:]) == [2]
    assert far_parts(parts[6:], depth_m[6:]) == []
    assert far_parts(np.array([1, 2]), np.array([np.inf, 60.0])) == [1, 2]  # a teacher that knows the sky


def test_an_image_without_sky_and_a_guard_without_points():
    frame = frame_of(np.full((64, 128, 3), 60, np.uint8))
    assert not len(sky_points(frame, guard_of(frame, np.full(32, 45.0))).depth_m)
    assert not len(sky_points(frame_of(np.full((64, 128, 3), 255, np.uint8)), guard_of(frame, np.zeros(32))).depth_m)
