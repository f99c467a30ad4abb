"""Take the frames of the synthetic drive: what each camera and the Velodyne see, and the exact depth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from .camera import Array, Intrinsics, Size
from .depth_png import write_depth_png
from .errors import KittiError
from .kitti_calibration import KittiCalibration
from .synthetic_course import SPEED_MPS, Course
from .synthetic_light import Lights, exposed, render
from .synthetic_rays import RayGrid, camera_grid
from .synthetic_rig import PERIOD_NS, T_world_imu, time_of
from .synthetic_scanner import scan_at_once, scan_in_turn
from .synthetic_scene import AHEAD_M, street
from .synthetic_surfaces import Scene
from .synthetic_traffic import Mover, scene_at, traffic
from .whole_file import write_whole

CAMERAS = (2, 3)
OFFSETS = Path('velodyne_points', 'offsets')  # below a drive: when each point of a turning scan was shot
LIGHT_BEHIND_M, LIGHT_AHEAD_M = 20.0, 110.0
LIGHT_STEP_M = 0.06
SENSOR_NOISE = 1.6  # of 255


@dataclass(frozen=True, slots=True)
class DriveSettings:
    """What a synthetic drive holds; `scale` shrinks the images, `azimuths` is the number of steps of a turn.

    turning: each shot of a scan is taken at its own time while the car drives; traffic: things move in the street;
    curve_dps: the highest yaw rate of a car that weaves; image_delay_ms: how much later than the exposure an image's
    stamp is; right_depth: exact depth of camera 3 as well; stagger_deg: how far the beams of one shot look aside, where
    the scanner turns: 9 for an HDL-64E.
    """

    frames: int = 20
    seed: int = 0
    scale: float = 1.0
    azimuths: int = 2084
    supersample: float = 1.25
    npy: bool = False
    speed_mps: float = SPEED_MPS
    turning: bool = False
    traffic: bool = False
    curve_dps: float = 0.0
    image_delay_ms: float = 0.0
    right_depth: bool = False
    stagger_deg: float = 0.0

    def __post_init__(self) -> None:
        if (self.frames < 1 or not 0.05 <= self.scale <= 2 or self.azimuths < 8 or not 1 <= self.supersample <= 4
                or not 0 < self.speed_mps <= 1000):
            raise KittiError('expected frames >= 1, scale 0.05 to 2, azimuths >= 8, supersample 1 to 4, speed > 0 to '
                             f'1000 m/s, got {self}')
        if (not 0 <= self.curve_dps <= 90 or not -1000 <= self.image_delay_ms <= 1000
                or not 0 <= self.stagger_deg <= 20):
            raise KittiError('expected a curve of 0 to 90 deg/s, an image delay of -1000 to 1000 ms, a stagger of 0 to '
                             f'20 degrees, got {self}')

    @property
    def course(self) -> Course:
        """Return how the car moves."""
        return Course(self.speed_mps, self.curve_dps)

    @property
    def length_m(self) -> float:
        """Return how far the car gets [m]."""
        return self.speed_mps * self.frames * PERIOD_NS * 1e-9

    @property
    def exact_cameras(self) -> tuple[int, ...]:
        """Return the cameras whose exact depth is written."""
        return CAMERAS if self.right_depth else CAMERAS[:1]


@dataclass(frozen=True, slots=True)
class Studio:
    """A street, its light, what moves in it, and the sensors that look at it; what moves casts no shadow."""

    settings: DriveSettings
    calibration: KittiCalibration
    street: Scene
    movers: tuple[Mover, ...]
    lights: Lights

    @classmethod
    def of(cls, settings: DriveSettings, calibration: KittiCalibration) -> Studio:
        """Build and light the street of a drive."""
        scene, movers = stage(settings)
        x_range = (-LIGHT_BEHIND_M, settings.length_m + LIGHT_AHEAD_M)
        lights = Lights.of(scene, x_range, LIGHT_STEP_M / min(settings.scale, 1))
        return cls(settings, calibration, scene, movers, lights)

    def write_frame(self, drive: Path, frame: int) -> None:
        """Write the images, the scan and the exact depth of a frame."""
        name = f'{frame:010d}'
        for camera in CAMERAS:
            bgr = self.image(camera, frame)[..., ::-1]
            data = cv2.imencode('.png', bgr, [cv2.IMWRITE_PNG_COMPRESSION, 2])[1]
            write_whole(drive / f'image_{camera:02d}' / 'data' / f'{name}.png', data.tobytes())
        points, times_s = self.scan(frame)
        write_whole(drive / 'velodyne_points' / 'data' / f'{name}.bin', points.tobytes())
        if self.settings.turning:
            np.save(drive / OFFSETS / f'{name}.npy', times_s)
        for camera in self.settings.exact_cameras:
            self.write_depth(drive / 'depth_exact' / f'image_{camera:02d}' / name, self.depth(camera, frame))

    def write_depth(self, stem: Path, depth_m: Array) -> None:
        """Write exact depth as a PNG, and as a NumPy file where that is wanted."""
        write_depth_png(stem.with_suffix('.png'), depth_m)
        if self.settings.npy:
            np.save(stem.with_suffix('.npy'), depth_m)

    def T_world_velo(self, time_s: float) -> Array:
        """Return the (4, 4) pose of the Velodyne at a time [s] from the first frame on."""
        return T_world_imu(time_s, self.settings.course) @ np.linalg.inv(self.calibration.T_velo_imu)

    def scene(self, frame: int) -> Scene:
        """Return the street and where everything in it is at a frame."""
        return scene_at(time_of(frame), self.street, self.movers)

    def grid(self, camera: Intrinsics, number: int, frame: int) -> RayGrid:
        """Return the rays of a camera's pixels at a frame."""
        T_world_velo = self.T_world_velo(time_of(frame))
        return camera_grid(camera, T_world_velo @ np.linalg.inv(self.calibration.T_cam_velo(number)))

    def image(self, number: int, frame: int) -> Array:
        """Return what a camera sees at a frame, uint8 RGB (H, W, 3)."""
        camera, factor = self.calibration.intrinsics(number), self.settings.supersample
        fine = camera.resized(Size(round(camera.size.height * factor), round(camera.size.width * factor)))
        radiance = render(self.scene(frame), self.lights, self.grid(fine, number, frame), 1 / fine.focal_px)
        rgb = cv2.resize(exposed(radiance), camera.size.shape[::-1], interpolation=cv2.INTER_AREA)
        random = np.random.default_rng((self.settings.seed, frame, number))
        grain = random.standard_normal((*camera.size.shape, 1), np.float32) * np.float32(SENSOR_NOISE)
        return np.clip(rgb + grain + 0.5, 0, 255).astype(np.uint8)

    def depth(self, number: int, frame: int) -> Array:
        """Return the exact depth at a camera's pixel centres, float32 (H, W) [m]; +Inf is the sky."""
        return self.scene(frame).cast(self.grid(self.calibration.intrinsics(number), number, frame)).distance

    def scan(self, frame: int) -> tuple[Array, Array]:
        """Return what the Velodyne measures at a frame, float32 (N, 4): x, y, z [m] and reflectance; and when (N,) [s].

        Times count from the frame's stamp; they are 0 where the scanner does not turn.
        """
        random = np.random.default_rng((self.settings.seed, frame, 99))
        if self.settings.turning:
            return scan_in_turn(self.scene(frame), self.around(frame), self.settings.azimuths, random,
                                self.settings.stagger_deg)
        T_world_velo = self.T_world_velo(time_of(frame))
        points = scan_at_once(self.scene(frame), T_world_velo, self.settings.azimuths, random)
        return points, np.zeros(len(points), np.float32)

    def around(self, frame: int) -> Callable[[float], Array]:
        """Return the pose (4, 4) of the Velodyne as a function of the time [s] after a frame's stamp."""
        return lambda time_s: self.T_world_velo(time_of(frame) + time_s)


def stage(settings: DriveSettings) -> tuple[Scene, tuple[Mover, ...]]:
    """Return the street of a drive and what moves in it."""
    scene = street(settings.seed, settings.length_m, waiting=not settings.traffic)
    if not settings.traffic:
        return scene, ()
    end_m, seconds = settings.length_m + AHEAD_M, settings.length_m / settings.speed_mps
    return scene, tuple(traffic(settings.seed, settings.speed_mps, seconds, end_m))
