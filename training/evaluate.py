"""depth_eval: metrics of predicted depth beside those of the trivial baselines, in metres and never rescaled."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from msg_tools import cli
from msg_tools.calibration_file import read_calibration
from msg_tools.camera import Array, Intrinsics, Size
from msg_tools.depth_png import read_depth_png
from msg_tools.errors import ConfigError, ImageError

from .baselines import RowMean, flat_ground, row_mean, row_slopes
from .metrics import CROPS, MAX_DEPTH_M, MIN_DEPTH_M, NAMES, image_errors, mean_errors
from .predictor import Predict
from .validate import ValFrame, load_val, measure

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

    frames = load_val(args.data, args.split)
    if not frames:
        raise ConfigError(f'{args.data}: expected images with measured depth in split {args.split!r}, got none')
    path = None if args.checkpoint == 'default' else args.checkpoint
    estimator = DepthEstimator.from_checkpoint(path, device='cpu', backend=args.backend)

    def run(name: str, predict: Predict) -> dict[str, Any]:
        counted = cli.progress(frames, text=name)
        return measure(predict, counted, args.crop, args.min_depth, args.max_depth)

    result = run('network', lambda rgb, camera: estimator(rgb, camera).depth_m)
    baselines = {'row_mean': row_mean_of_training(args.data), 'flat_ground': flat_ground()}
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
    for frame in load_val(data, 'train'):
        drives.setdefault(frame.drive, []).append(frame)
    chosen = [frame for frames in drives.values() for frame in frames[:: max(1, len(frames) // 10)][:10]]
    return row_mean(slopes_and_depths(frame.truth_m, frame.camera) for frame in chosen)


def slopes_and_depths(truth_m: Array, camera: Intrinsics) -> tuple[Array, Array]:
    """Return the slope of the row and the depth [m] of each measured pixel of a map (H, W)."""
    rows, columns = np.nonzero(truth_m)
    return row_slopes(camera)[rows], truth_m[rows, columns]


def evaluate_folders(args: argparse.Namespace) -> dict[str, Any]:
    """Measure a folder of maps against another by name: mean over images.

    Baselines: the row mean of the *other* images of --gt (a hard one, it knows the street), and the flat ground where
    the camera is given.
    """
    names = sorted(path.relative_to(args.gt).with_suffix('') for path in args.gt.rglob('*.png'))
    if not names:
        raise ConfigError(f'{args.gt}: expected depth PNGs, got none')
    pairs = [(name, prediction_path(args.pred, name)) for name in names]
    missing = [str(name) for name, path in pairs if path is None]
    if len(missing) == len(names):
        raise ConfigError(f'{args.pred}: expected {names[0]}.png or .npy and so on, got none of {len(names)} names')
    if missing:
        cli.warn(NAME, f'{len(missing)} of {len(names)} maps of --gt have no prediction, the first is {missing[0]}')
    truths = {name: read_depth_png(args.gt / f'{name}.png') for name, path in pairs if path}
    options = (args.crop, args.min_depth, args.max_depth)
    maps = {name: read_map(path, Size(*truths[name].shape)) for name, path in pairs if path}
    found = [image_errors(truths[name], maps[name], *options) for name in truths]
    baselines = {
        'row_mean': mean_of(truths, other_rows(truths), options),
        'flat_ground': mean_of(truths, ground_rows(args), options),
    }
    return {**mean_errors(found), 'images': len(found), 'missing': len(missing), 'baselines': baselines}


def prediction_path(folder: Path, name: Path) -> Path | None:
    """Return the file of a prediction, .png before .npy; None where there is neither."""
    candidates = (folder / f'{name}{suffix}' for suffix in ('.png', '.npy'))
    return next((path for path in candidates if path.exists()), None)


def read_map(path: Path, size: Size) -> Array:
    """Read a predicted map (H, W) [m]: a KITTI depth PNG, or an .npy of metres (NaN: no estimate, +Inf: far)."""
    try:
        depth_m = read_depth_png(path) if path.suffix == '.png' else np.load(path, allow_pickle=False).astype('f4')
    except (OSError, ValueError) as error:
        raise ImageError(f'{path}: expected a map of depth (H, W) [m], got: {error}') from error
    if depth_m.shape != size.shape:
        raise ImageError(f'{path}: expected {size} as in --gt, got an array of shape {depth_m.shape}')
    return depth_m


Rows = Callable[[Path, Size], 'Array | None']


def mean_of(truths: dict[Path, Array], rows: Rows, options: Sequence[Any]) -> dict[str, float] | None:
    """Measure a baseline that gives one depth per row (H,); None where it has none to give."""
    errors = []
    for name, truth_m in truths.items():
        depths = rows(name, Size(*truth_m.shape))
        if depths is None:
            return None
        errors.append(image_errors(truth_m, np.repeat(depths[:, None], truth_m.shape[1], 1), *options))
    return mean_errors(errors)


def other_rows(truths: dict[Path, Array]) -> Rows:
    """Return the mean measured depth per row of all truths but the one asked for."""
    def one(truth_m: Array) -> tuple[Array, Array]:
        near = np.where((truth_m > 0) & (truth_m <= MAX_DEPTH_M), truth_m, 0).astype(np.float64)
        return near.sum(1), (near > 0).sum(1)

    sums = {name: one(truth_m) for name, truth_m in truths.items()}

    def rows(name: Path, size: Size) -> Array | None:
        others = [pair for other, pair in sums.items() if other != name and len(pair[0]) == size.height]
        if not others:
            return None
        total, count = (np.sum(column, axis=0) for column in zip(*others, strict=True))
        known = np.flatnonzero(count)
        if not known.size:
            return None
        return np.interp(np.arange(size.height), known, total[known] / count[known]).astype(np.float32)

    return rows


def ground_rows(args: argparse.Namespace) -> Rows:
    """Return the depth per row of a flat ground seen by the camera of the options; None where none is given."""
    given = [getattr(args, name) for name in ('fx', 'fy', 'cx', 'cy')]
    calibration = read_calibration(args.calib, args.camera) if args.calib else None
    if any(value is not None for value in given) and None in given:
        raise ConfigError('expected all of --fx --fy --cx --cy, or none')

    def rows(name: Path, size: Size) -> Array | None:
        if calibration is None and None in given:
            return None
        camera = calibration.intrinsics(size) if calibration else Intrinsics(*given, size=size)
        return flat_ground()(np.zeros(0), camera)[:, 0]

    return rows


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
