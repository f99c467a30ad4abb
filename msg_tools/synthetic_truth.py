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

from .camera import MIN_DEPTH_M, Array, Intrinsics, Size, project, transform
from .errors import KittiError
from .kitti_calibration import KittiCalibration
from .synthetic import MARK
from .synthetic_rays import Hits, camera_grid
from .synthetic_rig import T_world_imu, time_of
from .synthetic_scanner import moved_to
from .synthetic_studio import OFFSETS, DriveSettings, stage
from .synthetic_surfaces import Scene
from .synthetic_traffic import Mover, scene_at

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
    street: Scene
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
        return cls(drive, settings, KittiCalibration.load(drive.parent), *stage(settings))

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
        """Return which points (N, 3) of a turning scan were shot at things that move (N,) bool.

        A point counts as on a thing within 10 cm of the box around it, but for the 10 cm above the road.
        """
        world = transform(self.T_world_velo(frame), self.at_exposure(frame, points, offsets_s))
        held = np.zeros(len(world), bool)
        for mover in self.movers:
            held |= mover.holds(world, offsets_s + np.float64(time_of(frame)), MARGIN_M)
        return held

    def depth_m(self, camera: int, frame: int, finer: int = 1) -> Array:
        """Return the exact depth of a camera's pixels, float32 (H, W) [m]; +Inf is the sky.

        It is the drive's file where one holds all its digits. With `finer` pixels are divided into finer x finer.
        """
        file = self.drive / 'depth_exact' / f'image_{camera:02d}' / f'{frame:010d}.npy'
        return np.asarray(np.load(file)) if finer == 1 and file.is_file() else self.look(camera, frame, finer).distance

    def traffic_pixels(self, camera: int, frame: int) -> Array:
        """Return which pixels of a camera see things that move (H, W) bool."""
        hits, scene = self.look(camera, frame), self.scene(frame)
        return (hits.face >= 0) & np.any(scene.velocities, axis=1)[scene.face_solid[hits.face]]

    def look(self, camera: int, frame: int, finer: int = 1) -> Hits:
        """Return what the pixels of a camera see at a frame; with `finer` they are divided into finer x finer."""
        T_world_cam = self.T_world_velo(frame) @ np.linalg.inv(self.calibration.T_cam_velo(camera))
        return self.scene(frame).cast(camera_grid(self.intrinsics(camera, finer), T_world_cam))

    def scene(self, frame: int) -> Scene:
        """Return the street and where everything in it is at a frame."""
        return scene_at(time_of(frame), self.street, self.movers)

    def intrinsics(self, camera: int, finer: int = 1) -> Intrinsics:
        """Return a camera's intrinsics, with its pixels divided into finer x finer."""
        intrinsics = self.calibration.intrinsics(camera)
        height, width = intrinsics.size.shape
        return intrinsics if finer == 1 else intrinsics.resized(Size(finer * height, finer * width))

    def verdicts(self, camera: int, frame: int, points: Array, tolerance: float = 0.02, finer: int = 1) -> Array:
        """Return the Verdict (N,) on points (N, 3) [m] in the scanner's frame at a frame's exposure, see `verdicts`."""
        points_cam = transform(self.calibration.T_cam_velo(camera), points[:, :3])
        depth_m = self.depth_m(camera, frame, finer)
        return verdicts(points_cam, self.intrinsics(camera, finer), depth_m, tolerance)
