"""The settings of a training run: one dataclass, from which the YAML file and `key=value` arguments derive."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import yaml

from depth_node.checkpoint import load_checkpoint
from depth_node.model import STRIDE, ModelConfig
from msg_tools.errors import ConfigError

from .datasets.frame import KINDS
from .losses import LOSSES

PRECISIONS = {'32': '32-true', 'bf16': 'bf16-mixed', '16': '16-mixed'}  # ours, and Fabric's names
RANGES = {  # the least and the greatest value
    **dict.fromkeys(('batch', 'steps', 'log_every', 'save_every', 'eval_every'), (1, math.inf)),
    **dict.fromkeys(('frozen_blocks', 'crop_width', 'threads', 'workers', 'cache_gb', 'seed'), (0, math.inf)),
    **dict.fromkeys(('jitter', 'lr', 'encoder_lr', 'weight_decay', 'clip', 'min_zoom'), (0, math.inf)),
    'max_tilt_deg': (0, 45), 'mix': (0, 1), 'warmup': (0, 0.99), 'ema': (0, 1),
}
# what may change while a run is cut off: where things lie (run_folder.py compares the frames), speed, what is reported
CHANGEABLE = ('data', 'train', 'maps', 'out', 'encoder', 'start', 'threads', 'workers', 'cache_gb', 'on_error',
              'log_every', 'save_every', 'eval_every', 'note')


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
    encoder_lr: float = 1.0  # of lr, for the encoder: less where its ImageNet weights know more than the images do
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
        choose('maps', self.maps, KINDS)
        for name, (low, high) in RANGES.items():
            if not low <= (value := getattr(self, name)) <= high:
                raise ConfigError(f'{name}: expected a value from {low} to {high}, got {value}')
        if self.crop_width % STRIDE:
            raise ConfigError(f'crop_width: expected a multiple of {STRIDE} px, got {self.crop_width}')
        if not self.losses:
            raise ConfigError(f'losses: expected at least one of {", ".join(LOSSES)}, got none')

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
        value = plain_value(change, text, getattr(defaults, key, None))
        if name:
            known = settings.get(key, getattr(defaults, key, None))
            if not isinstance(known, dict):
                raise ConfigError(f'{change}: expected one of the settings that have names in them (labels, maps, '
                                  f'losses) before the dot, got {key!r}')
            value = {**known, name: value}
        settings[key] = typed(key, value, defaults)
    return replace(defaults, **settings)


def plain_value(change: str, text: str, default: Any) -> Any:
    """Return what the text of a change means: where text is asked for itself, since YAML reads 2011_09_26 as a number.

    Raises ConfigError where it is no YAML.
    """
    if isinstance(default, str) or not text or change.startswith('maps.'):
        return text
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        reason = ' '.join(str(error).split())
        raise ConfigError(f'{change}: expected a value as YAML writes it, got: {reason}') from error


def typed(key: str, value: Any, defaults: TrainConfig) -> Any:
    """Return a setting in the type of its default; raises ConfigError where that cannot be."""
    known = [item.name for item in fields(defaults)]
    if key not in known:
        raise ConfigError(f'expected a setting out of {", ".join(known)}, got {key!r}')
    default = getattr(defaults, key)
    if isinstance(default, tuple):
        return texts(key, value if isinstance(value, list | tuple) else [value] if value else [])
    if isinstance(default, dict):
        if not isinstance(value, Mapping):
            raise ConfigError(f'{key}: expected names and values, got {value!r}')
        return {str(name): str(item) if key == 'maps' else number(f'{key}.{name}', item)
                for name, item in value.items()}
    if key == 'precision':
        return str(value)  # YAML reads 32 as a number
    if isinstance(default, float):
        return number(key, value)
    if type(value) is not type(default):
        hint = '; put it in quotes' if isinstance(default, str) else ''
        raise ConfigError(f'{key}: expected {type(default).__name__}, got {value!r}{hint}')
    return value


def texts(key: str, values: Sequence[Any]) -> tuple[str, ...]:
    """Return texts as a tuple; raises ConfigError where one is something else, as YAML's `- images: folder` is."""
    if wrong := [value for value in values if not isinstance(value, str)]:
        raise ConfigError(f'{key}: expected texts such as images:folder#train, got {wrong[0]!r}; is there a space '
                          'behind the colon?')
    return tuple(values)


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
    return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(config).items()}


def changed(config: TrainConfig, other: TrainConfig) -> list[str]:
    """Return the names of those settings in which two configs differ that make one run another (see CHANGEABLE)."""
    def told(config: TrainConfig) -> dict[str, str]:  # as text: the order of labels says whom to trust
        return {**{key: str(value) for key, value in to_dict(config).items() if key not in CHANGEABLE},
                'maps': str(sorted(config.maps))}

    return [key for key, value in told(config).items() if value != told(other)[key]]


def without_paths(config: TrainConfig) -> dict[str, Any]:
    """Return the settings as a checkpoint tells them to the world: paths by their last name alone."""
    values = to_dict(config)
    for key in ('data', 'out', 'encoder', 'start'):
        values[key] = Path(values[key]).name
    for key in ('train', 'val'):
        values[key] = [without_folder(source) for source in values[key]]
    values['maps'] = {kind: Path(folder).name for kind, folder in config.maps.items()}
    return values


def without_folder(source: str) -> str:
    """Return a source NAME:PATH#SPLIT with the last name of a PATH that is not relative to `data`.

    >>> without_folder('images:/home/me/street#train'), without_folder('kitti:kitti/training#train')
    ('images:street#train', 'kitti:kitti/training#train')
    """
    name, colon, rest = source.partition(':')
    path, hash_, split = rest.partition('#')
    inside = not path.startswith(('/', '~', '..'))
    return f'{name}{colon}{path if inside else Path(path).name}{hash_}{split}'
