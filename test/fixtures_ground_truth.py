"""The tiny drive as other people would keep it: KITTI's odometry, object and depth benchmarks, files frame by frame."""

import shutil
from pathlib import Path

import numpy as np

from msg_tools.depth_png import write_depth_png
from msg_tools.kitti import KittiDrive

TIMES_S = 0.0, 0.1033, 0.2066
K = np.array([[50.0, 0, 47.5], [0, 50, 15.5], [0, 0, 1]])


def calib_text(drive: KittiDrive, transform: str = 'Tr') -> str:
    """Return P0 to P3 and the transform to the rectified camera 0, as the benchmarks' files have them."""
    calibration = drive.calibration
    lines = {f'P{n}': calibration.camera(n).P_rect for n in range(4)}
    if transform == 'Tr_velo_to_cam':
        lines['R0_rect'] = calibration.R_rect_00[:3, :3]
    lines[transform] = calibration.T_cam0_velo[:3]
    return ''.join(f'{name}: {" ".join(repr(float(x)) for x in np.ravel(values))}\n' for name, values in lines.items())


def write_odometry(drive: Path, root: Path, poses: bool = True) -> Path:
    """Write a sequence of the drive, and its poses of camera 0: 1 m forward a frame."""
    sequence = root / 'sequences/00'
    shutil.copytree(drive / 'velodyne_points/data', sequence / 'velodyne')
    for number in (2, 3):
        shutil.copytree(drive / f'image_0{number}/data', sequence / f'image_{number}')
    for file in sequence.rglob('*.*'):
        file.rename(file.with_name(file.name[4:]))  # six digits
    (sequence / 'calib.txt').write_text(calib_text(KittiDrive(drive)))
    (sequence / 'times.txt').write_text(''.join(f'{time_s:e}\n' for time_s in TIMES_S))
    if poses:
        (root / 'poses').mkdir()
        (root / 'poses/00.txt').write_text(''.join(f'1 0 0 0 0 1 0 0 0 0 1 {n}\n' for n in range(3)))
    return sequence


def write_object(drive: Path, split: Path) -> Path:
    """Write the drive's frames as a split of the object benchmark."""
    sequence = write_odometry(drive, split.parent / 'odometry', poses=False)
    shutil.move(sequence, split)
    for name in ('calib.txt', 'times.txt'):
        (split / name).unlink()
    (split / 'calib').mkdir()
    for number in range(3):
        (split / f'calib/{number:06d}.txt').write_text(calib_text(KittiDrive(drive), 'Tr_velo_to_cam'))
    return split


def write_calibrated(drive: Path, folder: Path) -> Path:
    """Write the drive's frames with a calibration file each, the second with points of its own for camera 2."""
    shutil.copytree(drive / 'image_02/data', folder / 'image_02')
    shutil.copytree(drive / 'velodyne_points/data', folder / 'velodyne')
    (folder / 'velodyne/0000000001.bin').rename(folder / 'velodyne/0000000001_image_02.bin')
    (folder / 'calib').mkdir()
    calibration = KittiDrive(drive).calibration
    for number in range(3):
        P, Tr = calibration.camera(2).P_rect, calibration.R_rect_00 @ calibration.T_cam0_velo
        text = ''.join(f'{name}: {" ".join(map(repr, map(float, np.ravel(values))))}\n'
                       for name, values in (('P_rect_02', P), ('Tr_velo_to_cam_rect', Tr[:3])))
        (folder / f'calib/{number:010d}_image_02.txt').write_text(text)
    return folder


def write_benchmark(drive: Path, root: Path) -> Path:
    """Write depth maps of camera 2: 8 m at pixel (10, 5), 4 m at (90, 30), and nothing in the last."""
    folder = root / drive.name / 'proj_depth/velodyne_raw/image_02'
    folder.mkdir(parents=True)
    for number in range(3):
        write_depth_png(folder / f'{number:010d}.png', depth_map(empty=number == 2))
    return root / drive.name


def write_selection(drive: Path, root: Path) -> Path:
    """Write two frames of the benchmark's selection, with images and K."""
    for name in ('velodyne_raw', 'image', 'intrinsics'):
        (root / name).mkdir(parents=True)
    for number in range(2):
        stem = f'{drive.name}_{{}}_{number:010d}_image_02'
        write_depth_png(root / 'velodyne_raw' / f'{stem.format("velodyne_raw")}.png', depth_map())
        shutil.copy(drive / f'image_02/data/{number:010d}.png', root / 'image' / f'{stem.format("image")}.png')
        (root / 'intrinsics' / f'{stem.format("image")}.txt').write_text(' '.join(map(str, K.ravel())))
    return root


def depth_map(empty: bool = False) -> np.ndarray:
    """Return a map (32, 96) [m] with two pixels, or none."""
    depth_m = np.zeros((32, 96), np.float32)
    if not empty:
        depth_m[5, 10], depth_m[30, 90] = 8.0, 4.0
    return depth_m
