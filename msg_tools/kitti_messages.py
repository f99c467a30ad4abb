"""The ROS messages of a KITTI drive: images, camera_info, clouds, GPS, IMU and transforms.

Topics and frames have kitti2bag's names. What we say otherwise than kitti2bag, because it is so:
- The images are rectified, so K is P's left part, D is zero and R is the identity.
- P's last column belongs to a stereo pair, relative to its left camera (grey 0 and 1, colour 2 and 3), as ROS has it;
  KITTI's is relative to camera 0. Each camera has its own frame in /tf_static, so `P[:, :3] @ T_cam_velo[:3]` is
  KITTI's `P_rect @ R_rect_00 @ T_cam0_velo` with nothing added.
- IMU values are along the axes of the IMU (x, y, z), not levelled with the earth (forward, left, up).
- /kitti/oxts/odometry is where the IMU went by its velocities, for who needs to know it to a centimetre over a second.
- The world's axes are east, north and up; its origin is where the drive's first OXTS record was. The pose of base_link
  is the pose of base_link, not of the IMU.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .camera import Array
from .kitti_calibration import KittiCalibration
from .oxts import OxtsRecord, mercator
from .ros_messages import header, message, point, quaternion, transform, vector
from .rotation import inverse, quaternion_of, rigid

CAMERA_FRAMES = {0: 'camera_gray_left', 1: 'camera_gray_right', 2: 'camera_color_left', 3: 'camera_color_right'}
CAMERA_TOPICS = {number: f'/kitti/{frame}' for number, frame in CAMERA_FRAMES.items()}  # before /image_raw
CLOUD_TOPIC = '/kitti/velo/pointcloud'
LEFT_OF = {0: 0, 1: 0, 2: 2, 3: 2}
GRAY = (0, 1)
WORLD, ODOM, BASE, IMU, VELODYNE = 'world', 'odom', 'base_link', 'imu_link', 'velo_link'
ODOMETRY_TOPIC = '/kitti/oxts/odometry'
BASE_TO_IMU_M = (-2.71 / 2.0 - 0.05, 0.32, 0.93)  # kitti2bag's; KITTI itself has no base_link

ORIENTATION_STD_RAD = np.deg2rad(0.1)  # Geiger et al. 2013: the OXTS RT3003 resolves 0.02 m and 0.1 degrees
FLOAT32 = 7  # sensor_msgs/PointField
NO_FIX, FIX, SBAS_FIX, GBAS_FIX = -1, 0, 1, 2  # sensor_msgs/NavSatStatus
GPS_SERVICE = 1
COVARIANCE_UNKNOWN, COVARIANCE_APPROXIMATED = 0, 1


def image_message(camera: int, stamp_ns: int, rgb: Array) -> Any:
    """Return a sensor_msgs/Image of uint8 (H, W, 3) RGB: rgb8, or mono8 for a grey camera."""
    pixels = np.ascontiguousarray(rgb[..., 0] if camera in GRAY else rgb)
    return message(
        'sensor_msgs/Image',
        header=header(stamp_ns, CAMERA_FRAMES[camera]),
        height=pixels.shape[0],
        width=pixels.shape[1],
        encoding='mono8' if camera in GRAY else 'rgb8',
        is_bigendian=0,
        step=pixels.strides[0],
        data=pixels.reshape(-1),
    )


def compressed_message(camera: int, stamp_ns: int, data: bytes) -> Any:
    """Return a sensor_msgs/CompressedImage of the bytes of a PNG or JPEG file."""
    return message(
        'sensor_msgs/CompressedImage',
        header=header(stamp_ns, CAMERA_FRAMES[camera]),
        format='png' if data.startswith(b'\x89PNG') else 'jpeg',
        data=np.frombuffer(data, np.uint8),
    )


def camera_info_message(calibration: KittiCalibration, camera: int, stamp_ns: int) -> Any:
    """Return the sensor_msgs/CameraInfo of a rectified camera; see above for what its K, D, R and P say."""
    mine = calibration.camera(camera)
    P = mine.P_rect.copy()
    left = calibration.cameras.get(LEFT_OF[camera])
    P[:, 3] = P[:, 3] - left.P_rect[:, 3] if left else 0.0
    P[2, 3] = 0.0  # as CameraInfo demands; the tenths of a millimetre are in /tf_static
    roi = {'x_offset': 0, 'y_offset': 0, 'height': 0, 'width': 0, 'do_rectify': False}
    return message(
        'sensor_msgs/CameraInfo',
        header=header(stamp_ns, CAMERA_FRAMES[camera]),
        height=mine.size.height,
        width=mine.size.width,
        distortion_model='plumb_bob',
        d=np.zeros(5),
        k=P[:, :3].reshape(-1),
        r=np.eye(3).reshape(-1),
        p=P.reshape(-1),
        binning_x=0,
        binning_y=0,
        roi=message('sensor_msgs/RegionOfInterest', **roi),
    )


def cloud_message(stamp_ns: int, points: Array, offsets_s: Array | None = None) -> Any:
    """Return the sensor_msgs/PointCloud2 of a scan float32 (N, 4), in the Velodyne's frame; fields x y z i.

    With offsets_s float32 (N,), when each point was measured [s after the stamp], there is a field `time`, which is
    how the velodyne driver has it.
    """
    columns = points if offsets_s is None else np.column_stack([points, offsets_s])
    names = ['x', 'y', 'z', 'i', 'time'][: columns.shape[1]]
    fields = [
        message('sensor_msgs/PointField', name=name, offset=4 * i, datatype=FLOAT32, count=1)
        for i, name in enumerate(names)
    ]
    data = np.ascontiguousarray(columns, '<f4').view(np.uint8).reshape(-1)
    return message(
        'sensor_msgs/PointCloud2',
        header=header(stamp_ns, VELODYNE),
        height=1,
        width=len(points),
        fields=fields,
        is_bigendian=False,
        point_step=4 * len(names),
        row_step=len(data),
        data=data,
        is_dense=True,
    )


def fix_message(stamp_ns: int, record: OxtsRecord) -> Any:
    """Return the sensor_msgs/NavSatFix of a record; OXTS calls its accuracy a standard deviation."""
    variance = record.pos_accuracy**2 if record.has_fix else 0.0
    return message(
        'sensor_msgs/NavSatFix',
        header=header(stamp_ns, IMU),
        status=message('sensor_msgs/NavSatStatus', status=fix_status(record), service=GPS_SERVICE),
        latitude=record.lat,
        longitude=record.lon,
        altitude=record.alt,
        position_covariance=variance * np.eye(3).reshape(-1),
        position_covariance_type=COVARIANCE_APPROXIMATED if record.has_fix else COVARIANCE_UNKNOWN,
    )


def fix_status(record: OxtsRecord) -> int:
    """Return the NavSatStatus of OXTS's position mode: 4 to 6 are corrected from the ground, 7 to 10 by satellites."""
    if not record.has_fix:
        return NO_FIX
    return GBAS_FIX if record.posmode in (4, 5, 6) else SBAS_FIX if record.posmode in (7, 8, 9, 10) else FIX


def velocity_message(stamp_ns: int, record: OxtsRecord) -> Any:
    """Return the geometry_msgs/TwistStamped of a record: forward, left, up, level with the earth's surface."""
    twist = message(
        'geometry_msgs/Twist',
        linear=vector(record.velocity_mps),
        angular=vector([record.wf, record.wl, record.wu]),
    )
    return message('geometry_msgs/TwistStamped', header=header(stamp_ns, IMU), twist=twist)


def imu_message(stamp_ns: int, record: OxtsRecord) -> Any:
    """Return the sensor_msgs/Imu of a record: attitude to east, north, up; rates and acceleration in the IMU's axes."""
    return message(
        'sensor_msgs/Imu',
        header=header(stamp_ns, IMU),
        orientation=quaternion(record.quaternion_xyzw),
        orientation_covariance=ORIENTATION_STD_RAD**2 * np.eye(3).reshape(-1),
        angular_velocity=vector(record.angular_rate_radps),
        angular_velocity_covariance=np.zeros(9),  # unknown, by the message's definition
        linear_acceleration=vector(record.acceleration_mps2),
        linear_acceleration_covariance=np.zeros(9),
    )


def odometry_message(stamp_ns: int, record: OxtsRecord, T_start_imu: Array) -> Any:
    """Return the nav_msgs/Odometry of the IMU by its velocities: smooth, while the position of /tf wanders."""
    pose = message('geometry_msgs/Pose', position=point(T_start_imu[:3, 3]),
                   orientation=quaternion(quaternion_of(T_start_imu[:3, :3])))
    twist = message('geometry_msgs/Twist', linear=vector(record.R_world_imu.T @ [record.ve, record.vn, record.vu]),
                    angular=vector(record.angular_rate_radps))
    return message(
        'nav_msgs/Odometry',
        header=header(stamp_ns, ODOM),
        child_frame_id=IMU,
        pose=message('geometry_msgs/PoseWithCovariance', pose=pose, covariance=np.zeros(36)),
        twist=message('geometry_msgs/TwistWithCovariance', twist=twist, covariance=np.zeros(36)),
    )


def pose_message(stamp_ns: int, record: OxtsRecord, origin: OxtsRecord) -> Any:
    """Return the tf2_msgs/TFMessage that says where base_link is in the world at a record."""
    T_world_imu = np.eye(4)
    T_world_imu[:3, :3] = record.R_world_imu
    T_world_imu[:3, 3] = np.subtract(mercator(record, origin.lat), mercator(origin, origin.lat))
    T_world_base = T_world_imu @ inverse(T_base_imu())
    return message('tf2_msgs/TFMessage', transforms=[transform(stamp_ns, WORLD, BASE, T_world_base)])


def static_message(stamp_ns: int, calibration: KittiCalibration, cameras: Sequence[int]) -> Any:
    """Return the tf2_msgs/TFMessage of what does not move: base_link to IMU to Velodyne to the rectified cameras."""
    transforms = [
        transform(stamp_ns, VELODYNE, CAMERA_FRAMES[n], inverse(rigid(calibration.T_cam_velo(n)))) for n in cameras
    ]
    if calibration.imu is not None:
        transforms.insert(0, transform(stamp_ns, BASE, IMU, T_base_imu()))
        transforms.insert(1, transform(stamp_ns, IMU, VELODYNE, inverse(rigid(calibration.T_velo_imu))))
    return message('tf2_msgs/TFMessage', transforms=transforms)


def T_base_imu() -> Array:
    """Return where the IMU sits in base_link (4, 4) [m]."""
    T = np.eye(4)
    T[:3, 3] = BASE_TO_IMU_M
    return T
