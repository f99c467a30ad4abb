"""Scans to depth maps: pixels and depths by hand, each kind of bad point, a slow loop, monodepth2's own answers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msg_tools.camera import Size
from msg_tools.ground_truth import compiled
from msg_tools.ground_truth.projector import ScanProjector
from msg_tools.kitti import KittiDrive

MODES = {'nearest': ScanProjector.nearest, 'monodepth2': ScanProjector.monodepth2}
SIZE = Size(4, 8)
T_CAM_VELO = np.array([[0, -1, 0, 0], [0, 0, -1, 0], [1, 0, 0, -1], [0, 0, 0, 1.0]])  # the camera is 1 m in front
PROJECTOR = ScanProjector(np.array([[4, 0, 4, 0], [0, 4, 2, 0], [0, 0, 1, 0.0]]) @ T_CAM_VELO, SIZE)


def seen_at(u: float, v: float, z: float) -> list[float]:
    """Return the Velodyne's point that PROJECTOR sees at a pixel and depth; exact for small binary fractions."""
    return [z + 1, -(u - 4) / 4 * z, -(v - 2) / 4 * z, 0.5]


def scan(*points: tuple[float, float, float]) -> np.ndarray:
    return np.array([seen_at(*point) for point in points], np.float32).reshape(-1, 4)


def drawn(depth: np.ndarray) -> dict[tuple[int, int], float]:
    """Return {(column, row): metres} of the pixels that have a depth."""
    return {(int(u), int(v)): depth[v, u] / 256 for v, u in np.argwhere(depth)}


def test_point_on_the_axis_lands_on_the_principal_point_with_its_depth_from_the_camera():
    depth = PROJECTOR.nearest(np.array([[11.0, 0.0, 0.0]]))
    assert drawn(depth) == {(4, 2): 10.0}
    assert depth.dtype == np.uint16
    assert depth.shape == (4, 8)


def test_left_is_left_and_up_is_up():
    assert drawn(PROJECTOR.nearest(np.array([[5.0, 2.0, 1.0]]))) == {(2, 1): 4.0}


def test_nearest_wins_in_any_order():
    assert drawn(PROJECTOR.nearest(scan((3, 1, 5), (3, 1, 3), (3, 1, 4)))) == {(3, 1): 3.0}
    assert drawn(PROJECTOR.nearest(scan((3, 1, 3), (3, 1, 4), (3, 1, 5)))) == {(3, 1): 3.0}


def test_pixel_reaches_half_a_pixel_around_its_center():
    around = (2.625, 1, 4), (5.375, 1, 4), (6, 0.625, 4), (1, 2.375, 4)
    assert set(drawn(PROJECTOR.nearest(scan(*around)))) == {(3, 1), (5, 1), (6, 1), (1, 2)}


def test_image_ends_half_a_pixel_after_its_last_center():
    inside = (-0.375, 0, 4), (7.375, 0, 4), (3, -0.375, 4), (3, 3.375, 4)
    outside = (-0.625, 1, 4), (7.625, 1, 4), (5, -0.625, 4), (5, 3.625, 4)
    assert set(drawn(PROJECTOR.nearest(scan(*inside, *outside)))) == {(0, 0), (7, 0), (3, 0), (3, 3)}


def test_points_behind_and_in_the_plane_of_the_camera_have_no_image():
    points = [seen_at(3, 1, -2.0), seen_at(3, 1, -0.5), [1.0, 0.0, 0.0, 0.0], [1.0, 0.5, 0.5, 0.0]]
    assert not PROJECTOR.nearest(np.array(points, np.float32)).any()


def test_point_that_is_too_near_or_too_far_for_the_map_hides_nothing():
    near = scan((3, 1, 1 / 1024), (3, 1, 5))
    assert drawn(PROJECTOR.nearest(near)) == {(3, 1): 5.0}
    far = scan((3, 1, 255.75), (5, 1, 256.0), (6, 1, 257.0), (2, 1, 1e6), (1, 1, 1e30))
    assert drawn(PROJECTOR.nearest(far)) == {(3, 1): 255.75}  # 257 m does not wrap to 1 m


def test_depth_is_rounded_to_the_nearest_step():
    points = np.array([[11 + 0.4 / 256, 0, 0], [11 + 0.6 / 256, 10 / 4, 0]])
    assert PROJECTOR.nearest(points)[2, [4, 3]].tolist() == [2560, 2561]


@pytest.mark.parametrize('mode', MODES)
@pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf, 3e38])
@pytest.mark.parametrize('axis', [0, 1, 2])
@pytest.mark.filterwarnings('error')
def test_points_that_are_not_finite_are_left_out_in_silence(mode, value, axis):
    points = scan((3, 1, 5), (3, 1, 4))
    points[1, axis] = value
    assert sum(drawn(MODES[mode](PROJECTOR, points)).values()) == 5.0


@pytest.mark.parametrize('mode', MODES)
def test_reflectance_does_not_matter(mode):
    points = scan((3, 1, 5), (4, 2, 6))
    points[:, 3] = np.nan
    assert len(drawn(MODES[mode](PROJECTOR, points))) == 2
    assert np.array_equal(MODES[mode](PROJECTOR, points), MODES[mode](PROJECTOR, points[:, :3].astype(np.float64)))


@pytest.mark.parametrize('mode', MODES)
def test_no_points_no_depth(mode):
    assert not MODES[mode](PROJECTOR, np.zeros((0, 4), np.float32)).any()
    assert not MODES[mode](PROJECTOR, np.zeros((5, 4), np.float32)).any()


def slow_nearest(points: np.ndarray, projector: ScanProjector) -> np.ndarray:
    depth_m = np.zeros(projector.size.shape)
    for x, y, z in points[:, :3].astype(np.float64):
        a, b, c = projector.P_velo_to_image @ (x, y, z, 1)
        if c > 0:
            u, v = round(a / c), round(b / c)
            if 0 <= u < projector.size.width and 0 <= v < projector.size.height:
                depth_m[v, u] = min(c, depth_m[v, u] or np.inf)
    return np.rint(depth_m * 256).astype(np.uint16)


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 300))
def test_same_as_a_slow_loop(seed, count):
    points = (np.random.default_rng(seed).normal(size=(count, 4)) * (8, 5, 3, 1)).astype(np.float32)
    assert np.array_equal(PROJECTOR.nearest(points), slow_nearest(points, PROJECTOR))


def test_order_of_the_points_does_not_matter():
    rng = np.random.default_rng(0)
    points = (rng.normal(size=(40_000, 4)) * (8, 5, 3, 1)).astype(np.float32)  # several blocks, thousands in a pixel
    assert np.array_equal(PROJECTOR.nearest(points), PROJECTOR.nearest(rng.permutation(points)))


# What monodepth2's generate_depth_map gave for these points, with PROJECTOR's calibration in KITTI's files.
# Its pixel (column, row) covers u from column + 0.5 to column + 1.5.
MONODEPTH2 = {
    'nearest of three': ([(4, 2, 5), (4, 2, 3), (4, 2, 4)], {(3, 1): 3.0}),
    'half a pixel goes to the even one': ([(2.5, 4, 6), (3.5, 4, 4)], {(1, 3): 6.0, (3, 3): 4.0}),
    'ends of the image': ([(0.4, 1, 2), (0.6, 1, 2), (8.4, 1, 2), (8.6, 1, 2)], {(0, 0): 2.0, (7, 0): 2.0}),
    'end of a row taken for the start of the next': ([(8, 1, 6), (1, 2, 2), (1, 2, 9)], {(7, 0): 2.0, (0, 1): 9.0}),
    'the same, the other way round': ([(1, 4, 5), (8, 3, 8)], {(0, 3): 5.0, (7, 2): 8.0}),
    'the last corner has no next row': ([(8, 4, 2), (8, 4, 5), (1, 1, 2), (1, 1, 1)], {(7, 3): 2.0, (0, 0): 1.0}),
    'a point behind the camera empties its pixel': ([(6, 3, 7), (6, 3, -0.5)], {}),
    'behind the Velodyne it is cut': ([(2, 2, 4), (2, 2, -2)], {(1, 1): 4.0}),
}


@pytest.mark.parametrize('name', MONODEPTH2)
def test_monodepth2_mode_gives_what_its_code_gave(name):
    points, expected = MONODEPTH2[name]
    assert drawn(PROJECTOR.monodepth2(scan(*points))) == expected


def test_monodepth2_mode_takes_all_of_that_at_once():
    points = [point for points, _ in MONODEPTH2.values() for point in points if point != (8.4, 1, 2)]
    expected = {  # as its code gave it, in one run
        (0, 0): 1.0, (7, 0): 2.0, (0, 1): 9.0, (1, 1): 4.0, (3, 1): 3.0, (7, 2): 8.0, (0, 3): 5.0, (1, 3): 6.0,
        (3, 3): 4.0, (7, 3): 2.0,
    }
    assert drawn(PROJECTOR.monodepth2(scan(*points))) == expected


def test_modes_differ_by_a_pixel_up_and_left():
    points = scan((3, 1, 5), (5, 2, 6))
    assert drawn(PROJECTOR.monodepth2(points)) == {(2, 0): 5.0, (4, 1): 6.0}


def test_real_scan_covers_four_per_cent_and_keeps_the_nearest(real_drive):
    drive = KittiDrive(real_drive)
    projector = ScanProjector(drive.calibration.P_velo_to_image(2), drive.camera(2).size)
    depth = projector.nearest(drive.read_scan(40))
    assert np.count_nonzero(depth) == 20161  # counted with numpy.minimum.at in float64
    assert 3.5 < depth[depth > 0].min() / 256 < depth.max() / 256 < 80.0


@pytest.mark.filterwarnings('error')
def test_loops_that_are_not_compiled_do_not_warn_of_nan_either(monkeypatch):
    monkeypatch.setattr(compiled, 'numba', None)
    scaled = compiled.compiled(lambda x: np.float64(x) * 0)
    assert np.isnan(scaled(np.inf))
