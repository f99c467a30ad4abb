"""What is true of a synthetic drive: where the scanner was at any moment, what moves, which points a camera sees.

>>> truth = Truth.of('2011_09_26/2011_09_26_drive_9000_sync')  # doctest: +SKIP
>>> points = truth.at_exposure(0, drive.read_scan(0), truth.offsets_s(0))  # doctest: +SKIP
>>> seen = truth.verdicts(2, 0, points) == Verdict.VISIBLE  # doctest: +SKIP
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

import cv2
import numpy as np

from .camera import MIN_DEPTH_M, Array, Intrinsics, project, transform, unproject
from .depth_png import read_depth_png
from .errors import KittiError
from .kitti_calibration import KittiCalibration
from .synthetic import MARK
from .synthetic_rig import T_world_imu, time_of
from .synthetic_scanner import moved_to
from .synthetic_studio import OFFSETS, DriveSettings, stage
from .synthetic_traffic import Mover

MARGIN_M = 0.1  # around what moves: five times the noise of a range


class Verdict(IntEnum):
    """Whether a camera sees a point."""

    OUTSIDE = 0  # of the image, or behind the camera
    VISIBLE = 1
    BEHIND = 2  # what the camera sees there: it bleeds through
    BEFORE = 3  # what the camera sees there: it is where nothing is


def verdicts(points_cam: Array, camera: Intrinsics, depth_m: Array, tolerance: float = 0.02) -> Array:
    """Return the Verdict (N,) on points (N, 3) [m] in a camera's frame, from the exact depth (H, W) [m] of its pixels.

    Visible are points no farther, and no nearer, than the pixel and its eight neighbours, within a share of the depth:
    a slanted surface passes. +Inf is the sky. Points within a pixel of an edge are visible on both sides of it; a finer
    depth map, with the camera's intrinsics resized to it, makes that band as much narrower.
    """
    around = np.ones((3, 3), np.uint8)
    nearest, farthest = cv2.erode(depth_m, around) * (1 - tolerance), cv2.dilate(depth_m, around) * (1 + tolerance)
    result = np.full(len(points_cam), Verdict.OUTSIDE, np.int8)
    front = np.flatnonzero(points_cam[:, 2] > MIN_DEPTH_M)
    uv, z = project(points_cam[front], camera.P)
    inside, index = camera.size.flat_index(uv)
    z = z[inside]
    result[front[inside]] = np.select([z > farthest.ravel()[index], z < nearest.ravel()[index]],
                                      [Verdict.BEHIND, Verdict.BEFORE], Verdict.VISIBLE)
    return result


@dataclass(frozen=True, slots=True)
class Truth:
    """What a synthetic drive was made of; frames are numbered as the drive's files are."""

    drive: Path
    settings: DriveSettings
    calibration: KittiCalibration
    movers: tuple[Mover, ...]

    @classmethod
    def of(cls, drive: Path | str) -> Truth:
        """Read how a finished synthetic drive was made. Raises KittiError where a folder holds none."""
        drive = Path(drive)
        try:
            made = json.loads((drive / MARK).read_text())
            settings = DriveSettings(**{name: value for name, value in made.items() if name != 'street'})
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise KittiError(f'{drive / MARK}: expected how a synthetic drive was made, got: {error}; '
                             'was the drive written to its end?') from error
        return cls(drive, settings, KittiCalibration.load(drive.parent), stage(settings)[1])

    def offsets_s(self, frame: int) -> Array:
        """Return when each point of a scan was shot, float32 (N,) [s] after the scan's stamp.

        Raises KittiError where the drive's scanner does not turn.
        """
        path = self.drive / OFFSETS / f'{frame:010d}.npy'
        try:
            return np.asarray(np.load(path))
        except (OSError, ValueError) as error:
            raise KittiError(f'{path}: expected the times of a turning scan, got: {error}; '
                             'was the drive made with turning=True?') from error

    def T_world_velo(self, frame: int, offset_s: float = 0.0) -> Array:
        """Return the (4, 4) pose of the Velodyne so many seconds after a frame's stamp."""
        T = T_world_imu(time_of(frame) + offset_s, self.settings.course)
        return T @ np.linalg.inv(self.calibration.T_velo_imu)

    def at_exposure(self, frame: int, points: Array, offsets_s: Array) -> Array:
        """Return points (N, 3) of a turning scan as the scanner at the frame's exposure has them, by the true poses.

        What moves is where it was when it was hit, as after any compensation of the car's own motion.
        """
        return moved_to(self.T_world_velo(frame), lambda offset_s: self.T_world_velo(frame, offset_s), points,
                        offsets_s)

    def on_traffic(self, frame: int, points: Array, offsets_s: Array) -> Array:
        """Return which points (N, 3) of a turning scan were shot at things that move (N,) bool."""
        world = transform(self.T_world_velo(frame), self.at_exposure(frame, points, offsets_s))
        return self._held(world, offsets_s + np.float64(time_of(frame)))

    def traffic_pixels(self, camera: int, frame: int) -> Array:
        """Return which pixels of a camera see things that move (H, W) bool."""
        depth_m, intrinsics = self.depth_m(camera, frame), self.calibration.intrinsics(camera)
        seen = np.flatnonzero(np.isfinite(depth_m.ravel()))
        uv = np.stack([seen % depth_m.shape[1], seen // depth_m.shape[1]], 1)
        points = unproject(uv, depth_m.ravel()[seen], intrinsics)
        T_world_cam = self.T_world_velo(frame) @ np.linalg.inv(self.calibration.T_cam_velo(camera))
        result = np.zeros(depth_m.shape, bool)
        result.ravel()[seen] = self._held(transform(T_world_cam, points), np.full(len(seen), time_of(frame)))
        return result

    def _held(self, world: Array, times_s: Array) -> Array:
        held = np.zeros(len(world), bool)
        for mover in self.movers:
            held |= mover.holds(world, times_s, MARGIN_M)
        return held

    def depth_m(self, camera: int, frame: int) -> Array:
        """Return the exact depth of a camera's pixels as it was written, float32 (H, W) [m]; +Inf is the sky.

        A NumPy file is exact, a PNG to 2 mm. Raises KittiError where the drive has none of this camera.
        """
        stem = self.drive / 'depth_exact' / f'image_{camera:02d}' / f'{frame:010d}'
        if stem.with_suffix('.npy').is_file():
            return np.asarray(np.load(stem.with_suffix('.npy')))
        if not stem.with_suffix('.png').is_file():
            raise KittiError(f'{stem}.png: expected exact depth, found none; camera 3 has it with right_depth=True')
        depth_m = read_depth_png(stem.with_suffix('.png'))
        return np.where(depth_m > 0, depth_m, np.float32(np.inf))

    def verdicts(self, camera: int, frame: int, points: Array, tolerance: float = 0.02) -> Array:
        """Return the Verdict (N,) on points (N, 3) [m] in the scanner's frame at a frame's exposure, see `verdicts`."""
        points_cam = transform(self.calibration.T_cam_velo(camera), points[:, :3])
        return verdicts(points_cam, self.calibration.intrinsics(camera), self.depth_m(camera, frame), tolerance)
