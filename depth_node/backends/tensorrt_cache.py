"""TensorRT engines, kept from one start to the next: building one takes a minute.

Their names come from the checkpoint, the code that exports it, input size, precision, GPU and TensorRT's version: where
one of these changes, another engine is built. Each carries its own digest: one cut short is built again, too.
"""

from __future__ import annotations

import hashlib
import logging
import os
from functools import partial
from pathlib import Path

import torch

from msg_tools.camera import Size
from msg_tools.errors import BackendError, CheckpointError
from msg_tools.whole_file import write_whole

from .network import Network
from .onnxruntime_backend import onnx_bytes
from .tensorrt_backend import Engine, TensorrtBackend, built, read_engine, require_cuda, tensorrt, with_header

log = logging.getLogger(__name__)

CODE = '../model.py', 'uint8_input.py', 'onnxruntime_backend.py', 'tensorrt_backend.py'
START = 'tensorrt'
KEPT = 8  # engines; the oldest goes


def tensorrt_backend(network: Network, precision: str = 'auto') -> TensorrtBackend:
    """Return a backend that builds an engine for each size that it meets, or takes it from the cache."""
    return TensorrtBackend(partial(cached_engine, network, precision=precision))


def cached_engine(network: Network, size: Size, precision: str = 'auto') -> Engine:
    """Return a network's engine for an input size, from the cache where it is there. Raises BackendError."""
    require_cuda()
    digest = network.digest()
    path = engine_path(digest, size, precision) if digest else None
    if path is None:
        return Engine(built(onnx_bytes(network.build(), size), precision), size, START)
    try:
        return Engine(whole_engine(path), size, path.name)
    except (BackendError, CheckpointError) as error:
        log.debug('%s', error)  # none yet, cut short, or refused
    log.warning('building a TensorRT engine for images of %s, once: this takes a minute', size)
    data = built(onnx_bytes(network.build(), size), precision)
    try:
        keep(data, path)
    except OSError as error:
        log.debug('%s: not kept: %s', path, error)
    return Engine(data, size, path.name)


def engine_path(digest: str, size: Size, precision: str) -> Path | None:
    """Return where the engine of a checkpoint of this digest is or would be for this GPU; None: no place for it."""
    gpu = f'{torch.cuda.get_device_name()} {torch.cuda.get_device_capability()}'
    key = hashlib.sha256('\n'.join([digest, tensorrt.__version__, gpu, str(size), precision]).encode())
    try:
        folder = Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache') / 'depth_node'
        for name in CODE:
            key.update((Path(__file__).parent / name).read_bytes())
    except (RuntimeError, OSError):  # no home, or a package without its sources
        return None
    return folder / f'{START}-{key.hexdigest()[:32]}.engine'


def whole_engine(path: Path) -> bytes:
    """Read an engine from the cache; raises CheckpointError where it is not there or not whole."""
    header, data = read_engine(path)
    if header != hashlib.sha256(data).hexdigest():
        raise CheckpointError(f'{path}: expected an engine with its digest, got one that was cut short or changed')
    return data


def keep(data: bytes, path: Path) -> None:
    """Write an engine to the cache, whole or not at all, and forget the oldest ones; OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, with_header(hashlib.sha256(data).hexdigest(), data))
    for old in sorted(path.parent.glob(f'{START}-*.engine'), key=lambda file: file.stat().st_mtime)[:-KEPT]:
        old.unlink(missing_ok=True)
