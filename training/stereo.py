"""depth_data stereo: metric depth of rectified stereo pairs by OpenCV's semi-global matching, checked left to right.

Writes OUT/SOURCE/NAME.npy (float16 m, half the image's size, 0: none) for each frame whose other image is there, for
`maps.stereo=OUT` of depth_train. A second run makes what is missing.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from msg_tools import cli
from msg_tools.camera import Array
from msg_tools.errors import DepthNodeError

from .data_maps import Maker, report, run
from .data_sources import add_sources, positive
from .datasets import open_sources
from .datasets.frame import DatasetError, Item, without_edges

NAME = 'depth_data stereo'
EXAMPLE = f'{NAME} kitti:kitti/training images:kitti/images stereo_maps --data ../shared/data --jobs 4'
BLOCK, CONSISTENT_PX, MIN_DISPARITY_PX = 5, 1.0, 1.0
TEXTURE, TEXTURE_PX = 2, 15  # grey levels that an image has to vary by, along so many pixels of a row
NEAREST = 1 / 8  # of the image's width is the largest disparity: down to 4.6 m for KITTI's cameras


def stereo_depth(image: Array, other: Array, focal_px: float, baseline_m: float) -> Array:
    """Match a rectified pair uint8 (H, W, 3) and return the first image's depth (H, W) [m]; 0 where it is unsure.

    The other camera is baseline_m to the right (or, where negative, to the left). A pixel counts where matching from
    the other image comes back within a pixel, where the image is not blank (an overexposed road matches the sky), and
    where no jump in depth is near.
    """
    if baseline_m < 0:
        return stereo_depth(image[:, ::-1], other[:, ::-1], focal_px, -baseline_m)[:, ::-1]
    disparities = max(1, round(image.shape[1] * NEAREST / 16)) * 16
    forth = match(image, other, disparities)
    back = match(other[:, ::-1], image[:, ::-1], disparities)[:, ::-1]
    column = np.arange(image.shape[1])[None] - np.rint(forth).astype(int)
    there = np.take_along_axis(back, np.clip(column, 0, image.shape[1] - 1), 1)  # unmatched: beyond the border
    sure = (forth > MIN_DISPARITY_PX) & (column >= 0) & (np.abs(forth - there) <= CONSISTENT_PX) & textured(image)
    depth_m = np.where(sure, focal_px * baseline_m / np.maximum(forth, MIN_DISPARITY_PX), 0.0)
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


STEREO = Maker({'maker': 'stereo', 'method': 'opencv sgbm 3way', 'block': BLOCK, 'texture': TEXTURE}, read_pair, stereo_depth)


def main(argv: list[str] | None = None) -> int:
    """Run depth_data stereo."""
    parser = cli.parser(NAME, __doc__ or '', EXAMPLE)
    add_sources(parser)
    parser.add_argument('out', type=Path, metavar='OUT', help='folder for the maps')
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
    return report(args.out, run(NAME, items, STEREO, args.out, args.jobs), args.json)


if __name__ == '__main__':
    raise SystemExit(main())
