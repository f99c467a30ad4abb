"""Which frames of a drive the demo shows, and what is known of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from msg_tools.camera import Array, Intrinsics, Size, depth_map, project, transform
from msg_tools.errors import KittiError
from msg_tools.kitti import KittiDrive

from .pictures import DemoFrame

CAMERA = 2
GAP_NS = 1_000_000_000
MOST_FRAMES = 100
EXACT = 'depth_exact/image_02'


def choose_frames(drive: KittiDrive, wanted: tuple[int, int] | None = None) -> list[int]:
    """Return the frames to show: those wanted (first, past the last), or the longest run without a gap in time.

    A hole of some seconds in a drive would only make the replay wait. A long run is cut at MOST_FRAMES. Raises
    KittiError where there are none.
    """
    there = drive.frames(CAMERA)
    frames = [f for f in there if wanted[0] <= f < wanted[1]] if wanted else longest_run(drive, there)[:MOST_FRAMES]
    if not frames:
        got = f'frames {there[0]} to {there[-1]}' if there else 'none'
        raise KittiError(f'{drive.path}: expected images of camera {CAMERA} among the chosen frames, got {got}')
    return frames


def longest_run(drive: KittiDrive, frames: Sequence[int]) -> list[int]:
    """Return the longest run of frames that follow each other within a second."""
    stamps_ns = drive.stamps_ns(f'image_{CAMERA:02d}')
    frames = [frame for frame in frames if frame < len(stamps_ns)]
    if not frames:
        return []
    runs = np.split(np.array(frames), np.flatnonzero(np.diff(stamps_ns[frames]) > GAP_NS) + 1)
    return max((run.tolist() for run in runs), key=len)


def frames_by_stamp(drive: KittiDrive, frames: Sequence[int]) -> dict[int, int]:
    """Return the frame of each image stamp [ns]."""
    stamps_ns = drive.stamps_ns(f'image_{CAMERA:02d}')
    return {int(stamps_ns[frame]): frame for frame in frames}


def camera_of(drive: KittiDrive) -> Intrinsics:
    """Return the camera whose images the demo shows."""
    return drive.camera(CAMERA).intrinsics


def demo_frame(drive: KittiDrive, frame: int, depth_m: Array, cloud: Array) -> DemoFrame:
    """Return a frame with its image and scan; without a scan, with an empty one."""
    camera, rgb = camera_of(drive), drive.read_image(CAMERA, frame)
    points = scan_in_camera(drive, frame)
    return DemoFrame(f'frame {frame}', rgb, depth_m, depth_map(points, camera.P, Size(*rgb.shape[:2])), cloud,
                     in_view(points, camera), camera)


def scan_in_camera(drive: KittiDrive, frame: int) -> Array:
    """Return the points (N, 3) [m] of a frame's scan in the camera's frame; none where there is no scan."""
    if frame not in drive.scans():
        return np.zeros((0, 3))
    return transform(drive.calibration.T_cam_velo(CAMERA), drive.read_scan(frame)[:, :3])


def in_view(points: Array, camera: Intrinsics) -> Array:
    """Return the points (N, 3) that lie on the image."""
    points = points[points[:, 2] > 1.0]
    inside, _ = camera.size.flat_index(project(points, camera.P)[0])
    return points[inside]


def exact_folder(drive: KittiDrive) -> Path | None:
    """Return the folder of a synthetic drive's exact depth; None for a real one."""
    folder = drive.path / EXACT
    return folder if folder.is_dir() else None
