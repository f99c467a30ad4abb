import math

import pytest
import torch
from torch import nn

from depth_node.model import LOG_SCALE_RANGE, NETWORKS, ModelConfig, build_model
from depth_node_training.networks import PEERS
from depth_node_training.networks.bts import BTS, PlanarGuidance
from depth_node_training.networks.fastdepth import FastDepth
from depth_node_training.networks.guidedepth import GuidedBlock, GuideDepth
from depth_node_training.networks.resnet18_unet import ResNet18

# parameters of the papers' own code, ours counted with one output; encoder of resnet18_unet: torchvision's without fc
PUBLISHED = {'guidedepth': 5_824_513, 'guidedepth_s': 5_723_273}


def config(name: str) -> ModelConfig:
    return ModelConfig(name, height=64, width=96, focal_px=60.0)


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.fixture(params=PEERS)
def peer(request) -> nn.Module:
    torch.manual_seed(0)
    return build_model(config(request.param))


def test_importing_the_package_adds_the_peers_to_ours():
    assert set(PEERS) < set(NETWORKS)
    assert 'mobilenet_v2_light' in NETWORKS


def test_two_maps_of_half_the_size_begin_as_a_street(peer):
    with torch.no_grad():
        log_depth, log_scale = peer.eval()(torch.rand(2, 3, 64, 96) * 255)
    assert log_depth.shape == log_scale.shape == (2, 1, 32, 48)
    assert log_depth.median().item() == pytest.approx(math.log(15.0), abs=0.7)
    assert LOG_SCALE_RANGE[0] <= log_scale.min() <= log_scale.median() <= log_scale.max() <= LOG_SCALE_RANGE[1]
    assert log_scale.median().item() == pytest.approx(math.log(0.3), abs=0.7)


def test_a_small_step_down_the_gradient_lowers_the_loss(peer):
    torch.manual_seed(0)
    rgb, target = torch.rand(4, 3, 64, 64) * 255, 2.0 + torch.rand(4, 1, 32, 32)

    def loss() -> torch.Tensor:
        log_depth, log_scale = peer(rgb)
        return ((log_depth - target).abs() * torch.exp(-log_scale) + log_scale).mean()  # Laplace

    before = loss()
    before.backward()
    weights = dict(peer.named_parameters())
    assert not [name for name, weight in weights.items() if weight.grad is None]
    norm = torch.stack([weight.grad.norm() for weight in weights.values()]).norm()
    with torch.no_grad():
        for weight in weights.values():
            weight -= 1e-4 / norm * weight.grad
        assert before.item() - 2e-4 * norm.item() < loss().item() < before.item() - 0.2e-4 * norm.item()


def test_batch_norm_follows_the_pictures_in_training_alone(peer):
    means = [layer for layer in peer.modules() if isinstance(layer, nn.BatchNorm2d)]
    if not means:
        pytest.skip('has none')
    before = means[0].running_mean.clone()
    rgb = torch.rand(2, 3, 64, 96) * 255
    with torch.no_grad():
        peer.eval()(rgb)
        assert torch.equal(means[0].running_mean, before)
        peer.train()(rgb)
    assert not torch.equal(means[0].running_mean, before)


def test_channels_last_and_bf16_give_nearly_the_same(peer):
    peer.eval()
    rgb = torch.rand(1, 3, 64, 96) * 255
    with torch.no_grad():
        expected = peer(rgb)[0]
        last = peer.to(memory_format=torch.channels_last)(rgb.to(memory_format=torch.channels_last))[0]
        with torch.autocast('cpu', torch.bfloat16):
            coarse = peer(rgb)[0].float()
    assert torch.allclose(last, expected, atol=1e-4)
    assert (coarse - expected).abs().mean() < 0.05


@pytest.mark.parametrize('name', ['resnet18_unet', 'guidedepth_s', 'bts_mobilenet_v2'])  # every kind of layer
def test_exported_it_gives_the_same(name):
    openvino = pytest.importorskip('openvino')
    peer = build_model(config(name))
    rgb = torch.rand(1, 3, 64, 96) * 255
    with torch.no_grad():
        expected = peer.eval()(rgb)
        program = torch.export.export(peer, (rgb,))
        assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(program.module()(rgb), expected, strict=True))
    compiled = openvino.compile_model(openvino.convert_model(program), 'CPU', {'INFERENCE_PRECISION_HINT': 'f32'})
    found = compiled([rgb.numpy()])
    for i, output in enumerate(expected):
        assert torch.allclose(torch.from_numpy(found[i]), output, atol=1e-3)


@pytest.mark.parametrize('name', PUBLISHED)
def test_as_many_weights_as_published_but_for_the_second_output(name):
    model = build_model(config(name))
    assert count(model) - (model.blocks[2].reduce.in_channels + 1) == PUBLISHED[name]


def test_published_weights_of_the_others():
    assert count(ResNet18()) == 11_176_512  # torchvision's resnet18 without its classifier
    unet = build_model(config('resnet18_unet'))
    # monodepth2's decoder has 3,152,724; its full-size stage 7,089, its heads at 1/4 and 1/8 577 and 1,153;
    # our second output 289
    assert count(unet) - count(unet.encoder) == 3_152_724 - 7_089 - 577 - 1_153 + 289
    bts = build_model(config('bts_mobilenet_v2'))
    assert count(bts) - count(bts.encoder) == 14_115_120 + 288 + 2  # second output, and a bias for each
    fast = build_model(config('fastdepth'))
    assert count(fast) - count(fast.head) == 3_960_930 - 32 - 2  # the paper's last convolution and batch norm


def test_a_plane_seen_head_on_is_flat():
    """Polar angle ~0: the same part of the greatest depth in all pixels of a patch, sigmoid(0) = 1/2."""
    plane = PlanarGuidance(4, 4, 2)
    plane.layers = nn.Identity()
    drawn = plane(torch.tensor([-40.0, 0.0, 0.0]).reshape(1, 3, 1, 1))
    assert drawn.shape == (1, 1, 2, 2)
    assert torch.allclose(drawn, torch.full((1, 1, 2, 2), 0.5))


def test_a_tilted_plane_is_drawn_over_its_patch():
    """Polar angle 30 deg, azimuth 2 pi: n = (1/2, 0, cos 30), to the right; depth = 1/2 / (u/2 + cos 30), u = -+1/4."""
    plane = PlanarGuidance(4, 4, 2)
    plane.layers = nn.Identity()
    drawn = plane(torch.tensor([0.0, 40.0, 0.0]).reshape(1, 3, 1, 1))[0, 0]
    left, right = 0.5 / (math.cos(math.pi / 6) - 0.125), 0.5 / (math.cos(math.pi / 6) + 0.125)
    assert torch.allclose(drawn, torch.tensor([[left, right], [left, right]]), atol=1e-5)


def test_a_plane_below_is_drawn_in_rows():
    """Azimuth pi/2 = down, polar 60 deg: sigmoid(-ln 3) = 1/4 of 2 pi; depth changes from row to row alone."""
    plane = PlanarGuidance(4, 4, 2)
    plane.layers = nn.Identity()
    drawn = plane(torch.tensor([40.0, -math.log(3.0), 0.0]).reshape(1, 3, 1, 1))[0, 0]
    step = math.sin(math.pi / 3) / 4
    top, bottom = 0.5 / (0.5 - step), 0.5 / (0.5 + step)
    assert torch.allclose(drawn, torch.tensor([[top, top], [bottom, bottom]]), atol=1e-4)


def test_planes_need_float32_under_autocast():
    plane = PlanarGuidance(8, 8, 8)
    with torch.autocast('cpu', torch.bfloat16):
        assert plane(torch.randn(1, 8, 4, 4)).dtype == torch.float32


def test_the_guide_reaches_the_result():
    torch.manual_seed(0)
    block = GuidedBlock(8, 4).eval()
    x, image = torch.rand(1, 8, 16, 16), torch.zeros(1, 3, 16, 16)
    edge = image.clone()
    edge[..., 8:] = 1.0
    difference = (block(x, edge) - block(x, image)).abs().sum(dim=1)[0].mean(dim=0)
    assert difference[7:9].mean() > 2 * difference[1:4].mean()  # weights of whole channels aside, at the edge


def test_guidedepth_is_guided_by_the_image_at_each_size():
    """The guide is the image itself, every 4th, every 2nd and every pixel: no smoothing before it."""
    model = GuideDepth(config('guidedepth')).eval()
    guides = []
    for block in model.blocks:
        block.register_forward_pre_hook(lambda module, inputs: guides.append(inputs))
    rgb = torch.rand(1, 3, 64, 96) * 255
    with torch.no_grad():
        model(rgb)
    for (x, guide), stride in zip(guides, (4, 2, 1), strict=True):
        assert torch.equal(guide, rgb[..., ::stride, ::stride] / 255)
        assert x.shape[-2:] == guide.shape[-2:]


def test_fastdepth_at_half_is_its_full_size_result():
    """Nearest upsampling and a 1x1 convolution commute, so 1/2 loses nothing."""
    torch.manual_seed(0)
    model = FastDepth(config('fastdepth')).eval()
    features = []
    model.decoder[-1].register_forward_hook(lambda module, inputs, output: features.append(output))
    with torch.no_grad():
        half = model(torch.rand(1, 3, 64, 96) * 255)[0]
        full = model.head(nn.functional.interpolate(features[0], scale_factor=2.0))[:, :1]
    assert torch.allclose(full, nn.functional.interpolate(half, scale_factor=2.0), atol=1e-5)


def test_bts_takes_the_imagenet_weights_of_ours():
    """Its encoder has our layers in our order, and one more: load_imagenet fills convolutions in order."""
    ours = [tuple(w.shape) for name, w in build_model(config('mobilenet_v2_light')).encoder.named_parameters()]
    theirs = [tuple(w.shape) for name, w in BTS(config('bts_mobilenet_v2')).encoder.named_parameters()]
    assert theirs[: len(ours)] == ours
    assert theirs[-2:] == [(1280, 320, 1, 1), (1280,)]
