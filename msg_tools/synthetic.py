"""Write a synthetic drive in KITTI's raw layout: a street with colour cameras, a Velodyne, OXTS and exact depth.

Everything is standing still but the car with the sensors, and every sensor takes its frame at one moment: what the
cameras see, what the scan says and the exact depth agree. On request the scanner turns while the car drives, as a real
one does, the car weaves, and others drive and walk in the street; synthetic_truth.py then knows what is true.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from functools import cache
from multiprocessing import get_context
from pathlib import Path

from . import cli
from .errors import KittiError
from .kitti_calibration import KittiCalibration
from .synthetic_rig import PERIOD_NS, write_calibration, write_oxts, write_stamps
from .synthetic_studio import CAMERAS, OFFSETS, DriveSettings, Studio
from .whole_file import write_whole

NAME = 'python -m msg_tools.synthetic'
DATE = '2011_09_26'
MARK = 'synthetic.json'
STREET_VERSION = 1  # raise it when the same settings draw another street
LATER = ('turning', 'traffic', 'curve_dps', 'image_delay_ms', 'right_depth', 'stagger_deg')  # older drives lack them


def write_drive(path: Path | str, frames: int = 20, seed: int = 0, scale: float = 1.0, azimuths: int = 2084,
                supersample: float = 1.25, npy: bool = False, jobs: int = 1, speed_mps: float = 8.0,
                turning: bool = False, traffic: bool = False, curve_dps: float = 0.0, image_delay_ms: float = 0.0,
                right_depth: bool = False, stagger_deg: float = 0.0) -> Path:
    """Write a synthetic drive below a folder and return the drive's own: path/2011_09_26/2011_09_26_drive_9000_sync.

    The drive's number is 9000 and the seed. Beside KITTI's folders it has depth_exact/image_02/FRAME.png (and .npy,
    float32 [m], +Inf for the sky). A turning scanner's has velodyne_points/offsets/FRAME.npy, too: when each point was
    shot, float32 [s] after the scan's stamp. The same settings give the same files. Raises KittiError for settings that
    make no drive, OSError where it cannot write.
    """
    settings = DriveSettings(frames, seed, scale, azimuths, supersample, npy, speed_mps, turning, traffic, curve_dps,
                             image_delay_ms, right_depth, stagger_deg)
    drive = drive_folder(path, seed)
    for _ in write_frames(drive, settings, jobs):
        pass
    return drive


def drive_folder(path: Path | str, seed: int = 0) -> Path:
    """Return the folder of the synthetic drive of this seed below a folder; each street is a drive of its own."""
    return Path(path) / DATE / f'{DATE}_drive_{9000 + seed:04d}_sync'


def write_frames(drive: Path, settings: DriveSettings, jobs: int = 1) -> Iterator[int]:
    """Write a drive into its folder, yielding the number of each frame when its files are there; jobs 0: every core."""
    drive.mkdir(parents=True, exist_ok=True)
    (drive / MARK).unlink(missing_ok=True)
    write_calibration(drive.parent, settings.scale)
    write_oxts(drive / 'oxts', settings.frames, settings.course)
    write_all_stamps(drive, settings)
    for folder in ('image_02', 'image_03', 'velodyne_points', 'oxts'):
        (drive / folder / 'data').mkdir(exist_ok=True)
    for camera in settings.exact_cameras:
        (drive / 'depth_exact' / f'image_{camera:02d}').mkdir(parents=True, exist_ok=True)
    if settings.turning:
        (drive / OFFSETS).mkdir(exist_ok=True)
    jobs = min(jobs or os.cpu_count() or 1, settings.frames)
    work = [(settings, drive, frame) for frame in range(settings.frames)]
    yield from in_processes(work, jobs) if jobs > 1 else map(write_frame, work)
    write_whole(drive / MARK, mark(settings).encode())


def write_all_stamps(drive: Path, settings: DriveSettings) -> None:
    """Write the stamps of every sensor; a Velodyne that turns takes half a period before its stamp and half after."""
    for folder in ('velodyne_points', 'oxts'):
        write_stamps(drive / folder / 'timestamps.txt', settings.frames)
    for camera in CAMERAS:
        write_stamps(drive / f'image_{camera:02d}' / 'timestamps.txt', settings.frames,
                     round(settings.image_delay_ms * 1e6))
    half_ns = PERIOD_NS // 2 if settings.turning else 0
    for name, offset_ns in (('start', -half_ns), ('end', half_ns)):
        write_stamps(drive / 'velodyne_points' / f'timestamps_{name}.txt', settings.frames, offset_ns)


def is_written(drive: Path, settings: DriveSettings) -> bool:
    """Return whether a folder holds the whole drive of these settings, as this version of the street draws it."""
    try:
        return (drive / MARK).read_text() == mark(settings)
    except OSError:
        return False


def mark(settings: DriveSettings) -> str:
    """Return what is written beside a finished drive: how it was made; what LATER has is left out where it is off."""
    made = {name: value for name, value in asdict(settings).items() if value or name not in LATER}
    return json.dumps({'street': STREET_VERSION, **made}, indent=2) + '\n'


def in_processes(work: list[tuple[DriveSettings, Path, int]], jobs: int) -> Iterator[int]:
    """Write frames in several processes; each lights the street for itself and runs one thread."""
    os.environ.setdefault('OPENBLAS_NUM_THREADS', '1')  # small products: threads would only wait for each other
    with ProcessPoolExecutor(jobs, get_context('spawn')) as pool:
        for done in as_completed([pool.submit(write_frame, item) for item in work]):
            yield done.result()


def write_frame(work: tuple[DriveSettings, Path, int]) -> int:
    """Write one frame of a drive and return its number."""
    settings, drive, frame = work
    studio(settings, drive.parent).write_frame(drive, frame)
    return frame


@cache
def studio(settings: DriveSettings, calibration: Path) -> Studio:
    """Return the street of a drive, built once in each process."""
    return Studio.of(settings, KittiCalibration.load(calibration))


def main(argv: list[str] | None = None) -> int:
    """Write a synthetic drive from the command line."""
    parser = cli.parser(NAME, 'Write a synthetic street drive with exact depth in KITTI raw layout.',
                        f'{NAME} /tmp/street --frames 20')
    parser.add_argument('out', type=Path, metavar='OUT', help=f'folder for {DATE}/{DATE}_drive_9000_sync')
    defaults = DriveSettings()
    parser.add_argument('--frames', type=int, default=defaults.frames, help='how many, at 10 Hz (default %(default)s)')
    parser.add_argument('--speed', type=float, default=defaults.speed_mps, metavar='M_S', help='of the car (default '
                        '%(default)g); to train on, 80: a frame every 8 m shows more of a street than one every 0.8 m')
    parser.add_argument('--seed', type=int, default=defaults.seed, help='another number, another street')
    parser.add_argument('--scale', type=float, default=defaults.scale, help='size of the images, 1 is 1242x375')
    parser.add_argument('--npy', action='store_true', help='write the exact depth as float32 NumPy files, too')
    parser.add_argument('--turning', action='store_true', help='the scanner turns while the car drives: a scan is bent')
    parser.add_argument('--stagger', type=float, default=defaults.stagger_deg, metavar='DEG', help='how far the beams '
                        "of a shot look aside where the scanner turns (default %(default)g; an HDL-64E's: 9)")
    parser.add_argument('--traffic', action='store_true', help='cars drive and people walk in the street')
    parser.add_argument('--curve', type=float, default=defaults.curve_dps, metavar='DEG_S', help='the car weaves, '
                        'brakes and accelerates; its highest yaw rate (default %(default)g: it sways a little)')
    parser.add_argument('--image-delay', type=float, default=defaults.image_delay_ms, metavar='MS', help="how much "
                        "later than their exposure images are stamped (default %(default)g; KITTI's: 10.5)")
    parser.add_argument('--right-depth', action='store_true', help='write the exact depth of the right camera, too')
    parser.add_argument('--jobs', type=int, default=0, help='threads (default: one per core)')
    arguments = parser.parse_args(argv)
    return cli.run(NAME, lambda: _write(arguments))


def _write(arguments: object) -> int:
    options = vars(arguments)
    settings = DriveSettings(options['frames'], options['seed'], options['scale'], npy=options['npy'],
                             speed_mps=options['speed'], turning=options['turning'], traffic=options['traffic'],
                             curve_dps=options['curve'], image_delay_ms=options['image_delay'],
                             right_depth=options['right_depth'], stagger_deg=options['stagger'])
    drive = drive_folder(options['out'], options['seed'])
    try:
        for _ in cli.progress(write_frames(drive, settings, options['jobs']), total=settings.frames):
            pass
    except OSError as error:
        raise KittiError(f'{drive}: expected a folder that can be written, got: {error}') from error
    print(drive)
    return 0


if __name__ == '__main__':
    sys.exit(main())
