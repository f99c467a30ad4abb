"""The network as OpenVINO operations: what torch computes, from the weights alone; clear words where they are wrong."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from depth_node.backends.network import Network
from depth_node.checkpoint import default_checkpoint, load_checkpoint, save_checkpoint
from depth_node.estimator import DepthEstimator
from depth_node.loading import network_of
from depth_node.model import DepthNet, ModelConfig, build_model
from msg_tools.errors import CheckpointError

pytest.importorskip('openvino')
from depth_node.backends.openvino_backend import OpenvinoBackend, converted
from depth_node.backends.openvino_graph import graph_of, openvino_graph

RGB = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
NARROW = (8, 8, 8, 8)


def weights(model):
    return {name: tensor.numpy() for name, tensor in model.state_dict().items()}


def assert_same(graph, model):
    with torch.inference_mode():
        maps = model(torch.from_numpy(RGB).permute(2, 0, 1)[None].float())
    for got, want in zip(OpenvinoBackend(graph, 1)(RGB), maps, strict=True):
        assert np.ptp(want.numpy()) > 0.01
        np.testing.assert_allclose(got, want[0, 0].numpy(), rtol=1e-4, atol=1e-4)


def test_the_network_that_ships_is_what_torch_says():
    model = load_checkpoint(default_checkpoint()).model()
    assert_same(openvino_graph(network_of(default_checkpoint(), ModelConfig())), model)


@pytest.mark.parametrize('decoder', [NARROW, (32, 16, 8, 24)])
def test_other_widths_are_what_torch_says(decoder):
    torch.manual_seed(0)
    model = DepthNet(ModelConfig(decoder=decoder)).eval().requires_grad_(False)
    torch.nn.init.normal_(model.decoder.depth.weight, std=0.1)
    torch.nn.init.normal_(model.decoder.scale.weight, std=0.1)
    assert_same(graph_of(weights(model), decoder), model)


def test_it_has_the_names_and_the_speed_of_a_converted_one():
    """The same operations, so that the same kernels run."""
    model = load_checkpoint(default_checkpoint()).model()
    mine, theirs = graph_of(weights(model), ModelConfig().decoder), converted(model)
    for ports in ('inputs', 'outputs'):
        assert [port.any_name for port in getattr(mine, ports)] == [port.any_name for port in getattr(theirs, ports)]
    kinds = [sorted(node.get_type_name() for node in graph.get_ops() if 'Convolution' in node.get_type_name())
             for graph in (mine, theirs)]
    assert kinds[0] == kinds[1]


def test_weights_that_are_missing_left_over_or_not_finite_are_refused():
    state = weights(build_model(ModelConfig(decoder=NARROW)))
    with pytest.raises(KeyError, match=r'decoder\.fine'):
        graph_of({name: value for name, value in state.items() if 'fine' not in name}, NARROW)
    with pytest.raises(ValueError, match=r'unknown weights: decoder\.another\.weight'):
        graph_of({**state, 'decoder.another.weight': np.zeros((1, 1, 1, 1))}, NARROW)
    with pytest.raises(ValueError, match='mean is not finite'):
        graph_of({**state, 'mean': np.full((1, 3, 1, 1), np.nan)}, NARROW)
    with pytest.raises(RuntimeError):
        graph_of({**state, 'decoder.fine.weight': np.zeros((8, 15, 2, 2))}, NARROW)
    with pytest.raises(ValueError, match='widths'):
        graph_of(state, ModelConfig().decoder)


def test_a_checkpoint_with_wrong_weights_says_what_torch_would_say(tmp_path):
    path = tmp_path / 'x.safetensors'
    save_checkpoint(path, build_model(ModelConfig(decoder=NARROW)), ModelConfig(), {})
    with pytest.raises(CheckpointError, match='of another shape'):
        DepthEstimator.from_checkpoint(path, 'cpu', 'openvino')


def test_a_network_of_another_name_is_converted():
    torch.manual_seed(0)
    model = DepthNet(ModelConfig(decoder=NARROW)).eval().requires_grad_(False)
    torch.nn.init.normal_(model.decoder.depth.weight, std=0.1)
    torch.nn.init.normal_(model.decoder.scale.weight, std=0.1)
    for network in (Network(lambda: model), Network(lambda: model, ModelConfig('another'), default_checkpoint())):
        assert_same(openvino_graph(network), model)


def test_a_start_needs_no_torch():
    """Its import takes most of the time and the memory of a start."""
    script = ("import sys; from depth_node import DepthEstimator; DepthEstimator.from_checkpoint(device='cpu'); "
              "sys.exit('torch' in sys.modules)")
    assert subprocess.run([sys.executable, '-c', script], check=False).returncode == 0
