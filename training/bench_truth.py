"""depth_bench truth: how wrong ground truth is after each step, on a synthetic drive with exact depth."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from msg_tools import cli
from msg_tools.camera import Array, unproject
from msg_tools.depth_png import STEPS_PER_M
from msg_tools.ground_truth.kitti_raw import KittiRawSource
from msg_tools.ground_truth.maps import Chunk, DepthMap, MapMaker
from msg_tools.ground_truth.settings import TruthSettings
from msg_tools.synthetic import write_drive
from msg_tools.synthetic_truth import Truth, Verdict, verdicts

from .bench_tables import Rows, cell, md_table

NAME = 'depth_bench truth'
FAR_OFF = 0.05  # of the depth: a pixel that is more wrong than this is simply wrong
STEPS: dict[str, dict[str, Any]] = {
    'one scan, as it is': {'motion': 'off', 'occlusion': 'off'},
    'its motion undone': {'occlusion': 'off'},
    'and what is hidden dropped (the default)': {},
    '11 scans, all points': {'accumulate': 5, 'agree': 'none'},
    '11 scans, agreeing with the own scan': {'accumulate': 5},
    '11 scans, agreeing with stereo': {'accumulate': 5, 'agree': 'stereo'},
}
OCCLUSIONS = '2%', '5%', '10%', '20%', '0.2m', '0.5m', '1m', '2m'
HEADER = ('step', 'pixels', 'median m', 'p95 %', '> 5 % off', 'behind', 'in front', 'on what moves: > 5 % off')


def main(argv: list[str] | None = None) -> int:
    """Measure each step, and the occlusion filter's settings, and print two tables, or one JSON object."""
    parser = cli.parser(NAME, 'Measure each step of velodyne_to_depth on a synthetic drive with exact depth.',
                        f'{NAME} --frames 16')
    parser.add_argument('drive', nargs='?', type=Path, metavar='DRIVE',
                        help='a synthetic drive; default: one is made, whose scanner turns while cars and people move')
    parser.add_argument('--frames', type=int, default=16, metavar='N', help='of the drive that is made (default 16)')
    parser.add_argument('--scale', type=float, default=1.0, help='of its images (default 1)')
    parser.add_argument('--camera', type=int, default=2, choices=(2, 3))
    parser.add_argument('--jobs', type=int, default=0, help='processes to make the drive; 0: one per core')
    parser.add_argument('--json', action='store_true')
    args = parser.parse_args(argv)
    return cli.run(NAME, lambda: report(args))


def report(args: argparse.Namespace) -> None:
    """Measure on the drive that the arguments name and print it."""
    with tempfile.TemporaryDirectory() as folder:
        drive = args.drive or write_drive(folder, args.frames, scale=args.scale, jobs=args.jobs, turning=True,
                                          traffic=True, curve_dps=15.0, stagger_deg=9.0)
        scene = Known(Truth.of(drive), args.camera)
        steps = [{'step': name, **wrongness(scene, TruthSettings(**settings))} for name, settings in STEPS.items()]
        filters = list(hidden_rows(scene))
    if args.json:
        cli.print_json({'camera': args.camera, 'frames': len(scene.source.entries()), 'steps': steps,
                        'occlusion': filters})
        return
    print(md_table(step_rows(steps)))
    print()
    print(md_table([('--occlusion', 'hidden points found', 'good points lost'),
                    *((row['occlusion'], percent(row['found']), percent(row['lost'])) for row in filters)]))


@dataclass(frozen=True)
class Known:
    """A synthetic drive as a source of scans, with the truth about it."""

    truth: Truth
    camera: int

    @property
    def source(self) -> KittiRawSource:
        """Return the drive as velodyne_to_depth reads it."""
        return KittiRawSource.open(self.truth.drive, self.camera, with_images=True)

    def maps(self, settings: TruthSettings) -> Iterator[DepthMap]:
        """Yield the map of each frame; a frame without one is an error here."""
        source = self.source
        scanner = None if settings.motion == 'off' else source.trajectory()
        entries = source.entries()
        for item in MapMaker(source, settings, scanner).maps(Chunk(entries, 0, len(entries))):
            if not isinstance(item, DepthMap):
                raise RuntimeError(item.reason)
            yield item

    def judged(self, item: DepthMap) -> tuple[Array, Array, Array, Array]:
        """Return of each pixel with depth, (n,): Verdict, error [m], error beyond its pixel (a share), does it move."""
        frame, camera = item.frame.entry.frame, self.truth.intrinsics(self.camera)
        v, u = np.nonzero(item.steps)
        depth_m = item.steps[v, u] / STEPS_PER_M
        exact_m = self.truth.depth_m(self.camera, frame)
        points = unproject(np.stack([u, v], -1).astype(float), depth_m, camera)
        low, high = around(exact_m)
        error_m, beyond_m = (np.abs(depth_m - true_m) for true_m in (
            exact_m[v, u], np.clip(depth_m, low[v, u], high[v, u])))
        moving = self.truth.traffic_pixels(self.camera, frame)[v, u]
        return verdicts(points, camera, exact_m), error_m, beyond_m / np.minimum(depth_m, high[v, u]), moving


def around(exact_m: Array) -> tuple[Array, Array]:
    """Return the least and the greatest depth of each pixel (H, W) and those half a pixel around it.

    A point may lie anywhere in its pixel, so on a slanted surface any depth between is right.
    """
    padded = np.pad(exact_m, 1, mode='edge')
    height, width = exact_m.shape
    middle = padded[1:-1, 1:-1]
    sides = [(middle + padded[1 + v : 1 + v + height, 1 + u : 1 + u + width]) / 2
             for v, u in ((-1, 0), (1, 0), (0, -1), (0, 1))]
    return np.min([middle, *sides], 0), np.max([middle, *sides], 0)


def wrongness(scene: Known, settings: TruthSettings) -> dict[str, Any]:
    """Return how wrong the maps are that settings make."""
    maps = list(scene.maps(settings))
    verdict, error_m, error, moving = (np.concatenate(parts) for parts in zip(*map(scene.judged, maps), strict=True))
    off = error > FAR_OFF
    return {
        'pixels': len(error) // len(maps),
        'median_m': float(np.median(error_m)),
        'p95': float(np.quantile(error, 0.95)),
        'off': float(off.mean()),
        'behind': float((verdict == Verdict.BEHIND).mean()),
        'in_front': float((verdict == Verdict.BEFORE).mean()),
        'moving_off': float(off[moving].mean()) if moving.any() else None,
    }


def hidden_rows(scene: Known) -> Iterator[dict[str, Any]]:
    """Yield, for each setting of the occlusion filter, the share of hidden points that it drops and of good ones."""
    whole = list(scene.maps(TruthSettings(occlusion='off')))
    verdict = np.concatenate([scene.judged(item)[0] for item in whole])
    for text in OCCLUSIONS:
        kept = scene.maps(TruthSettings(occlusion=text))
        dropped = np.concatenate([item.steps[other.steps > 0] == 0 for other, item in zip(whole, kept, strict=True)])
        yield {'occlusion': text, 'found': float(dropped[verdict == Verdict.BEHIND].mean()),
               'lost': float(dropped[verdict == Verdict.VISIBLE].mean())}


def step_rows(steps: Sequence[dict[str, Any]]) -> Rows:
    """Return the table of the steps."""
    return [HEADER, *((row['step'], row['pixels'], cell(row['median_m']), percent(row['p95']), percent(row['off']),
                       percent(row['behind']), percent(row['in_front']), percent(row['moving_off']))
                      for row in steps)]


def percent(share: float | None) -> str:
    """Return a share as per cent with two digits."""
    return '-' if share is None else f'{100 * share:.2f} %'
