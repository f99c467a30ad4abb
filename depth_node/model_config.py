"""What a network is to know of itself before it runs: which one, its input and its camera. Knows no torch."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from msg_tools.errors import CheckpointError

STRIDE = 32  # the input's height and width must be multiples of it
LOG_SCALE_RANGE = (-5.0, 1.5)  # Laplace scales of log depth that mean something: 0.7 % to a factor of 90


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Which network, and the camera that it knows: depths are metres where the input's focal length is focal_px."""

    name: str = 'mobilenet_v2_light'
    height: int = 192
    width: int = 640
    focal_px: float = 721.5377 * 640 / 1242  # of the input, canonical: KITTI's colour cameras at this width
    decoder: tuple[int, ...] = (160, 96, 64, 48)  # channels at 1/32, 1/16, 1/8, 1/4, for networks that ask

    def __post_init__(self) -> None:
        lengths = self.height, self.width
        if min(lengths) < STRIDE or any(length % STRIDE for length in lengths) or math.prod(lengths) > 2**24:
            raise CheckpointError(f'expected an input of multiples of {STRIDE} px, got {self.width}x{self.height}')
        if not 0 < self.focal_px < math.inf:
            raise CheckpointError(f'expected a focal length > 0 px, got {self.focal_px}')
        if len(self.decoder) != 4 or not all(0 < channels <= 1024 for channels in self.decoder):
            raise CheckpointError(f'expected 4 decoder widths from 1 to 1024, got {self.decoder}')

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain JSON values."""
        return {**asdict(self), 'decoder': list(self.decoder)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> ModelConfig:
        """Read the settings from plain JSON values; raises CheckpointError where they are not ours."""
        try:
            return cls(
                name=str(values['name']),
                height=int(values['height']),
                width=int(values['width']),
                focal_px=float(values['focal_px']),
                decoder=tuple(int(channels) for channels in values['decoder']),
            )
        except (KeyError, OverflowError, TypeError, ValueError) as error:
            raise CheckpointError(f'expected a model config, got {values!r} ({error})') from error
