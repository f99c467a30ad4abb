"""The errors that this project raises on purpose: one class per subject, all under DepthNodeError."""


class DepthNodeError(Exception):
    """Anything wrong that we foresaw: the text says what was expected, what came and what to do."""


class ImageError(DepthNodeError, ValueError):
    """An image message or array that cannot be read or written."""


class UnknownEncodingError(ImageError):
    """An image message in an encoding that we have no conversion for."""


class CloudError(DepthNodeError, ValueError):
    """A point cloud message, scan file or array that cannot be read or written."""


class CalibrationError(DepthNodeError, ValueError):
    """A camera or LiDAR calibration that is missing, malformed or impossible."""


class KittiError(DepthNodeError, ValueError):
    """A KITTI folder or file that is missing or malformed."""


class BagError(DepthNodeError, ValueError):
    """A bag that cannot be opened, read or written, or lacks a topic."""


class DepthPngError(DepthNodeError, ValueError):
    """A KITTI depth PNG that cannot be read or written."""


class ConfigError(DepthNodeError, ValueError):
    """A setting of unknown name, wrong type or out of its range."""


class CheckpointError(DepthNodeError):
    """A checkpoint that cannot be loaded, and why."""


class BackendError(DepthNodeError):
    """An inference backend that is not installed or does not run."""


class PosesError(DepthNodeError, ValueError):
    """Poses that are missing, malformed, or cannot be: jumps, gaps, times out of order."""


class OutputError(DepthNodeError):
    """A place that cannot be written to: nothing that comes after could be either."""


class ClusterError(DepthNodeError):
    """A scheduler that cannot be reached, or workers that cannot do the work."""


class TruthSetError(DepthNodeError, ValueError):
    """A folder of depth maps that is missing, empty or malformed, or a report of it that cannot be written."""
