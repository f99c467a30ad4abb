"""depth_bench precision: what each precision costs in accuracy beside fp32 on the same images, and brings in speed.

Files are written as depth_export writes them and run as the node does, in OpenVINO. Precisions that this CPU lacks are
computed in PyTorch, which gives their accuracy and says nothing of their speed.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from depth_node.backends import Backend, choose
from depth_node.backends.precision import REDUCED
from depth_node.checkpoint import Checkpoint, default_checkpoint, load_checkpoint
from depth_node.estimator import DepthEstimator
from depth_node.exported import load_exported
from depth_node.header import header_text
from msg_tools import cli
from msg_tools.camera import Size
from msg_tools.errors import ConfigError

from .bench_network import time_in_turns
from .bootstrap import DRAWS, drive_mean
from .evaluate import PREDICTION, measure
from .evaluate_data import Measured, open_data
from .evaluate_predictors import Prediction, Predictor, network
from .evaluate_scores import Scores
from .evaluate_views import last_kept
from .export_check import all_images
from .export_formats import Form, write_openvino
from .export_int8 import ENOUGH, calibration_inputs
from .metrics import CROPS, MAX_DEPTH_M, MIN_DEPTH_M, Protocol

NAME = 'depth_bench precision'
FP32 = PREDICTION  # what the others are compared with
HEADER = ('precision', 'runs in', 'MB', 'median_ms', 'ratio', 'abs_rel', 'rmse_m', 'delta1', 'abs_rel - fp32',
          'rmse_m - fp32', 'change')


def main(argv: list[str] | None = None) -> int:
    """Measure the precisions and print a table, or one JSON object."""
    args = arguments().parse_args(argv)
    return cli.run(NAME, lambda: report(args))


def arguments() -> argparse.ArgumentParser:
    """Declare the options."""
    example = f'{NAME} --data ../shared/data --images my_drive/images --threads 2'
    parser = cli.parser(NAME, 'Measure what each precision costs in accuracy and brings in speed.', example)
    parser.add_argument('--checkpoint', default='default', metavar='FILE', help='default: the one that ships')
    parser.add_argument('--data', required=True, help='what to measure on, as in depth_eval')
    parser.add_argument('--split', default='val', help='split of a folder given by --data (default: val)')
    parser.add_argument('--images', nargs='+', type=Path, default=[], metavar='PATH',
                        help=f'images and folders to calibrate int8 with ({ENOUGH}, taken evenly), none of them in '
                             '--data; without: no int8')
    parser.add_argument('--fx', type=float, metavar='PX', help='focal length of --images')
    parser.add_argument('--crop', choices=CROPS, default='garg', help='part of the frame that counts (default: garg)')
    parser.add_argument('--max-depth', type=float, default=MAX_DEPTH_M, metavar='M')
    parser.add_argument('--threads', type=int, default=0, help='CPU threads; 0: the library decides')
    parser.add_argument('--repeat', type=int, default=50, metavar='N', help='runs of each, in turns (default 50)')
    parser.add_argument('--draws', type=int, default=DRAWS, help=f'of the bootstrap (default: {DRAWS})')
    parser.add_argument('--seed', type=int, default=0, help='of the bootstrap (default: 0)')
    parser.add_argument('--json', action='store_true', help='print one JSON object')
    return parser


@dataclass(frozen=True, slots=True)
class Case:
    """A network in one precision, the size of its file (None: it is fp32's), and whether its time means anything."""

    name: str
    backend: Backend
    megabytes: float | None
    timed: bool = True


def report(args: argparse.Namespace) -> None:
    """Measure everything and print what came out."""
    if args.repeat < 1 or args.threads < 0 or args.draws < 0:
        raise ConfigError(f'expected --repeat of 1 or more, --threads and --draws of 0 or more, got {args.repeat}, '
                          f'{args.threads} and {args.draws}')
    data = open_data(args.data, args.split)
    checkpoint = load_checkpoint(default_checkpoint() if args.checkpoint == 'default' else Path(args.checkpoint))
    protocol = Protocol(args.crop, MIN_DEPTH_M, args.max_depth)
    with TemporaryDirectory() as folder:
        cases = list(precisions(checkpoint, Path(folder), args))
        first, *others = (network(DepthEstimator(case.backend, checkpoint.model_config), protocol) for case in cases)
        whole = last_kept(first)
        changes = {case.name: Change(predictor, whole, args.max_depth)
                   for case, predictor in zip(cases[1:], others, strict=True)}
        scores, _ = measure(data, data.frames, {FP32: whole, **changes}, protocol, args)
        config = checkpoint.model_config
        timed = times(cases, Size(config.height, config.width), args.repeat)
    rows = [row(case, scores, changes, timed) for case in cases]
    images = len(scores[FP32].rows)
    if args.json:
        cli.print_json({'data': data.text, 'images': images, 'crop': args.crop, 'max_depth_m': args.max_depth,
                        'threads': args.threads, 'rows': rows})
    else:
        print(f'{images} images of {data.text}; crop {args.crop}; to {args.max_depth:g} m')
        print(cli.columns([HEADER, *([text(item[key]) for key in HEADER] for item in rows)]))


def precisions(checkpoint: Checkpoint, folder: Path, args: argparse.Namespace) -> Iterator[Case]:
    """Yield the network in fp32, then in each other precision, files written into a folder."""
    config = checkpoint.model_config
    inputs = calibration_inputs(all_images(args.images), args.fx, config, None)
    forms = {'fp32': Form(), 'fp16 weights': Form(half=True), **({'int8': Form(calibration=inputs)} if inputs else {})}
    files = {name: folder / f'{name}.xml' for name in forms}
    for name, form in forms.items():
        write_openvino(checkpoint.model(), files[name], header_text(config.to_dict(), {'export': form.about()}), form)
        count = sum(file.stat().st_size for file in (files[name], files[name].with_suffix('.bin')))
        yield Case(name, load_exported(files[name], 'cpu', threads=args.threads).backend, count / 1e6)
    for precision in REDUCED:
        yield reduced(precision, checkpoint, files['fp32'], args.threads)


def reduced(precision: str, checkpoint: Checkpoint, file: Path, threads: int) -> Case:
    """Return the network in bf16 or fp16: in OpenVINO where the CPU has that, else in PyTorch."""
    from depth_node.backends.openvino_backend import precisions as of_this_cpu

    if precision in of_this_cpu():
        return Case(precision, load_exported(file, 'cpu', threads=threads, precision=precision).backend, None)
    size = Size(checkpoint.model_config.height, checkpoint.model_config.width)
    made = choose(checkpoint.model(), size, 'cpu', 'torch', threads, precision).backend
    return Case(precision, made, None, timed=False)


class Change:
    """What a network says of frames, and how far that is from what fp32 says, at all pixels: LiDAR sees no sky.

    The difference is that of ln depth, up to the largest depth, beyond which all is one.
    """

    def __init__(self, predictor: Predictor, whole: Predictor, max_depth_m: float) -> None:
        self.predictor, self.whole, self.max_depth_m = predictor, whole, max_depth_m
        self.values: list[float] = []

    def __call__(self, frame: Measured) -> Prediction | None:
        found, wanted = self.predictor(frame), self.whole(frame)
        if found is not None and wanted is not None:
            logs = [np.log(np.minimum(item.depth_m, self.max_depth_m)) for item in (found, wanted)]
            self.values.append(float(np.nanmean(np.abs(logs[0] - logs[1]))))
        return found


def times(cases: Sequence[Case], size: Size, repeat: int) -> dict[str, tuple[float, float]]:
    """Return the median time [ms] and its ratio to the first one's, by name; of those whose time means something."""
    timed = [case for case in cases if case.timed]
    rows = time_in_turns([((case.name, '', size), case.backend) for case in timed], repeat)
    return {case.name: (item['median_ms'], item['ratio']) for case, item in zip(timed, rows, strict=True)}


def row(case: Case, scores: dict[str, Scores], changes: dict[str, Change],
        timed: dict[str, tuple[float, float]]) -> dict[str, Any]:
    """Return a row of the table; differences as [mean, lower, upper limit of 95 %]."""
    own = scores[case.name if case.name in changes else FP32]
    summary = own.summary()
    found: dict[str, Any] = dict.fromkeys(HEADER)
    found |= {'precision': case.name, 'runs in': case.backend.description, 'MB': case.megabytes}
    found['median_ms'], found['ratio'] = timed.get(case.name, (None, None))
    found |= {name: summary[name] for name in ('abs_rel', 'rmse_m', 'delta1')}
    if case.name in changes:
        difference = own.difference(scores[FP32])
        found |= {f'{name} - fp32': difference[name] for name in ('abs_rel', 'rmse_m')}
        found['change'] = float(drive_mean(np.array(changes[case.name].values), own.drives))
    return found


def text(value: Any) -> str:
    """Format a cell."""
    if isinstance(value, list):
        mean, low, high = value
        return f'{mean:+.4f} ({low:+.4f} to {high:+.4f})'
    if isinstance(value, float):
        return f'{value:.4f}' if value < 1 else f'{value:.2f}'
    return '-' if value is None else str(value)


if __name__ == '__main__':
    raise SystemExit(main())
