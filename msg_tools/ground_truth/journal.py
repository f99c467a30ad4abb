"""The journal of a run: a line of JSON for each frame as soon as its files are there, so that no end loses it.

It lies beside the manifest while a run lasts, and becomes the manifest at its end; the next run reads what a killed one
left. The last line may be torn, and is then none.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .manifest import Row

NAME = 'manifest.part.jsonl'


class Journal:
    """Rows in a file at `path`, each found again by where it begins."""

    def __init__(self, path: Path) -> None:
        """Begin an empty journal; what was at this path is lost. Raises OSError where it cannot be written."""
        self.path = path
        self._file = path.open('wb', buffering=0)  # no buffer that could be lost, or fail once more when it is closed
        self._reader = path.open('rb')
        self._end = 0

    def add(self, row: Row) -> int:
        """Append a row, hand it to the operating system, and return where it begins. Raises OSError for a full disk."""
        line = json.dumps(row.as_dict(), separators=(',', ':'), default=_plain).encode() + b'\n'
        at = self._end
        if self._file.write(line) != len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._end += len(line)
        return at

    def at(self, offset: int) -> Row:
        """Return the row that begins there."""
        self._reader.seek(offset)
        return Row(**json.loads(self._reader.readline()))

    def close(self) -> None:
        """Close the file, which stays."""
        self._file.close()
        self._reader.close()


def read_journal(path: Path) -> Iterator[Row]:
    """Yield the rows of a journal up to the first line that is torn; none where there is no journal."""
    if not path.exists():
        return
    with path.open('rb') as file:
        for line in file:
            try:
                row = Row(**json.loads(line))
            except (ValueError, TypeError):
                return
            yield row


def _plain(value: Any) -> Any:
    """Return a NumPy number as Python's."""
    return value.item()
