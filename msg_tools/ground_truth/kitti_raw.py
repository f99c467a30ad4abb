"""A drive of KITTI's raw data as a source: scans with the images of one camera, poses from OXTS.

What the stamps mean was measured on drive 0005: the scanner turns clockwise seen from above, from the rear to the rear,
and it triggers the cameras when it faces forward. So the exposure is at the scan's stamp, although the images' own are
10 ms later; with these, or without the motion of the scan, edges in scan and image lie apart while the car turns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..camera import Array
from ..errors import CalibrationError, DepthNodeError, KittiError, PosesError
from ..image_file import image_size
from ..kitti import NO_STAMP_NS, OXTS, RIGHT_OF, SCANS, KittiDrive
from ..oxts import travelled
from ..rotation import inverse, rigid
from .lens import Lens
from .sources import Entry, Frame, View, check_size, read_each
from .trajectory import Trajectory

SAME_CLOCK_S = 0.5  # how far an image and its scan may be apart; KITTI's are by 10 ms


@dataclass(frozen=True)
class KittiRawSource:
    """A KITTI raw drive seen by one camera: the frames that have a scan or, where those are wanted, an image."""

    drive: KittiDrive
    camera: int
    with_images: bool
    stamps_ns: dict[str, list[int]]
    warnings: tuple[str, ...]
    exposure: str = 'cloud'

    @classmethod
    def open(cls, path: Path, camera: int, with_images: bool, calibration: Path | None = None,
             scans: bool = True) -> KittiRawSource:
        """Open a drive, with scans unless they come from elsewhere.

        Raises KittiError where it is none or has no scans, CalibrationError for its calibration.
        """
        drive = KittiDrive(path, calibration)
        if scans and not drive.scans():
            raise KittiError(f'{drive.path / SCANS / "data"}: expected scans (*.bin), found none')
        try:
            drive.camera(camera)
        except CalibrationError as error:
            raise CalibrationError(f'{error}; name the folder that holds it with --calib') from error
        stamps_ns, warnings = _stamps(drive, camera if with_images else None)
        return cls(drive, camera, with_images, stamps_ns, warnings)

    @property
    def path(self) -> Path:
        """Return the drive's folder."""
        return self.drive.path

    def entries(self) -> list[Entry]:
        """List the frames, named as KITTI's files are."""
        images = self.drive.frames(self.camera) if self.with_images else []
        return [self.entry(frame) for frame in sorted({*self.drive.scans(), *images})]

    def entry(self, frame: int, payload: Any = None) -> Entry:
        """Return the entry of a frame by its number."""
        return Entry(f'{frame:010d}', frame, self._stamp('image', frame), self._stamp('cloud', frame), payload)

    def read(self, entries: Sequence[Entry]) -> Iterator[Frame]:
        """Read the scans and find the images, one after the other."""
        return read_each(entries, self._read)

    def view(self, entry: Entry) -> View:
        """Return the camera, the same for all frames."""
        return self._view

    def trajectory(self) -> Trajectory:
        """Return where the Velodyne was, by the velocities and attitudes of OXTS.

        A record that is broken or has no stamp is left out, with a warning: between its neighbours the motion goes on.
        Raises PosesError where there are none or they are not in order, CalibrationError without the IMU's calibration.
        """
        all_stamps = self.drive.stamps_ns(OXTS)
        records, wrong = self.drive.oxts_records(all_stamps)
        first_wrong = wrong[0] + (f' (and {len(wrong) - 1} more)' if len(wrong) > 1 else '') if wrong else ''
        if len(records) < 2:
            raise PosesError(f'{self.drive.path / OXTS / "data"}: expected two OXTS records (*.txt) with stamps, got '
                             f'{len(records)}{"; " if wrong else ""}{first_wrong}')
        stamps = all_stamps[list(records)]
        T_world_imu = travelled(list(records.values()), stamps)
        warnings = (f'{first_wrong}; the poses go on without it',) if wrong else ()
        return Trajectory(stamps, T_world_imu, warnings=warnings).of_body(self.T_body_scanner('imu'))

    def T_body_scanner(self, body: str) -> Array:
        """Return where the Velodyne is to what poses may be of: 'scanner', 'camera' (rectified 0) or 'imu'."""
        calibration = self.drive.calibration
        if body == 'camera':
            return rigid(calibration.R_rect_00 @ calibration.T_cam0_velo)
        if body == 'imu':
            return inverse(rigid(calibration.T_velo_imu))
        if body != 'scanner':
            raise PosesError(f'{self.path}: expected poses of scanner, camera or imu, got {body!r}')
        return np.eye(4)

    def frame(self, entry: Entry, points: Array) -> Frame:
        """Return a frame of points with its turn and images. Raises ImageError where one is missing or another size."""
        frame = Frame(entry, points, turn_s=self._turn_s(entry.frame))
        if self.with_images:
            path = self.drive.image_path(self.camera, entry.frame)
            check_size(path, image_size(path), self._view.lens.size)
            frame.image = path
            frame.right = self._right(entry.frame)
        return frame

    def _read(self, entry: Entry) -> Frame:
        return self.frame(entry, self.drive.read_scan(entry.frame))

    def _right(self, frame: int) -> Path | None:
        """Return the image of the right camera where this one is a pair's left and the file is there."""
        right = RIGHT_OF.get(self.camera)
        try:
            return None if right is None else self.drive.image_path(right, frame)
        except DepthNodeError:
            return None

    @cached_property
    def _view(self) -> View:
        calibration = self.drive.calibration
        lens = Lens(calibration.intrinsics(self.camera))
        right = calibration.cameras.get(RIGHT_OF.get(self.camera, -1))
        baseline = None if right is None else float(
            calibration.camera(self.camera).T_cam_rect0[0, 3] - right.T_cam_rect0[0, 3])
        T_cam_velo = rigid(calibration.T_cam_velo(self.camera))
        return View(lens, T_cam_velo, baseline, calibration.P_velo_to_image(self.camera))

    def _turn_s(self, frame: int) -> tuple[float, float] | None:
        """Return when the scan began and ended [s after its stamp]; None where that is not known."""
        stamp, start, end = (self._stamp(kind, frame) for kind in ('cloud', 'start', 'end'))
        return None if None in (stamp, start, end) else ((start - stamp) * 1e-9, (end - stamp) * 1e-9)  # type: ignore

    def _stamp(self, kind: str, frame: int) -> int | None:
        stamps = self.stamps_ns.get(kind, [])
        return stamps[frame] if frame < len(stamps) and stamps[frame] != NO_STAMP_NS else None


def _stamps(drive: KittiDrive, camera: int | None) -> tuple[dict[str, list[int]], tuple[str, ...]]:
    """Read the stamps [ns] of scans and images; a missing file is only a warning, since a map can do without."""
    wanted: dict[str, Any] = {'cloud': (SCANS,), 'start': (SCANS, 'start'), 'end': (SCANS, 'end')}
    if camera is not None:
        wanted['image'] = (f'image_{camera:02d}',)
    stamps_ns, warnings = {}, []
    for kind, sensor in wanted.items():
        try:
            stamps_ns[kind] = drive.stamps_ns(*sensor).tolist()
        except KittiError as error:
            warnings.append(f'{error}; the manifest will lack these stamps' if kind in ('cloud', 'image') else
                            f'{error}; the scans are not corrected for their motion')
    return stamps_ns, (*warnings, *_odd_stamps(drive, stamps_ns))


def _odd_stamps(drive: KittiDrive, stamps_ns: dict[str, list[int]]) -> Iterator[str]:
    """Yield what is wrong with stamps: out of order, or the images' of another clock than the scans'."""
    known = {kind: np.array([stamp for stamp in stamps if stamp != NO_STAMP_NS]) for kind, stamps in stamps_ns.items()}
    for kind in ('cloud', 'image'):
        steps = np.diff(known.get(kind, ()))
        if count := np.count_nonzero(steps <= 0):
            yield (f'{drive.path}: expected stamps of {kind}s in the order of their frames, got {count} that are not '
                   'after the one before; the motion of scans there may be undone wrongly')
    if 'image' in known and 'cloud' in known:
        pairs = [(a - b) * 1e-9 for a, b in zip(stamps_ns['image'], stamps_ns['cloud'], strict=False)
                 if NO_STAMP_NS not in (a, b)]
        apart_s = float(np.median(pairs)) if pairs else 0.0
        if abs(apart_s) > SAME_CLOCK_S:
            yield (f'{drive.path}: expected images within {SAME_CLOCK_S:g} s of their scans, got {apart_s:.3f} s in '
                   'the median; are the two of different clocks, or numbered differently?')
