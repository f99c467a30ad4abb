import doctest

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import msg_tools.camera
from msg_tools.camera import Intrinsics, Size, cloud_of, depth_map, project, transform, unproject
from msg_tools.errors import CalibrationError

SMALL = Size(48, 64)


def camera(fx=100.0, fy=100.0, cx=32.0, cy=24.0, size=SMALL):
    return Intrinsics(fx, fy, cx, cy, size)


def coordinates(low, high):
    return st.floats(low, high, width=32)


cameras = st.builds(
    camera, coordinates(50, 2000), coordinates(50, 2000), coordinates(-50, 2000), coordinates(-50, 1000),
    st.builds(Size, st.integers(1, 1100), st.integers(1, 2000)))
points_in_front = hnp.arrays(np.float64, st.tuples(st.integers(1, 8), st.just(3)), elements=coordinates(-50, 50)).map(
    lambda points: points * (1, 1, 0) + (0, 0, 1) * (1.0 + np.abs(points)))


def test_point_on_the_axis_lands_on_the_principal_point():
    uv, z = project(np.array([[0.0, 0.0, 5.0]]), camera().P)
    assert uv.tolist() == [[32.0, 24.0]]
    assert z.tolist() == [5.0]


def test_right_is_greater_u_and_down_is_greater_v():
    uv, _ = project(np.array([[1.0, 0.5, 2.0]]), camera().P)
    assert uv.tolist() == [[82.0, 49.0]]  # 32 + 100 / 2, 24 + 50 / 2


def test_p_with_a_baseline_shifts_by_it_over_depth():
    P = camera().P
    P[0, 3] = -100 * 0.5
    uv, _ = project(np.array([[0.0, 0.0, 5.0]]), P)
    assert uv.tolist() == [[22.0, 24.0]]  # 32 - 100 * 0.5 / 5


def test_pixel_and_depth_give_the_point():
    assert unproject(np.array([[82.0, 49.0]]), np.array([2.0]), camera()).tolist() == [[1.0, 0.5, 2.0]]


@given(points_in_front, cameras)
def test_unproject_undoes_project(points, camera):
    uv, z = project(points, camera.P)
    assert np.allclose(unproject(uv, z, camera), points, rtol=1e-6, atol=1e-6)


def test_k_and_p_of_intrinsics():
    assert camera().K.tolist() == [[100, 0, 32], [0, 100, 24], [0, 0, 1]]
    assert camera().P.tolist() == [[100, 0, 32, 0], [0, 100, 24, 0], [0, 0, 1, 0]]
    assert camera(fx=50, fy=200).focal_px == 100


@given(cameras)
def test_intrinsics_come_back_from_k_and_p(camera):
    assert Intrinsics.from_matrix(camera.K, camera.size) == camera
    assert Intrinsics.from_matrix(camera.P.tolist(), camera.size) == camera


@pytest.mark.parametrize('matrix', [
    np.zeros((3, 3)), np.full((3, 3), np.nan), np.diag([-1.0, 1, 1]), np.diag([1.0, np.inf, 1]), np.eye(4), np.eye(2),
])
def test_impossible_matrices(matrix):
    with pytest.raises(CalibrationError, match='expected'):
        Intrinsics.from_matrix(matrix, Size(4, 4))


def test_resizing_keeps_corners_on_corners():
    half = Intrinsics(100, 100, 31.5, 23.5, Size(48, 64)).resized(Size(24, 32))
    assert (half.fx, half.fy, half.cx, half.cy) == (50, 50, 15.5, 11.5)  # the middle stays the middle


@given(points_in_front, cameras, st.integers(1, 500), st.integers(1, 500))
def test_resizing_the_camera_is_resizing_the_pixels(points, camera, height, width):
    """A pixel's area from u - 0.5 to u + 0.5 scales as a whole, as in cv2.resize."""
    small = camera.resized(Size(height, width))
    scale = np.array([width / camera.size.width, height / camera.size.height])
    wanted = (project(points, camera.P)[0] + 0.5) * scale - 0.5
    assert np.allclose(project(points, small.P)[0], wanted, rtol=1e-6, atol=1e-3)
    back = small.resized(camera.size)
    assert np.allclose([back.fx, back.fy, back.cx, back.cy], [camera.fx, camera.fy, camera.cx, camera.cy], rtol=1e-9)


@given(points_in_front, cameras, st.integers(0, 100), st.integers(0, 100))
def test_cropping_the_camera_is_moving_the_pixels(points, camera, top, left):
    crop = camera.cropped(top, left, Size(10, 20))
    assert crop.size == Size(10, 20)
    assert np.allclose(project(points, crop.P)[0], project(points, camera.P)[0] - (left, top), atol=1e-6)


def test_rays_of_a_tiny_camera():
    rays = Intrinsics(2.0, 4.0, 1.0, 0.0, Size(2, 3)).rays()
    assert rays.dtype == np.float32
    assert rays.tolist() == [[[-0.5, 0, 1], [0, 0, 1], [0.5, 0, 1]], [[-0.5, 0.25, 1], [0, 0.25, 1], [0.5, 0.25, 1]]]


@pytest.mark.parametrize('stride', [1, 2, 3, 5])
def test_strided_rays_are_every_nth_ray(stride):
    """A size that the stride does not divide keeps its first pixel and what follows, as slicing does."""
    full = camera(size=Size(7, 11)).rays()
    strided = camera(size=Size(7, 11)).rays(stride)
    assert strided.shape == full[::stride, ::stride].shape
    assert np.allclose(strided, full[::stride, ::stride], atol=1e-6)
    assert Size(*strided.shape[:2]) == camera(size=Size(7, 11)).strided(stride).size


def test_size_reads_as_width_by_height():
    assert str(Size(375, 1242)) == '1242x375'
    assert Size(375, 1242).shape == (375, 1242)
    assert Size(3, 5).pixels == 15


def test_flat_index_rounds_and_keeps_what_is_inside():
    on = [[0, 0], [2.4, 1.4], [-0.4, -0.4]]
    off = [[2.6, 0], [0, 1.6], [-0.6, 0], [np.nan, 0], [np.inf, 0], [0, -np.inf]]
    inside, index = Size(2, 3).flat_index(np.array(on + off))
    assert inside.tolist() == [True] * 3 + [False] * 6
    assert index.tolist() == [0, 5, 0]


def test_last_pixel_of_a_row_is_not_the_first_of_the_next():
    """monodepth2's sub2ind mixes the two."""
    _, index = Size(2, 3).flat_index(np.array([[2.0, 0.0], [0.0, 1.0]]))
    assert index.tolist() == [2, 3]


def test_nearest_point_wins_in_a_depth_map():
    points = np.array([[0, 0, 5.0], [0, 0, 3.0], [0, 0, 4.0], [0.01, 0, 1.0]])
    depth = depth_map(points, camera().P, Size(48, 64))
    assert depth.dtype == np.float32
    assert depth[24, 32] == 3.0
    assert depth[24, 33] == 1.0
    assert np.count_nonzero(depth) == 2


def test_points_behind_and_at_the_camera_draw_nothing():
    points = np.array([[0, 0, -5.0], [0, 0, 0.0], [0, 0, 1e-4], [np.nan, 0, 1], [0, 0, np.nan]])
    assert not depth_map(points, camera().P, Size(48, 64)).any()


def test_depth_map_of_no_points():
    assert not depth_map(np.empty((0, 3)), camera().P, Size(2, 3)).any()


@given(points_in_front, cameras.filter(lambda camera: camera.size.pixels < 1e5))
def test_depth_map_is_a_loop_over_the_points(points, camera):
    wanted = np.zeros(camera.size.shape, np.float32)
    for (u, v), z in zip(*project(points, camera.P), strict=True):
        row, column = round(v), round(u)
        if 0 <= row < camera.size.height and 0 <= column < camera.size.width:
            before = wanted[row, column]
            wanted[row, column] = min(z, before) if before else z
    assert np.array_equal(depth_map(points, camera.P, camera.size), wanted)


def test_transform_of_a_point():
    T = np.array([[0, -1, 0, 1], [1, 0, 0, 2], [0, 0, 1, 3], [0, 0, 0, 1.0]])  # a quarter turn about z, then a shift
    assert transform(T, np.array([[1.0, 0, 0]])).tolist() == [[1, 3, 3]]


def test_cloud_of_a_depth_map_has_holes_where_depth_is_not_finite():
    depth_m = np.float32([[2.0, np.nan, np.inf]])
    cloud = cloud_of(depth_m, Intrinsics(1.0, 1.0, 0.0, 0.0, Size(1, 3)).rays())
    assert cloud.dtype == np.float32
    assert cloud[0, 0].tolist() == [0, 0, 2]
    assert np.isnan(cloud[0, 1:]).all()


def test_cloud_written_in_place():
    rays, out = camera().rays(), np.zeros((48, 64, 4), np.float32)
    depth_m = np.full((48, 64), 3.0)
    cloud_of(depth_m, rays, out=out[..., :3])
    assert np.array_equal(out[..., :3], cloud_of(depth_m, rays))
    assert not out[..., 3].any()


@given(cameras.filter(lambda camera: camera.size.pixels < 1e4), st.integers(1, 4), st.floats(0.5, 80))
def test_cloud_of_a_depth_map_projects_back_onto_its_pixels(camera, stride, depth):
    shape = camera.strided(stride).size.shape
    cloud = cloud_of(np.full(shape, depth, np.float32), camera.rays(stride))
    uv, z = project(cloud.reshape(-1, 3).astype(float), camera.P)
    v, u = np.mgrid[: camera.size.height : stride, : camera.size.width : stride]
    assert np.allclose(uv, np.stack([u, v], -1).reshape(-1, 2), atol=0.02)
    assert np.allclose(z, depth)


def test_examples_in_the_docstrings():
    assert doctest.testmod(msg_tools.camera).failed == 0
