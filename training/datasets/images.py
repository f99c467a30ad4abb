"""Images listed in a CSV: FOLDER/index.csv, a row an image, for a camera of your own as for anything else.

| column | what |
|---|---|
| `file` | image, relative to the folder |
| `fx`, `fy`, `cx`, `cy` | intrinsics of the (rectified) image [px] |
| `width`, `height` | size that the intrinsics belong to; an image of another size is refused |
| `split` (or `use`) | chosen by images:FOLDER#SPLIT,SPLIT |
| `drive` (or `set`) | recording, the unit that train and val are split by; without it the whole folder is one |
| `depth` | map of the image's size, PNG uint16 = m x 256 (65535: beyond) or NPY float m; 0: none |
| `truth` | kind of that depth: lidar (default), annotated, exact, or dense (filled by somebody: edges are left out) |
| `pair`, `baseline` | other image of a rectified pair, and how far to the right it was taken [m]; < 0: to the left |

Only `file` and the intrinsics must be there. Without an index.csv the folder holds NAME.jpg or NAME.png with
NAME_calib.json (`{"K": [[...]], "width": ..., "height": ...}`) and, where there is depth, NAME_depth.png or .npy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from msg_tools.camera import Array, Intrinsics, Size
from msg_tools.image_file import read_rgb

from .calib_json import rows_beside
from .camera_check import camera_of
from .depth_file import read_depth
from .frame import DatasetError, Frame, Item, Points, dataset_errors, map_points, read_right, without_edges
from .index_file import in_split, read_index

COLUMNS = ('file', 'fx', 'fy', 'cx', 'cy')
DEPTH_KINDS = ('lidar', 'annotated', 'exact', 'dense')
BASELINES_M = {'image_02': 0.5327, 'grey': 0.5372}  # of KITTI's left cameras, by column `camera`, without `baseline`


@dataclass(frozen=True, slots=True)
class Listed:
    """A row of the index, understood: where it stands, what it names, and the numbers in it."""

    source: str
    drive: str
    name: str
    file: Path
    K: Array
    calibrated: Size | None
    depth: Path | None
    truth: str


def image_items(root: Path, split: str = '') -> list[Item]:
    """List the images of a folder. Raises DatasetError for its index, naming the row."""
    rows = read_index(root, COLUMNS) if (root / 'index.csv').exists() else rows_beside(root)
    return [image_item(root, row) for row in in_split(rows, split, root)]


def image_item(root: Path, row: Mapping[str, str]) -> Item:
    """Return what a row of the index names."""
    source = f'{root / "index.csv"}: {row["file"]}'
    size = numbers(row, ('width', 'height'), source) if row.get('width') and row.get('height') else None
    listed = Listed(
        source, row.get('drive') or row.get('set') or root.name, safe_name(row['file']), root / row['file'],
        matrix(numbers(row, COLUMNS[1:], source)), Size(int(size[1]), int(size[0])) if size else None,
        root / row['depth'] if row.get('depth') else None, row.get('truth') or 'lidar',
    )
    if listed.depth and listed.truth not in DEPTH_KINDS:
        raise DatasetError(f'{source}: expected truth out of {", ".join(DEPTH_KINDS)}, got {listed.truth!r}')
    baseline_m = (numbers(row, ('baseline',), source)[0] if row.get('baseline')
                  else BASELINES_M.get(row.get('camera', ''), 0.0))
    paired = bool(row.get('pair')) and abs(baseline_m) > 0
    return Item(root.name, listed.drive, listed.name, partial(image_frame, listed),
                partial(read_right, root / row['pair']) if paired else None, baseline_m if paired else 0.0, listed.file)


@dataset_errors
def image_frame(listed: Listed) -> Frame:
    """Read an image and its depth."""
    rgb = read_rgb(listed.file)
    camera = camera_of(listed.K, Size(*rgb.shape[:2]), listed.source, listed.calibrated)
    labels = (depth_points(listed.depth, listed.truth, camera),) if listed.depth else ()
    return Frame(listed.drive, listed.name, rgb, camera, labels)


def depth_points(path: Path, kind: str, camera: Intrinsics) -> Points:
    """Read the depth of an image as labels."""
    depth_m = read_depth(path, camera.size)
    return map_points(without_edges(depth_m) if kind == 'dense' else depth_m, camera, kind)


def safe_name(file: str) -> str:
    """Return a file's name without its suffix as a path that stays below whatever folder it is joined to."""
    return '/'.join(part for part in Path(file).with_suffix('').parts if part not in ('/', '..'))


def matrix(values: list[float]) -> Array:
    """Return K (3, 3) of fx, fy, cx, cy."""
    fx, fy, cx, cy = values
    return np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])


def numbers(row: Mapping[str, str], columns: tuple[str, ...], source: str) -> list[float]:
    """Read numbers from a row; raises DatasetError where one is missing."""
    try:
        return [float(row[name]) for name in columns]
    except ValueError as error:
        got = ', '.join(f'{name}={row[name]!r}' for name in columns)
        raise DatasetError(f'{source}: expected numbers for {", ".join(columns)}, got {got}') from error
