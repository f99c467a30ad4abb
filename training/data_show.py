"""depth_data show: a picture of each frame and its labels, so that a data fault is seen before it is learnt.

Each kind of label is drawn over the image, red near and blue far, grey-blue where nothing is in range. With
--labels-from the maps and the sky that a training adds are shown, and a sample as the loop gets it: the network's
input and its target, augmented. In a window: space or n, p and q for the next frame, the one before, and the end.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from msg_tools import cli
from msg_tools.camera import Array
from msg_tools.errors import DepthNodeError
from msg_tools.whole_file import write_whole

from .augment import Sample
from .config import TrainConfig, load_config
from .data_picture import panels, row_picture, stacked
from .data_sources import add_choice, add_sources, choose_items, positive
from .datasets import open_sources
from .datasets.frame import DatasetError, Frame, Item
from .labels import ordered, read_every_label
from .loader import Frames, Samples

NAME = 'depth_data show'
EXAMPLE = f"""{NAME} images:my_camera#train --out pictures --every 10
  {NAME} kitti:kitti/training#train --data ../shared/data --labels-from config/train.yaml --window"""
NEXT, BEFORE, QUIT = (ord(' '), ord('n'), 13), (ord('p'), 8), (ord('q'), 27)


@dataclass(frozen=True, slots=True)
class Shown:
    """A frame's picture uint8 (h, w, 3) RGB and its line of text."""

    text: str
    picture: Array


def main(argv: list[str] | None = None) -> int:
    """Run depth_data show."""
    parser = cli.parser(NAME, __doc__ or '', EXAMPLE)
    add_sources(parser)
    add_choice(parser)
    parser.add_argument('--out', type=Path, metavar='DIR', help='write sheet_000.jpg, ... and frames.txt there')
    parser.add_argument('--window', action='store_true', help='show one frame after the other')
    parser.add_argument('--labels-from', type=Path, metavar='CONFIG', help="a training's settings: maps, sky, target")
    parser.add_argument('--set', nargs='+', default=[], metavar='KEY=VALUE', help='changes to those settings')
    parser.add_argument('--width', type=positive, default=400, metavar='PX', help='of a panel (default: 400)')
    parser.add_argument('--columns', type=positive, default=4, metavar='N', help='panels in a line (default: 4)')
    parser.add_argument('--per-sheet', type=positive, default=8, metavar='N', help='frames on a sheet (default: 8)')
    args = parser.parse_args(argv)
    if not args.out and not args.window:
        parser.error('expected --out DIR or --window')
    return cli.run(NAME, lambda: show(args))


def show(args: argparse.Namespace) -> int:
    """Show the frames where they are wanted; return 1 where one could not be read."""
    config = load_config(args.labels_from, args.set) if args.labels_from else None
    items = choose_items(open_sources(args.sources, args.data or (config.data if config else '')), args)
    return show_window(items, config, args) if args.window else write_sheets(items, config, args)


def write_sheets(items: Sequence[Item], config: TrainConfig | None, args: argparse.Namespace) -> int:
    """Write contact sheets of the frames and a line of text for each."""
    lines, failed, count = [], 0, 0
    for first in range(0, len(items), args.per_sheet):
        pictures = []
        for item in cli.progress(items[first : first + args.per_sheet], text=f'sheet {first // args.per_sheet}'):
            try:
                shown = shown_frame(item, config, args)
            except DatasetError as error:
                cli.warn(NAME, f'{item.source}/{item.name}: {error}')
                failed += 1
                continue
            pictures.append(shown.picture)
            lines.append(shown.text)
        if pictures:
            write_jpeg(args.out / f'sheet_{count:03d}.jpg', stacked(pictures))
            count += 1
    if lines:
        write_file(args.out / 'frames.txt', ''.join(f'{line}\n' for line in lines).encode())
    print(f'{args.out}: {len(lines)} frames on {count} sheets, {failed} could not be read')
    return int(failed > 0)


def shown_frame(item: Item, config: TrainConfig | None, args: argparse.Namespace) -> Shown:
    """Read a frame and draw it."""
    if config is None:
        frame, sample = item.read(), None
    else:
        frame = read_every_label(item, config.maps, config.align, 'sky' in config.labels)
        sample = sample_of(item, frame, config)
    text = line_of(item, frame)
    return Shown(text, row_picture(text, panels(frame, args.width, sample), args.columns))


def sample_of(item: Item, frame: Frame, config: TrainConfig) -> Sample:
    """Return what the training loop could draw of a frame; the same each time."""
    labelled = ordered(frame, config.labels)
    rng = np.random.default_rng([config.seed, *item.name.encode()])
    return Samples(Frames([item], config), config).view(labelled, rng)


def line_of(item: Item, frame: Frame) -> str:
    """Describe a frame: drive, name, size, focal length, then each kind's count and depths, and the share of sky."""
    camera = frame.camera
    parts = [f'{frame.drive} {item.source}/{frame.name} {camera.size} f={camera.focal_px:.0f}px']
    for points in frame.labels:
        near = points.depth_m[np.isfinite(points.depth_m)]
        beyond = 1 - near.size / max(points.depth_m.size, 1)
        part = f'{points.kind} {points.depth_m.size}'
        if near.size:
            part += f' ({near.min():.1f} to {near.max():.1f} m, median {np.median(near):.1f})'
        parts.append(part + (f' {beyond:.0%} beyond' if beyond else ''))
    return ' | '.join([*parts, *([] if frame.labels else ['no label'])])


def show_window(items: Sequence[Item], config: TrainConfig | None, args: argparse.Namespace) -> int:
    """Show one frame at a time until the user ends it; raises DepthNodeError where there is no display."""
    require_display()
    at, failed = 0, set()
    while 0 <= at < len(items):
        try:
            shown = shown_frame(items[at], config, args)
        except DatasetError as error:
            cli.warn(NAME, f'{items[at].source}/{items[at].name}: {error}')
            failed.add(at)
            at += 1
            continue
        print(f'{at + 1}/{len(items)} {shown.text}', flush=True)
        step = ask(shown.picture)
        if step is None:
            break
        at = max(at + step, 0)
    cv2.destroyAllWindows()
    return int(bool(failed))


def ask(picture: Array) -> int | None:
    """Show a picture and wait for a key: 1 for the next, -1 for the one before, None for the end."""
    try:
        cv2.imshow(NAME, picture[..., ::-1])
        while True:
            key = cv2.waitKey(100) & 0xFF
            if key in QUIT or cv2.getWindowProperty(NAME, cv2.WND_PROP_VISIBLE) < 1:
                return None
            if key in NEXT or key in BEFORE:
                return 1 if key in NEXT else -1
    except cv2.error as error:
        raise DepthNodeError('expected an OpenCV that can open a window, got one without (opencv-python-headless?); '
                             'write files with --out DIR') from error


def require_display() -> None:
    """Raise DepthNodeError where there is no display: OpenCV's Qt would end the process without a word of ours."""
    if sys.platform.startswith('linux') and not (os.environ.get('DISPLAY') or os.environ.get('WAYLAND_DISPLAY')):
        raise DepthNodeError('expected a display for --window, got none (DISPLAY is not set); '
                             'write files with --out DIR')


def write_jpeg(path: Path, rgb: Array) -> None:
    """Write a picture as JPEG."""
    write_file(path, cv2.imencode('.jpg', rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes())


def write_file(path: Path, data: bytes) -> None:
    """Write a file and the folder it needs; raises DepthNodeError where that fails."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, data)
    except OSError as error:
        raise DepthNodeError(f'{path}: expected to write a file, got: {error}') from error


if __name__ == '__main__':
    raise SystemExit(main())
