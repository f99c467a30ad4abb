"""The command velodyne_to_depth: LiDAR scans of a KITTI drive or a bag become depth PNGs, with matched images."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from .. import cli
from ..errors import DepthNodeError
from ..kitti_messages import CAMERA_TOPICS, CLOUD_TOPIC
from .bag_source import BagSource
from .projector import MODES
from .run import IMAGE_CHOICES, Output, Row, mark_partial, run, write_manifest
from .sources import FolderSource

NAME = 'velodyne_to_depth'
SUMMARY = 'Make depth PNGs (uint16, metres x 256) of the LiDAR scans of a KITTI drive or a bag, with matched images.'
STATUSES = 'ok', 'partial', 'skipped', 'failed'
BAG_SUFFIXES = '.bag', '.mcap', '.db3'


def arguments() -> argparse.ArgumentParser:
    """Return the command's parser."""
    parser = cli.parser(NAME, SUMMARY, f'{NAME} 2011_09_26/2011_09_26_drive_0005_sync depth_0005 --jobs 4')
    parser.add_argument('source', type=Path, metavar='SOURCE', help='a KITTI raw drive (_sync folder) or a bag')
    parser.add_argument('out', type=Path, metavar='OUT', help='folder for depth/, image/, overlay/ and manifest.csv')
    parser.add_argument('--camera', type=int, choices=CAMERA_TOPICS, default=2,
                        help="KITTI's number: 0, 1 grey left, right; 2, 3 colour left, right; default: 2")
    parser.add_argument('--mode', choices=MODES, default='nearest',
                        help='nearest: the right pixel; monodepth2: as its kitti_utils.py, faults included')
    parser.add_argument('--images', choices=IMAGE_CHOICES, default='link',
                        help="link: the drive's files, taking no space (a bag's are written as PNG); default: link")
    parser.add_argument('--overlay', action='store_true', help='draw the depth over each image')
    parser.add_argument('--jobs', type=_count, default=1, metavar='N', help='processes; default: 1')
    parser.add_argument('--json', action='store_true', help='print a summary as JSON')
    folder = parser.add_argument_group('for a KITTI drive')
    folder.add_argument('--calib', type=Path, metavar='DIR', help='where the calib_*.txt files are, if not beside it')
    bag = parser.add_argument_group('for a bag (its frames must be connected by /tf_static or /tf)')
    bag.add_argument('--cloud-topic', default='', metavar='TOPIC', help=f'default: {CLOUD_TOPIC}')
    bag.add_argument('--image-topic', default='', metavar='TOPIC', help=f'default: {CAMERA_TOPICS[2]}/image_raw')
    bag.add_argument('--info-topic', default='', metavar='TOPIC', help='default: camera_info beside the image')
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run velodyne_to_depth."""
    args = arguments().parse_args(argv)
    return cli.run(NAME, lambda: convert(args))


def convert(args: argparse.Namespace) -> int:
    """Make the depth maps that the arguments ask for; return 1 where a frame failed or nothing came of any."""
    start_s = time.perf_counter()
    source = open_source(args)
    for text in source.warnings:
        cli.warn(NAME, text)
    rows: list[Row] = []
    try:
        for row in cli.progress(run(source, output_of(args), args.jobs), total=source.count):
            rows.append(row)
            if row.reason:
                cli.warn(NAME, f'{row.name}: {row.reason}' if row.name else row.reason)
    finally:
        rows = finish(args.out, rows)
    report(args, rows, time.perf_counter() - start_s)
    return int(any(row.status == 'failed' for row in rows) or all(row.status == 'skipped' for row in rows))


def open_source(args: argparse.Namespace) -> FolderSource | BagSource:
    """Open the source as what it is. Raises one of our errors where it is neither, or broken."""
    with_images = args.images != 'none' or args.overlay
    topics = args.cloud_topic, args.image_topic, args.info_topic
    if is_bag(args.source):
        return BagSource.open(args.source, args.camera, with_images, topics)
    if not args.source.is_dir():
        raise DepthNodeError(f'{args.source}: expected a KITTI raw drive or a bag, got no such folder or bag file')
    if any(topics):
        raise DepthNodeError(f'{args.source}: expected a bag with the topics that were named, got a folder without one')
    return FolderSource.open(args.source, args.camera, with_images, args.calib)


def is_bag(path: Path) -> bool:
    """Tell whether a path is a bag's file, or a folder that holds a rosbag2."""
    if not path.is_dir():
        return path.suffix in BAG_SUFFIXES
    return (path / 'metadata.yaml').exists() or any(file.suffix in BAG_SUFFIXES for file in path.iterdir())


def output_of(args: argparse.Namespace) -> Output:
    """Return the output that the arguments ask for."""
    return Output(args.out, args.mode, args.images, args.overlay)


def finish(out: Path, rows: list[Row]) -> list[Row]:
    """Mark and report the partial scans, now that all are known, and write the manifest, also after an interruption."""
    rows = mark_partial(rows)
    for row in rows:
        if row.status == 'partial':
            cli.warn(NAME, f'{row.name}: {row.reason}')
    if rows:
        try:
            write_manifest(out / 'manifest.csv', rows)
        except OSError as error:
            raise DepthNodeError(f'{out / "manifest.csv"}: expected to write it, got: {error.strerror}') from error
    return rows


def report(args: argparse.Namespace, rows: list[Row], seconds: float) -> None:
    """Print what was made, for people or as JSON."""
    summary = summarize(rows)
    if args.json:
        cli.print_json({'out': str(args.out), 'mode': args.mode, **summary, 'seconds': round(seconds, 3)})
        return
    counts = ', '.join(f'{summary[status]} {status}' for status in STATUSES if summary[status])
    print(f'{args.out}: {len(rows)} frames ({counts or "none"}), {summary["pixels"]} pixels each in the median '
          f'({100 * summary["coverage"]:.1f} %), {seconds:.1f} s')


def summarize(rows: list[Row]) -> dict[str, Any]:
    """Count the frames by status and take the medians of those that have a map."""
    counts = {status: sum(row.status == status for row in rows) for status in STATUSES}
    pixels = [row.pixels for row in rows if row.pixels is not None]
    coverage = [row.coverage for row in rows if row.coverage is not None]
    sizes = [row.png_bytes for row in rows if row.png_bytes is not None]
    medians = [float(np.median(values)) if values else 0.0 for values in (pixels, coverage, sizes)]
    return {'frames': len(rows), **counts, 'pixels': int(medians[0]), 'coverage': round(medians[1], 5),
            'png_bytes': int(medians[2])}


def _count(text: str) -> int:
    """Read a number of processes."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'expected a number of processes from 1 on, got {text!r}')
    return int(text)


if __name__ == '__main__':
    sys.exit(main())
