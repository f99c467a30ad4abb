"""What the training loop measures itself with."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from depth_node.model import ModelConfig
from depth_node_training.confidence import kept_abs_rel
from depth_node_training.datasets.frame import DatasetError, Frame, Item, Points, map_points
from depth_node_training.validate import load_val, validate
from msg_tools.camera import Intrinsics, Size

SIZE = Size(64, 128)
CAMERA = Intrinsics(100.0, 100.0, 63.5, 31.5, SIZE)
CONFIG = ModelConfig(height=64, width=128, focal_px=100.0)


class Wall(nn.Module):
    """A network that sees a wall 11 m away, surely on the left and not surely on the right."""

    def __init__(self, depth_m=11.0):
        super().__init__()
        self.log_depth = nn.Parameter(torch.tensor(math.log(depth_m)))
        self.seen = []

    def forward(self, rgb):
        assert not self.training
        self.seen.append(rgb.shape)
        log_depth = self.log_depth.expand(1, 1, rgb.shape[2] // 2, rgb.shape[3] // 2)
        log_scale = torch.linspace(-4, 0, rgb.shape[3] // 2).expand_as(log_depth)
        return log_depth, log_scale


def item(drive, truth_m, kind='lidar'):
    labels = (map_points(np.broadcast_to(np.float32(truth_m), SIZE.shape), CAMERA, kind),)
    frame = Frame(drive, f'{drive}/0', np.zeros((*SIZE.shape, 3), np.uint8), CAMERA, labels)
    return Item('tiny', drive, frame.name, lambda: frame)


def test_only_measured_depth_is_truth():
    frames = load_val([item('a', 10.0), item('b', 10.0, 'teacher'), item('c', 10.0, 'annotated')])
    assert [frame.drive for frame in frames] == ['a', 'c']
    assert (frames[0].truth_m == 10.0).all()


def test_a_wall_by_hand():
    """Seen at 11 m: 0.1 too far of 10 m, 0.45 too near of 20 m; by drive, then over drives."""
    model = Wall().train()
    result = validate(model, CONFIG, load_val([item('a', 10.0), item('a', 10.0), item('b', 20.0)]))
    assert result['drives']['a']['abs_rel'] == pytest.approx(0.1, abs=1e-5)
    assert result['mean']['abs_rel'] == pytest.approx((0.1 + 0.45) / 2, abs=1e-5)
    assert result['images'] == 3
    assert model.training, 'the loop goes on with the network as it was'


def test_unsure_pixels_are_dropped():
    """The right fifth is at 22 m, the rest at 11 m: without the least sure 20 % no error is left."""
    truth_m = np.full(SIZE.shape, 11.0, np.float32)
    truth_m[:, 102:] = 22.0
    mean = validate(Wall(), CONFIG, load_val([item('a', truth_m)]))['mean']
    assert mean['abs_rel'] > 0.08
    assert mean['kept80_abs_rel'] < 0.02


def test_what_is_too_near_for_the_node_counts_here():
    """The node drops what is nearer than 0.5 m; a network that says 0.3 m everywhere must not get away with it."""
    mean = validate(Wall(0.3), CONFIG, load_val([item('a', 10.0)]))['mean']
    assert mean['coverage'] == 1.0
    assert mean['abs_rel'] == pytest.approx(0.97, abs=1e-3)


def test_a_network_of_nothing_but_nan_is_no_number():
    mean = validate(Wall(math.nan), CONFIG, load_val([item('a', 10.0)]))['mean']
    assert math.isnan(mean['abs_rel'])
    assert math.isnan(mean['kept80_abs_rel'])


def test_channels_last_and_threads_stay():
    threads = torch.get_num_threads()
    validate(Wall().to(memory_format=torch.channels_last), CONFIG, load_val([item('a', 10.0)]))
    assert torch.get_num_threads() == threads


def test_kept_by_hand():
    gt_m, pred_m = np.full(5, 10.0), np.array([11.0, 20.0, 11.0, 11.0, 11.0])
    assert kept_abs_rel(gt_m, pred_m, np.array([0.9, 0.1, 0.8, 0.7, 0.6])) == pytest.approx(0.1)
    assert kept_abs_rel(gt_m, pred_m, np.array([0.1, 0.9, 0.9, 0.9, 0.9])) == pytest.approx((1.0 + 0.3) / 4)
    assert math.isnan(kept_abs_rel(np.zeros(0), np.zeros(0), np.zeros(0)))


def test_points_outside_the_image_are_no_truth():
    frame = Frame('a', 'a/0', np.zeros((*SIZE.shape, 3), np.uint8), CAMERA,
                  (Points('lidar', np.array([[500.0, 3.0]], np.float32), np.array([9.0], np.float32)),))
    item = Item('tiny', 'a', 'a/0', lambda: frame)
    with pytest.raises(DatasetError, match=r'expected images with measured depth .* got 1 without, such as tiny/a/0'):
        load_val([item])
