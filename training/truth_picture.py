"""Draw what the occlusion filter of velodyne_to_depth drops, on a piece of a synthetic street: docs/ground-truth.md.

>>> python -m depth_node_training.truth_picture docs/images/occlusion.png  # doctest: +SKIP
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np

from msg_tools import cli
from msg_tools.camera import Array
from msg_tools.colors import depth_colors
from msg_tools.ground_truth.kitti_raw import KittiRawSource
from msg_tools.ground_truth.maps import Chunk, DepthMap, MapMaker
from msg_tools.ground_truth.settings import TruthSettings
from msg_tools.image_file import encode_rgb
from msg_tools.synthetic import write_drive
from msg_tools.whole_file import write_whole

NAME = 'python -m depth_node_training.truth_picture'
HEIGHT, WIDTH, ZOOM = 84, 200, 5  # of the piece [px], and how much larger it is drawn
RED = (255, 40, 40)
FONT = cv2.FONT_HERSHEY_SIMPLEX


def main(argv: list[str] | None = None) -> int:
    """Draw the picture."""
    parser = cli.parser(NAME, 'Draw what the occlusion filter drops.', f'{NAME} docs/images/occlusion.png')
    parser.add_argument('out', type=Path, metavar='FILE.png')
    parser.add_argument('--step', default='5%', help='of the filter (default 5%%)')
    return cli.run(NAME, lambda: write(parser.parse_args(argv)))


def write(args: argparse.Namespace) -> None:
    """Write the picture of a street that is made for it."""
    with tempfile.TemporaryDirectory() as folder:
        source = KittiRawSource.open(write_drive(folder, frames=1, seed=3), 2, with_images=True)
        whole, kept = (map_of(source, occlusion) for occlusion in ('off', args.step))
        write_whole(args.out, encode_rgb(picture(whole.frame.rgb(), whole.steps, kept.steps, args.step)))


def map_of(source: KittiRawSource, occlusion: str) -> DepthMap:
    """Return the map of the source's first frame."""
    maker = MapMaker(source, TruthSettings(motion='off', occlusion=occlusion), None)
    result = next(maker.maps(Chunk(source.entries()[:1], 0, 1)))
    if not isinstance(result, DepthMap):
        raise RuntimeError(result.reason)
    return result


def picture(rgb: Array, whole: Array, kept: Array, step: str) -> Array:
    """Return two panels: all points of a scan, those to be dropped in red, and those that are left."""
    dropped = (whole > 0) & (kept == 0)
    top, left = where_most(dropped)
    piece = np.s_[top : top + HEIGHT, left : left + WIDTH]
    near_m, far_m = np.quantile(whole[piece][whole[piece] > 0] / 256, (0.02, 0.98))
    parts = ((whole, dropped, f'all points; red: farther by {step} than nearer ones on both of their sides'),
             (kept, np.zeros_like(dropped), f'--occlusion {step}'))
    return np.vstack([panel(rgb[piece], steps[piece], marked[piece], float(near_m), float(far_m), text)
                      for steps, marked, text in parts])


def where_most(dropped: Array) -> tuple[int, int]:
    """Return the top left corner of the piece in which most points are dropped."""
    sums = cv2.boxFilter(dropped.astype(np.float32), -1, (WIDTH, HEIGHT), normalize=False, anchor=(0, 0),
                         borderType=cv2.BORDER_CONSTANT)
    sums = sums[: dropped.shape[0] - HEIGHT, : dropped.shape[1] - WIDTH]
    top, left = np.unravel_index(int(np.argmax(sums)), sums.shape)
    return int(top), int(left)


def panel(rgb: Array, steps: Array, marked: Array, near_m: float, far_m: float, text: str) -> Array:
    """Return a piece of an image, enlarged and darkened, with its points as dots: colors of depth, or red."""
    canvas = cv2.resize(rgb // 2, None, fx=ZOOM, fy=ZOOM, interpolation=cv2.INTER_CUBIC)
    colors = depth_colors(steps / np.float32(256), near_m, far_m)
    for v, u in np.argwhere(steps):
        center = int(ZOOM * (u + 0.5)), int(ZOOM * (v + 0.5))
        color = RED if marked[v, u] else tuple(int(value) for value in colors[v, u])
        cv2.circle(canvas, center, ZOOM // 2 + int(marked[v, u]), color, -1, cv2.LINE_AA)
    bar = np.full((26, canvas.shape[1], 3), 245, np.uint8)
    cv2.putText(bar, text, (8, 18), FONT, 0.5, (20, 20, 20), 1, cv2.LINE_AA)
    return np.vstack([bar, canvas])


if __name__ == '__main__':
    sys.exit(main())
