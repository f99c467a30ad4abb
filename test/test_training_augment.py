"""A scale, a crop or a flip moves labels; it never changes metres."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from depth_node_training.augment import View, draw, jitter, random_view, resized_to, sample
from depth_node_training.datasets.frame import Frame, Points
from msg_tools.camera import Intrinsics, Size

CAMERA = Intrinsics(100.0, 100.0, 63.5, 31.5, Size(64, 128))
POINT = Points(np.array([[40.0, 20.0]], np.float32), np.array([10.0], np.float32))


def frame(*labels):
    return Frame('drive', 'name', np.zeros((64, 128, 3), np.uint8), CAMERA, labels)


def at(target):
    (row,), (column,) = np.nonzero(target)
    return row, column, target[row, column]


def test_plain_view_halves_the_pixel_and_keeps_the_depth():
    drawn = sample(frame(POINT), View(Size(64, 128), 0, 0, Size(64, 128)), focal_px=100.0)
    assert at(drawn.target) == (10, 20, 10.0)
    assert at(drawn.weight) == (10, 20, 1.0)


def test_crop_moves_the_pixel_and_keeps_the_depth():
    drawn = sample(frame(POINT), View(Size(64, 128), 8, 32, Size(32, 64)), focal_px=100.0)
    assert at(drawn.target) == (6, 4, 10.0)


def test_flip_mirrors_image_and_label():
    rgb = np.zeros((64, 128, 3), np.uint8)
    rgb[20:22, 40:42] = 255
    view = View(Size(64, 128), 0, 0, Size(64, 128), flip=True)
    drawn = sample(Frame('drive', 'name', rgb, CAMERA, [POINT]), view, focal_px=100.0)
    assert at(drawn.target) == (10, 43, 10.0)
    assert drawn.rgb[20, 86].tolist() == [255, 255, 255]


def test_twice_the_size_looks_half_as_far():
    """At 2x the focal length is 200 px: to a network that knows 100 px a thing at 10 m looks as if at 5 m."""
    drawn = sample(frame(POINT), View(Size(128, 256), 0, 0, Size(128, 256)), focal_px=100.0)
    assert at(drawn.target) == (20, 40, 5.0)


@settings(max_examples=50, deadline=None)
@given(zoom=st.floats(1.0, 2.0), part=st.floats(0.0, 1.0), depth_m=st.floats(0.5, 80.0), flip=st.booleans())
def test_scale_and_crop_never_change_metres(zoom, part, depth_m, flip):
    """What the estimator does with a target (times focal at the input over canonical) gives the metres back."""
    size = Size(32, 64)
    resized = resized_to(CAMERA, 50.0 * zoom, size)
    top, left = (round(part * (a - b)) for a, b in zip(resized.shape, size.shape, strict=True))
    label = Points(np.stack(np.meshgrid(np.arange(128.0), np.arange(64.0)), -1).reshape(-1, 2).astype('f4'),
                   np.full(64 * 128, depth_m, np.float32))
    drawn = sample(frame(label), View(resized, top, left, size, flip), focal_px=50.0)
    metres = drawn.target * CAMERA.resized(resized).focal_px / 50.0
    assert drawn.target.all()
    np.testing.assert_allclose(metres, depth_m, rtol=1e-5)


def test_views_of_other_cameras_have_the_canonical_focal_length():
    for fx, size in ((541.4, Size(281, 932)), (707.1, Size(370, 1226)), (1000.0, Size(540, 960))):
        camera = Intrinsics(fx, fx, size.width / 2, size.height / 2, size)
        resized = resized_to(camera, 300.0, Size(32, 64))
        assert camera.resized(resized).focal_px == pytest.approx(300.0, rel=5e-3)


def test_image_smaller_than_the_window_is_enlarged_and_the_depth_follows():
    resized = resized_to(CAMERA, 20.0, Size(32, 64))
    assert resized.shape == (32, 64)
    drawn = sample(frame(POINT), View(resized, 0, 0, Size(32, 64)), focal_px=20.0)
    assert at(drawn.target)[2] == pytest.approx(10.0 * 20.0 / 50.0)


def test_nearest_of_two_points_wins_in_one_source():
    label = Points(np.array([[40.0, 20.0], [41.0, 21.0]], np.float32), np.array([30.0, 10.0], np.float32))
    target, _ = draw([label], CAMERA.size, View(Size(64, 128), 0, 0, Size(64, 128)))
    assert at(target)[2] == 10.0


def test_first_source_wins_over_a_nearer_second():
    nearer = Points(POINT.uv, np.array([3.0], np.float32), weight=0.5)
    target, weight = draw([POINT, nearer], CAMERA.size, View(Size(64, 128), 0, 0, Size(64, 128)))
    assert at(target)[2] == 10.0
    assert at(weight)[2] == 1.0


def test_depths_are_drawn_never_mixed():
    """Interpolating 5 m and 50 m would give depths that nothing has."""
    uv = np.stack(np.meshgrid(np.arange(128.0), np.arange(64.0)), -1).reshape(-1, 2).astype('f4')
    label = Points(uv, np.where(uv[:, 0] < 64, 5.0, 50.0).astype('f4'))
    target, _ = draw([label], CAMERA.size, View(Size(45, 90), 3, 5, Size(32, 64)))
    assert set(np.unique(target)) <= {0.0, 5.0, 50.0}


def test_beyond_range_stays_beyond_range():
    label = Points(POINT.uv, np.array([np.inf], np.float32))
    drawn = sample(frame(label), View(Size(128, 256), 0, 0, Size(128, 256)), focal_px=100.0)
    assert np.isinf(drawn.target[20, 40])


def test_random_views_lie_inside_and_depend_on_the_seed():
    def views(seed):
        rng = np.random.default_rng(seed)
        return [random_view(CAMERA, Size(32, 64), 60.0, 1.5, rng) for _ in range(50)]

    assert views(1) == views(1) != views(2)
    for view in views(1):
        assert 0 <= view.top <= view.resized.height - 32
        assert 0 <= view.left <= view.resized.width - 64
        assert 59.0 < CAMERA.resized(view.resized).focal_px < 91.0


def test_jitter_of_strength_zero_changes_nothing():
    rgb = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    rng = np.random.default_rng(2)
    while True:  # one in ten becomes grey
        changed = jitter(rgb, rng, 0.0)
        if not np.array_equal(changed[..., 0], changed[..., 1]):
            break
    np.testing.assert_array_equal(changed, rgb)
