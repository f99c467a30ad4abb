"""Everything beside the node itself that talks to rclpy."""
