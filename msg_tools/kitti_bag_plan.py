"""What a bag of a KITTI drive will hold, and when: everything is read only once its turn comes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from . import kitti_messages as messages
from .camera import Array
from .errors import ImageError, KittiError
from .ground_truth.kernels import azimuth_offsets
from .kitti import NO_STAMP_NS, OXTS, SCANS, KittiDrive
from .oxts import OxtsRecord, travelled

GAP_NS = 1_000_000_000

Frames = tuple[int, int]  # first, and one past the last
Turns = dict[int, tuple[float, float]]  # by frame: when the scanner's turn began and ended [s after the scan's stamp]


@dataclass(frozen=True, slots=True)
class Item:
    """What will be written at a stamp [ns]: `read` makes the message when its turn comes."""

    stamp_ns: int
    topic: str
    read: Callable[[], Any]


@dataclass
class Plan:
    """All items of a drive, and what could not be planned or read, in words."""

    items: list[Item] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def add(self, stamps_ns: Any, frames: Iterable[int], topic: str, make: Callable[[int, int], Any]) -> None:
        """Add an item for each frame that has a stamp; `make(frame, stamp_ns)` reads its message."""
        for frame in frames:
            if frame >= len(stamps_ns) or stamps_ns[frame] == NO_STAMP_NS:
                self.warnings.append(f'{topic}: frame {frame} has no time stamp (there are {len(stamps_ns)}); left out')
                continue
            stamp_ns = int(stamps_ns[frame])
            self.items.append(Item(stamp_ns, topic, partial(make, frame, stamp_ns)))


def plan_drive(drive: KittiDrive, cameras: list[int], frames: Frames, compressed: bool) -> Plan:
    """Plan everything of some cameras and frames of a drive, in the order of time.

    Raises KittiError where there is nothing, CalibrationError where a camera is not calibrated.
    """
    plan = Plan()
    plan_cameras(plan, drive, cameras, frames, compressed)
    plan_scans(plan, drive, frames)
    plan_oxts(plan, drive, frames)
    if not plan.items:
        raise KittiError(f'{drive.path}: expected frames from {frames[0]} to {frames[1]}, got {frame_range(drive)}')
    plan.items.sort(key=lambda item: item.stamp_ns)  # stable: camera_info stays before its image
    warn_of_gaps(plan)
    return plan


def chosen_cameras(drive: KittiDrive, cameras: Iterable[int] | None) -> list[int]:
    """Return the cameras to write: those asked for, or all that the drive has."""
    there = [n for n in messages.CAMERA_FRAMES if drive.frames(n)]
    chosen = there if cameras is None else sorted(set(cameras))
    if missing := [n for n in chosen if n not in there]:
        raise KittiError(f'{drive.path}: expected images of camera {missing[0]}, got those of {there or "none"}')
    return chosen


def plan_cameras(plan: Plan, drive: KittiDrive, cameras: list[int], frames: Frames, compressed: bool) -> None:
    """Plan camera_info and image of every frame of some cameras."""
    for n in cameras:
        topic = messages.CAMERA_TOPICS[n]
        stamps_ns = stamps_of(plan, drive, drive.camera(n).folder)
        there = within(drive.frames(n), frames)
        plan.add(stamps_ns, there, f'{topic}/camera_info', partial(info_of, drive, n))
        if compressed:
            plan.add(stamps_ns, there, f'{topic}/image_raw/compressed', partial(compressed_of, drive, n))
        else:
            plan.add(stamps_ns, there, f'{topic}/image_raw', partial(image_of, drive, n))


def plan_scans(plan: Plan, drive: KittiDrive, frames: Frames) -> None:
    """Plan the cloud of every scan, at the moment when the laser faced forward."""
    if scans := within(drive.scans(), frames):
        stamps_ns = stamps_of(plan, drive, SCANS)
        plan.add(stamps_ns, scans, messages.CLOUD_TOPIC, partial(cloud_of, drive, turns_of(plan, drive, stamps_ns)))
    else:
        plan.warnings.append(f'{drive.path}: no Velodyne scans in these frames')


def plan_oxts(plan: Plan, drive: KittiDrive, frames: Frames) -> None:
    """Plan GPS, IMU and pose at the frames that are written, and at their neighbours, so that /tf spans them all."""
    there = drive.oxts_frames()
    origin = first_record(drive, there)
    if origin is None:
        plan.warnings.append(f'{drive.path}: no OXTS records: no GPS, IMU and /tf')
        return
    stamps_ns = stamps_of(plan, drive, OXTS)
    sensors = within({f for n in messages.CAMERA_FRAMES for f in drive.frames(n)} | set(drive.scans()), frames)
    near = {frame + step for frame in sensors for step in (-1, 0, 1)}
    wanted = [frame for frame in there if frame in near]
    makers: dict[str, Callable[[int, OxtsRecord], Any]] = {
        '/kitti/oxts/gps/fix': messages.fix_message,
        '/kitti/oxts/gps/vel': messages.velocity_message,
        '/kitti/oxts/imu': messages.imu_message,
        '/tf': partial(messages.pose_message, origin=origin),
    }
    for topic, make in makers.items():
        plan.add(stamps_ns, wanted, topic, partial(oxts_of, drive, make))
    went = ways_of(drive, stamps_ns)
    known = [frame for frame in wanted if frame in went]
    plan.add(stamps_ns, known, messages.ODOMETRY_TOPIC, partial(odometry_of, drive, went))


def ways_of(drive: KittiDrive, stamps_ns: Any) -> dict[int, Array]:
    """Return where the IMU was, by the velocities of all of the drive's good records, T_start_imu (4, 4) by frame."""
    records, _ = drive.oxts_records(stamps_ns)
    if not records:
        return {}
    poses = travelled(list(records.values()), stamps_ns[list(records)])
    return dict(zip(records, poses, strict=True))


def first_record(drive: KittiDrive, frames: Iterable[int]) -> OxtsRecord | None:
    """Return the first record that can be read: where the world begins."""
    for frame in frames:
        with suppress(KittiError):
            return drive.read_oxts(frame)
    return None


def info_of(drive: KittiDrive, camera: int, frame: int, stamp_ns: int) -> Any:
    """Return the message of a camera's calibration, the same for every frame."""
    return messages.camera_info_message(drive.calibration, camera, stamp_ns)


def image_of(drive: KittiDrive, camera: int, frame: int, stamp_ns: int) -> Any:
    """Read an image and return its message. Raises ImageError where its size is not the calibration's."""
    rgb = drive.read_image(camera, frame)
    size = drive.camera(camera).size
    if rgb.shape[:2] != size.shape:
        raise ImageError(f'{drive.image_path(camera, frame)}: expected an image of {size} as calibrated, '
                         f'got {rgb.shape[1]}x{rgb.shape[0]}')
    return messages.image_message(camera, stamp_ns, rgb)


def compressed_of(drive: KittiDrive, camera: int, frame: int, stamp_ns: int) -> Any:
    """Return the message of an image file as it is."""
    return messages.compressed_message(camera, stamp_ns, drive.image_path(camera, frame).read_bytes())


def cloud_of(drive: KittiDrive, turns_s: Turns, frame: int, stamp_ns: int) -> Any:
    """Read a scan and return its message, with the times of its points where those of its turn are known."""
    points, turn_s = drive.read_scan(frame), turns_s.get(frame)
    offsets_s = None if turn_s is None else azimuth_offsets(points, turn_s[0], turn_s[1] - turn_s[0])
    return messages.cloud_message(stamp_ns, points, offsets_s)


def turns_of(plan: Plan, drive: KittiDrive, stamps_ns: Any) -> Turns:
    """Return when the turn of each scan began and ended [s after its stamp], as far as the drive says so."""
    starts, ends = (stamps_of(plan, drive, SCANS, which) for which in ('start', 'end'))
    both = zip(stamps_ns.tolist(), starts.tolist(), ends.tolist(), strict=False)
    return {frame: ((start - stamp) * 1e-9, (end - stamp) * 1e-9) for frame, (stamp, start, end) in enumerate(both)
            if NO_STAMP_NS not in (stamp, start, end)}


def oxts_of(drive: KittiDrive, make: Callable[[int, OxtsRecord], Any], frame: int, stamp_ns: int) -> Any:
    """Read an OXTS record and return the message that `make` makes of it."""
    return make(stamp_ns, drive.read_oxts(frame))


def odometry_of(drive: KittiDrive, went: dict[int, Array], frame: int, stamp_ns: int) -> Any:
    """Return the message of where the IMU was."""
    return messages.odometry_message(stamp_ns, drive.read_oxts(frame), went[frame])


def stamps_of(plan: Plan, drive: KittiDrive, sensor: str, which: str = '') -> Any:
    """Return the stamps [ns] of a sensor; where their file is missing or broken none, and a warning."""
    try:
        return drive.stamps_ns(sensor, which)
    except KittiError as error:
        plan.warnings.append(str(error))
        return np.zeros(0, np.int64)


def within(found: Iterable[int], frames: Frames) -> list[int]:
    """Return the frames that lie in the range, in order."""
    return [frame for frame in sorted(found) if frames[0] <= frame < frames[1]]


def frame_range(drive: KittiDrive) -> str:
    """Say which frames a drive has."""
    found = sorted({frame for n in messages.CAMERA_FRAMES for frame in drive.frames(n)} | set(drive.scans()))
    return f'{found[0]} to {found[-1]}' if found else 'none'


def warn_of_gaps(plan: Plan) -> None:
    """Warn where nothing at all happens for a second or more: a replay will pause there."""
    stamps = [item.stamp_ns for item in plan.items]
    for before, after in pairwise(stamps):
        if after - before >= GAP_NS:
            plan.warnings.append(f'nothing for {(after - before) / 1e9:.1f} s after {before}: frames are missing there')
