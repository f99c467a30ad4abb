"""The command kitti_to_bag: a KITTI raw drive becomes a rosbag2, with kitti2bag's topics and frames."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from . import cli
from .bag_writer import STORAGES, BagWriter
from .errors import DepthNodeError
from .kitti import KittiDrive
from .kitti_bag_plan import Frames, Item, chosen_cameras, plan_drive
from .kitti_messages import CAMERA_FRAMES, static_message

NAME = 'kitti_to_bag'


def write_bag(
    drive: KittiDrive,
    out: Path,
    storage: str = 'mcap',
    frames: Frames = (0, sys.maxsize),
    cameras: Iterable[int] | None = None,
    compressed: bool = False,
    overwrite: bool = False,
    warn: Callable[[str], None] = lambda text: None,
) -> dict[str, int]:
    """Write a drive's frames as a rosbag2 folder and return the number of messages of each topic.

    What is missing or broken is told to `warn` and left out. Raises KittiError where nothing is left, CalibrationError
    without calibration, and BagError where the bag cannot be written.
    """
    chosen = chosen_cameras(drive, cameras)
    plan = plan_drive(drive, chosen, frames, compressed)
    for text in plan.warnings:
        warn(text)
    with BagWriter(out, storage, overwrite) as bag:
        first_ns = plan.items[0].stamp_ns
        bag.write('/tf_static', first_ns, static_message(first_ns, drive.calibration, chosen), latched=True)
        for item, message in read_items(plan.items, warn):
            bag.write(item.topic, item.stamp_ns, message)
        return bag.counts


def read_items(items: list[Item], warn: Callable[[str], None]) -> Iterator[tuple[Item, Any]]:
    """Yield each item with its message; one that cannot be read is told and left out."""
    for item in cli.progress(items, unit='message'):
        try:
            message = item.read()
        except DepthNodeError as error:
            warn(f'{error}; left out')
        else:
            yield item, message


def parse_frames(text: str) -> Frames:
    """Read 'A:B' as a range of frame numbers, B excluded; either may be left out."""
    first, colon, end = text.partition(':')
    try:
        result = int(first or 0), int(end or sys.maxsize)
    except ValueError:
        colon = ''
    if not colon or not 0 <= result[0] < result[1]:
        raise argparse.ArgumentTypeError(f"expected A:B with 0 <= A < B, such as 40:56, got '{text}'")
    return result


def arguments() -> argparse.ArgumentParser:
    """Return the command's parser."""
    parser = cli.parser(NAME, __doc__ or '', f'{NAME} 2011_09_26/2011_09_26_drive_0005_sync drive_0005 --frames 0:100')
    parser.add_argument('drive', type=Path, metavar='DRIVE', help='the _sync folder; its calibration lies beside it')
    parser.add_argument('out', type=Path, metavar='OUT', help='the rosbag2 folder to make')
    parser.add_argument('--storage', choices=STORAGES, default='mcap', help='default: mcap')
    parser.add_argument('--frames', type=parse_frames, default=(0, sys.maxsize), metavar='A:B', help='B is excluded')
    parser.add_argument('--cameras', type=int, nargs='+', choices=CAMERA_FRAMES, metavar='N',
                        help='0, 1 grey left, right; 2, 3 colour left, right; default: all that are there')
    parser.add_argument('--compressed', action='store_true', help='keep the image files as CompressedImage')
    parser.add_argument('--calib', type=Path, metavar='DIR', help='where the calib_*.txt files are, if elsewhere')
    parser.add_argument('--overwrite', action='store_true', help='replace a bag that is there')
    parser.add_argument('--json', action='store_true', help='print a summary as JSON')
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run kitti_to_bag."""
    args = arguments().parse_args(argv)
    return cli.run(NAME, lambda: convert(args))


def convert(args: argparse.Namespace) -> None:
    """Convert the drive that the arguments name, and say what the bag holds."""
    warnings: list[str] = []

    def warn(text: str) -> None:
        warnings.append(text)
        cli.warn(NAME, text)

    drive = KittiDrive(args.drive, args.calib)
    counts = write_bag(
        drive, args.out, args.storage, args.frames, args.cameras, args.compressed, args.overwrite, warn
    )
    if args.json:
        cli.print_json({'bag': str(args.out), 'storage': args.storage, 'messages': counts, 'warnings': warnings})
    else:
        print(f'{args.out}:\n{cli.columns([("topic", "messages"), *counts.items()])}')


if __name__ == '__main__':
    sys.exit(main())
