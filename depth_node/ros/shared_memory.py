"""What Fast DDS has in shared memory: how much room there is, and what killed processes left behind."""

from __future__ import annotations

import fcntl
import os
import re
from pathlib import Path

SHARED_MEMORY = Path('/dev/shm')
LOCKS = re.compile(r'((?:fastdds|fastrtps)_(?:[0-9a-z]{16}|port\d+))_(?:el|sl)')


def free_shared_memory() -> int:
    """Return how many bytes of shared memory are free; 0 where there is none."""
    try:
        status = os.statvfs(SHARED_MEMORY)
    except OSError:
        return 0
    return status.f_bavail * status.f_frsize


def stale_files() -> list[Path]:
    """Return the files of processes that were killed: segments and ports whose lock file nobody holds, and these.

    What Fast DDS does itself in `fastdds shm clean`; nothing is changed here.
    """
    found = []
    for lock in sorted(SHARED_MEMORY.glob('fast*l')) if SHARED_MEMORY.is_dir() else []:
        match = LOCKS.fullmatch(lock.name)
        if match and not is_held(lock):
            found += [lock, SHARED_MEMORY / match[1], SHARED_MEMORY / f'sem.{match[1]}_mutex']
    return [path for path in dict.fromkeys(found) if path.exists()]


def is_held(lock: Path) -> bool:
    """Return whether a living process holds a lock file; True where that cannot be seen (another user's)."""
    try:
        with lock.open('rb') as file:
            return is_locked(file.fileno())
    except OSError:
        return True


def is_locked(file: int) -> bool:
    """Lock an open file, and tell whether somebody else has it locked."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    return False


def stale_warning() -> str:
    """Return what to say about the files of killed processes; nothing where there are none."""
    files = stale_files()
    size_mb = sum(path.stat().st_blocks * 512 for path in files if path.exists()) / 1e6
    return '' if not files else (
        f'{len(files)} files ({size_mb:.0f} MB) of killed processes in {SHARED_MEMORY}, e.g. {files[0].name}, slow DDS '
        'down and take its room; remove them: fastdds shm clean')
