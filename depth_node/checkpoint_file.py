"""Which checkpoint, and what it says of itself, without torch: a network that was converted before needs no more."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from msg_tools.errors import CheckpointError

from .header import KEY, parse_header
from .model_config import ModelConfig

PICKLES = (b'PK\x03\x04', b'\x80')  # torch.save's zip archive, and a bare pickle
LFS = b'version https://git-lfs'


def default_checkpoint() -> Path:
    """Return the path of the checkpoint that ships with the package."""
    return Path(__file__).parent / 'weights' / 'depth_node_kitti.safetensors'


def read_header(path: Path) -> tuple[ModelConfig, dict[str, Any]]:
    """Read a checkpoint's model config and the rest of its header.

    Raises CheckpointError where it is missing, truncated, a pickle, or without our header.
    """
    require_safetensors(path)
    with opened(path, 'np') as file:
        metadata = parse_header(path, (file.metadata() or {}).get(KEY))
    return config_of(path, metadata), metadata


@contextmanager
def opened(path: Path, framework: str) -> Iterator[Any]:
    """Open a safetensors file for a framework's tensors; raises CheckpointError where it does not parse."""
    try:
        with safe_open(str(path), framework) as file:
            yield file
    except (OSError, SafetensorError, ValueError) as error:
        raise CheckpointError(f'{path}: expected a whole safetensors file, got {path.stat().st_size} bytes that do not '
                              f'parse ({error}); was the copy or download cut short?') from error


def config_of(path: Path, metadata: dict[str, Any]) -> ModelConfig:
    """Take the model config out of a file's header; raises CheckpointError where it is not one of ours."""
    try:
        return ModelConfig.from_dict(metadata.pop('model'))
    except CheckpointError as error:
        raise CheckpointError(f'{path}: {error}; was the file changed?') from error


def require_safetensors(path: Path) -> None:
    """Raise CheckpointError where there is no file, or one of a kind that people often give instead."""
    try:
        with path.open('rb') as file:
            head = file.read(64)
    except OSError as error:
        raise CheckpointError(f'{path}: expected a checkpoint (.safetensors), got: {error.strerror}; '
                              'check the path, or leave it empty for the one that ships with the package') from error
    if head.startswith(LFS):
        raise CheckpointError(f'{path}: expected weights, got a Git LFS pointer; run git lfs pull')
    if head.startswith(PICKLES) and head[8:9] != b'{':  # a header of 128 bytes (mod 256) begins as a pickle does
        raise CheckpointError(f'{path}: expected a safetensors file, got a pickle (.pth), which can run code when '
                              'loaded and is never opened; convert its tensors with safetensors.torch.save_file')
