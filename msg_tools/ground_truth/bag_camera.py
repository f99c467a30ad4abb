"""The camera of a bag: its lens, whether its images are rectified on the way, and where the scanner sits to it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..bag import BagReader
from ..calibration_file import CameraFile, Roi
from ..calibration_rig import Rig, read_rig
from ..camera import Array, Size
from ..camera_info import CameraModel, Rectifier, intrinsics, is_calibrated, looks_rectified
from ..errors import CalibrationError
from ..image import to_rgb
from ..rotation import rigid
from ..tf import TfTree, clean
from .bag_topics import BagOptions, Topics
from .lens import Lens


@dataclass(frozen=True, eq=False)
class BagCamera:
    """How a camera's images are seen: `T_lens_cam` turns from the optical frame to the rectified one.

    `info` is camera_info as plain numbers, or a file's, where raw images are to be rectified with it.
    """

    lens: Lens
    frame: str
    T_lens_cam: Array
    info: CameraFile | None = None
    warnings: tuple[str, ...] = ()

    def rectifier(self) -> Rectifier | None:
        """Return what rectifies the images, if that is wanted."""
        return Rectifier(self.info) if self.info is not None else None


@dataclass(frozen=True, eq=False)
class Extrinsics:
    """T_cam_cloud, always the same or, where links between the two frames move, at a stamp."""

    fixed: Array | None
    tree: TfTree | None = None
    camera: str = ''
    cloud: str = ''
    warnings: tuple[str, ...] = ()

    def at(self, stamp_ns: int | None) -> Array:
        """Return T_cam_cloud (4, 4). Raises CalibrationError where the transforms do not reach the stamp."""
        if self.fixed is not None:
            return self.fixed
        assert self.tree is not None
        return self.tree.lookup(self.camera, self.cloud, stamp_ns)


def bag_rig(options: BagOptions) -> Rig | None:
    """Read the calibration file, if one was named."""
    return read_rig(options.calibration, options.camera) if options.calibration else None


def bag_camera(bag: BagReader, topics: Topics, raw_images: bool = False, rig: Rig | None = None) -> BagCamera:
    """Read the camera of a bag from camera_info or, where it has none, from a file's.

    Raises CalibrationError, naming the topic, where it is not calibrated.
    """
    name = topics.info or 'the calibration file'
    info, frame = _info_of(bag, topics, rig)
    try:
        if not is_calibrated(info):
            raise CalibrationError('expected a calibrated camera, got a K of zeros')
        rectified, reason = looks_rectified(info, topics.image or topics.info)
        if rectified:
            return BagCamera(Lens(intrinsics(info, rectified=True)), frame, np.eye(4))
        if raw_images:
            return BagCamera(Lens.of_raw(CameraModel.from_info(info)), frame, np.eye(4))
        T_lens_cam = np.eye(4)
        T_lens_cam[:3, :3] = CameraModel.from_info(info).R
        warning = f'{name}: {reason}: its images are rectified, depth is of the result'
        return BagCamera(Lens(Rectifier(info).camera), frame, T_lens_cam, _plain(info), (warning,))
    except CalibrationError as error:
        raise CalibrationError(f'{name}: {error}') from error


def _plain(info: Any) -> CameraFile:
    """Return camera_info as a value that can go to another process; the message cannot."""
    roi = Roi(info.roi.x_offset, info.roi.y_offset, info.roi.height, info.roi.width)
    numbers = {name: np.array(getattr(info, name), np.float64) for name in 'kpdr'}
    return CameraFile(**numbers, width=info.width, height=info.height, distortion_model=info.distortion_model,
                      binning_x=info.binning_x, binning_y=info.binning_y, roi=roi)


def extrinsics(bag: BagReader, topics: Topics, camera: str, cloud: str) -> Extrinsics:
    """Return where the scanner sits to the camera by the names of their frames.

    What does not move is enough in most bags: /tf is only read where it is not.
    """
    if clean(camera) == clean(cloud):
        return Extrinsics(np.eye(4))
    try:
        tree = TfTree.from_bag(bag, static_only=True)
        tree.lookup(camera, cloud)
    except CalibrationError:
        tree = TfTree.from_bag(bag)
    try:
        if tree.moving(camera, cloud):
            return Extrinsics(None, tree.pruned(camera, cloud), camera, cloud, tree.warnings)
        return Extrinsics(rigid(tree.lookup(camera, cloud)), warnings=tree.warnings)
    except CalibrationError as error:
        raise CalibrationError(f'{topics.info or topics.image}: {error}; or name a calibration file') from error


def baseline_m(bag: BagReader, topics: Topics) -> float | None:
    """Return how far [m] the right camera of the stereo pair is from this one, by their P; None where there is none."""
    if not topics.right:
        return None
    left, right = (np.asarray(next(bag.messages([topic])).msg.p, float).reshape(3, 4)
                   for topic in (topics.info, topics.right_info))
    if not (left[0, 0] and np.allclose(left[:, :3], right[:, :3], atol=0.01)):
        raise CalibrationError(f'{topics.right_info}: expected the P of a rectified pair, with the focal length of '
                               f'{topics.info}, got {right.tolist()} and {left.tolist()}')
    return float((left[0, 3] - right[0, 3]) / left[0, 0])


def _info_of(bag: BagReader, topics: Topics, rig: Rig | None) -> tuple[Any, str]:
    """Return camera_info and the camera's frame."""
    if topics.info:
        info = next(bag.messages([topics.info])).msg
        return info, str(info.header.frame_id)
    if rig is None or rig.camera is None:
        raise CalibrationError(f'{bag.path}: expected camera_info, or a calibration file with a camera, got none')
    if not topics.image:
        return rig.camera, ''
    image = next(bag.messages([topics.image])).msg
    size = Size(*to_rgb(image).shape[:2])
    known = rig.camera if rig.camera.width else replace(rig.camera, height=size.height, width=size.width)
    return known, str(image.header.frame_id)
