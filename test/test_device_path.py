"""The path around the network in torch, as a GPU runs it: the same metres as OpenCV's path gives on the CPU."""

import math

import cv2
import numpy as np
import pytest
import torch

from depth_node import upsampling
from depth_node.backends.device_path import DeviceNetwork, DevicePath, of_bytes, resized, sharpened
from depth_node.backends.protocol import WholeBackend
from depth_node.backends.torch_backend import CudaBackend, TorchBackend, in_reduced
from depth_node.checkpoint import default_checkpoint, load_checkpoint
from depth_node.estimator import DepthEstimator
from depth_node.host_path import HostPath
from depth_node.model_config import ModelConfig
from depth_node.plan import make_plan
from depth_node.plan import resized as host_resized
from depth_node.result import Limits
from msg_tools.camera import Intrinsics, Size
from msg_tools.errors import BackendError

CPU = torch.device('cpu')
MODEL = ModelConfig(height=64, width=96, focal_px=100.0)  # another camera than it knows, for speed
SIZES = [Size(128, 192), Size(125, 190), Size(300, 640), Size(40, 50), Size(64, 96)]


def camera(size, focal_px=None):
    focal_px = focal_px or 100.0 * size.width / 96
    return Intrinsics(focal_px, focal_px, size.width / 2, size.height / 2, size)


def street(size):
    """Return a picture with a gradient, noise and edges."""
    rgb = np.linspace(255, 40, size.height)[:, None, None] + np.random.default_rng(1).normal(0, 9, (*size.shape, 3))
    rgb = np.clip(rgb, 0, 255).astype(np.uint8)
    return cv2.rectangle(rgb, (size.width // 4, size.height // 3), (size.width // 2, size.height), (20, 30, 200), -1)


@pytest.fixture(scope='module')
def model():
    """Return the network that ships: one with weights at random makes too much of a difference in rounding."""
    return load_checkpoint(default_checkpoint()).model()


@pytest.fixture(scope='module')
def backend(model):
    return TorchBackend(model, 'cpu', 0)


def wall(depth_m, scale=0.1):
    """Return a network that sees a wall, and what of one pixel is wrong."""
    def network(rgb):
        half = (1, 1, rgb.shape[2] // 2, rgb.shape[3] // 2)
        return torch.full(half, math.log(depth_m)), torch.full(half, math.log(scale))
    return network


@pytest.mark.parametrize('size', SIZES)
def test_metres_and_confidence_are_those_of_the_host_path(model, backend, size):
    plan, limits = make_plan(size, camera(size), MODEL), Limits(0.0, 1e6)
    host = HostPath(backend)(street(size), plan, limits)
    device = DevicePath(model, CPU)(street(size), plan, limits)
    assert device.depth_m.dtype == np.float32
    assert np.ptp(np.log(host.depth_m)) > 0.1
    error = np.abs(device.depth_m / host.depth_m - 1)  # the host rounds to bytes between its steps
    assert np.median(error) < 6e-3
    assert error.max() < 0.06
    np.testing.assert_allclose(device.confidence, host.confidence, atol=0.04)


def test_a_network_of_one_input_size_sees_the_image_in_the_middle_of_black(model, backend):
    size, room = Size(128, 192), Size(128, 128)
    plan = make_plan(size, camera(size), MODEL, room)
    assert plan.offset != (0, 0)
    host = HostPath(backend)(street(size), plan, Limits())
    device = DevicePath(model, CPU)(street(size), plan, Limits())
    assert np.nanmedian(np.abs(device.depth_m / host.depth_m - 1)) < 6e-3


@pytest.mark.parametrize('size', [Size(375, 1242), Size(1080, 1920), Size(192, 640), Size(100, 200)])
def test_images_are_resized_as_on_the_host_but_for_rounding(size):
    rgb = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (*size.shape, 3), np.uint8), (0, 0), 3)
    got = resized(torch.from_numpy(rgb).permute(2, 0, 1)[None].float(), Size(192, 640))[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(got, host_resized(rgb, Size(192, 640)), atol=2.0)


@pytest.mark.parametrize('size', [(20, 40), (16, 24), (96, 320)])
def test_edges_become_as_steep_as_on_the_host(size):
    log_depth = np.random.default_rng(0).normal(2, 1, size).astype(np.float32)
    got = sharpened(torch.from_numpy(log_depth)[None, None])[0, 0].numpy()
    assert np.abs(got - log_depth).max() > 0.1
    np.testing.assert_allclose(got, upsampling.sharpened(log_depth), atol=1e-5)
    log_depth[3, 4] = np.nan
    assert np.array_equal(sharpened(torch.from_numpy(log_depth)[None, None])[0, 0], log_depth, equal_nan=True)


@pytest.mark.parametrize(('depth_m', 'limits', 'expected'), [
    (10.0, Limits(), 10.0), (0.4, Limits(), math.nan), (0.4, Limits(min_depth_m=0.0), 0.4),
    (50.0, Limits(max_depth_m=40.0), math.inf), (math.nan, Limits(), math.nan),
    (10.0, Limits(min_confidence=0.95), math.nan), (50.0, Limits(0.5, 40.0, 0.95), math.nan),
])
def test_limits_mean_what_they_mean_on_the_host(depth_m, limits, expected):
    size = Size(128, 192)
    plan = make_plan(size, camera(size), MODEL)
    assert plan.log_correction == pytest.approx(0.0)
    depth = DevicePath(wall(depth_m), CPU)(street(size), plan, limits).depth_m  # confidence 0.893
    np.testing.assert_allclose(depth, np.full(size.shape, expected), rtol=1e-6)


def test_the_focal_length_corrects_metres():
    size = Size(128, 192)
    plan = make_plan(size, camera(size, 190.0), MODEL)
    depth_m = DevicePath(wall(10.0), CPU)(street(size), plan, Limits()).depth_m
    np.testing.assert_allclose(depth_m, 10.0 * math.exp(plan.log_correction), rtol=1e-6)
    assert plan.log_correction != 0


def test_memory_is_kept_for_a_size_and_the_answer_is_the_callers_own(model):
    path, size = DevicePath(model, CPU), Size(128, 192)
    plan = make_plan(size, camera(size), MODEL)
    first = path(street(size), plan, Limits())
    kept, program = first.depth_m.copy(), path._program
    moved = make_plan(size, camera(size, 201.0), MODEL)  # another camera, the same sizes
    assert path(street(size)[::-1].copy(), moved, Limits()).depth_m is not first.depth_m
    assert path._program is program
    assert np.array_equal(first.depth_m, kept, equal_nan=True)
    path(street(SIZES[1]), make_plan(SIZES[1], camera(SIZES[1]), MODEL), Limits())
    assert path._program is not program


def test_out_receives_the_depth():
    size = Size(128, 192)
    out = np.zeros(size.shape, np.float32)
    result = DevicePath(wall(10.0), CPU)(street(size), make_plan(size, camera(size), MODEL), Limits(), out)
    assert result.depth_m is out
    assert (out > 9).all()


def test_the_network_alone_says_what_the_backend_says_at_any_size(model, backend):
    alone = DeviceNetwork(model, CPU)
    for size in (Size(64, 96), Size(32, 64), Size(64, 96)):
        for got, want in zip(alone(street(size)), backend(street(size)), strict=True):
            np.testing.assert_allclose(got, want, atol=1e-5)
    first = alone(street(size))[0]
    kept = first.copy()
    alone(street(size)[::-1].copy())
    assert (first == kept).all()  # the caller's own


@pytest.mark.parametrize(('dtype', 'atol'), [(torch.bfloat16, 0.2), (torch.float16, 0.03)])
def test_smaller_numbers_are_near_and_come_back_as_float32(model, backend, dtype, atol):
    size = Size(128, 192)
    plan = make_plan(size, camera(size), MODEL)
    host = HostPath(backend)(street(size), plan, Limits(0.0, 1e6))
    device = DevicePath(in_reduced(model, dtype), CPU)(street(size), plan, Limits(0.0, 1e6))
    assert device.depth_m.dtype == np.float32
    difference = np.abs(np.log(device.depth_m) - np.log(host.depth_m))
    assert 0 < np.median(difference) < atol
    assert next(model.parameters()).dtype == torch.float32  # the caller's stays


def test_a_network_that_takes_bytes_runs_as_one_that_takes_floats():
    seen = []
    network = of_bytes(lambda rgb: seen.append(rgb) or (rgb, rgb))
    network(torch.full((1, 3, 4, 6), 127.6))
    assert seen[0].dtype == torch.uint8
    assert seen[0].shape == (1, 4, 6, 3)
    assert (seen[0] == 128).all()


def test_a_device_that_fails_is_a_backend_error():
    def out_of_memory(_):
        raise torch.OutOfMemoryError('CUDA out of memory')

    size = Size(128, 192)
    with pytest.raises(BackendError, match='CUDA out of memory'):
        DevicePath(out_of_memory, CPU)(street(size), make_plan(size, camera(size), MODEL), Limits())


class OnDevice(TorchBackend):
    """What CudaBackend is, on a device that is always there."""

    def __init__(self, model):
        super().__init__(model, 'cpu', 0)
        self.whole = DevicePath(model, CPU)


def test_the_estimator_leaves_all_to_a_backend_that_does_all(model, monkeypatch):
    monkeypatch.setattr(HostPath, '__call__', lambda *_: pytest.fail('on the host'))
    made = OnDevice(model)
    assert isinstance(made, WholeBackend)
    assert not isinstance(TorchBackend(model, 'cpu', 0), WholeBackend)
    size = Size(128, 192)
    assert DepthEstimator(made, MODEL)(street(size), camera(size)).depth_m.shape == size.shape


@pytest.mark.gpu
def test_a_gpu_says_what_the_cpu_says(model, backend):
    if not torch.cuda.is_available():
        pytest.skip('no GPU')
    made = CudaBackend(model, 'cuda')
    for size in SIZES:
        plan = make_plan(size, camera(size), MODEL)
        host = HostPath(backend)(street(size), plan, Limits(0.0, 1e6))
        for _ in range(3):  # replayed
            device = made.whole(street(size), plan, Limits(0.0, 1e6))
        assert np.median(np.abs(device.depth_m / host.depth_m - 1)) < 6e-3
