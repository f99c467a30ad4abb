"""depth_eval: metrics of predicted depth beside those of the trivial baselines, in metres and never rescaled."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from msg_tools import cli
from msg_tools.camera import Array, Intrinsics
from msg_tools.errors import ConfigError

from .baselines import RowMean, flat_ground, row_mean, row_slopes
from .datasets import open_source
from .evaluate_folders import evaluate_folders
from .metrics import CROPS, MAX_DEPTH_M, MIN_DEPTH_M, NAMES
from .validate import Predict, ValFrame, load_val, measure

NAME = 'depth_eval'
EXAMPLE = f"""{NAME} --pred predicted --gt truth/depth --calib calib_cam_to_cam.txt
  {NAME} --checkpoint runs/first/best.safetensors --data ../shared/data --crop garg --json"""


def main(argv: list[str] | None = None) -> int:
    """Run depth_eval."""
    args = arguments().parse_args(argv)
    return cli.run(NAME, lambda: report(evaluate(args), args.json))


def arguments() -> argparse.ArgumentParser:
    """Declare the options."""
    parser = cli.parser(NAME, __doc__ or '', EXAMPLE)
    parser.add_argument('--pred', type=Path, help='folder of predictions: NAME.png (uint16 m x 256) or NAME.npy (m)')
    parser.add_argument('--gt', type=Path, help='folder of measured depth, NAME.png (uint16 m x 256, 0: none)')
    parser.add_argument('--checkpoint', help="checkpoint to measure, or 'default' for the one that ships")
    parser.add_argument('--data', type=Path, help='folder with kitti/training in it (index.csv names the splits)')
    parser.add_argument('--split', default='val', help='split of --data to measure on (default: val)')
    parser.add_argument('--crop', choices=CROPS, default='garg', help='part of the frame that counts (default: garg)')
    parser.add_argument('--min-depth', type=float, default=MIN_DEPTH_M, metavar='M')
    parser.add_argument('--max-depth', type=float, default=MAX_DEPTH_M, metavar='M')
    parser.add_argument('--calib', type=Path, help='calibration of --gt (KITTI txt, camera_info YAML): flat_ground')
    parser.add_argument('--camera', type=int, default=2, help='camera number in a KITTI --calib (default: 2)')
    for name in ('fx', 'fy', 'cx', 'cy'):
        parser.add_argument(f'--{name}', type=float, help='intrinsics of --gt [px] instead of --calib')
    parser.add_argument('--backend', default='torch', help='what runs --checkpoint (default: torch)')
    parser.add_argument('--json', action='store_true', help='print one JSON object')
    return parser


def evaluate(args: argparse.Namespace) -> dict[str, Any]:
    """Measure as the options say; the metrics lie at the top of the result, the baselines' under `baselines`."""
    if args.max_depth <= args.min_depth:
        raise ConfigError(f'expected --min-depth < --max-depth, got {args.min_depth} and {args.max_depth}')
    if args.pred and args.gt and not args.checkpoint:
        result = evaluate_folders(args)
    elif args.checkpoint and args.data and not args.pred:
        result = evaluate_checkpoint(args)
    else:
        raise ConfigError('expected --pred DIR --gt DIR, or --checkpoint FILE --data DIR (see --help)')
    return {**result, 'crop': args.crop, 'min_depth_m': args.min_depth, 'max_depth_m': args.max_depth}


def evaluate_checkpoint(args: argparse.Namespace) -> dict[str, Any]:
    """Measure a checkpoint, as the node runs it, on a split of the data: mean by drive, then over drives."""
    from depth_node.estimator import DepthEstimator

    frames = load_val(open_source(f'kitti:kitti/training#{args.split}', args.data))
    if not frames:
        raise ConfigError(f'{args.data}: expected images with measured depth in split {args.split!r}, got none')
    path = None if args.checkpoint == 'default' else args.checkpoint
    estimator = DepthEstimator.from_checkpoint(path, device='cpu', backend=args.backend)

    def run(name: str, predict: Predict) -> dict[str, Any]:
        return measure(predict, frames, args.crop, args.min_depth, args.max_depth, name)

    result = run('network', lambda rgb, camera: estimator(rgb, camera).depth_m)
    baselines: dict[str, Predict] = {'row_mean': row_mean_of_training(args.data), 'flat_ground': flat_ground()}
    measured = {name: run(name, predict) for name, predict in baselines.items()}
    drives = {
        drive: {**metrics, 'baselines': {name: found['drives'][drive] for name, found in measured.items()}}
        for drive, metrics in result['drives'].items()
    }
    means = {name: found['mean'] for name, found in measured.items()}
    return {**result['mean'], 'images': len(frames), 'baselines': means, 'drives': drives}


def row_mean_of_training(data: Path) -> RowMean:
    """Fit the row mean on the training split's measured depth, drives weighing the same."""
    drives: dict[str, list[ValFrame]] = {}
    for frame in load_val(open_source('kitti:kitti/training#train', data)):
        drives.setdefault(frame.drive, []).append(frame)
    chosen = [frame for frames in drives.values() for frame in frames[:: max(1, len(frames) // 10)][:10]]
    return row_mean(slopes_and_depths(frame.truth_m, frame.camera) for frame in chosen)


def slopes_and_depths(truth_m: Array, camera: Intrinsics) -> tuple[Array, Array]:
    """Return the slope of the row and the depth [m] of each measured pixel of a map (H, W)."""
    rows, columns = np.nonzero(truth_m)
    return row_slopes(camera)[rows], truth_m[rows, columns]


def report(result: dict[str, Any], as_json: bool) -> None:
    """Print a result as JSON, or as tables: all together, then by drive."""
    if as_json:
        cli.print_json(result)
        return
    drives = result.get('drives', {})
    mean = ', mean over drives' if drives else ''
    print(f'{result["images"]} images{mean}; crop {result["crop"]}; {result["min_depth_m"]:g} to '
          f'{result["max_depth_m"]:g} m; no scaling')
    rows = [('prediction', result), *((name, row) for name, row in result['baselines'].items() if row)]
    print(cli.columns([('', *NAMES, 'coverage'), *((name, *numbers(row)) for name, row in rows)]))
    if drives:
        header = ('drive', *NAMES, 'coverage', 'row_mean abs_rel', 'flat_ground abs_rel')
        table = [(drive, *numbers(row), *(f'{row["baselines"][name]["abs_rel"]:.3f}' for name in row['baselines']))
                 for drive, row in drives.items()]
        print('\n' + cli.columns([header, *table]))


def numbers(row: dict[str, float]) -> list[str]:
    """Format the metrics of a row of the table."""
    return [f'{row[name]:.3f}' for name in (*NAMES, 'coverage')]


if __name__ == '__main__':
    raise SystemExit(main())
