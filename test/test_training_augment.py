"""A zoom, a crop, a flip or a tilt moves image and labels together; metres stay metres."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from depth_node_training.augment import Sample, View, draw, jitter, joined, random_view, resized_to, sample
from depth_node_training.labels import Labelled
from msg_tools.camera import Intrinsics, Size

SIZE = Size(64, 128)
CAMERA = Intrinsics(100.0, 100.0, 63.5, 31.5, SIZE)
WHOLE = View(0, 0, SIZE, SIZE)


def pixels(camera=CAMERA):
    """Return the centres (H * W, 2) of a camera's pixels."""
    return np.stack(np.meshgrid(np.arange(camera.size.width), np.arange(camera.size.height)), -1).reshape(-1, 2)


def frame(uv, depth_m, weight=1.0, rgb=None, camera=CAMERA):
    """Return a frame with these labels, black unless it has an image."""
    uv, depth_m = np.asarray(uv, np.float32).reshape(-1, 2), np.asarray(depth_m, np.float32).reshape(-1)
    rgb = np.zeros((*camera.size.shape, 3), np.uint8) if rgb is None else rgb
    weight = np.broadcast_to(np.float32(weight), depth_m.shape)
    return Labelled('drive', 'name', rgb, camera, uv, depth_m, weight)


POINT = frame([[40.0, 20.0]], [10.0])


def at(target):
    (row,), (column,) = np.nonzero(target)
    return row, column, target[row, column]


@st.composite
def views(draw_, least=16, tilt=0.0):
    """Draw any window of CAMERA of so many rows or more, seen at 64x32, mirrored or not, tilted or not."""
    height = draw_(st.integers(least, 64))
    window = Size(height, min(128, 2 * height))
    top, left = draw_(st.integers(0, 64 - window.height)), draw_(st.integers(0, 128 - window.width))
    angles = st.floats(-tilt, tilt)
    return View(top, left, window, Size(32, 64), draw_(st.booleans()), draw_(angles), draw_(angles))


def seen_by(view):
    """Return the camera of a view before it is mirrored, from first principles."""
    s = view.size.width / view.window.width
    return Intrinsics(100 * s, 100 * s, (64 - view.left) * s - 0.5, (32 - view.top) * s - 0.5, view.size)


def unflipped(view, target):
    return target[:, ::-1] if view.flip else target


def test_plain_view_halves_the_pixel_and_keeps_the_depth():
    drawn = sample(POINT, WHOLE, focal_px=100.0)
    assert at(drawn.target) == (10, 20, 10.0)
    assert at(drawn.weight) == (10, 20, 1.0)
    assert drawn.rgb.shape == (64, 128, 3)


def test_crop_moves_the_pixel_and_keeps_the_depth():
    drawn = sample(POINT, View(8, 32, Size(32, 64), Size(32, 64)), focal_px=100.0)
    assert at(drawn.target) == (6, 4, 10.0)


def test_flip_mirrors_image_and_label():
    rgb = np.zeros((64, 128, 3), np.uint8)
    rgb[20:22, 40:42] = 255
    drawn = sample(frame(POINT.uv, POINT.depth_m, rgb=rgb), View(0, 0, SIZE, SIZE, flip=True), focal_px=100.0)
    assert at(drawn.target) == (10, 43, 10.0)
    assert drawn.rgb[20, 86].tolist() == [255, 255, 255]


def test_twice_the_size_looks_half_as_far():
    """At 2x the focal length is 200 px: to a network that knows 100 px a thing at 10 m looks as if at 5 m."""
    drawn = sample(POINT, View(0, 0, SIZE, Size(128, 256)), focal_px=100.0)
    assert at(drawn.target) == (20, 40, 5.0)


def test_an_image_kept_at_half_its_camera_gives_the_same_target():
    half = frame(POINT.uv, POINT.depth_m, rgb=np.zeros((32, 64, 3), np.uint8))
    view = View(8, 32, Size(32, 64), Size(32, 64))
    np.testing.assert_array_equal(sample(half, view, 100.0).target, sample(POINT, view, 100.0).target)


@settings(max_examples=50, deadline=None)
@given(view=views(), depth_m=st.floats(0.5, 80.0), kept=st.sampled_from([1.0, 0.7, 0.5]))
def test_zoom_crop_and_flip_never_change_metres(view, depth_m, kept):
    """What the estimator does with a target (times focal at the input over canonical) gives the metres back."""
    rgb = np.zeros((round(64 * kept), round(128 * kept), 3), np.uint8)
    drawn = sample(frame(pixels(), np.full(SIZE.pixels, depth_m), rgb=rgb), view, focal_px=50.0)
    at_rgb = view.on(SIZE, Size(*rgb.shape[:2]))  # whole pixels of the image
    focal_px = 100.0 * np.sqrt(np.prod(rgb.shape[:2]) / SIZE.pixels * view.size.pixels / at_rgb.window.pixels)
    labelled = drawn.target > 0
    np.testing.assert_allclose(drawn.target[labelled] * focal_px / 50.0, depth_m, rtol=1e-5)
    assert labelled.mean() > 0.9


@settings(max_examples=100, deadline=None)
@given(view=views(32, tilt=8.0), normal=st.tuples(*[st.floats(-0.5, 0.5)] * 2), away_m=st.floats(2.0, 50.0))
def test_a_tilted_camera_sees_the_plane_where_geometry_says(view, normal, away_m):
    """Every depth lies between those that the turned plane has at the corners of its cell; none is off."""
    n = np.array([*normal, 1.0])  # the plane n . X = away_m, in front of every pixel
    rays = np.concatenate([pixels(), np.ones((SIZE.pixels, 1))], 1) @ np.linalg.inv(CAMERA.K).T
    drawn = sample(frame(pixels(), away_m / (rays @ n)), view, focal_px=50.0)
    seen = seen_by(view)
    metres = unflipped(view, drawn.target) * seen.focal_px / 50.0
    rows, columns = np.nonzero(metres)
    corners = []
    for dy, dx in ((0, 0), (0, 1), (1, 0), (1, 1)):
        uv = np.stack([2 * (columns + dx) - 0.5, 2 * (rows + dy) - 0.5, np.ones(rows.size)], -1)
        corners.append(away_m / (uv @ np.linalg.inv(seen.K).T @ (view.rotation @ n)))
    assert rows.size > 0.25 * metres.size
    found = metres[rows, columns]
    assert (found >= np.min(corners, 0) * (1 - 1e-4)).all()
    assert (found <= np.max(corners, 0) * (1 + 1e-4)).all()


def test_pitch_and_roll_by_hand():
    """Pitched by 30 degrees, what was ahead at 10 m is at 10 cos 30 and up; roll turns x to y."""
    pitched, rolled = (View(0, 0, SIZE, SIZE, pitch_deg=pitch, roll_deg=roll) for pitch, roll in ((30, 0), (0, 90)))
    np.testing.assert_allclose(pitched.rotation @ [0, 0, 10], [0, -5, 10 * np.cos(np.pi / 6)], atol=1e-9)
    np.testing.assert_allclose(rolled.rotation @ [1, 0, 10], [0, 1, 10], atol=1e-9)


@settings(max_examples=100, deadline=None)
@given(view=views(32, tilt=5.0), u=st.integers(4, 123), v=st.integers(4, 59), kept=st.sampled_from([1, 2]))
def test_image_and_label_move_together(view, u, v, kept):
    """A dot that is painted on the image is found under its label, within a pixel of the cell."""
    rgb = np.zeros((64 * kept, 128 * kept, 3), np.uint8)  # larger than the camera says too
    centre = (np.array([u, v]) + 0.5) * kept - 0.5
    y, x = np.mgrid[: 64 * kept, : 128 * kept]
    rgb[:] = np.rint(255 * np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / (2 * (1.2 * kept) ** 2)))[..., None]
    drawn = sample(frame([[u, v]], [10.0], rgb=rgb), view, focal_px=50.0)
    rows, columns = np.nonzero(drawn.target)
    if rows.size == 0 or not (2 <= rows[0] < 14 and 2 <= columns[0] < 30):
        return  # fell outside, or part of the dot did
    light = drawn.rgb[..., 0].astype(float)
    row, column = (np.sum(light * index) / light.sum() for index in np.mgrid[:32, :64])
    assert abs(row - (2 * rows[0] + 0.5)) <= 2.0  # half a cell, and one pixel
    assert abs(column - (2 * columns[0] + 0.5)) <= 2.0


@settings(max_examples=50, deadline=None)
@given(view=views())
def test_depths_are_drawn_never_mixed(view):
    """Interpolating 5 m and 50 m would give depths that nothing has."""
    uv = pixels()
    drawn = sample(frame(uv, np.where(uv[:, 0] < 64, 5.0, 50.0)), view, 100.0 * view.size.width / view.window.width)
    assert set(np.unique(drawn.target).round(3)) <= {0.0, 5.0, 50.0}


def test_the_last_label_of_a_pixel_wins():
    both = frame([[40.0, 20.0], [41.0, 21.0]], [30.0, 10.0], [1.0, 0.5])
    target, weight = draw(both, np.eye(3), SIZE)
    assert (at(target)[2], at(weight)[2]) == (10.0, 0.5)


def test_beyond_range_stays_beyond_range():
    for tilt in (0.0, 3.0):
        drawn = sample(frame([[64.0, 32.0]], [np.inf]), View(0, 0, SIZE, SIZE, True, tilt, tilt), focal_px=50.0)
        assert np.isinf(at(drawn.target)[2])


def test_points_behind_a_tilted_camera_leave():
    """Turned by 180 degrees all are behind, and a homography alone would put them into the image; at 90 some half."""
    everywhere = frame(pixels(), np.full(SIZE.pixels, 5.0))
    assert not sample(everywhere, View(0, 0, SIZE, SIZE, pitch_deg=180.0), 100.0).target.any()
    sideways = Intrinsics(20.0, 20.0, 63.5, 31.5, SIZE)  # sees 116 degrees up and down
    assert (sample(frame(pixels(), np.full(SIZE.pixels, 5.0), camera=sideways),
                   View(0, 0, SIZE, SIZE, pitch_deg=90.0), 20.0).target >= 0).all()


def test_a_border_without_image_is_filled_and_has_no_label():
    rgb = np.full((64, 128, 3), 200, np.uint8)
    view = View(0, 0, SIZE, SIZE, pitch_deg=5.0, roll_deg=3.0)
    drawn = sample(frame(pixels(), np.full(SIZE.pixels, 5.0), rgb=rgb), view, 100.0)
    H = CAMERA.K @ view.rotation @ np.linalg.inv(CAMERA.K)
    inside = cv2.warpPerspective(np.ones((64, 128), np.float32), H, (128, 64)).reshape(32, 2, 64, 2).max((1, 3)) > 0
    assert (drawn.rgb == 200).all()
    assert 0.05 < (~inside).mean() < 0.5
    assert not drawn.target[~inside].any()
    assert (drawn.target[inside] > 0).mean() > 0.95


def test_a_tilted_view_of_a_large_image_is_not_aliased():
    """Stripes of one pixel at a third of the size are grey, not a beat of black and white."""
    camera = Intrinsics(300.0, 300.0, 191.5, 95.5, Size(192, 384))
    rgb = np.zeros((192, 384, 3), np.uint8)
    rgb[:, ::2] = 255
    for tilt in (0.0, 2.0):
        drawn = sample(frame([], [], rgb=rgb, camera=camera), View(0, 0, camera.size, SIZE, False, tilt, 0.0), 100.0)
        assert drawn.rgb.std() < 20


def test_a_frame_without_labels_has_an_empty_target():
    drawn = sample(frame([], []), View(0, 0, SIZE, SIZE, False, 2.0, 2.0), focal_px=100.0)
    assert not drawn.target.any()
    assert not drawn.weight.any()


def test_windows_of_other_cameras_have_the_canonical_focal_length():
    for fx, size in ((541.4, Size(281, 932)), (707.1, Size(370, 1226)), (1000.0, Size(540, 960))):
        camera = Intrinsics(fx, fx, size.width / 2, size.height / 2, size)
        window = resized_to(camera, 300.0, Size(64, 128))
        assert camera.cropped(0, 0, window).resized(Size(64, 128)).focal_px == pytest.approx(300.0, rel=5e-3)


def test_image_smaller_than_the_window_is_enlarged_and_the_depth_follows():
    view = random_view(CAMERA, Size(32, 64), 20.0, np.random.default_rng(1))
    assert view.window == SIZE
    drawn = sample(POINT, view, focal_px=20.0)
    assert at(drawn.target)[2] == pytest.approx(10.0 * 20.0 / 50.0)


def many(seed, *args):
    rng = np.random.default_rng(seed)
    return [random_view(CAMERA, Size(16, 32), 50.0, rng, *args) for _ in range(100)]


def zooms(found):
    return np.array([CAMERA.cropped(0, 0, view.window).resized(view.size).focal_px / 50.0 for view in found])


def test_random_views_lie_inside_and_depend_on_the_seed():
    assert many(1, 0.5, 1.5, 3.0) == many(1, 0.5, 1.5, 3.0) != many(2, 0.5, 1.5, 3.0)
    for view in many(1, 0.5, 1.5, 3.0):
        assert 0 <= view.top <= 64 - view.window.height
        assert 0 <= view.left <= 128 - view.window.width
        assert max(abs(view.pitch_deg), abs(view.roll_deg)) <= 3.0


def test_half_of_the_random_views_are_plain():
    found = many(3, 0.6, 1.5, 3.0)
    plain = [view for view in found if view.window == Size(32, 64) and view.pitch_deg == view.roll_deg == 0]
    assert 35 <= len(plain) <= 65
    assert 30 <= sum(view.flip for view in found) <= 70
    assert len({(view.top, view.left) for view in plain}) > 20  # anywhere in the image


def test_zoom_goes_in_and_out_as_far_as_asked_and_the_image_allows():
    both = zooms(many(4, 0.7, 1.5))
    assert 0.68 < both.min() < 0.8
    assert 1.3 < both.max() < 1.55
    assert 0.5 <= zooms(many(4, 0.1, 1.0)).min() < 0.55  # 0.5: the whole of CAMERA
    assert zooms(many(4, 1.0, 1.0)).tolist() == [1.0] * 100


def test_nothing_tilts_unless_asked():
    assert all(view.pitch_deg == view.roll_deg == 0 for view in many(5, 1.0, 1.5))


def test_jitter_of_strength_zero_changes_nothing():
    rgb = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    assert all(np.array_equal(jitter(rgb, np.random.default_rng(seed), 0.0), rgb) for seed in range(50))


def test_jitter_changes_colours_a_little_and_leaves_the_image_as_it_was():
    rgb = np.random.default_rng(1).integers(0, 256, (32, 32, 3), np.uint8)
    before = rgb.copy()
    changed = [jitter(rgb, np.random.default_rng(seed), 0.2) for seed in range(100)]
    assert all(one.dtype == np.uint8 and one.shape == rgb.shape for one in changed)
    np.testing.assert_array_equal(rgb, before)
    assert 2 <= sum(np.array_equal(one[..., 0], one[..., 1]) for one in changed) <= 25  # grey
    assert len({one.tobytes() for one in changed}) == 100
    assert max(abs(float(one.mean()) - rgb.mean()) for one in changed) < 64


def test_jitter_depends_on_the_generator_alone():
    rgb = np.random.default_rng(1).integers(0, 256, (32, 32, 3), np.uint8)
    for seed in range(30):
        one, other = (jitter(rgb, np.random.default_rng(seed), 0.3) for _ in range(2))
        np.testing.assert_array_equal(one, other)


def test_two_views_side_by_side_keep_image_and_label_together():
    parts = [Sample(np.full((4, 8, 3), value, np.uint8), np.full((2, 4), value, np.float32),
                    np.full((2, 4), value / 10, np.float32)) for value in (1, 2)]
    both = joined(*parts, column=6)
    assert both.rgb[0, :, 0].tolist() == [1] * 6 + [2] * 2
    assert both.target[0].tolist() == [1, 1, 1, 2]
    assert both.weight[1].tolist() == pytest.approx([0.1, 0.1, 0.1, 0.2])
