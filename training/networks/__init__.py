"""Networks of other people's papers, to train by the same loop and measure beside ours.

Importing this package adds them to depth_node.model.NETWORKS; the node itself knows only what we ship. Each is written
from its paper, with its layers and widths. What all of them change: they predict log depth and log scale as ours do
(see peer.py), where the paper has a sigmoid or depth itself.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from depth_node.model import NETWORKS, ModelConfig

from .bts import BTS
from .fastdepth import FastDepth
from .guidedepth import GuideDepth, GuideDepthS
from .resnet18_unet import ResNet18UNet
from .shapes import SHAPES

PEERS: dict[str, Callable[[ModelConfig], nn.Module]] = {
    'resnet18_unet': ResNet18UNet,
    'guidedepth': GuideDepth,
    'guidedepth_s': GuideDepthS,
    'bts_mobilenet_v2': BTS,
    'fastdepth': FastDepth,
}
NETWORKS.update(PEERS)
NETWORKS.update(SHAPES)
