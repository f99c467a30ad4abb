"""All that can run the network here says the same on real frames (skipped where there are none)."""

import importlib.util

import numpy as np
import pytest
import torch

from depth_node.backends.device_path import DevicePath
from depth_node.checkpoint import default_checkpoint, load_checkpoint
from depth_node.estimator import DepthEstimator
from depth_node.plan import make_plan
from depth_node.result import Limits
from msg_tools.camera import Intrinsics, Size
from msg_tools.image_file import read_rgb

NEEDS = {'openvino': 'openvino', 'onnxruntime': 'onnxruntime'}
PLACES = [('cpu', 'openvino'), ('cpu', 'onnxruntime'), *([('cuda', 'torch')] if torch.cuda.is_available() else [])]


@pytest.fixture(scope='module')
def views(real_drive):
    """Return three frames of a KITTI drive with the intrinsics of its left colour camera."""
    images = [read_rgb(file) for file in sorted((real_drive / 'image_02/data').iterdir())[:3]]
    return [(rgb, Intrinsics(721.5377, 721.5377, 609.5593, 172.854, Size(*rgb.shape[:2]))) for rgb in images]


@pytest.fixture(scope='module')
def expected(views):
    """Return what torch on the CPU says."""
    run = DepthEstimator.from_checkpoint(device='cpu', backend='torch')
    return [run(*view) for view in views]


@pytest.mark.parametrize(('device', 'backend'), PLACES)
def test_backends_agree_on_real_frames(views, expected, device, backend):
    if backend in NEEDS and importlib.util.find_spec(NEEDS[backend]) is None:
        pytest.skip(f'no {backend}')
    run = DepthEstimator.from_checkpoint(device=device, backend=backend)
    near, largest = (1e-5, 1e-3) if device == 'cpu' else (5e-3, 0.1)
    for view, want in zip(views, expected, strict=True):
        assert_agree(run(*view), want, near, largest)


def test_the_path_of_a_gpu_agrees_on_real_frames(views, expected):
    """On torch's CPU device: images are not rounded to bytes between the steps of resizing there."""
    checkpoint = load_checkpoint(default_checkpoint())
    path = DevicePath(checkpoint.model(), torch.device('cpu'))
    for (rgb, camera), want in zip(views, expected, strict=True):
        got = path(rgb, make_plan(camera.size, camera, checkpoint.model_config), Limits())
        assert_agree(got, want, near=3e-3, largest=0.1)


def assert_agree(got, want, near, largest):
    """Compare depth relative to itself: in the median, and at every pixel; and which pixels have one at all."""
    both = np.isfinite(got.depth_m) & np.isfinite(want.depth_m)
    assert (np.isfinite(got.depth_m) != np.isfinite(want.depth_m)).mean() < 1e-3
    assert both.mean() > 0.5
    difference = np.abs(got.depth_m[both] / want.depth_m[both] - 1)
    assert np.median(difference) < near
    assert difference.max() < largest
    assert np.abs(got.confidence - want.confidence).max() < largest
