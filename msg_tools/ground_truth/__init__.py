"""LiDAR scans to depth maps: what velodyne_to_depth does, from sources through the scan's motion to files."""
