"""depth_data stereo: metric depth of rectified stereo pairs by OpenCV's semi-global matching, checked left to right.

Writes OUT/SOURCE/NAME.npy (float16 m, half the image's size, 0: none) for each frame whose other image is there, for
`maps.stereo=OUT` of depth_train. A second run makes what is missing.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import astuple
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from msg_tools import cli
from msg_tools.camera import Array
from msg_tools.errors import DepthNodeError

from .data_maps import Maker, read_note, report, run
from .data_sources import add_sources, positive
from .datasets import open_source, open_sources
from .datasets.frame import DatasetError, Item, without_edges
from .stereo_offset import NONE, Offset, fit_offset, residuals

NAME = 'depth_data stereo'
EXAMPLE = f"""{NAME} images:my_rig stereo_maps --jobs 4
  {NAME} kitti:kitti/training images:kitti/images stereo_maps --data ../shared/data \\
    --calibrate kitti:kitti/training#train"""
BLOCK, CONSISTENT_PX, MIN_DISPARITY_PX = 5, 1.0, 1.0
TEXTURE, TEXTURE_PX = 2, 15  # grey levels that an image has to vary by, along so many pixels of a row
CALIBRATION_PAIRS = 40
NEAREST = 1 / 8  # of the image's width is the largest disparity: down to 4.6 m for KITTI's cameras


def stereo_depth(image: Array, other: Array, focal_px: float, baseline_m: float, offset: Offset = NONE) -> Array:
    """Match a rectified pair uint8 (H, W, 3) and return the first image's depth (H, W) [m]; 0 where it is unsure.

    The other camera is baseline_m to the right (or, where negative, to the left). A pixel counts where matching from
    the other image comes back within a pixel, where the image is not blank (an overexposed road matches the sky), and
    where no jump in depth is near. The offset of the rig's disparities is added.
    """
    if baseline_m < 0:
        return stereo_depth(image[:, ::-1], other[:, ::-1], focal_px, -baseline_m, offset.mirrored())[:, ::-1]
    disparities = max(1, round(image.shape[1] * NEAREST / 16)) * 16
    forth = match(image, other, disparities)
    back = match(other[:, ::-1], image[:, ::-1], disparities)[:, ::-1]
    column = np.arange(image.shape[1])[None] - np.rint(forth).astype(int)
    there = np.take_along_axis(back, np.clip(column, 0, image.shape[1] - 1), 1)  # unmatched: beyond the border
    sure = (forth > MIN_DISPARITY_PX) & (column >= 0) & (np.abs(forth - there) <= CONSISTENT_PX) & textured(image)
    disparity = np.maximum(forth + offset.pixels(image.shape[1]), MIN_DISPARITY_PX)
    depth_m = np.where(sure, focal_px * baseline_m / disparity, 0.0)
    return without_edges(depth_m, ratio=1.25)


def textured(image: Array) -> Array:
    """Return where an image uint8 (H, W, 3) varies along its rows (H, W) bool: elsewhere a match is a guess."""
    grey = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)
    return cv2.morphologyEx(grey, cv2.MORPH_GRADIENT, np.ones((1, TEXTURE_PX), np.uint8)) >= TEXTURE


def match(image: Array, other: Array, disparities: int) -> Array:
    """Return an image's disparity float32 (H, W) [px] by semi-global matching; negative where there is none."""
    matcher = cv2.StereoSGBM_create(  # type: ignore[attr-defined]  # the name that OpenCV 4.6 has too
        0, disparities, BLOCK, P1=8 * 3 * BLOCK**2, P2=32 * 3 * BLOCK**2, disp12MaxDiff=1, uniquenessRatio=10,
        speckleWindowSize=100, speckleRange=2, mode=cv2.STEREO_SGBM_MODE_SGBM_3WAY,
    )
    bordered = [cv2.copyMakeBorder(side, 0, 0, disparities, 0, cv2.BORDER_REPLICATE) for side in (image, other)]
    return matcher.compute(*bordered)[:, disparities:].astype(np.float32) / 16


def read_pair(item: Item) -> tuple[Array, Array, float, float]:
    """Read what stereo_depth takes of a frame; raises DatasetError where its images do not fit."""
    if item.read_right is None:
        raise DatasetError(f'{item.name}: expected a stereo pair, got a single image')
    frame, other = item.read(), item.read_right()
    if other.shape != frame.rgb.shape:
        raise DatasetError(f'{item.name}: expected a pair of images of one size, got {frame.rgb.shape} and '
                           f'{other.shape}')
    return frame.rgb, other, frame.camera.fx, item.baseline_m


def stereo_maker(calibrated_on: str = '', offset: Offset = NONE) -> Maker:
    """Return how maps of stereo pairs are made, with the offset that was found on a source."""
    settings = {'maker': 'stereo', 'method': 'opencv sgbm 3way', 'block': BLOCK, 'texture': TEXTURE,
                'calibrated_on': calibrated_on, 'offset': list(astuple(offset))}
    return Maker(settings, read_pair, partial(stereo_depth, offset=offset))


def calibrated(items: Sequence[Item], count: int = CALIBRATION_PAIRS) -> Offset:
    """Find a rig's offset from some of the pairs, spread evenly; raises DatasetError where too few have LiDAR."""
    pairs = [item for item in items if item.read_right is not None]
    chosen = [pairs[i] for i in np.unique(np.linspace(0, len(pairs) - 1, count).round().astype(int))] if pairs else []
    found = []
    for item in cli.progress(chosen, unit='pair', text='calibrating'):
        found.append(residuals(item.read(), stereo_depth(*read_pair(item)), item.baseline_m))
    return fit_offset(found)


def main(argv: list[str] | None = None) -> int:
    """Run depth_data stereo."""
    parser = cli.parser(NAME, __doc__ or '', EXAMPLE)
    add_sources(parser)
    parser.add_argument('out', type=Path, metavar='OUT', help='folder for the maps')
    parser.add_argument('--calibrate', default='', metavar='SOURCE', help='find out on the pairs with LiDAR of a '
                        'source how far the disparities of this rig are off, and correct them')
    parser.add_argument('--jobs', type=positive, default=1, metavar='N', help='threads (default: 1)')
    parser.add_argument('--json', action='store_true', help='print a summary as JSON')
    args = parser.parse_args(argv)
    return cli.run(NAME, lambda: make_stereo(args))


def make_stereo(args: argparse.Namespace) -> int:
    """Make the maps of every pair of the sources."""
    items = [item for item in open_sources(args.sources, args.data) if item.read_right is not None]
    if not items:
        raise DepthNodeError(f'{" ".join(args.sources)}: expected stereo pairs, got none; does the index name them '
                             '(pair, baseline)?')
    cv2.setNumThreads(1)  # a pair a thread is faster than a pair in many
    maker = stereo_maker(args.calibrate, offset_for(args) if args.calibrate else NONE)
    return report(args.out, run(NAME, items, maker, args.out, args.jobs), args.json)


def offset_for(args: argparse.Namespace) -> Offset:
    """Return the offset that OUT's maps were made with, if they were calibrated on this source, or find it."""
    noted = read_note(args.out)
    if noted.get('maker') == 'stereo' and noted.get('calibrated_on') == args.calibrate:
        return Offset(*noted['offset'])
    offset = calibrated(open_source(args.calibrate, args.data))
    middle, side = offset.pixels(1000)[[500, 0]]
    cli.warn(NAME, f'disparities were off by {middle:.2f} px in the middle and {side:.2f} px at the left edge of an '
                   'image of 1000 px; corrected')
    return offset


if __name__ == '__main__':
    raise SystemExit(main())
