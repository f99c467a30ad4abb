"""A folder of images without an index: NAME_calib.json beside NAME.jpg, and NAME_depth.png where there is depth."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from .frame import DatasetError
from .index_file import Row

MARK = '_calib.json'


def rows_beside(root: Path) -> list[Row]:
    """Return what an index.csv of the folder would hold; raises DatasetError where it has no calibration either."""
    files = sorted(root.glob(f'*{MARK}'))
    if not files:
        raise DatasetError(f'{root}: expected a folder with index.csv, or images with NAME{MARK} beside each, got '
                           f'{"neither" if root.is_dir() else "no such folder"}')
    return [row_of(path) for path in files]


def row_of(path: Path) -> Row:
    """Return the row of an image by its calibration file: K (3, 3) [px], width and height."""
    stem = path.with_name(path.name.removesuffix(MARK))
    image, depth = (next((file for file in (stem.with_name(stem.name + end) for end in ends) if file.exists()), None)
                    for ends in (('.jpg', '.png', '.jpeg'), ('_depth.png', '_depth.npy')))
    if image is None:
        raise DatasetError(f'{path}: expected {stem.name}.jpg or .png beside it, got none')
    try:
        content = json.loads(path.read_text())
        K = np.array(content['K'], float).reshape(3, 3)
        size = {name: str(int(content[name])) for name in ('width', 'height')}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(f'{path}: expected JSON with K (3x3), width and height, got: {error!r}') from error
    pinhole = {'fx': K[0, 0], 'fy': K[1, 1], 'cx': K[0, 2], 'cy': K[1, 2]}
    return {'file': image.name, 'depth': depth.name if depth else '', **size,
            **{name: repr(float(value)) for name, value in pinhole.items()}}
