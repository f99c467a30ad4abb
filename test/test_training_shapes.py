"""Our network in other shapes: what each leaves out, and that the rest keeps what it has learnt."""

import math

import pytest
import torch
from torch import nn

from depth_node.checkpoint import save_checkpoint
from depth_node.model import DepthNet, Encoder, ModelConfig, build_model
from depth_node_training.config import TrainConfig
from depth_node_training.networks.shapes import SHAPED, SHAPES, Shape, ShapedNet
from depth_node_training.networks.slim import SlimEncoder, convolutions, strongest
from depth_node_training.train import start_model
from msg_tools.errors import ConfigError

SMALL = ModelConfig(height=64, width=96, focal_px=60.0)


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def rgb(batch: int = 1) -> torch.Tensor:
    return torch.rand(batch, 3, 64, 96, generator=torch.Generator().manual_seed(0)) * 255


def outputs(model: nn.Module) -> torch.Tensor:
    with torch.no_grad():
        return torch.cat(model.eval()(rgb()))


def test_the_default_shape_is_the_network_that_ships():
    ours, shaped = build_model(SMALL), ShapedNet(SMALL, Shape())
    shaped.load_state_dict(ours.state_dict())
    assert torch.equal(outputs(shaped), outputs(ours))


@pytest.mark.parametrize('name', SHAPES)
def test_two_maps_of_half_the_size_begin_as_a_street(name):
    model = build_model(ModelConfig(name)).eval()
    for head in (model.decoder.depth, model.decoder.scale):
        nn.init.zeros_(head.weight)
    with torch.no_grad():
        log_depth, log_scale = model(rgb(2))
    assert log_depth.shape == log_scale.shape == (2, 1, 32, 48)
    assert torch.allclose(log_depth, torch.tensor(math.log(15.0)))
    assert torch.allclose(log_scale, torch.tensor(math.log(0.3)))


@pytest.mark.parametrize('name', SHAPES)
def test_all_of_it_is_trained(name):
    model = build_model(ModelConfig(name))
    torch.cat(model(rgb())).square().mean().backward()
    assert not [name for name, weight in model.named_parameters() if weight.grad is None]


@pytest.mark.parametrize('name', [name for name, shape in SHAPED.items() if not (shape.full or shape.widths[0] > 160)])
def test_less_is_less(name):
    assert count(build_model(ModelConfig(name))) <= count(DepthNet(SMALL))


def test_hidden_channels_are_counted_in_eights():
    encoder = SlimEncoder(early=0.5, late=0.75)
    assert [convolutions(block)[0].out_channels for block in encoder.blocks[1:5]] == [48, 72, 72, 144]
    assert convolutions(SlimEncoder(early=0.4).blocks[1])[0].out_channels == 40  # 38.4


def test_pruned_of_dead_channels_it_gives_the_same():
    """Half the hidden channels of every block lead nowhere: those go, and nobody can tell."""
    torch.manual_seed(0)
    whole = DepthNet(SMALL)
    for block in whole.encoder.blocks[1:]:
        project = convolutions(block)[-1].weight
        dead = torch.randperm(project.shape[1])[: project.shape[1] // 2]
        with torch.no_grad():
            project[:, dead] = 0.0
    slim = ShapedNet(SMALL, Shape(early=0.5, late=0.5))
    assert not torch.allclose(outputs(slim), outputs(whole), atol=1e-2)
    slim.take(whole)
    assert torch.allclose(outputs(slim), outputs(whole), atol=1e-4)


def test_a_channel_is_as_strong_as_its_weakest_weights():
    """Large behind an expansion of nothing is nothing."""
    block = Encoder().blocks[1]
    expand, depthwise, project = (layer.weight for layer in convolutions(block))
    with torch.no_grad():
        for weight in (expand, depthwise, project):
            weight.fill_(1.0)
        expand[3] = 0.01
        project[:, 3] = 10.0
        depthwise[5] = 2.0
    assert strongest(block, 1).tolist() == [5]
    assert 3 not in strongest(block, 95).tolist()


def test_a_block_that_is_left_out_gives_back_its_input():
    torch.manual_seed(0)
    whole, without = Encoder(whole=False), SlimEncoder(without=(2,))
    with torch.no_grad():
        convolutions(whole.blocks[2])[-1].weight.zero_()
        convolutions(whole.blocks[2])[-1].bias.zero_()
    without.prune(whole)
    pairs = zip(whole(rgb() / 128 - 1), without(rgb() / 128 - 1), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    with pytest.raises(ValueError, match='added to their input'):
        SlimEncoder(without=(3,))


def test_an_encoder_to_a_sixteenth_gives_four_features():
    assert [tuple(item.shape[1:]) for item in SlimEncoder(down_to=16)(rgb())] == [
        (16, 32, 48), (24, 16, 24), (32, 8, 12), (96, 4, 6)]


def test_training_begins_with_the_strongest_channels_of_a_checkpoint(tmp_path):
    torch.manual_seed(0)
    whole = build_model(SMALL)
    save_checkpoint(tmp_path / 'whole.safetensors', whole, SMALL, {}, dtype=torch.float32)
    start = str(tmp_path / 'whole.safetensors')
    model = start_model(TrainConfig(network='light_slim50', start=start, height=64, width=96, focal_px=60.0))
    kept = strongest(whole.encoder.blocks[1], 48)
    expanded, theirs = (convolutions(net.encoder.blocks[1])[0].weight for net in (model, whole))
    assert torch.equal(expanded, theirs[kept])
    assert torch.equal(model.decoder.depth.weight, whole.decoder.depth.weight)
    assert torch.equal(model.encoder.stem[1].weight, whole.encoder.stem[1].weight)


def test_so_it_does_with_imagenets(monkeypatch):
    pretrained = pytest.importorskip('depth_node_training.pretrained')
    torch.manual_seed(0)
    theirs = Encoder()
    monkeypatch.setattr(pretrained, 'load_imagenet', lambda encoder, path: encoder.load_state_dict(theirs.state_dict()))
    model = start_model(TrainConfig(network='light_early50', encoder='any.tflite', height=64, width=96, focal_px=60.0))
    expanded, whole = (convolutions(encoder.blocks[2])[0].weight for encoder in (model.encoder, theirs))
    assert torch.equal(expanded, whole[strongest(theirs.blocks[2], 72)])
    assert torch.equal(convolutions(model.encoder.blocks[9])[0].weight, convolutions(theirs.blocks[9])[0].weight)


def test_a_checkpoint_with_another_decoder_is_named():
    config = TrainConfig(network='light_narrow', start='default', height=64, width=96, focal_px=60.0)
    with pytest.raises(ConfigError, match="expected weights of 'light_narrow', got those of 'mobilenet_v2_light'"):
        start_model(config)


def test_an_output_at_a_quarter_is_drawn_bilinearly():
    """Between the middles of the pixels, at a quarter and three quarters of the way."""
    decoder = ShapedNet(SMALL, Shape(output=4)).decoder
    assert decoder.depth.out_channels == 1
    assert decoder.drawn(torch.tensor([[[[0.0, 4.0, 8.0]]]]))[0, 0, 0].tolist() == [0.0, 1.0, 3.0, 5.0, 7.0, 8.0]


def test_the_decoder_sees_the_finer_features_unless_told():
    """Features at 1/2 join at 1/4, those at 1/4 at 1/8: what is finer than that is not looked at."""
    torch.manual_seed(0)
    features = [torch.rand(1, channels, 64 // size, 96 // size)
                for channels, size in zip((16, 24, 32, 96, 160), (2, 4, 8, 16, 32), strict=True)]

    def seen(shape: Shape) -> list[bool]:
        decoder = ShapedNet(SMALL, shape).decoder
        before = decoder(features)[0]
        changed = [[*features[:i], features[i] + 1.0, *features[i + 1 :]] for i in range(5)]
        return [not torch.equal(decoder(other)[0], before) for other in changed]

    assert seen(Shape()) == [True] * 5
    assert seen(Shape(fine=False)) == [False, True, True, True, True]
    assert seen(Shape(finest=8)) == [False, True, True, True, True]
    assert seen(Shape(finest=8, fine=False)) == [False, False, True, True, True]
