"""Write a file whole or not at all: to a temporary name beside it, then renamed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex


def write_whole(path: Path | str, data: bytes) -> None:
    """Write bytes to a file in an existing folder, replacing what was there; OSError leaves the old file as it was."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


@contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Hand out a temporary name beside a path, which takes the path's place if all goes well and vanishes if not."""
    path = Path(path)
    temporary = path.with_name(f'.{path.name}.{token_hex(4)}.part')  # of its own on every machine that shares a disk
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)  # left by a failure, or where both were hard links to one file
