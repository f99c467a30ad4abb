"""Read the manifest of a set of depth maps: a line for each frame, its numbers as columns."""

from __future__ import annotations

import csv
import re
import sys
from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..camera import Array
from ..errors import TruthSetError
from .manifest import STATUSES, Row, column_types
from .manifest import read_manifest as read_rows

NEEDED = 'name', 'status'
STAMPS = 'image_stamp_ns', 'cloud_stamp_ns'  # as float64 they would be 0.2 us off, so only differences are kept
TEXTS = 'name', 'status', 'reason'
NUMBER = re.compile(r'[0-9]+')


@dataclass(slots=True)
class Reason:
    """Why frames are not ok: how many, the first of them, and what it says; others may differ in its numbers."""

    status: str
    name: str
    text: str
    frames: int = 0


@dataclass(frozen=True)
class Manifest:
    """The frames of a set in order: names, statuses, why not ok, numbers by column (NaN: none)."""

    names: list[str] = field(repr=False)
    statuses: list[str] = field(repr=False)
    reasons: dict[tuple[str, str], Reason] = field(default_factory=dict)  # by status, and text without its numbers
    numbers: dict[str, Array] = field(default_factory=dict, repr=False)

    @classmethod
    def of_names(cls, names: Iterable[str]) -> Manifest:
        """Return what is known of maps without a manifest."""
        names = list(names)
        return cls(names, ['ok'] * len(names))

    def counts(self) -> dict[str, int]:
        """Return how many frames have each status that occurs."""
        counted = Counter(self.statuses)
        return {status: counted[status] for status in (*STATUSES, *counted) if counted[status]}

    def column(self, name: str) -> Array | None:
        """Return a column of numbers float64 (frames,), NaN where a frame has none; None without any."""
        values = self.numbers.get(name)
        return values if values is not None and np.isfinite(values).any() else None


def read_manifest(path: Path) -> Manifest:
    """Read a manifest, CSV or Parquet, one line at a time. Raises TruthSetError where it lacks columns or is none.

    The two stamps become `offset_ms` (image minus cloud) and `time_s` (of the cloud since the first), where the
    manifest itself has no columns of these names; columns that are no numbers are left out.
    """
    if path.suffix == '.parquet':
        return _read_lines(path, list(column_types(read_rows(path))), map(_texts, read_rows(path)))
    try:
        with path.open(newline='', encoding='utf-8', errors='replace') as file:
            lines = csv.DictReader(file)
            return _read_lines(path, lines.fieldnames or [], lines)
    except (OSError, csv.Error) as error:
        raise TruthSetError(f'{path}: expected a manifest (CSV), got: {error}') from error


def _texts(row: Row) -> dict[str, str]:
    """Return a row's cells as a CSV file has them."""
    return {name: '' if value is None else str(value) for name, value in row.flat().items()}


def _read_lines(path: Path, names: Iterable[str], lines: Iterable[dict[str, str]]) -> Manifest:
    columns = [name for name in names if name]
    if missing := [name for name in NEEDED if name not in columns]:
        raise TruthSetError(f'{path}: expected the columns {" and ".join(NEEDED)}, got no {" and no ".join(missing)}')
    found = Manifest([], [])
    numbers = {name: array('d') for name in columns if name not in (*TEXTS, *STAMPS)}  # a list takes four times as much
    stamps: tuple[list[int | None], list[int | None]] = [], []
    for line in lines:
        status = sys.intern(line['status'] or '')
        found.names.append(line['name'] or '')
        found.statuses.append(status)
        if line.get('reason'):
            kind = status, NUMBER.sub('#', line['reason'])
            found.reasons.setdefault(kind, Reason(status, line['name'], line['reason'])).frames += 1
        for name, values in numbers.items():
            values.append(_number(line.get(name)))
        for name, kept in zip(STAMPS, stamps, strict=True):
            kept.append(_integer(line.get(name)))
    found.numbers.update(_times(*stamps))
    found.numbers.update((name, np.array(values)) for name, values in numbers.items() if np.isfinite(values).any())
    return found


def _times(image_ns: list[int | None], cloud_ns: list[int | None]) -> dict[str, Array]:
    """Return offset_ms and time_s of the stamps [ns] of all frames."""
    first = next((stamp for stamp in cloud_ns if stamp is not None), 0)
    offsets = (np.nan if image is None or cloud is None else (image - cloud) / 1e6
               for image, cloud in zip(image_ns, cloud_ns, strict=True))
    times = (np.nan if cloud is None else (cloud - first) / 1e9 for cloud in cloud_ns)
    return {'offset_ms': np.fromiter(offsets, float), 'time_s': np.fromiter(times, float)}


def _number(text: str | None) -> float:
    try:
        return float(text or 'nan')
    except ValueError:
        return np.nan


def _integer(text: str | None) -> int | None:
    return int(text) if text and text.removeprefix('-').isdecimal() else None
