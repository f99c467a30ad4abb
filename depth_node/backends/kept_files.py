"""Where converted networks are kept from one start to the next: the user's cache folder, one name for each case.

Whatever goes wrong with them costs time and nothing else.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

KEPT = 8  # networks of a kind; the oldest goes


def kept_path(start: str, suffix: str, code: Iterable[str], *case: str) -> Path | None:
    """Return where the network of a case is or would be; None where there is no place for it.

    start and suffix are those of its file's name, code the sources here that it depends on, case what else it does.
    """
    key = hashlib.sha256('\n'.join(case).encode())
    try:
        folder = Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache') / 'depth_node'
        for name in code:
            key.update((Path(__file__).parent / name).read_bytes())
    except (RuntimeError, OSError):  # no home, or a package without its sources
        return None
    return folder / f'{start}-{key.hexdigest()[:32]}{suffix}'


def forget_oldest(path: Path, start: str) -> None:
    """Delete the oldest files like this one beyond the number that is kept, and what lies beside them; OSError."""
    files = sorted(path.parent.glob(f'{start}-*{path.suffix}'), key=lambda file: file.stat().st_mtime)
    for old in files[:-KEPT]:
        for file in path.parent.glob(f'{old.stem}.*'):
            file.unlink(missing_ok=True)
