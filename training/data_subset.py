"""depth_data subset: write some of the frames as a folder of their own, OUT/index.csv, which trains as images:OUT.

Image files are linked (or copied); LiDAR goes out as the sparse map of the image's pixels, PNG uint16 = m x 256 (less
than 1/512 m off, 65535: nothing within range). A frame with labels of several kinds keeps the most trusted.
"""

from __future__ import annotations

import argparse
import csv
import io
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from msg_tools import cli
from msg_tools.camera import Array
from msg_tools.depth_png import encode_depth_steps
from msg_tools.errors import DepthNodeError
from msg_tools.image_file import encode_rgb, read_rgb
from msg_tools.whole_file import replacing, write_whole

from .data_sources import add_choice, add_sources, choose_items
from .datasets import open_source, refuse_twice
from .datasets.depth_file import BEYOND
from .datasets.frame import TRUTH, DatasetError, Frame, Item, Points

NAME = 'depth_data subset'
EXAMPLE = f"""{NAME} kitti:kitti/training#train small --data ../shared/data --every 20
  depth_train config/train.yaml train=images:small"""
COLUMNS = ('split', 'file', 'drive', 'width', 'height', 'fx', 'fy', 'cx', 'cy', 'depth', 'truth', 'pair', 'baseline')
KINDS = (*TRUTH, 'dense')  # that a folder of this layout can hold


def main(argv: list[str] | None = None) -> int:
    """Run depth_data subset."""
    parser = cli.parser(NAME, __doc__ or '', EXAMPLE)
    add_sources(parser)
    parser.add_argument('out', type=Path, metavar='OUT', help='folder to write, new or empty')
    add_choice(parser)
    parser.add_argument('--split', metavar='NAME', help='what the column split says (default: what follows the #)')
    parser.add_argument('--images', choices=('link', 'copy'), default='link', help='image files; default: link, which '
                        'takes no space (from another disk: copy)')
    parser.add_argument('--json', action='store_true', help='print a summary as JSON')
    args = parser.parse_args(argv)
    return cli.run(NAME, lambda: subset(args))


def subset(args: argparse.Namespace) -> int:
    """Write the frames that the options ask for; return 1 where one could not be read."""
    splits = {}
    for text in args.sources:
        split = text.partition('#')[2] if args.split is None else args.split
        splits.update(dict.fromkeys(open_source(text, args.data), split))
    refuse_twice(splits)
    items = choose_items(list(splits), args)
    if args.out.exists() and (not args.out.is_dir() or any(args.out.iterdir())):
        raise DepthNodeError(f'{args.out}: expected a new or empty folder, got a file or one with files; name another')
    rows, failed = [], 0
    for item in cli.progress(items):
        try:
            rows.append({'split': splits[item], **write_frame(args.out, item, args.images == 'link', several(items))})
        except DatasetError as error:
            cli.warn(NAME, f'{item.source}/{item.name}: {error}')
            failed += 1
        except OSError as error:
            raise DepthNodeError(f'{args.out}: expected to write a frame, got: {error}; is the disk full?') from error
    write_index(args.out, rows)
    return report(args, rows, failed)


def several(items: Sequence[Item]) -> bool:
    """Tell whether frames come from folders of different names, so that these have to be part of theirs."""
    return len({item.source for item in items}) > 1


def write_frame(out: Path, item: Item, link: bool, with_source: bool) -> dict[str, object]:
    """Write a frame's image, depth and right image, and return its row of the index."""
    frame = item.read()
    name = f'{item.source}/{item.name}' if with_source else item.name
    camera = frame.camera
    row: dict[str, object] = {'drive': frame.drive, 'width': camera.size.width, 'height': camera.size.height,
                              **{key: repr(float(getattr(camera, key))) for key in ('fx', 'fy', 'cx', 'cy')}}
    row['file'] = place_image(out, f'image/{name}', frame.rgb, item.file, link)
    if points := best_labels(frame):
        row.update(depth=f'depth/{name}.png', truth=points.kind)
        write_file(out / f'depth/{name}.png', encode_depth_steps(depth_steps(points, frame)))
    if item.read_right is not None:
        row.update(pair=f'right/{name}.png', baseline=repr(item.baseline_m))
        write_file(out / f'right/{name}.png', encode_rgb(item.read_right()))
    return row


def best_labels(frame: Frame) -> Points | None:
    """Return the most trusted labels of a frame that a depth file can hold."""
    found = [points for kind in KINDS for points in frame.labels if points.kind == kind and points.depth_m.size]
    return found[0] if found else None


def depth_steps(points: Points, frame: Frame) -> Array:
    """Draw labels as uint16 (H, W) steps of 1/256 m, nearest wins; BEYOND where nothing is in range, 0: no label."""
    size = frame.camera.size
    steps = np.where(points.depth_m * 256 < BEYOND - 0.5, np.rint(np.minimum(points.depth_m, 1e4) * 256), BEYOND)
    order = np.argsort(-steps, kind='stable')
    inside, index = size.flat_index(points.uv[order])
    drawn = np.zeros(size.pixels, np.uint16)
    drawn[index] = steps[order][inside].astype(np.uint16)
    return drawn.reshape(size.shape)


def place_image(out: Path, stem: str, rgb: Array, file: Path | None, link: bool) -> str:
    """Put an image into the folder, its file where that holds these very pixels, else a PNG; return its new name."""
    if file is None or not same_image(file, rgb):
        write_file(out / f'{stem}.png', encode_rgb(rgb))
        return f'{stem}.png'
    name = f'{stem}{file.suffix}'
    (out / name).parent.mkdir(parents=True, exist_ok=True)
    if link:
        try:
            (out / name).hardlink_to(file.resolve())
            return name
        except OSError:  # another disk, or a file system without
            pass
    with replacing(out / name) as temporary:
        shutil.copyfile(file, temporary)
    return name


def same_image(file: Path, rgb: Array) -> bool:
    """Tell whether a file holds an image to the pixel: a frame may be cut or undistorted from it."""
    try:
        return np.array_equal(read_rgb(file), rgb)
    except DepthNodeError:
        return False


def write_file(path: Path, data: bytes) -> None:
    """Write a file and the folder it needs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, data)


def write_index(out: Path, rows: Sequence[dict[str, object]]) -> None:
    """Write index.csv last, so that where it is, all is. Raises DatasetError for no row."""
    if not rows:
        raise DatasetError(f'{out}: expected frames to write, got none that could be read')
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval='', lineterminator='\n')
    writer.writeheader()
    writer.writerows(rows)
    try:
        write_whole(out / 'index.csv', text.getvalue().encode())
    except OSError as error:
        raise DepthNodeError(f'{out}: expected to write index.csv, got: {error}; is the disk full?') from error


def report(args: argparse.Namespace, rows: Sequence[dict[str, object]], failed: int) -> int:
    """Print what was written, for people or as JSON; return 1 where a frame failed."""
    drives, depth = len({row['drive'] for row in rows}), sum('depth' in row for row in rows)
    if args.json:
        cli.print_json({'out': str(args.out), 'frames': len(rows), 'drives': drives, 'depth': depth, 'failed': failed})
    else:
        print(f'{args.out}: {len(rows)} frames of {drives} drives, {depth} with depth, {failed} could not be read')
    return int(failed > 0)


if __name__ == '__main__':
    raise SystemExit(main())
