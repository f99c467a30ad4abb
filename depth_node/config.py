"""The node's settings: one frozen dataclass, from which ROS parameters, YAML and command-line flags derive."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from typing import Any

from msg_tools.errors import ConfigError


def setting(
    default: Any,
    text: str,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
    live: bool = True,
) -> Any:
    """Declare a dataclass field with its description, range or choices, and whether it may change at run time."""
    metadata = {'text': text, 'low': low, 'high': high, 'choices': choices, 'live': live}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """The parameters of the depth node; the names are the ROS parameters' names."""

    checkpoint: str = setting('', 'Checkpoint (.safetensors); empty: the one that ships with the package', live=False)
    device: str = setting('auto', 'Where the network runs', choices=('auto', 'cpu', 'cuda'), live=False)
    backend: str = setting(
        'auto', 'What runs the network', choices=('auto', 'torch', 'openvino', 'onnxruntime', 'tensorrt'), live=False
    )
    precision: str = setting(
        'auto',
        'The numbers that the network computes with (auto: fp32 on the CPU)',
        choices=('auto', 'fp32', 'bf16', 'fp16'),
        live=False,
    )
    threads: int = setting(0, 'CPU threads of the network; 0: as many as there are cores', low=0, high=256, live=False)
    image_transport: str = setting(
        'raw', 'Subscribe to image (raw) or image/compressed', choices=('raw', 'compressed'), live=False
    )
    reliability: str = setting(
        'auto',
        'Reliability of the subscriptions (auto: the one that the publisher offers)',
        choices=('auto', 'reliable', 'best_effort'),
    )
    input_rectified: str = setting(
        'auto',
        'Whether the image is rectified already (auto: decided from camera_info)',
        choices=('auto', 'true', 'false'),
    )
    min_depth_m: float = setting(0.5, 'Nearer estimates become NaN', low=0.0, high=10.0)
    max_depth_m: float = setting(80.0, 'Farther estimates become +Inf: nothing within range', low=1.0, high=1000.0)
    min_confidence: float = setting(0.0, 'Less confident depths become NaN', low=0.0, high=1.0)
    depth_encoding: str = setting('32FC1', 'Depth in metres (32FC1) or millimetres (16UC1)', choices=('32FC1', '16UC1'))
    compressed_depth: str = setting(
        'png', 'How depth/image_rect/compressedDepth is packed: png is smaller', choices=('png', 'rvl')
    )
    cloud_stride: int = setting(2, 'The cloud keeps every n-th pixel in both directions', low=1, high=16)
    cloud_max_range_m: float = setting(60.0, 'Points with a greater depth become NaN', low=1.0, high=1000.0)
    cloud_colored: bool = setting(False, 'Add an rgb field to the cloud')
    camera_info_max_age_s: float = setting(
        0.0,
        'How far a camera_info may lie from its image in time where none has its stamp; 0: any distance',
        low=0.0,
        high=3600.0,
    )
    diagnostics_period_s: float = setting(1.0, 'How often /diagnostics is published', low=0.1, high=60.0, live=False)
    autostart: bool = setting(True, 'Configure and activate at start, without a lifecycle manager', live=False)

    def __post_init__(self) -> None:
        for item in fields(self):
            check(item.name, getattr(self, item.name), item.default, item.metadata)
        if self.min_depth_m >= self.max_depth_m:
            raise ConfigError(f'expected min_depth_m < max_depth_m, got {self.min_depth_m} and {self.max_depth_m}')


def check(name: str, value: Any, default: Any, metadata: Any) -> None:
    """Raise ConfigError where a value has another type than its default, or lies outside its range or choices."""
    if type(value) is not type(default):
        raise ConfigError(f'{name}: expected {type(default).__name__}, got {value!r} ({type(value).__name__})')
    if metadata['choices'] and value not in metadata['choices']:
        raise ConfigError(f'{name}: expected one of {", ".join(metadata["choices"])}, got {value!r}')
    low, high = metadata['low'], metadata['high']
    if low is not None and not low <= value <= high:
        raise ConfigError(f'{name}: expected a value from {low} to {high}, got {value}')


def to_yaml(config: NodeConfig) -> str:
    """Return a ROS parameter file with these settings, each below what it means and may be.

    `python -m depth_node.config > config/mono.yaml` writes the file of the defaults.
    """
    lines = ['# The settings of depth_node and their defaults; `ros2 param describe` tells the same.', '/**:',
             '  depth_node:', '    ros__parameters:']
    for item in fields(config):
        value = getattr(config, item.name)
        lines += [f'      # {item.metadata["text"]}{allowed(item.metadata)}',
                  f'      {item.name}: {json.dumps(value)}']  # which is YAML too; 80.0 stays 80.0
    return '\n'.join(lines) + '\n'


def allowed(metadata: Any) -> str:
    """Return in words which values a setting may have, and when."""
    texts = [' | '.join(metadata['choices'])] if metadata['choices'] else []
    if metadata['low'] is not None:
        texts.append(f'{metadata["low"]} to {metadata["high"]}')
    if not metadata['live']:
        texts.append('at start only')
    return f' [{"; ".join(texts)}]' if texts else ''


if __name__ == '__main__':
    print(to_yaml(NodeConfig()), end='')
