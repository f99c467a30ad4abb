"""The header that every network file of ours carries, whatever its format: one JSON text under one key.

It says which network it is, the camera that it knows, and how it came about; an exported file says how it was
exported, too. Knows no torch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msg_tools.errors import CheckpointError

KEY = 'depth_node'  # the one entry of a file's metadata that is ours
FORMAT = 1


def header_text(model: Mapping[str, Any], metadata: Mapping[str, Any]) -> str:
    """Return the header of a model config, as plain values, and other plain values: training, metrics, export."""
    return json.dumps({'format': FORMAT, 'model': model, **metadata})


def parse_header(path: Path, text: str | None) -> dict[str, Any]:
    """Parse our JSON header; raises CheckpointError where there is none or it is of another format."""
    try:
        if text is None:
            raise ValueError('none')
        metadata = json.loads(text)
        if not isinstance(metadata, dict) or metadata['format'] != FORMAT or not isinstance(metadata['model'], dict):
            raise ValueError(f'a header of another format: {text[:80]}')
    except (KeyError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: expected our header of format {FORMAT} in the file's metadata under '{KEY}', "
                              f'got {error}; is it a network of another program or version?') from error
    del metadata['format']
    return metadata
