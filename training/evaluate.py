"""depth_eval: metrics of predicted depth beside those of the trivial baselines, in metres and never rescaled."""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from depth_node.backends.precision import PRECISIONS
from msg_tools import cli
from msg_tools.errors import ConfigError

from .bootstrap import DRAWS
from .evaluate_data import Data, Frame, is_config, open_data, open_folder
from .evaluate_predictors import Folder, Predictor, load_estimator, network, trivial_baselines
from .evaluate_scores import Scores
from .evaluate_text import print_result
from .evaluate_views import WHOLE, last_kept, views
from .evaluate_warnings import beside_warnings, warnings
from .metrics import CROPS, MAX_DEPTH_M, MIN_DEPTH_M, Protocol
from .report import make_room, write_report

NAME = 'depth_eval'
EXAMPLE = f"""{NAME} --pred predicted --gt truth/depth --calib calib_cam_to_cam.txt
  {NAME} --checkpoint runs/first/best.safetensors --data ../shared/data --report report.html
  {NAME} --checkpoint default --data bag:drive_0005 --json
  {NAME} --pred maps --data kitti:kitti/training#val --resize --beside ours=default"""
PREDICTION = 'prediction'
BASELINES = ('row_mean', 'flat_ground')


def main(argv: list[str] | None = None) -> int:
    """Run depth_eval."""
    args = arguments().parse_args(argv)
    return cli.run(NAME, lambda: run(args))


def arguments() -> argparse.ArgumentParser:
    """Declare the options."""
    parser = cli.parser(NAME, __doc__ or '', EXAMPLE)
    what = parser.add_argument_group('what is measured')
    what.add_argument('--checkpoint', help="checkpoint or exported network, or 'default' for the one that ships")
    what.add_argument('--pred', type=Path, help='folder of predictions: NAME.png (uint16 m x 256) or NAME.npy (m)')
    what.add_argument('--resize', action='store_true', help='stretch predictions of another size over the view')
    what.add_argument('--beside', action='append', default=[], metavar='[NAME=]PATH',
                      help='another checkpoint or folder of predictions to show in the same tables; may be repeated')
    what.add_argument('--backend', help='what runs --checkpoint (default: torch; auto for an exported network)')
    what.add_argument('--device', default='cpu', help='where it runs: auto, cpu or cuda (default: cpu)')
    what.add_argument('--precision', choices=PRECISIONS, default='auto',
                      help='the numbers that it computes with (auto: fp32 on the CPU)')
    on = parser.add_argument_group('on what')
    on.add_argument('--data', help='NAME:PATH#SPLIT of a dataset, a bag, a training config (its val sources), or a '
                                   'folder with kitti/training in it')
    on.add_argument('changes', nargs='*', metavar='key=value', help='settings that differ from the config of --data')
    on.add_argument('--split', default='val', help='split of a folder given by --data (default: val)')
    on.add_argument('--gt', type=Path, help='folder of measured depth, NAME.png (uint16 m x 256, 0: none)')
    on.add_argument('--images', type=Path, help='images NAME.png or .jpg of --gt for the report (default: image/ '
                                                  'beside)')
    on.add_argument('--calib', type=Path, help='calibration of --gt (KITTI txt, camera_info YAML): flat_ground')
    on.add_argument('--camera', type=int, default=2, help='camera number in a KITTI --calib (default: 2)')
    for name in ('fx', 'fy', 'cx', 'cy'):
        on.add_argument(f'--{name}', type=float, help='intrinsics of --gt [px] instead of --calib')
    how = parser.add_argument_group('how')
    how.add_argument('--crop', choices=CROPS, default='garg', help='part of the frame that counts (default: garg)')
    how.add_argument('--min-depth', type=float, default=MIN_DEPTH_M, metavar='M')
    how.add_argument('--max-depth', type=float, default=MAX_DEPTH_M, metavar='M')
    how.add_argument('--views', action='store_true', help='measure the network on the same images resized and cropped, '
                                                          'too: does it follow the focal length?')
    how.add_argument('--draws', type=int, default=DRAWS, help=f'of the bootstrap (default: {DRAWS}; 0: no intervals)')
    how.add_argument('--seed', type=int, default=0, help='of the bootstrap (default: 0)')
    how.add_argument('--report', type=Path, metavar='FILE.html', help='write a page with tables, curves and frames')
    how.add_argument('--json', action='store_true', help='print one JSON object')
    return parser


def run(args: argparse.Namespace) -> None:
    """Measure as the options say, print the result, write the report."""
    protocol = Protocol(args.crop, args.min_depth, args.max_depth)
    check(args)
    if args.report:
        make_room(args.report)
    data = open_folder(args) if args.gt else open_data(args.data, args.split, args.changes)
    text, predictor = opened(args.checkpoint or args.pred, args, protocol)
    missing = predictor.missing(data.frames) if isinstance(predictor, Folder) else []
    absent = set(missing)
    frames = [frame for frame in data.frames if frame.name not in absent]
    beside = others(args, protocol)
    whole = last_kept(predictor)
    predictors = {PREDICTION: whole, **(views(predictor, whole) if args.views else {}), **beside,
                  **trivial_baselines(replace(data, frames=frames))}
    scores, without = measure(data, frames, predictors, protocol, args)
    result = plain({**summary(scores), 'images': len(scores[PREDICTION].rows), 'missing': len(missing),
                    'warnings': [*warnings(scores[PREDICTION], data, missing, without),
                                 *beside_warnings(scores[PREDICTION], {name: scores[name] for name in beside})],
                    'crop': args.crop, 'min_depth_m': args.min_depth, 'max_depth_m': args.max_depth,
                    'prediction': text, 'data': data.text})
    for warning in result['warnings']:
        cli.warn(NAME, warning)
    if args.report:
        write_report(args.report, result, scores[PREDICTION], frames, predictor, protocol)
    if args.json:
        cli.print_json(result)
    else:
        print_result(result)


def check(args: argparse.Namespace) -> None:
    """Raise ConfigError where options do not go together."""
    if not (0 <= args.min_depth < args.max_depth and math.isfinite(args.max_depth)):
        raise ConfigError(f'expected 0 <= --min-depth < --max-depth, finite, got {args.min_depth} and {args.max_depth}')
    if bool(args.checkpoint) == bool(args.pred) or bool(args.data) == bool(args.gt) or (args.checkpoint and args.gt):
        raise ConfigError('expected --pred DIR --gt DIR, or --checkpoint FILE --data DATA, or --pred DIR --data DATA '
                          '(see --help)')
    if args.checkpoint and Path(args.checkpoint).is_dir():
        raise ConfigError(f'--checkpoint {args.checkpoint}: expected a file, got a folder; maps are given by --pred')
    if args.views and not args.checkpoint:
        raise ConfigError('--views: expected --checkpoint, whose network sees other images; got a folder of maps')
    if args.changes and not is_config(args.data or ''):
        raise ConfigError(f'expected key=value only where --data is a training config, got {args.changes[0]!r}; '
                          '--beside is repeated for each')


def opened(path: str | Path, args: argparse.Namespace, protocol: Protocol) -> tuple[str, Predictor]:
    """Return what a checkpoint or a folder of maps predicts, and what it is called."""
    if Path(path).is_dir() or path == args.pred:
        return str(path), Folder(Path(path), args.resize)
    estimator = load_estimator(str(path), args.device, args.backend, args.precision)
    return estimator.description, network(estimator, protocol)


def others(args: argparse.Namespace, protocol: Protocol) -> dict[str, Predictor]:
    """Return what --beside names, by its name."""
    found: dict[str, Predictor] = {}
    for text in args.beside:
        name, _, path = text.rpartition('=')
        name = name or Path(path).stem
        if name in (*found, PREDICTION, *BASELINES):
            raise ConfigError(f'--beside {text}: expected a name of its own, got {name!r} again; give NAME=PATH')
        found[name] = opened(path, args, protocol)[1]
    return found


def measure(data: Data, frames: Sequence[Frame], predictors: dict[str, Predictor], protocol: Protocol,
            args: argparse.Namespace) -> tuple[dict[str, Scores], list[str]]:
    """Return the scores of each predictor, and the names of frames without measured depth that counts."""
    scores = {name: Scores(args.draws, args.seed) for name in predictors}
    without = []
    for frame in cli.progress(frames, text='measuring'):
        measured = frame.read()
        if measured is None or not protocol.wanted(measured.truth_m).any():
            without.append(frame.name)
            continue
        for name, predictor in predictors.items():
            prediction = predictor(measured)
            if prediction is not None:
                scores[name].add(measured.drive, measured.name, measured.truth_m, prediction, protocol)
    if not scores[PREDICTION].rows:
        raise ConfigError(f'{data.text}: expected images with measured depth in crop {protocol.crop} between '
                          f'{protocol.min_depth_m:g} and {protocol.max_depth_m:g} m, got none in {len(frames)}')
    return scores, without


def summary(scores: dict[str, Scores]) -> dict[str, Any]:
    """Return the prediction's summary, the baselines' under `baselines`, and all by drive where drives are known."""
    prediction = scores[PREDICTION]
    baselines = {name: {**part, 'difference': difference(scores, name)} if (part := found.summary()) else None
                 for name, found in scores.items() if name != PREDICTION}
    whole = prediction.summary()
    if not whole:
        raise ConfigError('expected estimates > 0 where depth was measured, got none in any image')
    drives = {}
    for drive in sorted(set(prediction.drives) - {''}):
        parts = {name: found.of_drive(drive) for name, found in scores.items()}
        row = parts.pop(PREDICTION)
        if numbers := row.summary():  # else there is no estimate in the whole drive, of which a warning tells
            beside = {name: part.summary() for name, part in parts.items() if baselines[name]}
            drives[drive] = {**numbers, 'images': len(row.rows), 'baselines': beside}
    return {**whole, 'baselines': baselines, **({'drives': drives} if drives else {})}


def difference(scores: Mapping[str, Scores], name: str) -> dict[str, list[float]]:
    """Return the prediction minus another, of a crop's pixels alone where that is one of the views; {} for no pair."""
    if name.endswith(WHOLE):
        return {}
    return scores.get(f'{name}{WHOLE}', scores[PREDICTION]).difference(scores[name])


def plain(value: Any) -> Any:
    """Return a value as JSON knows it: what is not finite becomes null, numbers are rounded to 6 digits."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    return value


if __name__ == '__main__':
    raise SystemExit(main())
