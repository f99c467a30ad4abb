"""Read a dataset's index.csv: a row an image, some of the rows by their split."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from .frame import DatasetError

Row = dict[str, str]

SPLIT_COLUMNS = ('split', 'use')  # the first of them that an index has says which split a row belongs to


def read_index(root: Path, columns: Sequence[str] = ()) -> list[Row]:
    """Read FOLDER/index.csv as one dict a row; raises DatasetError where it is missing or lacks one of the columns."""
    path = root / 'index.csv'
    try:
        with path.open(newline='', encoding='utf-8-sig') as file:  # -sig: spreadsheets put a mark in front
            reader = csv.DictReader(file, restval='', skipinitialspace=True)
            rows = [{key: value for key, value in row.items() if key} for row in reader]
            found = reader.fieldnames or []
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f'{path}: expected an index of images, got: {error}') from error
    if missing := [name for name in columns if name not in found]:
        raise DatasetError(f'{path}: expected columns {", ".join(columns)}, got {", ".join(found) or "none"}; '
                           f'without {", ".join(missing)} its images cannot be used')
    return rows


def in_split(rows: list[Row], split: str, source: Path) -> list[Row]:
    """Return the rows of a split, or of several with commas between; all of them for ''.

    Raises DatasetError where a split is none of the index's.
    """
    if not split:
        return rows
    column = next((name for name in SPLIT_COLUMNS if rows and name in rows[0]), 'split')
    there = sorted({row.get(column, '') for row in rows})
    if unknown := [name for name in split.split(',') if name not in there]:
        raise DatasetError(f'{source}: expected splits out of {", ".join(there) or "none"}, got {unknown[0]!r}')
    return [row for row in rows if row[column] in split.split(',')]
