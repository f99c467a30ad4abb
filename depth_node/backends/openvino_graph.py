"""Our network as an OpenVINO graph, straight from a checkpoint's weights: a start needs no torch and no conversion.

It says in OpenVINO's operations what depth_node/model.py says in torch's; a test compares them. The names of the
weights tell the layers: a convolution that is second in its ConvSame comes after the padding of a stride of 2.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from itertools import count
from typing import Any

import numpy as np

from msg_tools.camera import Array

from ..model_config import LOG_SCALE_RANGE, ModelConfig
from .network import Network
from .openvino_backend import converted, openvino
from .protocol import INPUT, OUTPUTS

log = logging.getLogger(__name__)

opset = openvino.opset13  # of 2023; later ones change nothing that we use

Node = Any
OURS = ModelConfig().name
HEADS = 'decoder.depth', 'decoder.scale'


def openvino_graph(network: Network) -> Any:
    """Return a network's graph: straight from its weights where we know how, else by way of torch; BackendError.

    Raises CheckpointError where the weights are not those of the network, or not finite: torch's way says why.
    """
    if network.config and network.config.name == OURS:
        try:
            return graph_of(network.weights(), network.config.decoder)
        except (KeyError, ValueError, RuntimeError) as error:
            log.debug('not straight from the weights: %s', error)
    return converted(network.build())


def graph_of(weights: Mapping[str, Array], widths: tuple[int, ...]) -> Any:
    """Return the graph of any input size, uint8 (1, h, w, 3), for the weights by name and the decoder's widths.

    Raises KeyError where a weight is missing, ValueError where one is left over, not finite or of another width, and
    RuntimeError where shapes do not fit each other.
    """
    source = Weights(weights)
    found = tuple(len(source[f'decoder.{name}.bias']) for name in ('top.0', 'reduce.0', 'reduce.1', 'reduce.2'))
    if found != widths:
        raise ValueError(f'widths of {found}')
    rgb = opset.parameter(openvino.PartialShape([1, -1, -1, 3]), np.uint8, INPUT)
    x = opset.convert(opset.transpose(rgb, [0, 3, 1, 2]), 'f32')
    x = opset.divide(opset.subtract(x, source['mean']), source['std'])
    log_depth, log_scale = decoded(source, encoded(source, x))
    outputs = [log_depth, opset.clamp(log_scale, *LOG_SCALE_RANGE)]
    if left := source.keys() - source.used:
        raise ValueError(f'unknown weights: {", ".join(sorted(left))}')
    for node, name in zip(outputs, OUTPUTS, strict=True):
        node.output(0).get_tensor().set_names({name})
    rgb.output(0).get_tensor().set_names({INPUT})
    return openvino.Model(outputs, [rgb], 'depth_node')


class Weights(dict[str, Array]):
    """Weights by name, and which of them were used."""

    def __init__(self, weights: Mapping[str, Array]) -> None:
        super().__init__(weights)
        self.used: set[str] = set()

    def __getitem__(self, name: str) -> Array:
        self.used.add(name)
        weight = super().__getitem__(name).astype(np.float32)
        if not np.isfinite(weight).all():
            raise ValueError(f'{name} is not finite')
        return weight

    def has(self, layer: str) -> bool:
        """Return whether there is a convolution of this name."""
        return f'{layer}.weight' in self


def encoded(source: Weights, x: Node) -> list[Node]:
    """Return the features at 1/2, 1/4, 1/8, 1/16 and 1/32: those before each block of stride 2, and the last."""
    features: list[Node] = []
    x = same(source, 'encoder.stem', x)
    for i in count():
        block = f'encoder.blocks.{i}.layers'
        layers = [f'{block}.{j}' for j in range(3) if source.has(f'{block}.{j}.0') or source.has(f'{block}.{j}.1')]
        if not layers:
            return [*features, x]
        if source.has(f'{layers[-2]}.1'):
            features.append(x)
        x = inverted_residual(source, layers, x)
    raise AssertionError


def inverted_residual(source: Weights, layers: list[str], x: Node) -> Node:
    """Return MobileNetV2's block: expand, filter, project; added to the input where the shapes agree."""
    *rest, project = layers
    y = x
    for layer in rest:
        y = same(source, layer, y)
    y = convolved(source, f'{project}.0', y)
    strided = source.has(f'{rest[-1]}.1')
    return y if strided or channels(x) != channels(y) else opset.add(x, y)


def same(source: Weights, name: str, x: Node) -> Node:
    """Return a ConvSame with its ReLU6."""
    if source.has(f'{name}.1'):
        x = convolved(source, f'{name}.1', x, stride=2, pads=((0, 0), (1, 1)))
    else:
        x = convolved(source, f'{name}.0', x)
    return opset.clamp(x, 0.0, 6.0)


def decoded(source: Weights, features: list[Node]) -> tuple[Node, Node]:
    """Return log depth and log scale at 1/2."""
    half, *coarser = features
    x = convolved(source, 'decoder.top.0', coarser.pop())
    x = separable(source, 'decoder.top.2', separable(source, 'decoder.top.1', x))
    for i in range(len(coarser)):
        y = opset.add(doubled(convolved(source, f'decoder.reduce.{i}', x)),
                        convolved(source, f'decoder.skips.{i}', coarser.pop()))
        if not coarser:
            y = opset.add(y, convolved(source, 'decoder.fine', half, stride=2))
        x = opset.relu(y)
        for j in count():
            if not source.has(f'decoder.filters.{i}.{j}.0'):
                break
            x = separable(source, f'decoder.filters.{i}.{j}', x)
    depth, scale = (opset.depth_to_space(convolved(source, name, x), 'depth_first', 2) for name in HEADS)
    return depth, scale


def separable(source: Weights, name: str, x: Node) -> Node:
    """Return a depthwise and a pointwise convolution with a ReLU."""
    return opset.relu(convolved(source, f'{name}.1', convolved(source, f'{name}.0', x)))


def convolved(source: Weights, name: str, x: Node, stride: int = 1,
              pads: tuple[tuple[int, int], tuple[int, int]] | None = None) -> Node:
    """Return a convolution and its bias; pads: before and after, by default as much as keeps the size at stride 1."""
    weight, bias = source[f'{name}.weight'], source[f'{name}.bias']
    half = 0 if stride > 1 else weight.shape[2] // 2
    before, after = pads or ((half, half), (half, half))
    steps = (stride, stride), before, after, (1, 1)
    if weight.shape[1] == 1 < channels(x):  # depthwise
        y = opset.group_convolution(x, weight[:, None], *steps)
    else:
        y = opset.convolution(x, weight, *steps)
    return opset.add(y, bias.reshape(1, -1, 1, 1))


def doubled(x: Node) -> Node:
    """Return a map of twice the height and width, each pixel four times."""
    return opset.interpolate(x, np.array([2, 2], np.float32), 'nearest', 'scales',
                              coordinate_transformation_mode='asymmetric', nearest_mode='floor', axes=[2, 3])


def channels(x: Node) -> int:
    """Return the number of channels of a map."""
    return int(x.output(0).get_partial_shape()[1].get_length())
