"""From a file to a network that runs: a checkpoint in the backend that fits here, or what depth_export made of one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from msg_tools.camera import Size
from msg_tools.errors import BackendError

from .backends import Backend, Network, choose
from .checkpoint_file import read_header
from .exported import library_of, load_exported
from .model_config import ModelConfig

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, slots=True)
class Loaded:
    """A network that runs, what it knows of the camera, its one input size (None: any), and why it runs there."""

    backend: Backend
    model: ModelConfig
    fixed_size: Size | None
    reason: str


def load(path: Path, device: str = 'auto', backend: str = 'auto', threads: int = 0,
         precision: str = 'auto') -> Loaded:
    """Load a file of either kind; raises CheckpointError and BackendError, which say what is wrong and what to do."""
    if library_of(path):
        exported = load_exported(path, device, backend, threads, precision)
        return Loaded(exported.backend, exported.model_config, exported.fixed_size, 'exported for it')
    config = read_header(path)[0]
    choice = choose(network_of(path, config), Size(config.height, config.width), device, backend, threads, precision)
    return Loaded(choice.backend, config, None, choice.reason)


def load_spare(path: Path, threads: int = 0) -> Backend:
    """Load a file into what runs on the CPU; raises CheckpointError, and BackendError where that cannot be."""
    if path.suffix == '.engine':
        raise BackendError(f'{path}: expected a network that the CPU can run, too, got an engine for a GPU; give the '
                           'node the checkpoint that it was made from')
    return load(path, 'cpu', 'auto', threads).backend


def network_of(path: Path, config: ModelConfig) -> Network:
    """Return the network of a checkpoint, to be built in torch where there is no shorter way."""

    def build() -> nn.Module:
        from .checkpoint import load_checkpoint

        return load_checkpoint(path).model()

    return Network(build, config, path)
