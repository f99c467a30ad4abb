"""depth_bench ground_truth: velodyne_to_depth on one core beside monodepth2, in turns: from a projection to a run."""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import count
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from msg_tools import cli
from msg_tools.camera import Array
from msg_tools.depth_png import depth_to_steps, encode_depth_steps
from msg_tools.errors import ConfigError
from msg_tools.ground_truth.kitti_raw import KittiRawSource
from msg_tools.ground_truth.maps import Chunk, Failure, MapMaker
from msg_tools.ground_truth.projector import ScanProjector
from msg_tools.ground_truth.settings import TruthSettings
from msg_tools.ground_truth.sources import Entry
from msg_tools.kitti import KittiDrive
from msg_tools.synthetic import write_drive
from msg_tools.whole_file import write_whole

from .bench_monodepth2 import Peer, homogeneous

NAME = 'depth_bench ground_truth'
OURS, MODE, PEER = 'ours, nearest', 'ours, monodepth2 mode', 'monodepth2'

FINE_S = 1e-6
# Time on the processor, so that other programs count for little, where the system measures it finely enough.
CLOCK = time.process_time if time.get_clock_info('process_time').resolution <= FINE_S else time.perf_counter

Step = Callable[[int], Any]  # does something with a frame by its number


def main(argv: list[str] | None = None) -> int:
    """Time the projection of scans and print a table, or one JSON object."""
    parser = cli.parser(NAME, 'Time the projection of LiDAR scans, beside monodepth2 where its code is given.',
                        f'{NAME} 2011_09_26/2011_09_26_drive_0005_sync --peer monodepth2/kitti_utils.py')
    parser.add_argument('drive', nargs='?', type=Path, metavar='DRIVE', help='default: a synthetic one is made')
    parser.add_argument('--peer', type=Path, metavar='FILE', help='kitti_utils.py of a checkout of monodepth2; it runs')
    parser.add_argument('--camera', type=int, default=2, choices=(2, 3))
    parser.add_argument('--repeat', type=int, default=5, metavar='N', help='turns over all scans (default 5)')
    parser.add_argument('--json', action='store_true')
    args = parser.parse_args(argv)
    return cli.run(NAME, lambda: report(args))


def report(args: argparse.Namespace) -> None:
    """Time everything on the drive that the arguments name, and print it."""
    with tempfile.TemporaryDirectory() as folder, one_core_process() as pool:
        drive = args.drive or write_drive(folder, frames=2)
        result = pool.submit(measure, drive, args.camera, args.peer, max(args.repeat, 1), Path(folder)).result()
    result['drive'] = drive.name if args.drive else 'synthetic'
    if args.json:
        cli.print_json(result)
        return
    header = 'what', 'median_ms', 'p10_ms', 'p90_ms', 'frames_per_s', 'ratio'
    print(f'{result["drive"]}: {result["scans"]} scans of {result["points"]} points, one core; ratio: to the peer, or '
          f'else to the first\n{cli.columns([header, *([row[key] for key in header] for row in result["rows"])])}')
    print(f'PNG: ours {result["png_bytes"]} bytes, OpenCV\'s default {result["opencv_png_bytes"]} bytes')
    if args.peer:
        print(f'pixels that differ from monodepth2, in its mode: {result["different_pixels"]}')


def measure(folder: Path, camera: int, peer_file: Path | None, repeat: int, scratch: Path) -> dict[str, Any]:
    """Time every step on all scans of a drive in turns; count the pixels that differ from the peer's."""
    drive = KittiDrive(folder)
    peer = Peer.load(peer_file, drive, camera) if peer_file else None
    projector = ScanProjector(drive.calibration.P_velo_to_image(camera), drive.camera(camera).size)
    scans = {frame: drive.read_scan(frame) for frame in drive.scans()}
    maps = {frame: projector.nearest(points) for frame, points in scans.items()}
    groups = [
        projection_steps(projector, scans, peer),
        reading_steps(projector, drive, peer),
        disk_steps(drive, camera, scratch, peer),
        run_steps(drive, camera, scratch),
        {'PNG, ours': lambda frame: encode_depth_steps(maps[frame]),
         "PNG, OpenCV's default": lambda frame: cv2.imencode('.png', maps[frame])},
    ]
    rows = [row for steps in groups for row in time_in_turns(steps, list(scans), repeat)]
    return {
        'scans': len(scans),
        'points': int(np.median([len(points) for points in scans.values()])),
        'rows': rows,
        'png_bytes': int(np.median([len(encode_depth_steps(steps)) for steps in maps.values()])),
        'opencv_png_bytes': int(np.median([len(cv2.imencode('.png', steps)[1]) for steps in maps.values()])),
        'different_pixels': different_pixels(projector, scans, peer) if peer else None,
    }


def projection_steps(projector: ScanProjector, scans: dict[int, Array], peer: Peer | None) -> dict[str, Step]:
    """Return what draws scans that are in memory already."""
    steps: dict[str, Step] = {
        OURS: lambda frame: projector.nearest(scans[frame]),
        MODE: lambda frame: projector.monodepth2(scans[frame]),
    }
    if peer:
        in_memory = {frame: homogeneous(points) for frame, points in scans.items()}
        steps[PEER] = lambda frame: peer.project(in_memory[frame])
    return steps


def reading_steps(projector: ScanProjector, drive: KittiDrive, peer: Peer | None) -> dict[str, Step]:
    """Return what reads a scan and draws it; the peer's function reads its calibration each time, too."""
    steps: dict[str, Step] = {f'{OURS}, with reading': lambda frame: projector.nearest(drive.read_scan(frame))}
    if peer:
        steps[f'{PEER}, with reading'] = lambda frame: peer.read_and_project(drive.scan_path(frame))
    return steps


def disk_steps(drive: KittiDrive, camera: int, scratch: Path, peer: Peer | None) -> dict[str, Step]:
    """Return what makes a depth PNG on the disk of a scan's file: ours as by default, ours as plainly as the peer."""
    plain = Frames.of(drive, camera, TruthSettings(motion='off', occlusion='off'))
    whole = Frames.of(drive, camera, TruthSettings())
    steps: dict[str, Step] = {
        'scan to PNG on disk, ours, projection alone': lambda frame: plain.write(frame, new_file(scratch)),
        'scan to PNG on disk, ours, motion undone, hidden points dropped':
            lambda frame: whole.write(frame, new_file(scratch)),
    }
    if peer:
        steps[f'{PEER}, scan to PNG on disk'] = lambda frame: cv2.imwrite(
            str(new_file(scratch)), (256 * peer.read_and_project(drive.scan_path(frame))).astype(np.uint16))
    return steps


_numbers = count()


def new_file(folder: Path) -> Path:
    """Return the name of a file that is not there yet: file systems are slower to replace one, on purpose."""
    return folder / f'{next(_numbers):08d}.png'


def run_steps(drive: KittiDrive, camera: int, scratch: Path) -> dict[str, Step]:
    """Return what makes the PNGs of a whole run of frames with 5 scans before and after each; times are a frame's."""
    frames = Frames.of(drive, camera, TruthSettings(accumulate=5))
    return {f'{name}, scans to PNG on disk': step for name, step in frames.run(scratch).items()}


@dataclass(frozen=True)
class Frames:
    """A drive's frames by their numbers, and what makes maps of them."""

    maker: MapMaker
    entries: dict[int, Entry]

    @classmethod
    def of(cls, drive: KittiDrive, camera: int, settings: TruthSettings) -> Frames:
        """Open a drive; its poses are read once, as in a run."""
        source = KittiRawSource.open(drive.path, camera, with_images=False)
        scanner = None if settings.motion == 'off' else source.trajectory()
        return cls(MapMaker(source, settings, scanner), {entry.frame: entry for entry in source.entries()})

    def write(self, frame: int, path: Path) -> None:
        """Write the depth PNG of one frame."""
        result = next(self.maker.maps(Chunk([self.entries[frame]], 0, 1)))
        if isinstance(result, Failure):
            raise ConfigError(f'frame {frame}: expected a map, got: {result.reason}')
        write_whole(path, encode_depth_steps(result.steps))

    def run(self, scratch: Path) -> dict[str, Step]:
        """Return steps that go through the frames, each when it is its turn."""
        waiting: dict[str, Any] = {}

        def step(frame: int) -> None:
            result = next(waiting.setdefault('maps', self._maps()), None)
            if result is None or result.frame.entry.frame != frame:
                waiting['maps'] = self._maps()
                result = next(waiting['maps'])
            write_whole(new_file(scratch), encode_depth_steps(result.steps))

        return {'11 scans accumulated, agreeing, hidden points dropped': step}

    def _maps(self) -> Iterator[Any]:
        entries = list(self.entries.values())
        return self.maker.maps(Chunk(entries, 0, len(entries)))


def time_in_turns(steps: dict[str, Step], frames: list[int], repeat: int) -> list[dict[str, Any]]:
    """Run the steps alternately on each frame, so that a noisy machine is noisy for all.

    The ratio says how many times faster than the last step one is, where that is the peer's; else than the first.
    """
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for turn in range(repeat + 1):  # the first warms up
        for frame in frames:
            for name, step in steps.items():
                start = CLOCK()
                step(frame)
                if turn:
                    seconds[name].append(CLOCK() - start)
    names = list(steps)
    reference = np.array(seconds[names[-1] if names[-1].startswith(PEER) else names[0]])
    return [row_of(name, np.array(seconds[name]), reference) for name in names]


def row_of(name: str, seconds: Array, reference: Array) -> dict[str, Any]:
    """Summarise the times [s] of a step; the ratio is the median of those of neighbouring runs."""
    p10, median, p90 = (round(float(value), 3) for value in np.percentile(seconds * 1e3, (10, 50, 90)))
    return {'what': name, 'median_ms': median, 'p10_ms': p10, 'p90_ms': p90,
            'frames_per_s': round(1 / float(np.median(seconds)), 1),
            'ratio': round(float(np.median(reference / seconds)), 2)}


def different_pixels(projector: ScanProjector, scans: dict[int, Array], peer: Peer) -> int:
    """Count the pixels of all scans where our monodepth2 mode and its own code differ by 1/256 m or more."""
    return sum(
        int(np.count_nonzero(projector.monodepth2(points) != depth_to_steps(peer.project(homogeneous(points)))))
        for points in scans.values()
    )


def one_core_process() -> ProcessPoolExecutor:
    """Return a process whose libraries have one thread each, which some read only when they are imported."""
    for library in ('OMP', 'OPENBLAS', 'MKL'):
        os.environ[f'{library}_NUM_THREADS'] = '1'
    return ProcessPoolExecutor(1, get_context('spawn'), cv2.setNumThreads, (1,))
