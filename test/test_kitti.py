"""The KITTI raw reader and calibration, on a tiny drive with round numbers and on bad files of each kind."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from msg_tools.camera import Size, project, transform
from msg_tools.errors import CalibrationError, CloudError, ImageError, KittiError
from msg_tools.image_file import image_size
from msg_tools.kitti import KittiDrive
from msg_tools.kitti_calibration import KittiCalibration


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_drive_names_and_frames(tiny_drive):
    drive = KittiDrive(tiny_drive)
    assert (drive.name, drive.date) == ('2011_09_26_drive_0001_sync', '2011_09_26')
    assert drive.frames(2) == drive.frames(3) == drive.scans() == drive.oxts_frames() == [0, 1, 2]
    assert drive.frames(0) == []


def test_image_is_rgb(tiny_drive):
    path = tiny_drive / 'image_02/data/0000000000.png'
    red_in_opencvs_order = np.full((32, 96, 3), (0, 0, 255), np.uint8)
    cv2.imwrite(str(path), red_in_opencvs_order)
    assert KittiDrive(tiny_drive).read_image(2, 0)[0, 0].tolist() == [255, 0, 0]
    assert image_size(path) == Size(32, 96)


def test_jpeg_image_is_found_and_measured(tiny_drive):
    path = tiny_drive / 'image_02/data/0000000001.png'
    image = cv2.imread(str(path))
    path.unlink()
    cv2.imwrite(str(path.with_suffix('.jpg')), image)
    drive = KittiDrive(tiny_drive)
    assert drive.frames(2) == [0, 1, 2]
    assert drive.image_path(2, 1).suffix == '.jpg'
    assert image_size(drive.image_path(2, 1)) == Size(32, 96)


def test_scan_is_xyz_and_reflectance(tiny_drive):
    points = np.array([[1, 2, 3, 0.5], [4, 5, 6, 0.75]], np.float32)
    points.tofile(tiny_drive / 'velodyne_points/data/0000000000.bin')
    assert KittiDrive(tiny_drive).read_scan(0).tolist() == points.tolist()


def test_stamps_are_utc_to_the_nanosecond(tiny_drive):
    text = '2011-09-26 13:04:32.345808896\n1970-01-01 00:00:01.000000001\n\n'
    (tiny_drive / 'image_02/timestamps.txt').write_text(text)
    stamps = KittiDrive(tiny_drive).stamps_ns('image_02')
    assert stamps.tolist() == [1317042272345808896, 1000000001]
    assert stamps.dtype == np.int64


def test_velodyne_turn_has_start_and_end(tiny_drive):
    drive = KittiDrive(tiny_drive)
    start, end = drive.stamps_ns('velodyne_points', 'start'), drive.stamps_ns('velodyne_points', 'end')
    assert ((end - start) == 103_300_001).all()
    assert (start < drive.stamps_ns('velodyne_points')).all()


def test_point_ahead_lands_where_the_calibration_says(tiny_drive):
    calibration = KittiDrive(tiny_drive).calibration
    # The camera sits 0.27 m in front of and 0.08 m above the Velodyne; P shifts by (3, 0, 0.0025).
    u, v, z = calibration.P_velo_to_image(2) @ [10.27, 0.0, -0.08, 1.0]
    assert z == pytest.approx(10.0025)
    assert u / z == pytest.approx((47.5 * 10 + 3) / 10.0025)
    assert v / z == pytest.approx(15.5 * 10 / 10.0025)


def test_own_frame_of_a_camera_with_its_K_projects_as_P_does(tiny_drive):
    calibration = KittiDrive(tiny_drive).calibration
    points = np.array([[10.0, 2.0, -1.0], [4.0, -3.0, 0.5]])
    ours = project(transform(calibration.T_cam_velo(3), points), calibration.intrinsics(3).P)
    kittis = project(points, calibration.P_velo_to_image(3))
    assert np.allclose(ours[0], kittis[0])
    assert np.allclose(ours[1], kittis[1])


def test_right_camera_is_half_a_metre_to_the_right(tiny_drive):
    calibration = KittiDrive(tiny_drive).calibration
    shift = calibration.T_cam_velo(3)[:3, 3] - calibration.T_cam_velo(2)[:3, 3]
    assert shift[0] == pytest.approx(-0.53, abs=1e-3)


def test_camera_before_rectification_is_kept_apart(tiny_drive):
    camera = KittiDrive(tiny_drive).camera(2)
    assert (camera.K[0, 0], camera.intrinsics.fx) == (66.0, 50.0)
    assert (camera.raw_size, camera.size) == (Size(40, 100), Size(32, 96))
    assert camera.folder == 'image_02'
    assert camera.D[0] == -0.37


def test_calibration_may_lie_elsewhere(tiny_drive, tmp_path):
    elsewhere = tmp_path / 'calib'
    elsewhere.mkdir()
    for path in tiny_drive.parent.glob('calib_*.txt'):
        path.rename(elsewhere / path.name)
    assert KittiDrive(tiny_drive, elsewhere).calibration.camera(2).number == 2


def test_drive_that_is_a_link_has_its_calibration_beside_the_link_or_the_folder(tiny_drive, tmp_path):
    link = tmp_path / 'day' / 'drive'
    link.parent.mkdir()
    link.symlink_to(tiny_drive)
    assert KittiDrive(link).calibration.folder == tiny_drive.parent
    for path in tiny_drive.parent.glob('calib_*.txt'):
        path.rename(link.parent / path.name)
    assert KittiDrive(link).calibration.folder == link.parent
    assert KittiDrive(link).name == tiny_drive.name


def test_missing_calibration_names_the_file_and_the_folder(tiny_drive):
    (tiny_drive.parent / 'calib_velo_to_cam.txt').unlink()
    with pytest.raises(CalibrationError, match=r'2011_09_26/calib_velo_to_cam\.txt: expected .* found none'):
        _ = KittiDrive(tiny_drive).calibration


def test_missing_imu_calibration_matters_only_to_who_asks(tiny_drive):
    (tiny_drive.parent / 'calib_imu_to_velo.txt').unlink()
    calibration = KittiDrive(tiny_drive).calibration
    with pytest.raises(CalibrationError, match=r'calib_imu_to_velo\.txt'):
        _ = calibration.T_velo_imu


@pytest.mark.parametrize(
    ('file', 'old', 'new', 'message'),
    [
        ('cam_to_cam', 'P_rect_02: 5.0e+01', 'P_rect_02: nan', 'finite numbers for P_rect_02'),
        ('cam_to_cam', 'P_rect_02: 5.0e+01', 'P_rect_02: 0', 'P_rect_02.*fx'),
        ('cam_to_cam', 'P_rect_02: 5.0e+01', 'P_rect_02:', '12 numbers for P_rect_02'),
        ('cam_to_cam', '0 0 0 1 0.0025', '0 0 0 0 0.0025', 'P_rect_02: expected a matrix that can be inverted'),
        ('cam_to_cam', 'R_rect_00: 1', 'R_rect_00: 3', 'rotation matrix for R_rect_00'),
        ('cam_to_cam', 'S_rect_02', 'S_wrecked_02', "line 'S_rect_02'"),
        ('cam_to_cam', 'S_rect_02: 9.600000e+01', 'S_rect_02: 0', 'positive size'),
        ('cam_to_cam', 'P_rect_00', 'P_wrecked_00', 'expected P_rect_00'),
        ('velo_to_cam', 'R: 0 -1', 'R: 0 1', 'rotation matrix for R'),
        ('velo_to_cam', 'T: 0', 'T: zero', '3 numbers for T'),
    ],
)
def test_malformed_calibration_says_what_was_expected(tiny_drive, file, old, new, message):
    edit(tiny_drive.parent / f'calib_{file}.txt', old, new)
    with pytest.raises(CalibrationError, match=message):
        _ = KittiDrive(tiny_drive).calibration


def test_unknown_camera_lists_those_there_are(tiny_drive):
    with pytest.raises(CalibrationError, match=r'expected camera 7, got \[0, 1, 2, 3\]'):
        KittiDrive(tiny_drive).camera(7)


def test_binary_file_for_a_calibration(tmp_path):
    (tmp_path / 'calib_cam_to_cam.txt').write_bytes(b'\xff\xfe\x00')
    with pytest.raises(CalibrationError, match='readable calibration'):
        KittiCalibration.load(tmp_path)


@pytest.mark.parametrize('path', ['nowhere', '.'])
def test_folder_that_is_no_drive(tmp_path, path):
    with pytest.raises(KittiError, match='expected a KITTI raw drive'):
        KittiDrive(tmp_path / path)


def test_day_folder_instead_of_the_drive_shows_what_is_in_it(tiny_drive):
    with pytest.raises(KittiError, match='2011_09_26_drive_0001_sync'):
        KittiDrive(tiny_drive.parent)


@pytest.mark.parametrize(('size', 'message'), [(0, 'got 0'), (17, 'got 17; is it truncated'), (None, 'No such file')])
def test_unreadable_scan(tiny_drive, size, message):
    path = tiny_drive / 'velodyne_points/data/0000000001.bin'
    path.unlink()
    if size is not None:
        path.write_bytes(bytes(size))
    with pytest.raises(CloudError, match=message):
        KittiDrive(tiny_drive).read_scan(1)


def test_missing_and_broken_images(tiny_drive):
    drive = KittiDrive(tiny_drive)
    with pytest.raises(ImageError, match=r'0000000099\.png: expected an image, found none'):
        drive.read_image(2, 99)
    drive.image_path(2, 0).write_bytes(b'not an image')
    with pytest.raises(ImageError, match='broken'):
        drive.read_image(2, 0)
    with pytest.raises(ImageError, match='broken'):
        image_size(drive.image_path(2, 0))


def test_malformed_stamp(tiny_drive):
    (tiny_drive / 'image_02/timestamps.txt').write_text('2011-09-26 13:04:32.345808896\nnoon\n')
    with pytest.raises(KittiError, match='expected lines like'):
        KittiDrive(tiny_drive).stamps_ns('image_02')


def test_missing_stamps_and_oxts(tiny_drive):
    drive = KittiDrive(tiny_drive)
    with pytest.raises(KittiError, match='image_00/timestamps'):
        drive.stamps_ns('image_00')
    with pytest.raises(KittiError, match=r'0000000009\.txt'):
        drive.read_oxts(9)


def test_real_drive(real_drive):
    drive = KittiDrive(real_drive)
    assert drive.frames(2) == drive.scans() == [*range(40, 56), 153]
    assert len(drive.stamps_ns('image_02')) == 154
    assert drive.read_image(2, 40).shape == (375, 1242, 3) == (*drive.camera(2).size.shape, 3)
    assert drive.read_scan(40).shape == (122691, 4)
    assert drive.camera(2).intrinsics.fx == 721.5377
