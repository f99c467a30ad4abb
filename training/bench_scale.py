"""depth_bench scale: velodyne_to_depth over thousands of frames: processes beside one, memory, and bags of any size.

Each run is the command itself in a process of its own. A long drive is made of a short one by links under new numbers,
with stamps that go on; a big bag of its scans, images and poses, written again and again.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from msg_tools import cli
from msg_tools.errors import ConfigError
from msg_tools.kitti import OXTS, SCANS, KittiDrive
from msg_tools.synthetic import write_drive

from .bench_tables import cell, md_table

NAME = 'depth_bench scale'
PERIOD_NS = 103_300_000
SAMPLE_S = 0.5
HEADER = ('GB', 'frames', 'jobs', 'frames/s', 'ratio', 'most memory of a worker, MB: first, last quarter',
          'main process, MB')
COMMAND = sys.executable, '-m', 'msg_tools.ground_truth.cli'


def main(argv: list[str] | None = None) -> int:
    """Run velodyne_to_depth over many frames and print what it took."""
    parser = cli.parser(NAME, 'Measure velodyne_to_depth over many frames: processes, memory.',
                        f'{NAME} 2011_09_26/2011_09_26_drive_0005_sync --frames 2000 --jobs 1 2')
    parser.add_argument('drive', nargs='?', type=Path, metavar='DRIVE', help='default: a synthetic one is made')
    parser.add_argument('--frames', type=int, default=1000, metavar='N', help='of the long drive (default 1000)')
    parser.add_argument('--jobs', type=int, nargs='+', default=[1, 2], metavar='N', help='default: 1 2')
    parser.add_argument('--bag', type=float, nargs='+', default=[], metavar='GB',
                        help='instead: bags of these sizes, made of the long drive (default: none)')
    parser.add_argument('--options', nargs=argparse.REMAINDER, default=[], metavar='...',
                        help='the rest of the line goes to velodyne_to_depth, such as --accumulate 5')
    parser.add_argument('--json', action='store_true')
    args = parser.parse_args(argv)
    return cli.run(NAME, lambda: report(args))


def report(args: argparse.Namespace) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        short, place = args.drive or write_drive(folder, frames=8, jobs=0), Path(folder)
        rows = bag_rows(short, place, args) if args.bag else drive_rows(short, place, args)
    for row in rows:
        row['ratio'] = round(row['frames_per_s'] / rows[0]['frames_per_s'], 2)
    if args.json:
        cli.print_json({'frames': args.frames, 'options': args.options, 'runs': rows})
        return
    print(md_table([HEADER, *map(cells, rows)]))


def cells(row: dict[str, Any]) -> tuple[object, ...]:
    """Return a run as a row of the table."""
    return (cell(row['gigabytes']), row['frames'], row['jobs'], cell(row['frames_per_s']), row['ratio'],
            f'{row["first_mb"]:.0f}, {row["last_mb"]:.0f}', cell(row['main_mb']))


def drive_rows(short: Path, folder: Path, args: argparse.Namespace) -> list[dict[str, Any]]:
    """Run the command over a long drive with each number of processes."""
    drive = long_drive(short, folder / 'long', args.frames)
    size = sum(file.stat().st_size for file in (drive / SCANS / 'data').iterdir()) / 1e9
    return [{'gigabytes': size, **run(drive, folder / f'out{jobs}', jobs, args.options)} for jobs in args.jobs]


def bag_rows(short: Path, folder: Path, args: argparse.Namespace) -> list[dict[str, Any]]:
    """Run the command over bags of each size, made by kitti_to_bag."""
    rows = []
    for i, gigabytes in enumerate(args.bag):
        frames = max(2, round(gigabytes * 1e9 / bytes_per_frame(short)))
        drive, bag = long_drive(short, folder / f'long{i}', frames), folder / f'bag{i}'
        subprocess.run([sys.executable, '-m', 'msg_tools.kitti_bag', str(drive), str(bag)], check=True,
                       stdout=subprocess.DEVNULL)
        size = sum(file.stat().st_size for file in bag.iterdir()) / 1e9
        rows += [{'gigabytes': size, **run(bag, folder / f'out{i}_{jobs}', jobs, args.options)} for jobs in args.jobs]
        shutil.rmtree(bag)
    return rows


def bytes_per_frame(drive: Path) -> int:
    """Return about how many bytes of a bag a frame takes: a cloud with times, and an image as it is published."""
    source = KittiDrive(drive)
    return source.read_scan(source.scans()[0]).nbytes * 5 // 4 + 3 * source.camera(2).size.pixels


def run(source: Path, out: Path, jobs: int, options: Sequence[str]) -> dict[str, Any]:
    """Run the command on a source and return its frames a second and the memory of its processes."""
    command = [*COMMAND, str(source), str(out), '--images', 'none', '--jobs', str(jobs), '--json', *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    memory = Memory(process.pid)
    text, errors = process.communicate()
    memory.stop()
    if process.returncode:
        raise ConfigError(f'expected {" ".join(command)} to succeed, got: {errors.strip()[-500:]}')
    result = json.loads(text.splitlines()[-1])
    return {'jobs': jobs, 'frames': result['frames'], 'frames_per_s': result['frames_per_s'],
            'seconds': result['seconds'], **memory.facts()}


@dataclass
class Memory:
    """Samples the resident memory [MB] of a process and its children while they run."""

    pid: int
    main: list[float] = field(default_factory=list)
    workers: list[float] = field(default_factory=list)  # the largest child of each sample, or the process alone

    def __post_init__(self) -> None:
        self._running = True
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Take no more samples."""
        self._running = False
        self._thread.join()

    def facts(self) -> dict[str, float]:
        """Return the most memory of a worker in the first and the last quarter of the run, and of the main process."""
        quarter = max(1, len(self.workers) // 4)
        first, last = self.workers[:quarter], self.workers[-quarter:]
        return {'first_mb': max(first, default=0.0), 'last_mb': max(last, default=0.0),
                'main_mb': max(self.main, default=0.0)}

    def _sample(self) -> None:
        while self._running:
            main, children = resident_mb(self.pid), [resident_mb(pid) for pid in children_of(self.pid)]
            if main:
                self.main.append(main)
                self.workers.append(max([size for size in children if size > 1] or [main]))
            time.sleep(SAMPLE_S)


def resident_mb(pid: int) -> float:
    """Return the resident memory of a process [MB]; 0 where it is gone."""
    try:
        pages = int(Path(f'/proc/{pid}/statm').read_text().split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * os.sysconf('SC_PAGE_SIZE') / 1e6


def children_of(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    try:
        tasks = Path(f'/proc/{pid}/task').iterdir()
        return [int(child) for task in tasks for child in (task / 'children').read_text().split()]
    except OSError:
        return []


def long_drive(drive: Path, folder: Path, frames: int) -> Path:
    """Make a drive of links to a drive's frames that follow each other, over and over, and return its folder.

    The stamps go on at a steady period. OXTS goes round as well: its velocities add up, its attitude jumps at the seam.
    """
    source = KittiDrive(drive)
    numbers = consecutive([frame for frame in source.scans() if frame in set(source.oxts_frames())])
    day = folder / source.calibration_folder.name
    result = day / f'{source.date}_drive_9999_sync'
    for file in source.calibration_folder.glob('calib_*.txt'):
        day.mkdir(parents=True, exist_ok=True)
        (day / file.name).symlink_to(file.resolve())
    for sensor in (SCANS, OXTS, 'image_02'):
        link_frames(drive.resolve() / sensor / 'data', result / sensor / 'data', numbers, frames)
    stamps = np.datetime64('2011-09-26T12:00:00', 'ns') + PERIOD_NS * np.arange(frames)
    half = np.timedelta64(PERIOD_NS // 2, 'ns')
    for name, values in ((f'{SCANS}/timestamps', stamps), (f'{SCANS}/timestamps_start', stamps - half),
                         (f'{SCANS}/timestamps_end', stamps + half), (f'{OXTS}/timestamps', stamps),
                         ('image_02/timestamps', stamps)):
        (result / f'{name}.txt').write_text(''.join(f'{str(stamp).replace("T", " ")}\n' for stamp in values))
    return result


def consecutive(numbers: Sequence[int]) -> list[int]:
    """Return the longest run of numbers that follow each other."""
    runs = np.split(np.array(numbers), np.flatnonzero(np.diff(numbers) != 1) + 1)
    return [int(number) for number in max(runs, key=len)]


def link_frames(source: Path, target: Path, numbers: Sequence[int], frames: int) -> None:
    """Link a sensor's files under new numbers."""
    target.mkdir(parents=True)
    files = {int(file.stem): file for file in source.iterdir()}
    for frame in range(frames):
        file = files[numbers[frame % len(numbers)]]
        (target / f'{frame:010d}{file.suffix}').symlink_to(file)


if __name__ == '__main__':
    sys.exit(main())
