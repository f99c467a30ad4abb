"""The settings of a training run: one dataclass, from which the YAML file and `key=value` arguments derive."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import yaml

from depth_node.checkpoint import load_checkpoint
from depth_node.model import ModelConfig
from msg_tools.errors import ConfigError

from .datasets.frame import KINDS
from .losses import LOSSES

PRECISIONS = {'32': '32-true', 'bf16': 'bf16-mixed', '16': '16-mixed'}  # ours, and Fabric's names


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """What to train on what, and for how long."""

    data: str = ''  # folder that the sources' paths start from
    train: tuple[str, ...] = ('kitti:kitti/training#train', 'images:kitti/images#train')  # NAME:PATH#SPLIT
    val: tuple[str, ...] = ('kitti:kitti/training#val',)
    out: str = 'runs/kitti'

    # kinds of label by falling trust, and what they weigh; the first that a pixel has is taken (labels.py)
    labels: dict[str, float] = field(default_factory=lambda: {
        'exact': 1.0, 'annotated': 1.0, 'lidar': 1.0, 'sky': 0.3, 'stereo': 0.7, 'dense': 0.5, 'teacher': 0.5})
    maps: dict[str, str] = field(default_factory=dict)  # kind (stereo, teacher) to the folder of its maps
    align: bool = True  # rescale a teacher's map by what LiDAR or stereo measured in the same image

    network: str = ''  # name of a network; empty: that of `start`, else ours
    encoder: str = ''  # mobilenet_v2_1.0_224_quant.tflite; empty: random weights
    frozen_blocks: int = 0  # the encoder's stem and this many blocks keep their weights
    start: str = ''  # checkpoint to begin from, 'default' for the one that ships: its weights, not its optimiser
    height: int = 192
    width: int = 640
    focal_px: float = 721.5377 * 640 / 1242

    crop_width: int = 0  # train on windows of this width; 0: the whole width
    min_zoom: float = 0.9
    max_zoom: float = 1.3
    max_tilt_deg: float = 2.0
    jitter: float = 0.25
    mix: float = 0.0  # share of samples that are the left part of one view beside the right part of another

    losses: dict[str, float] = field(default_factory=lambda: {'log_l1': 1.0, 'gradient': 0.5, 'laplace_scale': 0.1})
    batch: int = 8  # images of a step, of all processes together
    steps: int = 3000
    lr: float = 6e-4
    weight_decay: float = 1e-2
    warmup: float = 0.1  # part of the steps in which the learning rate rises
    clip: float = 1.0
    ema: float = 0.998
    precision: str = '32'  # 32, bf16 or 16
    seed: int = 1

    threads: int = 0  # of the CPU; 0: as many as there are cores
    workers: int = 1  # processes that make batches; 0: none but the loop's own
    cache_gb: float = 4.0  # images are kept in memory up to this
    on_error: str = 'stop'  # or skip: what to do about a file that cannot be read
    log_every: int = 50
    save_every: int = 200  # steps after which the run can be resumed
    eval_every: int = 500
    note: str = ''  # kept in the checkpoint

    def __post_init__(self) -> None:
        choose('labels', self.labels, KINDS)
        choose('losses', self.losses, LOSSES)
        choose('precision', [self.precision], PRECISIONS)
        choose('on_error', [self.on_error], ('stop', 'skip'))
        if self.batch < 1 or self.steps < 1:
            raise ConfigError(f'expected batch and steps >= 1, got {self.batch} and {self.steps}')

    def model_config(self) -> ModelConfig:
        """Return the config of the network to train: that of `start`, unless another is named, for this input."""
        begun = load_checkpoint(self.start_path).model_config if self.start else ModelConfig()
        if self.network not in ('', begun.name):
            begun = ModelConfig(self.network)
        return replace(begun, height=self.height, width=self.width, focal_px=self.focal_px)

    @property
    def start_path(self) -> str | None:
        """Return the path of the checkpoint to begin from; None stands for the one that ships."""
        return None if self.start == 'default' else self.start


def choose(name: str, chosen: Mapping[str, Any] | Sequence[str], known: Mapping[str, Any] | Sequence[str]) -> None:
    """Raise ConfigError where something is chosen that is not known."""
    unknown = [str(item) for item in chosen if item not in known]
    if unknown:
        raise ConfigError(f'{name}: expected out of {", ".join(known)}, got {", ".join(unknown)}')


def load_config(path: str | Path, changes: Sequence[str] = ()) -> TrainConfig:
    """Read a YAML file of settings, then changes `key=value` or `key.name=value` (for dicts).

    Raises ConfigError where a setting is unknown or mistyped.
    """
    try:
        values = yaml.safe_load(Path(path).read_text()) or {}
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(f'{path}: expected a YAML file of settings, got: {" ".join(str(error).split())}') from error
    if not isinstance(values, dict):
        raise ConfigError(f'{path}: expected settings `key: value`, got {type(values).__name__}')
    return from_dict(values, changes)


def from_dict(values: Mapping[str, Any], changes: Sequence[str] = ()) -> TrainConfig:
    """Make settings from plain values, then changes; raises ConfigError where one is unknown or mistyped."""
    defaults = TrainConfig()
    settings = {key: typed(key, value, defaults) for key, value in values.items()}
    for change in changes:
        key, equals, text = change.partition('=')
        if not equals:
            raise ConfigError(f'expected key=value, got {change!r}')
        key, _, name = key.partition('.')
        value = yaml.safe_load(text) if text else ''
        if name:
            value = {**settings.get(key, getattr(defaults, key, {})), name: value}
        settings[key] = typed(key, value, defaults)
    return replace(defaults, **settings)


def typed(key: str, value: Any, defaults: TrainConfig) -> Any:
    """Return a setting in the type of its default; raises ConfigError where that cannot be."""
    known = [item.name for item in fields(defaults)]
    if key not in known:
        raise ConfigError(f'expected a setting out of {", ".join(known)}, got {key!r}')
    default = getattr(defaults, key)
    if isinstance(default, tuple):
        return tuple(value) if isinstance(value, list | tuple) else (str(value),) if value else ()
    if isinstance(default, dict):
        if not isinstance(value, Mapping):
            raise ConfigError(f'{key}: expected names and values, got {value!r}')
        return {str(name): str(item) if key == 'maps' else number(f'{key}.{name}', item)
                for name, item in value.items()}
    if isinstance(default, str) and isinstance(value, int):
        return str(value)  # precision: 32
    if isinstance(default, float):
        return number(key, value)
    if type(value) is not type(default):
        raise ConfigError(f'{key}: expected {type(default).__name__}, got {value!r}')
    return value


def number(key: str, value: Any) -> float:
    """Return a value as a float (YAML reads 1e-3 as text); raises ConfigError where it is none."""
    try:
        if isinstance(value, bool):
            raise ValueError
        return float(value)
    except (TypeError, ValueError) as error:
        raise ConfigError(f'{key}: expected a number, got {value!r}') from error


def to_dict(config: TrainConfig) -> dict[str, Any]:
    """Return the settings as plain values."""
    values = {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(config).items()}
    return values


def without_paths(config: TrainConfig) -> dict[str, Any]:
    """Return the settings as a checkpoint tells them to the world: paths by their last name alone."""
    values = to_dict(config)
    for key in ('data', 'out', 'encoder', 'start'):
        values[key] = Path(values[key]).name
    values['maps'] = {kind: Path(folder).name for kind, folder in config.maps.items()}
    return values
