"""Images listed in a CSV: FOLDER/index.csv, a row an image, for a camera of your own as for anything else.

Columns: `file`, `fx`, `fy`, `cx`, `cy` [px] must be there. `split`, `drive`, `depth` (a map PNG uint16 = m x 256 or
NPY float m, sparse or dense; 0: none), `truth` (its kind: lidar, annotated, exact, dense; default lidar), `pair` (the
right image of a rectified stereo pair) and `baseline` [m] may be.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from msg_tools.camera import Intrinsics, Size

from .frame import DatasetError, Frame, Item, Points, read_rgb
from .kitti import read_index

BASELINES_M = {'image_02': 0.5327, 'grey': 0.5372}  # KITTI's colour and grey cameras, where the index gives none


def image_items(root: Path, split: str = '') -> list[Item]:
    """List the images of a folder's index."""
    return [image_item(root, row) for row in read_index(root) if split in ('', row.get('split', ''))]


def image_item(root: Path, row: Mapping[str, str]) -> Item:
    """Return what a row of the index names."""
    name = str(Path(row['file']).with_suffix(''))
    baseline_m = float(row.get('baseline') or BASELINES_M.get(row.get('camera', ''), 0.0))
    paired = bool(row.get('pair')) and baseline_m > 0
    return Item(root.name, row.get('drive') or root.name, name, partial(image_frame, root, row),
                partial(read_rgb, root / row['pair']) if paired else None, baseline_m if paired else 0.0)


def image_frame(root: Path, row: Mapping[str, str]) -> Frame:
    """Read a row of the index as a Frame."""
    rgb = read_rgb(root / row['file'])
    try:
        fx, fy, cx, cy = (float(row[name]) for name in ('fx', 'fy', 'cx', 'cy'))
    except (KeyError, ValueError) as error:
        raise DatasetError(f'{root / "index.csv"}: {row["file"]}: expected fx, fy, cx, cy [px], got {error}') from error
    labels: tuple[Points, ...] = ()
    return Frame(row.get('drive') or root.name, str(Path(row['file']).with_suffix('')), rgb,
                 Intrinsics(fx, fy, cx, cy, Size(*rgb.shape[:2])), labels)
