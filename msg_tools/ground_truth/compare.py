"""Compare depth maps of the same names in two folders: ours with other people's.

    python -m msg_tools.ground_truth.compare OURS THEIRS --json
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .. import cli
from ..errors import DepthNodeError, TruthSetError
from ..image_file import encode_rgb
from ..whole_file import write_whole
from .difference_picture import difference_picture
from .map_difference import WITHIN, DifferenceSum, MapDifference, compare_pair
from .map_folder import find_maps, read_pair

NAME = 'python -m msg_tools.ground_truth.compare'
HEAD = ('frame', 'in both', 'only ours', 'only theirs', 'median [m]', 'p95 [m]', 'median [%]', 'p95 [%]',
        *(f'within {limit:.0%}' for limit in WITHIN))
SHOWN = 20


@dataclass(frozen=True)
class Comparison:
    """Two folders of maps compared: by frame, in all, what is in one of them alone, and what could not be compared."""

    ours: Path
    theirs: Path
    frames: dict[str, MapDifference]
    total: MapDifference
    only_ours: tuple[str, ...]
    only_theirs: tuple[str, ...]
    failed: dict[str, str] = field(default_factory=dict)

    def worst(self) -> list[str]:
        """Return the names of the frames, those first that differ most at the 95th percentile, in parts of depth."""
        return sorted(self.frames, key=lambda name: -np.nan_to_num(self.frames[name].p95_rel, nan=-1.0))

    def as_dict(self) -> dict[str, Any]:
        """Return everything for JSON."""
        return {
            'ours': str(self.ours), 'theirs': str(self.theirs), 'total': self.total.as_dict(),
            'frames': {name: frame.as_dict() for name, frame in self.frames.items()},
            'names_only_ours': list(self.only_ours), 'names_only_theirs': list(self.only_theirs),
            'failed': self.failed,
        }

    def text(self) -> str:
        """Return a table for people: the frames that differ most, and all together."""
        rows = [cells(name, self.frames[name]) for name in self.worst()[:SHOWN]]
        lines = [cli.columns([HEAD, *rows, cells('all', self.total)])]
        if len(self.frames) > SHOWN:
            lines.append(f'({SHOWN} of {len(self.frames)} frames, those that differ most)')
        for names, where in ((self.only_ours, self.ours), (self.only_theirs, self.theirs)):
            if names:
                lines.append(f'only in {where}: {len(names)} maps, such as {names[0]}')
        return '\n'.join([*lines, *(f'{name}: {reason}' for name, reason in self.failed.items())])


def cells(name: str, frame: MapDifference) -> list[str]:
    """Return a row of the table."""
    counts = [str(count) for count in (frame.both, frame.only_ours, frame.only_theirs)]
    if not frame.both:
        return [name, *counts, *['-'] * (len(HEAD) - 4)]
    return [name, *counts, f'{frame.median_m:.3f}', f'{frame.p95_m:.3f}', f'{100 * frame.median_rel:.2f}',
            f'{100 * frame.p95_rel:.2f}', *(f'{share:.2%}' for share in frame.within)]


def compare_maps(ours: Path | str, theirs: Path | str, camera: int = 2) -> Comparison:
    """Compare the maps of the same names in two folders; see `find_maps` for how those may look.

    Frames are exact. Of all together the relative percentiles come from bins 1 % wide, the rest is exact; two maps are
    in memory at a time. A frame that cannot be compared is in `failed`, with its reason. Raises TruthSetError where a
    folder has no maps, or no name is in both.
    """
    ours, theirs = Path(ours), Path(theirs)
    left, right = find_maps(ours, camera), find_maps(theirs, camera)
    shared = sorted(left.keys() & right.keys())
    if not shared:
        raise TruthSetError(f'{theirs}: expected maps with the names of those in {ours}, such as {min(left)}, got '
                            f'others, such as {min(right)}')
    frames, failed, total = {}, {}, DifferenceSum()
    for name in cli.progress(shared, unit='map'):
        try:
            pair = read_pair(left[name], right[name])
        except DepthNodeError as error:
            failed[name] = ' '.join(str(error).split())
        else:
            frames[name] = compare_pair(*pair)
            total.add(*pair)
    only_ours, only_theirs = (tuple(sorted(a.keys() - b.keys())) for a, b in ((left, right), (right, left)))
    return Comparison(ours, theirs, frames, total.total(), only_ours, only_theirs, failed)


def draw_worst(comparison: Comparison, path: Path, camera: int = 2) -> str:
    """Draw the frame that differs most as a PNG file and return its name. Raises TruthSetError where none can be."""
    if not comparison.total.both:
        raise TruthSetError(f'{path}: expected pixels with depth in both maps to draw, got none')
    name = comparison.worst()[0]
    pair = (find_maps(folder, camera)[name] for folder in (comparison.ours, comparison.theirs))
    try:
        write_whole(path, encode_rgb(difference_picture(*read_pair(*pair))))
    except OSError as error:
        raise TruthSetError(f'{path}: expected to write a picture, got: {error}') from error
    return name


def main(argv: list[str] | None = None) -> int:
    """Compare two folders from the command line."""
    parser = cli.parser(NAME, 'Compare depth maps (uint16 PNG, metres x 256, 0: none) of the same names in two '
                        'folders.', f'{NAME} depth_0005 /data/kitti_depth/train/2011_09_26_drive_0005_sync --json')
    parser.add_argument('ours', type=Path, metavar='OURS', help='folder of maps, or with depth/')
    parser.add_argument('theirs', type=Path, metavar='THEIRS', help="the same, or of KITTI's depth benchmark")
    parser.add_argument('--camera', type=int, default=2, metavar='N', help="of KITTI's depth benchmark; default: 2")
    parser.add_argument('--picture', type=Path, metavar='FILE.png', help='draw the frame that differs most')
    parser.add_argument('--json', action='store_true', help='print everything as JSON')
    options = parser.parse_args(argv)
    return cli.run(NAME, lambda: _main(options))


def _main(options: argparse.Namespace) -> int:
    found = compare_maps(options.ours, options.theirs, options.camera)
    if options.picture:
        draw_worst(found, options.picture, options.camera)
    if options.json:
        cli.print_json(found.as_dict())
    else:
        print(found.text())
    return 1 if found.failed else 0


if __name__ == '__main__':
    sys.exit(main())
