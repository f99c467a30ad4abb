import math

import pytest
import torch
from torch import nn

from depth_node.model import LOG_SCALE_RANGE, ConvSame, DepthNet, Encoder, ModelConfig, build_model
from msg_tools.errors import CheckpointError

SMALL = ModelConfig(height=32, width=64, focal_px=40.0)


def test_stride_two_pads_right_and_below_only():
    """TensorFlow's SAME: the filter's first tap lies on pixel (0, 0), where PyTorch's padding puts its centre."""
    layer = ConvSame(1, 1, 3, stride=2, relu=False)
    image = torch.arange(16.0).reshape(1, 1, 4, 4)
    with torch.no_grad():
        layer[-1].bias.zero_()
        layer[-1].weight.zero_()
        layer[-1].weight[0, 0, 0, 0] = 1.0
        assert layer(image)[0, 0].tolist() == [[0.0, 2.0], [8.0, 10.0]]
        layer[-1].weight.zero_()
        layer[-1].weight[0, 0, 2, 2] = 1.0
        assert layer(image)[0, 0].tolist() == [[10.0, 0.0], [0.0, 0.0]]  # (2, 2), then three taps in the padding


def test_stride_one_keeps_the_centre():
    layer = ConvSame(1, 1, 3, relu=False)
    image = torch.arange(9.0).reshape(1, 1, 3, 3)
    with torch.no_grad():
        layer[-1].bias.zero_()
        layer[-1].weight.zero_()
        layer[-1].weight[0, 0, 1, 1] = 1.0
        assert torch.equal(layer(image), image)


def test_both_outputs_have_half_the_input_size():
    model = build_model(SMALL).eval()
    log_depth, log_scale = model(torch.full((2, 3, 64, 96), 100.0))
    assert log_depth.shape == log_scale.shape == (2, 1, 32, 48)
    assert torch.isfinite(log_depth).all()


def test_encoder_gives_five_resolutions():
    features = Encoder()(torch.zeros(1, 3, 64, 96))
    assert [tuple(item.shape[1:]) for item in features] == [
        (16, 32, 48), (24, 16, 24), (32, 8, 12), (96, 4, 6), (320, 2, 3)
    ]


def test_it_starts_at_the_depth_of_a_street():
    model = build_model(SMALL).eval()
    for head in (model.decoder.depth, model.decoder.scale):
        nn.init.zeros_(head.weight)
    log_depth, log_scale = model(torch.zeros(1, 3, 32, 64))
    assert log_depth.exp().mean().item() == pytest.approx(15.0, rel=1e-5)
    assert log_scale.exp().mean().item() == pytest.approx(0.3, rel=1e-5)


def test_normalisation_travels_with_the_weights():
    model = build_model(SMALL).eval()
    assert {'mean', 'std'} <= model.state_dict().keys()
    image = torch.rand(1, 3, 32, 64) * 255
    before = model(image)[0]
    model.mean += 20.0
    assert torch.allclose(model(image + 20.0)[0], before, atol=1e-4)


def test_scale_stays_in_a_range_that_means_something():
    model = build_model(SMALL).eval()
    nn.init.constant_(model.decoder.scale.bias, 100.0)
    assert model(torch.zeros(1, 3, 32, 64))[1].max().item() == LOG_SCALE_RANGE[1]


def test_it_is_small_enough_to_ship():
    count = sum(parameter.numel() for parameter in DepthNet(SMALL).parameters())
    assert 1.4e6 < count < 1.6e6


def test_same_result_in_channels_last():
    torch.manual_seed(0)
    model = build_model(SMALL).eval()
    image = torch.rand(1, 3, 32, 64) * 255
    expected = model(image)[0]
    got = model.to(memory_format=torch.channels_last)(image.contiguous(memory_format=torch.channels_last))[0]
    assert torch.allclose(got, expected, atol=1e-4)


def test_config_survives_json():
    assert ModelConfig.from_dict(SMALL.to_dict()) == SMALL


@pytest.mark.parametrize('change', [{'height': 100}, {'width': 0}, {'focal_px': 0.0}, {'focal_px': math.nan},
                                    {'decoder': [1, 2]}, {'decoder': [1, 2, 3, 4, 10**6]}, {'height': 'x'},
                                    {'height': -32, 'width': -64}, {'height': math.inf}])
def test_impossible_config(change):
    with pytest.raises(CheckpointError, match='expected'):
        ModelConfig.from_dict({**SMALL.to_dict(), **change})


def test_config_without_a_field():
    with pytest.raises(CheckpointError, match='focal_px'):
        ModelConfig.from_dict({'name': 'mobilenet_v2_light', 'height': 32, 'width': 32})


def test_unknown_network_is_named():
    with pytest.raises(CheckpointError, match=r"mobilenet_v2.*'transformer9000'"):
        build_model(ModelConfig(name='transformer9000'))
