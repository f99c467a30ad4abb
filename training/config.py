"""The settings of a training run: one dataclass, from which the YAML file and `key=value` arguments derive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import yaml

from depth_node.model import ModelConfig
from msg_tools.errors import ConfigError


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """What to train on what, and for how long."""

    data: str = ''  # folder with kitti/training and kitti/images (each with an index.csv)
    out: str = 'runs/kitti'
    encoder: str = ''  # mobilenet_v2_1.0_224_quant.tflite; empty: random weights
    start: str = ''  # checkpoint to continue from; its weights, not its optimiser
    teacher: str = ''  # folder of another network's maps NAME.npy [m] (see datasets/images.py); empty: none
    teacher_weight: float = 0.5
    teacher_far_m: float = 65.0  # from here on a teacher only says: far
    stereo: str = ''  # folder of maps that depth_stereo made; empty: none
    stereo_weight: float = 0.5
    stereo_far_m: float = 80.0
    sky: bool = True  # label white and blue smooth regions as beyond range where the teacher agrees

    height: int = 192
    width: int = 640
    focal_px: float = 721.5377 * 640 / 1242
    crop_width: int = 0  # train on windows of this width; 0: the whole width
    max_zoom: float = 1.3
    jitter: float = 0.25

    loss: str = 'log_l1'
    gradient_weight: float = 0.0
    scale_weight: float = 0.1
    beyond_weight: float = 0.3
    batch: int = 8
    steps: int = 3000
    lr: float = 6e-4
    weight_decay: float = 1e-2
    warmup: float = 0.1  # part of the steps in which the learning rate rises
    clip: float = 1.0
    ema: float = 0.995
    frozen_blocks: int = 0  # the encoder's stem and this many blocks keep their weights
    seed: int = 1
    threads: int = 0
    eval_every: int = 500
    note: str = ''  # kept in the checkpoint

    def model_config(self) -> ModelConfig:
        """Return the config of the network to train."""
        return ModelConfig(height=self.height, width=self.width, focal_px=self.focal_px)


def load_config(path: str | Path, changes: Sequence[str] = ()) -> TrainConfig:
    """Read a YAML file of settings, then `key=value` changes; raises ConfigError where one is unknown or mistyped."""
    try:
        values = yaml.safe_load(Path(path).read_text()) or {}
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(f'{path}: expected a YAML file of settings, got: {" ".join(str(error).split())}') from error
    if not isinstance(values, dict):
        raise ConfigError(f'{path}: expected settings `key: value`, got {type(values).__name__}')
    for change in changes:
        key, equals, text = change.partition('=')
        if not equals:
            raise ConfigError(f'expected key=value, got {change!r}')
        values[key] = yaml.safe_load(text) if text else ''
    defaults = TrainConfig()
    return replace(defaults, **{key: typed(key, value, defaults) for key, value in values.items()})


def typed(key: str, value: Any, defaults: TrainConfig) -> Any:
    """Return a setting in the type of its default; raises ConfigError where that cannot be."""
    known = [item.name for item in fields(defaults)]
    if key not in known:
        raise ConfigError(f'expected a setting out of {", ".join(known)}, got {key!r}')
    wanted = type(getattr(defaults, key))
    if wanted is float and type(value) in (int, str):  # YAML reads 1e-3 as text
        try:
            return float(value)
        except ValueError as error:
            raise ConfigError(f'{key}: expected a number, got {value!r}') from error
    if type(value) is not wanted:
        raise ConfigError(f'{key}: expected {wanted.__name__}, got {value!r}')
    return value


def to_dict(config: TrainConfig) -> dict[str, Any]:
    """Return the settings as plain values, without this machine's paths."""
    paths = ('data', 'out', 'encoder', 'start', 'teacher', 'stereo')
    return {key: Path(value).name if key in paths else value for key, value in asdict(config).items()}
