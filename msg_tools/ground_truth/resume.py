"""Go on where an earlier run into the same folder ended: which frames are done, and whether they are ours to keep."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import OutputError
from ..whole_file import replacing, write_whole
from .journal import NAME as JOURNAL
from .journal import Journal, read_journal
from .manifest import FORMATS, Row, read_manifest
from .output import Output, writing
from .records import Records
from .sources import Entry

try:
    import fcntl
except ImportError:  # Windows: nothing keeps two runs apart there
    fcntl = None  # type: ignore[assignment]

SETTINGS = 'settings.json'
NOT_COMPARED = 'digest', 'version', 'source'
TEMPORARY = re.compile(r'\..+\.part')  # of whole_file.replacing


@contextmanager
def only_run(folder: Path) -> Iterator[None]:
    """Keep other runs out of a folder while this one lasts. Raises OutputError where there is one."""
    if fcntl is None:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OutputError(f'{folder}: expected a folder for this run alone, got one that another run writes to; '
                              'wait for it, or name another folder') from error
        except OSError:  # a file system without locks
            pass
        yield
    finally:
        os.close(handle)


def reopen(output: Output, entries: Sequence[Entry], digest: str, settings: dict[str, Any], overwrite: bool) -> Records:
    """Return the records of the frames that are done, in a new journal that takes the old one's place.

    A frame is done if it has a map and all files, made with these settings of a scan with these stamps. Raises
    OutputError where the folder holds maps made with other settings, unless they are to be overwritten.
    """
    path = output.folder / JOURNAL
    with writing(path), replacing(path) as temporary:
        journal = Journal(temporary)
        try:
            records = Records(journal, len(entries))
            if not overwrite:
                _keep(records, output, entries, digest, settings)
        except BaseException:
            journal.close()
            raise
    journal.path = path
    return records


def _keep(records: Records, output: Output, entries: Sequence[Entry], digest: str, settings: dict[str, Any]) -> None:
    index_of = {entry.name: index for index, entry in enumerate(entries) if not entry.skip}
    complete = None
    for row in previous_rows(output.folder):
        if row.has_map and row.settings != digest:
            raise OutputError(f'{output.folder}: expected an empty folder or maps made with the same settings, got '
                              f'some made with other ones{_difference(output.folder, settings)}; make them again with '
                              '--overwrite, or name another folder')
        complete = output.complete() if complete is None else complete
        index = index_of.get(row.name)
        if index is not None and row.has_map and row.name in complete and _same_scan(row, entries[index]):
            records.add(index, replace(row, status='ok', reason=''))  # whether it is partial, all together tell


def previous_rows(folder: Path) -> Iterator[Row]:
    """Yield the rows of earlier runs: the manifest's, then those of a journal that did not become one."""
    for suffix in FORMATS:
        if (path := folder / f'manifest.{suffix}').exists():
            yield from read_manifest(path)
    yield from read_journal(folder / JOURNAL)


def clean(output: Output) -> None:
    """Remove the temporary files that killed processes left."""
    for place in (output.folder, *output.places.values()):
        for path in place.iterdir() if place.is_dir() else ():
            if TEMPORARY.fullmatch(path.name):
                path.unlink(missing_ok=True)


def write_settings(folder: Path, settings: dict[str, Any]) -> None:
    """Write settings.json. Raises OutputError where that is not possible."""
    with writing(folder / SETTINGS):
        write_whole(folder / SETTINGS, (json.dumps(settings, indent=2) + '\n').encode())


def _same_scan(row: Row, entry: Entry) -> bool:
    return (row.image_stamp_ns, row.cloud_stamp_ns) == (entry.image_stamp_ns, entry.cloud_stamp_ns)


def _difference(folder: Path, settings: dict[str, Any]) -> str:
    """Say which settings differ from those of the folder, where that can be read."""
    try:
        before = json.loads((folder / SETTINGS).read_text())
        names = [name for name in settings if name not in NOT_COMPARED and before.get(name) != settings[name]]
    except (OSError, ValueError, AttributeError):
        return ''
    return f' ({", ".join(f"{name}: {before.get(name)}, now {settings[name]}" for name in names)})' if names else ''
