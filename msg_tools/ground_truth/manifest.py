"""The manifest: what became of each frame, a line each, as CSV or Parquet."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, fields
from itertools import islice
from pathlib import Path
from typing import Any

from ..errors import DepthNodeError
from ..whole_file import replacing

FORMATS = 'csv', 'parquet'
STATUSES = 'ok', 'partial', 'skipped', 'failed'
FACTS_BEFORE = 'status'  # where the facts stand among the columns
BATCH = 4096
ESCAPED = 'backslashreplace'  # the name of a file may be no text
NO_PYARROW = 'expected pyarrow for a Parquet manifest, got none; pip install "depth_node[truth]", or take CSV'


@dataclass(frozen=True, slots=True)
class Row:
    """What became of a frame. `status` is ok, partial, skipped (no map was to be made) or failed.

    `offset_ms` is the image's stamp minus the cloud's; x to qw are the camera's pose in the world at the exposure;
    `facts` are what the steps that made the map have to say; `settings` is the digest of what was asked for.
    """

    name: str
    source: str
    frame: int
    image_stamp_ns: int | None = None
    cloud_stamp_ns: int | None = None
    offset_ms: float | None = None
    exposure_ns: int | None = None
    x_m: float | None = None
    y_m: float | None = None
    z_m: float | None = None
    qx: float | None = None
    qy: float | None = None
    qz: float | None = None
    qw: float | None = None
    points: int | None = None
    pixels: int | None = None
    coverage: float | None = None
    turn_deg: float | None = None
    lowest_deg: float | None = None
    png_bytes: int | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    status: str = 'ok'
    reason: str = ''
    settings: str = ''
    version: str = ''

    @property
    def has_map(self) -> bool:
        """Return whether there is a depth map of the frame."""
        return self.status in ('ok', 'partial')

    def as_dict(self) -> dict[str, Any]:
        """Return the row by its fields; dataclasses.asdict copies what is in them, ten times as slowly."""
        return {name: getattr(self, name) for name in (*NAMES, 'facts')}

    def flat(self) -> dict[str, Any]:
        """Return the row with its facts among the columns."""
        cells = {name: getattr(self, name) for name in NAMES}
        return {**cells, **{name: value for name, value in self.facts.items() if name not in cells}}

    @classmethod
    def from_flat(cls, cells: dict[str, Any]) -> Row:
        """Undo `flat`; cells that are no column of every manifest are facts."""
        facts = {name: value for name, value in cells.items() if name not in NAMES and value is not None}
        return cls(**{name: cells[name] for name in NAMES if name in cells}, facts=facts)


NAMES = tuple(item.name for item in fields(Row) if item.name != 'facts')
TEXTS = 'name', 'source', 'status', 'reason', 'settings', 'version'
WHOLE = 'frame', 'image_stamp_ns', 'cloud_stamp_ns', 'exposure_ns', 'points', 'pixels', 'png_bytes'


def column_types(rows: Iterable[Row]) -> dict[str, set[type]]:
    """Return the columns of a manifest of these rows, and the types of what is in them.

    They are those of all manifests, and before the status the facts in the order of appearance.
    """
    facts: dict[str, set[type]] = {}
    for row in rows:
        for name, value in row.facts.items():
            if name not in NAMES:
                facts.setdefault(name, set()).update(() if value is None else (type(value),))
    fixed: dict[str, set[type]] = {name: {str if name in TEXTS else int if name in WHOLE else float} for name in NAMES}
    at = NAMES.index(FACTS_BEFORE)
    return {name: fixed.get(name) or facts[name] for name in (*NAMES[:at], *facts, *NAMES[at:])}


def write_manifest(path: Path, rows: Callable[[], Iterable[Row]], settings: dict[str, Any]) -> None:
    """Write the manifest as CSV or Parquet, by the suffix, whole or not at all; `rows` are gone through twice.

    Raises DepthNodeError where Parquet is asked for and pyarrow is missing, OSError where it cannot be written.
    """
    types = column_types(rows())
    with replacing(path) as temporary:
        if path.suffix == '.parquet':
            _write_parquet(temporary, types, rows(), settings)
        else:
            _write_csv(temporary, list(types), rows())


def read_manifest(path: Path) -> Iterator[Row]:
    """Yield the rows of a manifest. Raises DepthNodeError where it is broken or not ours."""
    try:
        yield from _read_parquet(path) if path.suffix == '.parquet' else _read_csv(path)
    except (OSError, ValueError, TypeError, KeyError, csv.Error) as error:
        raise DepthNodeError(f'{path}: expected a manifest that this tool wrote, got: {error}; name another folder, or '
                             'make all again with --overwrite') from error


def require_format(suffix: str) -> None:
    """Raise DepthNodeError where a manifest of this suffix cannot be written here."""
    if suffix == 'parquet':
        _pyarrow()


def _write_csv(path: Path, names: list[str], rows: Iterable[Row]) -> None:
    with path.open('w', newline='', encoding='utf-8', errors=ESCAPED) as file:
        writer = csv.DictWriter(file, names, lineterminator='\n')
        writer.writeheader()
        writer.writerows(row.flat() for row in rows)


def _read_csv(path: Path) -> Iterator[Row]:
    with path.open(newline='', encoding='utf-8') as file:
        for cells in csv.DictReader(file):
            yield Row.from_flat({name: _cell(name, text) for name, text in cells.items()})


def _cell(name: str, text: str) -> Any:
    """Read a cell: '' is none but for texts, a fact is a number where it looks like one."""
    if name in TEXTS:
        return text
    if not text:
        return None
    if name in NAMES:
        return int(text) if name in WHOLE else float(text)
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text


def _pyarrow() -> Any:
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise DepthNodeError(NO_PYARROW) from error
    return pyarrow


def _write_parquet(path: Path, types: dict[str, set[type]], rows: Iterable[Row], settings: dict[str, Any]) -> None:
    """Write a table, a batch at a time, whose metadata holds the settings as JSON under 'velodyne_to_depth'."""
    arrow = _pyarrow()
    schema = arrow.schema([(name, _arrow_type(arrow, kinds)) for name, kinds in types.items()],
                          {'velodyne_to_depth': json.dumps(settings)})
    with path.open('wb') as file, arrow.parquet.ParquetWriter(file, schema) as writer:  # of a name that may be no text
        rows = iter(rows)
        while batch := [row.flat() for row in islice(rows, BATCH)]:
            columns = [_alike([cells.get(name) for cells in batch], kinds) for name, kinds in types.items()]
            writer.write_table(arrow.table(columns, schema=schema))


def _arrow_type(arrow: Any, kinds: set[type]) -> Any:
    """Return the type of a column that holds values of these types."""
    if str in kinds:
        return arrow.string()
    return arrow.float64() if float in kinds else arrow.int64() if int in kinds else arrow.bool_()


def _alike(values: list[Any], kinds: set[type]) -> list[Any]:
    """Return a column's values, all as texts where some of them are."""
    if str in kinds:
        return [None if value is None else str(value).encode(errors=ESCAPED).decode() for value in values]
    return values


def _read_parquet(path: Path) -> Iterator[Row]:
    with path.open('rb') as file, _pyarrow().parquet.ParquetFile(file) as table:
        for batch in table.iter_batches(BATCH):
            yield from (Row.from_flat(cells) for cells in batch.to_pylist())
