"""depth_export: a checkpoint as ONNX, OpenVINO, TorchScript or TensorRT, each checked against torch.

The files bring all that the estimator needs: depth_node, depth_predict and depth_eval take them for a checkpoint. They
take images of any size (multiples of 32 px; --fixed: of one), which costs no time. A file that differs from torch by
more than the tolerance, in depth or confidence, is not written: at any pixel, or with --int8 in the mean.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from depth_node.checkpoint import Checkpoint, default_checkpoint, load_checkpoint
from depth_node.exported import load_exported
from depth_node.header import header_text
from depth_node.model_config import ModelConfig
from msg_tools import cli
from msg_tools.camera import Array, Size
from msg_tools.errors import ConfigError, DepthNodeError

from .export_check import Difference, all_images, check_images, compare, sizes_to_check
from .export_formats import FORMATS, Form
from .export_int8 import ENOUGH, calibration_inputs, library
from .input_sizes import parse_size, size_text

NAME = 'depth_export'
HALF_TOLERANCE = 1e-2
INT8_TOLERANCE = 0.05  # of the mean; the network that ships has 0.02, and where sums overflow 0.1
CHECKED = 16  # images of those that int8 is calibrated with
EXAMPLE = f"""{NAME} default exported --format onnx openvino
  {NAME} runs/first/best.safetensors net.onnx --size 192x640 --images street.png
  {NAME} default net.xml --int8 --images my_drive/images --fx 910"""


class ExportError(DepthNodeError):
    """An exported network that does not say what torch says, or cannot be written."""


def main(argv: list[str] | None = None) -> int:
    """Run depth_export."""
    args = arguments().parse_args(argv)
    return cli.run(NAME, lambda: export(args))


def arguments() -> argparse.ArgumentParser:
    """Declare the options."""
    parser = cli.parser(NAME, __doc__ or '', EXAMPLE)
    parser.add_argument('checkpoint', metavar='CHECKPOINT', help="a .safetensors, or 'default': the one that ships")
    parser.add_argument('out', type=Path, metavar='OUT', help='folder, or the file where its name ends as the format')
    parser.add_argument('--format', nargs='+', choices=FORMATS, metavar='NAME', default=[],
                        help=f'{", ".join(FORMATS)}; default: what the name of OUT says')
    parser.add_argument('--size', metavar='HxW', help="input size to check, or to fix; default: the checkpoint's")
    parser.add_argument('--fixed', action='store_true', help='take this size alone: some devices and tools want that')
    parser.add_argument('--half', action='store_true', help='OpenVINO: weights in half precision, half the size')
    parser.add_argument('--int8', action='store_true', help='OpenVINO: layers in int8, calibrated on --images')
    parser.add_argument('--images', nargs='+', type=Path, default=[], metavar='PATH',
                        help='images and folders to check with (default: a street that is drawn for it), and for int8 '
                             f'to calibrate with: {ENOUGH}, taken evenly, of what the robot sees')
    parser.add_argument('--fx', type=float, metavar='PX', help='focal length of --images, for int8; default: the field '
                                                               'of view of the training')
    parser.add_argument('--tolerance', type=float, metavar='REL',
                        help='largest difference that passes: of depth, relative to it, and of confidence (0..1)')
    parser.add_argument('--json', action='store_true', help='print one JSON object')
    return parser


def export(args: argparse.Namespace) -> None:
    """Export every format and print what came out; raises ExportError where one failed."""
    files = targets(args.out, args.checkpoint, args.format)
    check(args, files)
    path = default_checkpoint() if args.checkpoint == 'default' else Path(args.checkpoint)
    checkpoint = load_checkpoint(path)
    config = checkpoint.model_config
    size = parse_size(args.size) if args.size else Size(config.height, config.width)
    images = check_images(args.images, CHECKED if args.int8 else 0)
    rows = []
    for name, file in files.items():
        form = form_of(name, args, size, config)
        tolerance = usual_tolerance(name, form) if args.tolerance is None else args.tolerance
        rows.append(row(name, file, checkpoint, size, form, images, tolerance))
    result = {'checkpoint': path.name, 'network': config.name, 'images': len(images), 'files': rows}
    cli.print_json(result) if args.json else print(table(result))
    if failed := [item['error'] for item in rows if not item['ok']]:
        raise ExportError('; '.join(failed))


def check(args: argparse.Namespace, files: Mapping[str, Path]) -> None:
    """Raise ConfigError where options do not go together, and BackendError where NNCF is wanted and not installed."""
    small = [name for name in ('half', 'int8') if getattr(args, name)]
    if len(small) > 1:
        raise ConfigError('expected --half or --int8, got both; int8 is the smaller one')
    if small and not any(FORMATS[name].can_be_small for name in files):
        raise ConfigError(f'expected --{small[0]} with format openvino, got {" ".join(files)}; leave it out')
    if args.int8 and not args.images:
        raise ConfigError(f'expected --images with --int8, got none; give images of what the robot sees, {ENOUGH} are '
                          'enough: int8 takes its ranges from them')
    if args.fx is not None and not (args.int8 and args.fx > 0):
        raise ConfigError(f'expected --fx with --int8, greater than 0 px, got {args.fx}')
    if args.tolerance is not None and not args.tolerance >= 0:  # NaN, too: nothing is greater
        raise ConfigError(f'expected --tolerance of 0 or more, got {args.tolerance}')
    if args.int8:
        library()  # before the work


def form_of(name: str, args: argparse.Namespace, size: Size, config: ModelConfig) -> Form:
    """Return how a format is to be written, with the inputs that int8 is calibrated with."""
    fixed = size if args.fixed or FORMATS[name].only_fixed else None
    if not FORMATS[name].can_be_small:
        return Form(fixed)
    return Form(fixed, args.half,
                calibration_inputs(all_images(args.images), args.fx, config, fixed) if args.int8 else ())


def usual_tolerance(name: str, form: Form) -> float:
    """Return the tolerance that a form has where none is given."""
    return INT8_TOLERANCE if form.int8 else HALF_TOLERANCE if form.half else FORMATS[name].tolerance


def targets(out: Path, checkpoint: str, formats: list[str]) -> dict[str, Path]:
    """Return the file of each format: OUT itself where it is named as one, else in the folder OUT."""
    named = next((name for name, item in FORMATS.items() if out.name.endswith(item.suffix)), None)
    if named and formats in ([], [named]):
        return {named: out}
    if named or not formats:
        raise ConfigError(f'{out}: expected a folder and --format ({", ".join(FORMATS)}), or a file named as the one '
                          f'format ({", ".join(item.suffix for item in FORMATS.values())}), got '
                          f'--format {" ".join(formats) or "nothing"}')
    stem = 'depth_node' if checkpoint == 'default' else Path(checkpoint).name.removesuffix('.safetensors')
    return {name: out / f'{stem}{FORMATS[name].suffix}' for name in formats}


def row(name: str, file: Path, checkpoint: Checkpoint, size: Size, form: Form, images: list[Array],
        tolerance: float) -> dict[str, Any]:
    """Export one format and return what came out of it, as plain values; what went wrong is in `error`."""
    values: dict[str, Any] = {'format': name, 'file': str(file), 'size': size_text(form.size) if form.size else 'any',
                              'half': form.half, 'int8': form.int8, 'tolerance': tolerance, 'ok': False}
    try:
        difference, count = write_checked(name, file, checkpoint, size, form, images, tolerance)
    except DepthNodeError as error:
        return {**values, 'error': str(error)}
    return {**values, 'ok': True, 'bytes': count, **asdict(difference)}


def write_checked(name: str, file: Path, checkpoint: Checkpoint, size: Size, form: Form, images: list[Array],
                  tolerance: float) -> tuple[Difference, int]:
    """Write a file, compare it as the estimator runs it with torch, and put it in its place; return its bytes, too.

    Raises ExportError where they differ by more than the tolerance or the disk is full, and what the formats raise;
    an older file then stays as it was.
    """
    model = checkpoint.model()
    about = {'format': name, 'torch': torch.__version__, **form.about()}
    header = header_text(checkpoint.model_config.to_dict(), {**checkpoint.metadata, 'export': about})
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix='.export', dir=file.parent) as folder:
            written = Path(folder) / file.name
            FORMATS[name].write(model, written, header, form)
            backend = load_exported(written, 'cpu').backend  # where products have all their bits; engines know no CPU
            difference = compare(backend, model, images, sizes_to_check(size, fixed=form.size is not None))
            del backend
            require_near(file, difference, form, tolerance)
            return difference, moved(Path(folder), file.parent)
    except OSError as error:
        raise ExportError(f'{file}: expected to write it, got: {error}; is the disk full?') from error


def require_near(file: Path, difference: Difference, form: Form, tolerance: float) -> None:
    """Raise ExportError where depth or confidence is too far from what torch says: anywhere, or of int8 in the mean."""
    depth, confidence, where = ((difference.depth_mean, difference.confidence_mean, 'in the mean ') if form.int8 else
                                (difference.depth_max, difference.confidence_max, ''))
    if max(depth, confidence) > tolerance:
        raise ExportError(f'{file}: expected depth and confidence {where}within {tolerance:g} of what torch says, got '
                          f'differences of {depth:.3g} (median {difference.depth_median:.3g}) and {confidence:.3g}; '
                          'not written')


def moved(folder: Path, place: Path) -> int:
    """Move the files of a folder to their place, and return how many bytes they have."""
    files = list(folder.iterdir())
    count = sum(file.stat().st_size for file in files)
    for file in files:
        os.replace(file, place / file.name)
    return count


def table(result: dict[str, Any]) -> str:
    """Return what came out as text."""
    header = ('format', 'input', 'MB', 'largest difference', 'median', 'mean', 'of confidence', 'file')
    rows = [cells(item) for item in result['files'] if item['ok']]
    return (f'{result["checkpoint"]} ({result["network"]}) against torch on {result["images"]} images; depth relative\n'
            + cli.columns([header, *rows]))


def cells(item: dict[str, Any]) -> tuple[str, ...]:
    """Format one row of the table."""
    name = item['format'] + ''.join(f' ({form})' for form in ('half', 'int8') if item[form])
    differences = (item[key] for key in ('depth_max', 'depth_median', 'depth_mean', 'confidence_max'))
    return (name, item['size'], f'{item["bytes"] / 1e6:.1f}', *(f'{value:.2g}' for value in differences), item['file'])


if __name__ == '__main__':
    raise SystemExit(main())
