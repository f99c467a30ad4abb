"""The command velodyne_to_depth: LiDAR scans of KITTI folders or bags become depth PNGs, with matched images."""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from contextlib import closing, suppress
from dataclasses import replace
from math import isfinite
from pathlib import Path
from typing import Any

from .. import cli
from ..errors import CalibrationError, DepthNodeError, KittiError, OutputError, PosesError
from .compare import compare_maps
from .compiled import SLOW, is_compiled
from .manifest import require_format
from .maps import MapMaker
from .open_source import open_source
from .options import NAME, SOURCE_CHOICES, arguments, settings_of, source_options
from .output import Output
from .poses import poses_of
from .report import write_report
from .run import Engine, Run, opened
from .settings import TruthSettings
from .sources import Source
from .truth_set import TruthSet

LISTED = 20  # frames whose reasons are printed; the manifest has all


def main(argv: list[str] | None = None) -> int:
    """Run velodyne_to_depth."""
    parser = arguments()
    args = parser.parse_args(argv)
    cli.print_any_name()
    args.source, args.out = args.source.absolute(), args.out.absolute()  # the same on every worker
    try:
        settings = settings_of(args)
    except DepthNodeError as error:
        parser.error(str(error))
    return cli.run(NAME, lambda: convert(args, settings))


def convert(args: argparse.Namespace, settings: TruthSettings) -> int:
    """Make the depth maps that the arguments ask for.

    Return 1 where a frame failed or could not be compared, or nothing came of any.
    """
    start_s = time.perf_counter()
    require_format(args.manifest)
    source = source_of(args)
    for text in (*source.warnings, *(() if is_compiled() else (SLOW,))):
        cli.warn(NAME, text)
    maker = maker_of(source, settings, args)
    for text in maker.scanner.warnings if maker.scanner else ():
        cli.warn(NAME, text)
    description = describe(args, maker)
    output = output_of(args)
    with opened(maker, output, description, description['digest'], args.overwrite) as run:
        make(run, args)
        seconds = time.perf_counter() - start_s
        list_faults(run, args.manifest)
        judged = quality(args, output.folder)
        report(args, run, seconds, judged)
    counts = run.records.counts()
    not_compared = judged.get('compared', {}).get('failed', 0)
    return int(counts['failed'] > 0 or counts['ok'] + counts['partial'] == 0 or not_compared > 0)


def make(run: Run, args: argparse.Namespace) -> None:
    """Do what is left, with a progress bar, and write the manifest, also after an interruption or on a full disk."""
    try:
        with closing(run.rows(Engine(args.jobs, args.scheduler))) as rows:
            for _ in cli.progress(rows, total=len(run.todo)):
                pass
    except BaseException:
        with suppress(OutputError):  # the journal is what the next run goes on from
            run.finish(args.manifest)
        raise
    run.finish(args.manifest)


def source_of(args: argparse.Namespace) -> Source:
    """Open the source as what it is. Raises one of our errors where it is nothing known, or broken."""
    return open_source(args.source, source_options(args))


def maker_of(source: Source, settings: TruthSettings, args: argparse.Namespace) -> MapMaker:
    """Return the maker of maps, with the scanner's poses where they are wanted and there are any.

    Raises PosesError where there are none, and motion compensation or accumulation was asked for.
    """
    if settings.motion == 'off' and not settings.accumulate:
        return MapMaker(source, settings, None)
    try:
        scanner = poses_of(source, args.poses, body=args.pose_body)
        if scanner is None:
            raise PosesError(f'{source.path}: expected poses, got --poses none')
    except (PosesError, CalibrationError, KittiError) as error:
        if settings.motion == 'on' or settings.accumulate or args.poses not in ('auto', 'none'):
            raise
        cli.warn(NAME, f'the motion of the scans is not undone (--motion off): {error}')
        return MapMaker(source, replace(settings, motion='off'), None)
    return MapMaker(source, settings, scanner.limited(settings.max_pose_gap_s, settings.max_speed_mps))


def describe(args: argparse.Namespace, maker: MapMaker) -> dict[str, Any]:
    """Return what settings.json holds: all that decides what the maps are, a digest of it, and where it came from.

    The source's folder is not part of the digest: it may be mounted elsewhere next time. Its name is.
    """
    chosen = {name: str(value) for name in SOURCE_CHOICES if (value := getattr(args, name))}
    decides = {**maker.settings.as_dict(), 'camera': args.camera, 'source_name': name_of(args.source),
               'poses': args.poses, 'chosen': chosen, 'exposure_of': maker.source.exposure}
    version = decides.pop('version')
    digest = hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:12]
    return {**decides, 'digest': digest, 'version': version, 'source': str(args.source.resolve())}


def output_of(args: argparse.Namespace) -> Output:
    """Return the output that the arguments ask for; the benchmark's layout has a folder for each drive."""
    folder = args.out / name_of(args.source) if args.layout == 'benchmark' else args.out
    return Output(folder, args.layout, args.images, args.overlay, args.sparse, args.camera)


def name_of(source: Path) -> str:
    """Return the name of a drive or bag."""
    source = source.resolve()
    return source.name if source.is_dir() else source.stem


def report(args: argparse.Namespace, run: Run, seconds: float, judged: dict[str, Any]) -> None:
    """Print what was made, for people or as JSON."""
    counts, medians = run.records.counts(), run.records.medians()
    if args.json:
        made = len(run.todo)
        cli.print_json({'out': str(args.out), 'mode': run.work.maker.settings.mode, 'frames': sum(counts.values()),
                        **counts, **medians, 'seconds': round(seconds, 3), 'kept': run.kept, 'made': made,
                        'frames_per_s': round(made / seconds, 2), 'motion': run.work.maker.scanner is not None,
                        'settings': run.work.digest, **judged})
        return
    parts = [f'{count} {status}' for status, count in counts.items() if count]
    kept = f', {run.kept} of them were there' if run.kept else ''
    print(f'{args.out}: {sum(counts.values())} frames ({", ".join(parts) or "none"}){kept}, {medians["pixels"]} pixels '
          f'each in the median ({100 * medians["coverage"]:.1f} %), {seconds:.1f} s')


def list_faults(run: Run, suffix: str) -> None:
    """Say which frames have a fault, before anything that comes after the maps can go wrong."""
    for status in ('failed', 'skipped', 'partial'):
        list_frames(run, status, suffix)


def list_frames(run: Run, status: str, suffix: str) -> None:
    """Print the first frames of a status, each with its reason, and how many more there are."""
    count = run.records.counts()[status]
    for row, _ in zip(run.records.rows(status), range(LISTED), strict=False):
        cli.warn(NAME, f'{row.name}: {row.reason}' if row.name else row.reason)
    if count > LISTED:
        cli.warn(NAME, f'{count - LISTED} more {status}: see {run.work.output.folder / f"manifest.{suffix}"}')


def quality(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Write the report and the comparison that were asked for, and return what --json says of them.

    Raises TruthSetError where there are no maps to judge.
    """
    judged: dict[str, Any] = {}
    if args.report:
        check = write_report(args.report, TruthSet.open(folder), title=name_of(args.source))
        scores = {'score': check.score, 'chance': check.chance}
        judged['calibration'] = {'verdict': check.verdict, 'text': check.text, **{
            name: round(score, 4) if isfinite(score) else None for name, score in scores.items()}}  # JSON has no NaN
    if args.compare:
        comparison = compare_maps(folder, args.compare, args.camera)
        judged['compared'] = {**comparison.total.as_dict(), 'failed': len(comparison.failed)}
        if not args.json:
            print(comparison.text())
    if args.report and not args.json:
        print(f'{args.report}: {judged["calibration"]["text"]}')
    return judged


if __name__ == '__main__':
    sys.exit(main())
