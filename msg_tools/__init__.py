"""Camera geometry, ROS messages as arrays, KITTI folders and bags: NumPy and OpenCV, no ROS and no torch."""
