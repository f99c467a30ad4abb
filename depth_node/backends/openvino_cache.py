"""Converted networks, kept from one start to the next: reading one takes a tenth of the time, and no torch.

They lie in the user's cache folder, named by the digest of the checkpoint, of the code that converts, and by OpenVINO's
version. Whatever goes wrong with them costs time and nothing else.
"""

from __future__ import annotations

import hashlib
import logging
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from msg_tools.errors import CheckpointError

from .network import Network
from .openvino_backend import converted, openvino, read_graph, save_graph

log = logging.getLogger(__name__)

KEPT = 8  # graphs; the oldest goes
CODE = '../model.py', 'uint8_input.py', 'openvino_backend.py'  # what a graph depends on beside the weights


def cached_graph(network: Network) -> Any:
    """Return a network's OpenVINO graph of any input size, from the cache where it is there. Raises BackendError."""
    path = cache_path(network.digest) if network.digest else None
    if path is None:
        return converted(network.build())
    try:
        return read_graph(path)[0]
    except (CheckpointError, OSError) as error:
        log.debug('%s', error)  # none yet, damaged, or a folder of another user's
    graph = converted(network.build())
    try:
        keep(graph, path)
    except (OSError, RuntimeError) as error:
        log.debug('%s: not kept: %s', path, error)
    return graph


def cache_path(digest: str) -> Path | None:
    """Return where the graph of a checkpoint of this digest is or would be; None where there is no place for it."""
    key = hashlib.sha256(digest.encode())
    try:
        folder = Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache') / 'depth_node'
        for name in CODE:
            key.update((Path(__file__).parent / name).read_bytes())
    except (RuntimeError, OSError):  # no home, or a package without its sources
        return None
    return folder / f'openvino-{openvino.__version__.split("-")[0]}-{key.hexdigest()[:32]}.xml'


def keep(graph: Any, path: Path) -> None:
    """Write a graph to the cache, each of its two files whole, and forget the oldest ones; OSError, RuntimeError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=path.parent) as folder:
        made = Path(folder) / path.name
        save_graph(graph, made)
        for suffix in ('.bin', '.xml'):  # the .xml, which says of which .bin it is, at last
            os.replace(made.with_suffix(suffix), path.with_suffix(suffix))
    for old in sorted(path.parent.glob('openvino-*.xml'), key=lambda file: file.stat().st_mtime)[:-KEPT]:
        old.unlink(missing_ok=True)
        old.with_suffix('.bin').unlink(missing_ok=True)
