"""The steps of the demo: drive, bag, node with replay and recorder, depth PNGs, ground truth, metrics."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from msg_tools.camera import cloud_of
from msg_tools.depth_png import beyond_as_largest, write_depth_png
from msg_tools.kitti import KittiDrive
from msg_tools.synthetic import drive_folder, is_written
from msg_tools.synthetic_studio import DriveSettings

from .commands import DemoError, Service, run
from .drives import CAMERA, camera_of, exact_folder, frames_by_stamp
from .recording import CLOUD, DEPTH, IMAGE_IN, INFO_IN, TOPICS, Recorded, recorded_frames

READY_S = 180.0  # loading and compiling the network on a slow machine
LAST_WORDS_S = 1.5  # after the replay: the last frame, and a last report of the node
CLOUD_STRIDE = 2
NETWORK_OPTIONS = ('checkpoint', 'device', 'backend')


@dataclass(frozen=True, slots=True)
class Options:
    """What the demo was asked for; '' leaves the node's default."""

    out: Path
    rate: float = 1.0
    checkpoint: str = ''
    device: str = ''
    backend: str = ''

    def network(self) -> dict[str, str]:
        """Return the options of the network that were given."""
        return {name: value for name in NETWORK_OPTIONS if (value := getattr(self, name))}


def make_drive(out: Path, frames: int) -> Path:
    """Write the synthetic drive, unless it is there from an earlier time, and return its folder."""
    drive = drive_folder(out / 'drive')
    if not is_written(drive, DriveSettings(frames)):
        run('synthetic_drive', out / 'drive', '--frames', frames)
    return drive


def make_bag(drive: KittiDrive, frames: Sequence[int], out: Path) -> Path:
    """Write frames of a drive as a rosbag2 and return its folder."""
    bag = out / 'bag'
    run('kitti_to_bag', drive.path, bag, '--frames', f'{frames[0]}:{frames[-1] + 1}', '--overwrite')
    return bag


def run_node(bag: Path, options: Options) -> tuple[Path, int]:
    """Replay a bag to the node over DDS while a recorder listens; return the recording and the count of images in.

    Raises DemoError where one of the three fails.
    """
    recording, logs, env = options.out / 'recorded', options.out / 'logs', environment()
    logs.mkdir(parents=True, exist_ok=True)
    node_args = ['--ros-args', '-r', f'image:={IMAGE_IN}', '-r', f'camera_info:={INFO_IN}', *parameters(options)]
    record_args = [recording, '--topics', *TOPICS, '--overwrite']
    replay_args = [bag, '--clock', '--rate', options.rate, '--topics', IMAGE_IN, INFO_IN, '--wait-for', IMAGE_IN,
                   '--json']
    with (
        Service('depth_node', *node_args, log=logs / 'depth_node.log', env=env) as node,
        Service('bag_record', *record_args, log=logs / 'bag_record.log', env=env) as recorder,
    ):
        node.wait_for('waiting for', timeout_s=READY_S)
        recorder.wait_for(f'recording {DEPTH}', f'recording {CLOUD}', timeout_s=READY_S)
        with Service('bag_replay', *replay_args, log=logs / 'bag_replay.log', env=env) as replay:
            replay.wait()
            summary = json.loads(replay.said().splitlines()[-1])  # --json: the last line
        time.sleep(LAST_WORDS_S)
        for service in (node, recorder):
            if service.stop():
                raise DemoError(f'expected {service.name} to end well, got {service.last_line()} ({service.log})')
    return recording, int(summary['messages'][IMAGE_IN])


def parameters(options: Options) -> list[str]:
    """Return the node's parameters as ROS arguments."""
    values = {'use_sim_time': 'true', 'cloud_stride': CLOUD_STRIDE, 'diagnostics_period_s': 0.5, **options.network()}
    return [word for name, value in values.items() for word in ('-p', f'{name}:={value}')]


def environment() -> dict[str, str]:
    """Return the environment of the ROS processes: a domain of this demo's own, unless the user has set one."""
    private = {'ROS_DOMAIN_ID': str(1 + os.getpid() % 100), 'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST'}
    return {**private, **os.environ}


def predict_without_ros(drive: KittiDrive, frames: Sequence[int], options: Options) -> None:
    """Predict the depth of frames by depth_predict, into out/pred as float32 files."""
    shutil.rmtree(options.out / 'pred', ignore_errors=True)
    images = [drive.image_path(CAMERA, frame) for frame in frames]
    flags = [word for name, value in options.network().items() for word in (f'--{name}', value)]
    calibration = drive.calibration_folder / 'calib_cam_to_cam.txt'
    run('depth_predict', *images, '--out', options.out / 'pred', '--calib', calibration, '--camera', CAMERA,
        '--rectified', '--format', 'npy', *flags)


def predicted_frames(drive: KittiDrive, frames: Sequence[int], out: Path) -> Iterator[Recorded]:
    """Yield what depth_predict wrote, with the cloud that the node would have made of it."""
    camera = camera_of(drive)
    rays = camera.rays(CLOUD_STRIDE)
    for stamp, frame in frames_by_stamp(drive, frames).items():
        depth_m = np.load(out / 'pred' / f'{frame:010d}.npy')
        yield Recorded(stamp, depth_m, cloud_of(depth_m[::CLOUD_STRIDE, ::CLOUD_STRIDE], rays))


def write_predictions(recording: Path, frames: dict[int, int], out: Path) -> list[int]:
    """Write the recorded depth as KITTI depth PNGs, out/pred/FRAME.png, and return the frames."""
    shutil.rmtree(out / 'pred', ignore_errors=True)
    (out / 'pred').mkdir()
    done = []
    for recorded in recorded_frames(recording):
        if recorded.stamp_ns in frames:
            done.append(frames[recorded.stamp_ns])
            write_depth_png(out / 'pred' / f'{done[-1]:010d}.png', beyond_as_largest(recorded.depth_m))
    return done


def make_truth(drive: KittiDrive, frames: Iterable[int], out: Path) -> Path | None:
    """Make ground truth of the drive's scans and return the folder of the chosen frames' maps; None without scans."""
    if not drive.scans():
        return None
    shutil.rmtree(out / 'truth', ignore_errors=True)
    jobs = min(4, os.cpu_count() or 1)
    run('velodyne_to_depth', drive.path, out / 'truth', '--camera', CAMERA, '--images', 'none', '--jobs', jobs)
    return only_frames(out / 'truth' / 'depth', frames, out / 'truth' / 'shown')


def only_frames(folder: Path, frames: Iterable[int], chosen: Path) -> Path:
    """Copy the maps of these frames into a folder of their own, so that metrics speak of nothing else."""
    shutil.rmtree(chosen, ignore_errors=True)
    chosen.mkdir(parents=True)
    for path in (folder / f'{frame:010d}.png' for frame in frames):
        if path.is_file():
            shutil.copyfile(path, chosen / path.name)
    return chosen


def evaluate(drive: KittiDrive, truth: Path | None, frames: Sequence[int], out: Path) -> dict[str, dict[str, Any]]:
    """Return depth_eval's results against the LiDAR and, where there is one, the exact depth, by name."""
    truths = {'LiDAR': truth}
    if exact := exact_folder(drive):
        truths['exact depth'] = only_frames(exact, frames, out / 'truth' / 'exact')
    calibration = drive.calibration_folder / 'calib_cam_to_cam.txt'
    return {
        name: json.loads(run('depth_eval', '--pred', out / 'pred', '--gt', folder, '--calib', calibration, '--camera',
                             CAMERA, '--json').splitlines()[-1])
        for name, folder in truths.items() if folder is not None and any(folder.iterdir())
    }
