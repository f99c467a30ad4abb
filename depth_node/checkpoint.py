"""Checkpoints: the weights in a safetensors file, with model config, training config and metrics in its header.

Nothing in such a file can execute. Weights are kept in half precision and become float32 when loaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save as serialize
from torch import Tensor, nn

from msg_tools.errors import CheckpointError
from msg_tools.whole_file import write_whole

from .checkpoint_file import default_checkpoint as default_checkpoint
from .checkpoint_file import opened, read_header
from .header import KEY, header_text
from .model import NETWORKS, build_model
from .model_config import ModelConfig


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a checkpoint file holds: network and camera, float32 weights by name, and how they came about."""

    model_config: ModelConfig
    state: dict[str, Tensor]
    metadata: dict[str, Any]

    def model(self) -> nn.Module:
        """Build the network with these weights, ready for inference."""
        model = build_model(self.model_config)
        model.load_state_dict(self.state)
        return model.eval().requires_grad_(False)


def save_checkpoint(
    path: str | Path,
    model: nn.Module,
    config: ModelConfig,
    metadata: Mapping[str, Any],
    dtype: torch.dtype = torch.float16,
) -> None:
    """Write weights, model config and metadata (plain JSON values: training, metrics); the old file stays until done.

    Raises CheckpointError where the file cannot be written or a weight is not finite in this precision.
    """
    path = Path(path)
    state = {name: stored(tensor, dtype) for name, tensor in model.state_dict().items()}
    require_finite(path, state)
    header = {KEY: header_text(config.to_dict(), metadata)}
    try:
        write_whole(path, serialize(state, header))  # save_file would hide it from other users
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f'{path}: expected to write a checkpoint, got: {error}; is the disk full?') from error


def stored(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    """Return a tensor as it is written; a counter of batches stays an integer: it would overflow half precision."""
    return tensor.detach().to('cpu', dtype if tensor.is_floating_point() else tensor.dtype).contiguous()


def load_checkpoint(path: str | Path | None = None) -> Checkpoint:
    """Read a checkpoint (None: the one that ships with the package) onto the CPU.

    Raises CheckpointError where it is missing, truncated, a pickle, without our header, or of another architecture.
    """
    path = Path(path) if path else default_checkpoint()
    config, metadata = read_header(path)
    with opened(path, 'pt') as file:
        state = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118 (not a dict)
    require_state(path, config, state)
    require_finite(path, state)
    return Checkpoint(config, state, metadata)


def require_state(path: Path, config: ModelConfig, state: Mapping[str, Tensor]) -> None:
    """Raise CheckpointError where the tensors are not those of the network that the config names."""
    wanted = {name: tuple(tensor.shape) for name, tensor in empty_model(path, config).state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in state.items()}
    if wanted == found:
        return
    odd = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
    first = f'{odd[0]}: expected {wanted.get(odd[0], "none")}, got {found.get(odd[0], "none")}'
    raise CheckpointError(f'{path}: expected weights for {config.name!r} with {len(wanted)} tensors, got {len(found)}, '
                          f'{len(odd)} of them missing, unknown or of another shape ({first}); '
                          'is it a checkpoint of another network?')


def empty_model(path: Path, config: ModelConfig) -> nn.Module:
    """Build the network that a file names, weights at random; raises CheckpointError where we have none such."""
    if config.name not in NETWORKS:
        raise CheckpointError(f'{path}: expected a network out of {", ".join(NETWORKS)}, got {config.name!r}; the '
                              'networks of other papers run in depth_train, depth_eval and depth_export, and '
                              'everywhere as a file that depth_export made')
    return build_model(config)


def require_finite(path: Path, state: Mapping[str, Tensor]) -> None:
    """Raise CheckpointError where a weight is NaN or infinite."""
    for name, tensor in state.items():
        if not torch.isfinite(tensor).all():
            raise CheckpointError(f'{path}: expected finite weights, got NaN or Inf in {name}; '
                                  'did the training diverge?')
