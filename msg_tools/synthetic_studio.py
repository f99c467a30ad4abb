"""Take the frames of the synthetic drive: what each camera and the Velodyne see, and the exact depth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from .camera import Array, Intrinsics, Size
from .depth_png import write_depth_png
from .errors import KittiError
from .kitti_calibration import KittiCalibration
from .synthetic_light import Lights, exposed, render
from .synthetic_rays import RayGrid, camera_grid, scanner_grids
from .synthetic_rig import PERIOD_NS, SPEED_MPS, T_world_imu
from .synthetic_scene import street
from .synthetic_solids import REFLECTANCE
from .synthetic_surfaces import Scene
from .whole_file import write_whole

CAMERAS = (2, 3)
RANGE_M, RANGE_NOISE_M = 120.0, 0.02
FAINTEST = 0.004  # the least share of a pulse that the scanner still hears, at 60 m and full reflectance
LIGHT_BEHIND_M, LIGHT_AHEAD_M = 20.0, 110.0
LIGHT_STEP_M = 0.06
SENSOR_NOISE = 1.6  # of 255


@dataclass(frozen=True, slots=True)
class DriveSettings:
    """What a synthetic drive holds; `scale` shrinks the images, `azimuths` is the number of steps of a turn."""

    frames: int = 20
    seed: int = 0
    scale: float = 1.0
    azimuths: int = 2084
    supersample: float = 1.25
    npy: bool = False
    speed_mps: float = SPEED_MPS

    def __post_init__(self) -> None:
        if (self.frames < 1 or not 0.05 <= self.scale <= 2 or self.azimuths < 8 or not 1 <= self.supersample <= 4
                or not 0 < self.speed_mps <= 1000):
            raise KittiError('expected frames >= 1, scale 0.05 to 2, azimuths >= 8, supersample 1 to 4, speed > 0 to '
                             f'1000 m/s, got {self}')


@dataclass(frozen=True, slots=True)
class Studio:
    """A street, its light, and the sensors that look at it."""

    settings: DriveSettings
    calibration: KittiCalibration
    scene: Scene
    lights: Lights

    @classmethod
    def of(cls, settings: DriveSettings, calibration: KittiCalibration) -> Studio:
        """Build and light the street of a drive."""
        length_m = settings.speed_mps * settings.frames * PERIOD_NS * 1e-9
        scene = street(settings.seed, length_m)
        lights = Lights.of(scene, (-LIGHT_BEHIND_M, length_m + LIGHT_AHEAD_M), LIGHT_STEP_M / min(settings.scale, 1))
        return cls(settings, calibration, scene, lights)

    def write_frame(self, drive: Path, frame: int) -> None:
        """Write the images, the scan and the exact depth of a frame."""
        name = f'{frame:010d}'
        for camera in CAMERAS:
            bgr = self.image(camera, frame)[..., ::-1]
            data = cv2.imencode('.png', bgr, [cv2.IMWRITE_PNG_COMPRESSION, 2])[1]
            write_whole(drive / f'image_{camera:02d}' / 'data' / f'{name}.png', data.tobytes())
        write_whole(drive / 'velodyne_points' / 'data' / f'{name}.bin', self.scan(frame).tobytes())
        depth_m = self.depth(2, frame)
        exact = drive / 'depth_exact' / 'image_02'
        write_depth_png(exact / f'{name}.png', depth_m)
        if self.settings.npy:
            np.save(exact / f'{name}.npy', depth_m)

    def T_world_velo(self, frame: int) -> Array:
        """Return the (4, 4) pose of the Velodyne at a frame."""
        return T_world_imu(frame, self.settings.speed_mps) @ np.linalg.inv(self.calibration.T_velo_imu)

    def grid(self, camera: Intrinsics, number: int, frame: int) -> RayGrid:
        """Return the rays of a camera's pixels at a frame."""
        return camera_grid(camera, self.T_world_velo(frame) @ np.linalg.inv(self.calibration.T_cam_velo(number)))

    def image(self, number: int, frame: int) -> Array:
        """Return what a camera sees at a frame, uint8 RGB (H, W, 3)."""
        camera, factor = self.calibration.intrinsics(number), self.settings.supersample
        fine = camera.resized(Size(round(camera.size.height * factor), round(camera.size.width * factor)))
        radiance = render(self.scene, self.lights, self.grid(fine, number, frame), 1 / fine.focal_px)
        rgb = cv2.resize(exposed(radiance), camera.size.shape[::-1], interpolation=cv2.INTER_AREA)
        random = np.random.default_rng((self.settings.seed, frame, number))
        grain = random.standard_normal((*camera.size.shape, 1), np.float32) * np.float32(SENSOR_NOISE)
        return np.clip(rgb + grain + 0.5, 0, 255).astype(np.uint8)

    def depth(self, number: int, frame: int) -> Array:
        """Return the exact depth at a camera's pixel centres, float32 (H, W) [m]; +Inf is the sky."""
        hits = self.scene.cast(self.grid(self.calibration.intrinsics(number), number, frame))
        with np.errstate(divide='ignore'):
            return 1 / hits.inverse

    def scan(self, frame: int) -> Array:
        """Return what the Velodyne measures at a frame, float32 (N, 4): x, y, z [m] and reflectance."""
        random = np.random.default_rng((self.settings.seed, frame, 99))
        T_world_velo = self.T_world_velo(frame)
        grids = scanner_grids(T_world_velo, self.settings.azimuths)
        return np.concatenate([self.sector(grid, T_world_velo, random) for grid in grids])

    def sector(self, grid: RayGrid, T_world_velo: Array, random: np.random.Generator) -> Array:
        """Return the points (N, 4) of a quarter of a turn: those near, bright and square-on enough to be heard."""
        hits = self.scene.cast(grid)
        index = np.flatnonzero(hits.inverse > 1 / RANGE_M)
        range_m, face = 1 / hits.inverse.ravel()[index], hits.face.ravel()[index]
        rays = grid.directions(index)
        origin = grid.T_world_grid[:3, 3].astype(np.float32)
        normals = self.scene.normals(face, origin + rays * range_m[:, None])
        facing = np.abs(np.einsum('ij,ij->i', rays, normals))
        reflectance = REFLECTANCE[self.scene.face_material[face]] * random.uniform(0.75, 1.25, len(face))
        heard = reflectance * facing * (60 / range_m) ** 2 > FAINTEST * random.uniform(0.5, 2.0, len(face))
        noisy = range_m + random.standard_normal(len(face), np.float32) * np.float32(RANGE_NOISE_M)
        points = (rays * noisy[:, None]) @ T_world_velo[:3, :3].astype(np.float32)
        return np.column_stack([points, np.clip(reflectance, 0, 1)])[heard].astype(np.float32)
