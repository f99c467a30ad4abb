"""What velodyne_to_depth is asked to do, as one value: it is written beside the maps, and travels to every worker."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any

from ..cli import package_version
from ..errors import ConfigError

MODES = 'nearest', 'monodepth2'
MOTIONS = 'auto', 'on', 'off'
EXPOSURES = 'auto', 'image', 'cloud'
AGREEMENTS = 'scan', 'stereo', 'either', 'none'


@dataclass(frozen=True, slots=True)
class Step:
    """How much nearer something must be to count as in front: metres, or a share of the depth; 0 and 0 is never."""

    metres: float = 0.0
    share: float = 0.0

    @classmethod
    def parse(cls, text: str) -> Step:
        """Read '0.5m', '5%' or 'off'. Raises ConfigError for anything else."""
        if text == 'off':
            return cls()
        match = re.fullmatch(r'(\d+(?:\.\d*)?|\.\d+) ?(m|%)', text)
        value = float(match[1]) if match else 0.0
        if not match or value <= 0 or (match[2] == '%' and value >= 100):
            raise ConfigError(f"expected metres like '0.5m', a share of the depth like '5%', or 'off', got {text!r}")
        return cls(metres=value) if match[2] == 'm' else cls(share=value / 100)

    @property
    def is_off(self) -> bool:
        """Return whether nothing is asked for."""
        return not (self.metres or self.share)

    def __str__(self) -> str:
        return 'off' if self.is_off else f'{self.metres:g}m' if self.metres else f'{100 * self.share:g}%'


@dataclass(frozen=True, slots=True)
class TruthSettings:
    """All that decides which values a depth map holds; where files go and who computes them is not among it."""

    mode: str = 'nearest'  # or monodepth2: its pixels, its faults
    motion: str = 'auto'  # each point to the moment of exposure: auto (where poses exist), on (or fail), off
    exposure: str = 'auto'  # at the image's stamp or at the cloud's; auto: as the source knows
    accumulate: int = 0  # scans before and after
    agree: str = 'scan'  # what an accumulated point must agree with
    tolerance: float = 0.02  # share of the depth by which it may differ
    occlusion: str = '5%'  # points farther than what surrounds them by this much are dropped
    max_pose_gap_s: float = 0.5
    max_speed_mps: float = 70.0  # a trajectory that is faster jumps
    mixed_edges: bool = False  # monodepth2's fault: the ends of two rows taken for one pixel
    vel_depth: bool = False  # monodepth2's vel_depth: the scanner's x for depth

    def __post_init__(self) -> None:
        for name, choices in (('mode', MODES), ('motion', MOTIONS), ('exposure', EXPOSURES), ('agree', AGREEMENTS)):
            if getattr(self, name) not in choices:
                raise ConfigError(f'expected {name} out of {", ".join(choices)}, got {getattr(self, name)!r}')
        if self.accumulate < 0 or not 0 < self.tolerance < 1:
            raise ConfigError(f'expected accumulate >= 0 and a tolerance between 0 and 1, got {self.accumulate} and '
                              f'{self.tolerance}')
        if not (self.max_pose_gap_s > 0 and self.max_speed_mps > 0):  # NaN is neither
            raise ConfigError(f'expected max_pose_gap_s and max_speed_mps above 0, got {self.max_pose_gap_s} and '
                              f'{self.max_speed_mps}')
        Step.parse(self.occlusion)

    def as_dict(self) -> dict[str, Any]:
        """Return the settings and the version of the tool, for settings.json."""
        return {'tool': 'velodyne_to_depth', 'version': package_version(), **asdict(self)}
