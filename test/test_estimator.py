"""The estimator with a backend whose answer is known: focal length, sizes, limits and confidence by hand."""

import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from depth_node.estimator import DepthEstimator, Limits, confidence_of
from depth_node.model import ModelConfig
from depth_node.plan import MAX_GROWTH, choose_content_size, choose_input_size, make_plan, resized
from msg_tools.camera import Intrinsics, Size
from msg_tools.errors import BackendError, CalibrationError, CheckpointError, ImageError

MODEL = ModelConfig(height=64, width=96, focal_px=100.0)
SIZE = Size(128, 192)  # twice the model's


class FakeBackend:
    """Answers the same maps at any size, and remembers what it was shown."""

    description = 'a fake'

    def __init__(self, depth_m=10.0, scale=0.1):
        self.depth_m, self.scale = depth_m, scale
        self.seen: list[np.ndarray] = []

    def __call__(self, rgb):
        self.seen.append(rgb)
        shape = rgb.shape[0] // 2, rgb.shape[1] // 2
        with np.errstate(all='ignore'):
            return np.full(shape, np.log(self.depth_m), np.float32), np.full(shape, np.log(self.scale), np.float32)


def camera(size=SIZE, fx=200.0, fy=200.0):
    return Intrinsics(fx, fy, size.width / 2, size.height / 2, size)


def image(size=SIZE):
    return np.zeros((*size.shape, 3), np.uint8)


def estimator(**answer):
    return DepthEstimator(FakeBackend(**answer), MODEL)


def test_at_the_canonical_focal_length_depth_is_what_the_network_says():
    run = estimator(depth_m=10.0)  # 200 px at 192 columns are 100 px at 96
    result = run(image(), camera())
    assert run.backend.seen[0].shape == (64, 96, 3)
    assert result.depth_m.shape == SIZE.shape
    assert result.depth_m.dtype == np.float32
    np.testing.assert_allclose(result.depth_m, 10.0, rtol=1e-6)


def test_a_longer_focal_length_gets_a_smaller_input_and_the_same_depth():
    run = estimator(depth_m=10.0)
    result = run(image(), camera(fx=400.0, fy=400.0))
    assert run.backend.seen[0].shape == (32, 64, 3)  # ideal: 32 x 48
    focal = math.sqrt(400 * 32 / 128 * 400 * 64 / 192)  # 115.5 at the input
    np.testing.assert_allclose(result.depth_m, 10.0 * focal / 100.0, rtol=1e-5)


def test_a_narrow_view_is_magnified_a_little_where_there_is_room_and_its_depth_scaled_back():
    model = ModelConfig(height=192, width=640, focal_px=100.0)
    narrow = camera(Size(100, 300), 100.0, 100.0)  # 120 x 360 at 1.2 times the focal length: 128 x 352 in steps of 32
    plan = make_plan(narrow.size, narrow, model)
    assert plan.input_size == Size(128, 352)
    assert plan.log_correction == pytest.approx(math.log(math.sqrt(128 / 100 * 352 / 300)))
    for size, wanted in ((Size(180, 300), Size(192, 320)), (Size(100, 620), Size(96, 640))):  # full in one direction
        assert make_plan(size, camera(size, 100.0, 100.0), model).input_size == wanted


@pytest.mark.parametrize('room', [Size(256, 832), Size(384, 1280)])
def test_a_view_as_wide_as_the_trainings_is_not_magnified_in_a_larger_input(room):
    """The network of any size sees it at its focal length; that of one size must say the same metres."""
    kitti = camera(Size(375, 1242), 721.5377, 721.5377)
    plan = make_plan(kitti.size, kitti, ModelConfig(), room)
    assert plan.content_size == Size(194, 640)  # 193.2 x 640, even
    narrow = camera(Size(100, 300), 371.8, 371.8)
    assert make_plan(narrow.size, narrow, ModelConfig(), room).content_size == Size(120, 360)


def test_a_wide_camera_is_shrunk_to_the_budget_and_its_depth_scaled_by_the_focal_ratio():
    run = estimator(depth_m=10.0)
    result = run(image(), camera(fx=50.0, fy=50.0))  # ideal: 256 x 384, 16 times the pixels of the training
    rows, columns, _ = run.backend.seen[0].shape
    assert (rows, columns) == (64, 128)
    np.testing.assert_allclose(result.depth_m, 10.0 * math.sqrt(50 * 64 / 128 * 50 * 128 / 192) / 100.0, rtol=1e-5)


@pytest.mark.parametrize(('size', 'focal_px'), [
    (Size(375, 1242), 721.5377), (Size(370, 1226), 707.0912), (Size(376, 1241), 718.856), (Size(374, 1238), 718.3351),
])
def test_every_kitti_camera_gets_the_size_of_the_training(size, focal_px):
    assert choose_input_size(camera(size, focal_px, focal_px), ModelConfig()) == Size(192, 640)


@pytest.mark.parametrize('size', [Size(8, 8), Size(1, 1), Size(480, 640), Size(641, 479), Size(1081, 1921)])
def test_any_size_comes_back_portrait_tiny_and_odd_ones_too(size):
    run = estimator(depth_m=10.0)
    run.limits = Limits(max_depth_m=1e6)
    result = run(image(size), camera(size))
    assert result.depth_m.shape == result.confidence.shape == size.shape
    assert np.isfinite(result.depth_m).all()
    assert all(n % 32 == 0 for n in run.backend.seen[0].shape[:2])


@given(st.integers(1, 4000), st.integers(1, 4000), st.floats(10.0, 1e5), st.floats(0.5, 2.0))
@settings(deadline=None)
def test_no_camera_asks_for_more_than_the_budget(height, width, fx, ratio):
    size = choose_input_size(camera(Size(height, width), fx, fx * ratio), MODEL)
    assert size.height % 32 == size.width % 32 == 0
    ideal = MAX_GROWTH * MODEL.height * MODEL.width
    thin = size.height == 32 or size.width == 32  # a strip of an image cannot be thinner than 32 px
    assert size.pixels <= ideal + 16 * (size.height + size.width) or thin


class Gradient(FakeBackend):
    """Answers a depth that grows from left to right of its input, 1 m a column: what is cut out shows where from."""

    def __call__(self, rgb):
        super().__call__(rgb)
        depth_m = np.tile(np.arange(1, rgb.shape[1] // 2 + 1, dtype=np.float32), (rgb.shape[0] // 2, 1))
        return np.log(depth_m), np.zeros_like(depth_m)


def test_a_network_of_one_input_size_sees_the_image_in_the_middle_of_a_black_one():
    run = DepthEstimator(Gradient(), MODEL, fixed_size=Size(64, 96))
    tall = Size(128, 64)  # 64 x 32 at the canonical focal length, which is as high as there is room
    result = run(np.full((*tall.shape, 3), 200, np.uint8), camera(tall))
    (seen,) = run.backend.seen
    assert seen.shape == (64, 96, 3)
    assert (seen[:, 32:64] == 200).all()
    assert not seen[:, :32].any()
    assert not seen[:, 64:].any()
    assert result.depth_m.shape == result.confidence.shape == tall.shape
    assert result.log_scale.shape == (32, 16)
    assert result.depth_m[60, 0] == pytest.approx(17.0)  # 16 columns of the answer lie left of the image's first
    assert result.depth_m[60, -1] == pytest.approx(32.0)


def test_an_image_that_is_too_large_for_the_one_input_size_is_shrunk_and_its_depth_scaled():
    run = DepthEstimator(FakeBackend(depth_m=10.0), MODEL, fixed_size=Size(64, 96))
    result = run(image(Size(480, 640)), camera(Size(480, 640), 200.0, 200.0))  # 240 x 320 at the canonical focal length
    assert result.plan.content_size == Size(64, 86)
    focal = math.sqrt(200 * 64 / 480 * 200 * 86 / 640)
    np.testing.assert_allclose(result.depth_m, 10.0 * focal / 100.0, rtol=1e-5)


def test_a_camera_whose_input_is_the_one_size_anyway_fills_it():
    kitti = camera(Size(375, 1242), 721.5377, 721.5377)
    plan = make_plan(kitti.size, kitti, ModelConfig(), Size(192, 640))
    assert plan.content_size == plan.input_size == Size(192, 640)
    assert plan == make_plan(kitti.size, kitti, ModelConfig())


@given(st.integers(1, 4000), st.integers(1, 4000), st.floats(10.0, 1e5), st.floats(0.5, 2.0))
@settings(deadline=None)
def test_every_image_fits_into_the_one_input_size(height, width, fx, ratio):
    content = choose_content_size(camera(Size(height, width), fx, fx * ratio), MODEL, Size(64, 96))
    assert 2 <= content.height <= 64
    assert 2 <= content.width <= 96
    assert content.height % 2 == content.width % 2 == 0


def test_without_intrinsics_the_field_of_view_of_the_training_is_assumed_and_said_once(caplog):
    run = estimator(depth_m=10.0)
    results = [run(image()) for _ in range(3)]
    assert run.backend.seen[0].shape == (64, 96, 3)
    assert all(result.assumed_focal for result in results)
    np.testing.assert_allclose(results[0].depth_m, 10.0, rtol=1e-6)
    assert [record.levelname for record in caplog.records] == ['WARNING']
    assert not run(image(), camera()).assumed_focal


def test_K_is_taken_as_a_matrix_too():
    K = np.array([[200.0, 0, 96], [0, 200.0, 64], [0, 0, 1]])
    assert estimator()(image(), K).plan.camera == camera()


def test_what_is_too_far_is_inf_too_near_or_no_number_is_nan_and_nothing_is_zero():
    def depth_at(depth_m, **limits):
        run = estimator(depth_m=depth_m)
        run.limits = Limits(**limits)
        return float(run(image(), camera()).depth_m[5, 7])

    assert depth_at(79.9) == pytest.approx(79.9, rel=1e-5)
    assert depth_at(80.1) == math.inf
    assert depth_at(0.51) == pytest.approx(0.51, rel=1e-5)
    assert math.isnan(depth_at(0.49))
    assert math.isnan(depth_at(math.nan))
    assert math.isnan(depth_at(math.inf))  # the network broke: no far wall, and no free space either
    assert math.isnan(depth_at(0.0))
    assert depth_at(1e-5, min_depth_m=0.0) == pytest.approx(1e-5, rel=1e-4)
    assert depth_at(50.0, max_depth_m=40.0) == math.inf


def test_one_broken_value_of_the_network_spoils_only_what_is_near_it():
    class WithAHole(FakeBackend):
        def __call__(self, rgb):
            log_depth, log_scale = super().__call__(rgb)
            log_depth[3, 4] = np.nan
            return log_depth, log_scale

    depth_m = DepthEstimator(WithAHole(), MODEL)(image(), camera()).depth_m
    assert np.isnan(depth_m[14, 18])
    assert np.isfinite(depth_m[30:]).all()


def test_confidence_is_the_probability_of_an_error_below_a_quarter():
    b = math.log(1.25)
    np.testing.assert_allclose(confidence_of(np.log(np.float32([b, b / 2, 1e-9, 1e9]))),
                               [1 - math.exp(-1), 1 - math.exp(-2), 1.0, 0.0], rtol=1e-5, atol=1e-6)
    assert confidence_of(np.float32([np.nan, -np.inf, np.inf])).tolist() == [0.0, 1.0, 0.0]
    result = estimator(scale=b)(image(), camera())
    assert result.confidence.shape == SIZE.shape
    np.testing.assert_allclose(result.confidence, 1 - math.exp(-1), rtol=1e-5)


def test_less_confident_depth_is_nan():
    run = estimator(scale=math.log(1.25))  # confidence 0.632
    run.limits = Limits(min_confidence=0.6)
    assert np.isfinite(run(image(), camera()).depth_m).all()
    run.limits = Limits(min_confidence=0.7)
    assert np.isnan(run(image(), camera()).depth_m).all()


def test_depth_goes_to_the_memory_that_is_given():
    out = np.zeros(SIZE.shape, np.float32)
    result = estimator(depth_m=10.0)(image(), camera(), out)
    assert np.shares_memory(result.depth_m, out)
    np.testing.assert_allclose(out, 10.0, rtol=1e-6)


def test_the_plan_is_kept_until_the_camera_changes():
    run = estimator()
    first = run(image(), camera()).plan
    assert run(image(), camera()).plan is first
    assert run(image(), camera(fx=201.0)).plan is not first


@pytest.mark.parametrize('bad', [
    np.zeros((4, 5), np.uint8), np.zeros((4, 5, 4), np.uint8), np.zeros((4, 5, 3), np.float32),
    np.zeros((0, 5, 3), np.uint8), [[[0, 0, 0]]], None,
])
def test_another_image_is_refused(bad):
    with pytest.raises(ImageError, match=r'expected an RGB image uint8 \(H, W, 3\), got'):
        estimator()(bad, None)


@pytest.mark.parametrize('bad', [
    np.zeros((3, 3)), np.full((3, 3), np.nan), np.diag([-1.0, 1.0, 1.0]), np.eye(4), camera(Size(10, 10)),
], ids=['zeros', 'nan', 'negative', 'shape', 'size'])
def test_an_impossible_camera_is_refused(bad):
    with pytest.raises(CalibrationError, match='expected'):
        estimator()(image(), bad)


def test_a_view_with_negative_strides_is_taken():
    assert estimator()(image()[..., ::-1], camera()).depth_m.shape == SIZE.shape


def test_resizing_averages_where_it_shrinks():
    checkers = np.indices((128, 192)).sum(0) % 2 * np.uint8(255)
    rgb = np.repeat(checkers[..., None], 3, 2).astype(np.uint8)
    for size in (Size(64, 96), Size(32, 48), Size(16, 24), Size(60, 90)):
        assert np.abs(resized(rgb, size).astype(int) - 128).max() <= 3, size


def test_resizing_keeps_positions():
    """An edge at the middle stays there, whatever steps the resizing takes."""
    rgb = np.zeros((300, 400, 3), np.uint8)
    rgb[:, 200:] = 200
    for size in (Size(150, 200), Size(96, 128), Size(32, 64), Size(320, 480)):
        small = resized(rgb, size)
        middle = size.width // 2
        assert small[5, middle - 2, 0] <= 5, size
        assert small[5, middle + 1, 0] >= 195, size


def test_a_plan_says_how_much_depth_is_corrected():
    plan = make_plan(SIZE, camera(), MODEL)
    assert plan.input_size == Size(64, 96)
    assert plan.log_correction == pytest.approx(0.0)


def test_a_missing_checkpoint_says_so(tmp_path):
    with pytest.raises(CheckpointError, match=r'nothing\.safetensors'):
        DepthEstimator.from_checkpoint(tmp_path / 'nothing.safetensors')


def test_the_checkpoint_that_ships_runs_in_three_lines():
    """As the documentation shows it."""
    from depth_node import DepthEstimator

    K = np.array([[721.5, 0, 609.6], [0, 721.5, 172.9], [0, 0, 1]])
    run = DepthEstimator.from_checkpoint(backend='torch')
    depth_m = run(np.full((375, 1242, 3), 90, np.uint8), K).depth_m
    assert depth_m.shape == (375, 1242)
    assert np.isfinite(depth_m).any()
    assert 'depth_node_kitti.safetensors in PyTorch' in run.description


class Failing(FakeBackend):
    """Answers a few times, then fails for good, as a GPU that is gone does."""

    def __init__(self, times, **answer):
        super().__init__(**answer)
        self.times = times

    def __call__(self, rgb):
        if len(self.seen) == self.times:
            raise BackendError('CUDA error: unspecified launch failure')
        return super().__call__(rgb)


def test_where_a_backend_fails_in_the_middle_its_spare_goes_on_with_the_same_image(caplog):
    spare = FakeBackend(depth_m=20.0)
    run = DepthEstimator(Failing(1, depth_m=10.0), MODEL, spare=lambda: spare)
    run(image(), camera())
    assert not spare.seen
    np.testing.assert_allclose(run(image(), camera()).depth_m, 20.0, rtol=1e-6)
    assert run.backend is spare
    assert 'a fake (since another one failed: CUDA error: unspecified launch failure)' in run.description
    assert run.description in caplog.text


def test_a_spare_that_fails_is_not_replaced_again():
    run = DepthEstimator(Failing(0), MODEL, spare=lambda: Failing(1))
    run(image(), camera())
    for _ in range(2):
        with pytest.raises(BackendError, match='unspecified launch failure'):
            run(image(), camera())


def test_a_spare_that_cannot_be_made_says_so_and_the_reason_stays_that_of_the_backend():
    def none():
        raise BackendError('no OpenVINO here')

    run = DepthEstimator(Failing(0), MODEL, spare=none)
    with pytest.raises(BackendError, match='no OpenVINO here'):
        run(image(), camera())
    with pytest.raises(BackendError, match='unspecified launch failure'):
        run(image(), camera())


def test_memory_is_kept_from_image_to_image_and_no_answer_shows_it():
    """Images of one camera after another's, and of the first again, say the same as those of a new estimator."""
    rng = np.random.default_rng(0)
    views = [camera(), camera(fx=150.0, fy=150.0), camera(Size(300, 500)), camera()]
    images = [rng.integers(0, 256, (*view.size.shape, 3), np.uint8) for view in views]
    kept = DepthEstimator(Brightness(), MODEL)
    results = [kept(rgb, view) for rgb, view in zip(images, views, strict=True)]
    for rgb, view, result in zip(images, views, results, strict=True):
        fresh = DepthEstimator(Brightness(), MODEL)(rgb, view)
        np.testing.assert_array_equal(result.depth_m, fresh.depth_m)
        np.testing.assert_array_equal(result.confidence, fresh.confidence)


class Brightness:
    """Takes for depth how bright a pixel is."""

    description = 'brightness'

    def __call__(self, rgb):
        half = rgb[::2, ::2].mean(2, dtype=np.float32)
        return half / 40, -half / 100


def test_a_steady_state_takes_no_memory_of_an_images_size():
    size = Size(375, 1242)
    run, rgb, out = DepthEstimator(FakeBackend(), MODEL), image(size), np.empty(size.shape, np.float32)
    view = camera(size, 1300.0, 800.0)
    for _ in range(2):
        run(rgb, view, out)
        run.backend.seen.clear()
    tracemalloc.start()
    run(rgb, view, out)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < size.pixels / 4  # a mask of it would be four times that
