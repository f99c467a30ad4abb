"""depth_stereo: metric depth of rectified stereo pairs by OpenCV's semi-global matching, checked left to right.

`python -m depth_node_training.stereo DATA OUT` writes OUT/PART/NAME.npy (float16 m, half the image's size, 0: none)
for the left image of each pair that an index.csv of DATA/kitti names, for `stereo=OUT` of depth_train.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from msg_tools import cli
from msg_tools.errors import DepthNodeError

from .datasets.frame import read_rgb, without_edges
from .datasets.kitti import read_calibration, read_index

Array = NDArray[Any]

NAME = 'depth_stereo'
BASELINES_M = {'image_02': 0.5327, 'grey': 0.5372}  # KITTI's colour and grey cameras
BLOCK, CONSISTENT_PX, MIN_DISPARITY_PX = 5, 1.0, 1.0


def stereo_depth(left: Array, right: Array, focal_px: float, baseline_m: float) -> Array:
    """Match a rectified pair uint8 (H, W, 3) and return the left image's depth (H, W) [m]; 0 where the match is unsure.

    A pixel counts where matching right to left comes back within a pixel, and where no jump in depth is near.
    """
    disparities = round(left.shape[1] / 8 / 16) * 16  # down to 4.6 m for KITTI's cameras
    forth = match(left, right, disparities)
    back = match(right[:, ::-1], left[:, ::-1], disparities)[:, ::-1]
    column = np.arange(left.shape[1])[None] - np.rint(forth).astype(int)
    there = np.take_along_axis(back, np.clip(column, 0, left.shape[1] - 1), 1)  # unmatched: beyond the border
    sure = (forth > MIN_DISPARITY_PX) & (column >= 0) & (np.abs(forth - there) <= CONSISTENT_PX)
    depth_m = np.where(sure, focal_px * baseline_m / np.maximum(forth, MIN_DISPARITY_PX), 0.0)
    return without_edges(depth_m, ratio=1.25)


def match(left: Array, right: Array, disparities: int) -> Array:
    """Return the left image's disparity float32 (H, W) [px] by semi-global matching; negative where there is none."""
    matcher = cv2.StereoSGBM_create(  # type: ignore[attr-defined]  # the name that OpenCV 4.6 has too
        0, disparities, BLOCK, P1=8 * 3 * BLOCK**2, P2=32 * 3 * BLOCK**2, disp12MaxDiff=1, uniquenessRatio=10,
        speckleWindowSize=100, speckleRange=2, mode=cv2.STEREO_SGBM_MODE_SGBM_3WAY,
    )
    bordered = [cv2.copyMakeBorder(image, 0, 0, disparities, 0, cv2.BORDER_REPLICATE) for image in (left, right)]
    return matcher.compute(*bordered)[:, disparities:].astype(np.float32) / 16


def pairs(root: Path, part: str) -> Iterator[tuple[str, Path, Path, float, float]]:
    """Yield name, left and right file, focal length [px] and baseline [m] of the training pairs that an index names."""
    rows = [row for row in read_index(root) if row['split'] not in ('val', 'test')]
    for row in rows:
        if part == 'images' and row['pair'] and row['camera'] in BASELINES_M:
            left = root / row['file']
            yield left.stem, left, root / row['pair'], float(row['fx']), BASELINES_M[row['camera']]
        elif part == 'training' and row['camera'] == 'image_02':
            name = f'{row["drive"]}/image_02/{row["frame"]}'
            right = root / row['drive'] / 'image_03' / f'{row["frame"]}.jpg'
            if right.exists():
                P, _ = read_calibration(root / row['drive'] / 'calib' / f'{row["frame"]}_image_02.txt')
                yield name, root / f'{name}.jpg', right, float(P[0, 0]), BASELINES_M['image_02']


def main(argv: list[str] | None = None) -> int:
    """Run depth_stereo."""
    parser = cli.parser(NAME, __doc__ or '', 'python -m depth_node_training.stereo ../shared/data stereo_maps')
    parser.add_argument('data', type=Path, help='folder with kitti/training and kitti/images')
    parser.add_argument('out', type=Path, help='folder for the maps')
    args = parser.parse_args(argv)

    def body() -> None:
        for part in ('training', 'images'):
            for name, left, right, focal_px, baseline_m in cli.progress(
                list(pairs(args.data / 'kitti' / part, part)), unit='pair', text=part
            ):
                path = args.out / part / f'{name}.npy'
                if not path.exists():
                    write_map(path, stereo_depth(read_rgb(left), read_rgb(right), focal_px, baseline_m))

    return cli.run(NAME, body)


def write_map(path: Path, depth_m: Array) -> None:
    """Write every second pixel of a map in half precision: no depth is made up between pixels."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, depth_m[::2, ::2].astype(np.float16))
    except OSError as error:
        raise DepthNodeError(f'{path}: expected to write a map, got: {error}; is the disk full?') from error


if __name__ == '__main__':
    raise SystemExit(main())
