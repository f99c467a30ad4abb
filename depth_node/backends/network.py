"""A network that may not have to be built in torch: where it comes from a file, its weights can be read without."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from msg_tools.camera import Array

from ..checkpoint_file import opened
from ..model_config import ModelConfig

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, slots=True)
class Network:
    """How to build a network (which imports torch), and the checkpoint that it comes from, if any, with its config."""

    build: Callable[[], nn.Module]
    config: ModelConfig | None = None
    path: Path | None = None

    def digest(self) -> str:
        """Return the SHA-256 of the checkpoint; '' where there is none."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest() if self.path else ''

    def weights(self) -> dict[str, Array]:
        """Return the checkpoint's weights by name, as they are stored; none where there is none. CheckpointError."""
        if self.path is None:
            return {}
        with opened(self.path, 'np') as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
