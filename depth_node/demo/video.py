"""Write a short video with what the opencv-python wheel brings along."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

import cv2

from msg_tools.camera import Array, Size
from msg_tools.errors import ImageError

CODECS = (('.mp4', 'mp4v'), ('.avi', 'MJPG'))  # in the order of preference; Motion JPEG is built into OpenCV


class Video:
    """A video file that takes RGB frames uint8 (H, W, 3) of one even size; its name gets the suffix that works."""

    def __init__(self, path: Path, size: Size, rate_hz: float) -> None:
        """Open a video beside `path`. Raises ImageError where this OpenCV can write none."""
        for suffix, code in CODECS:
            self.path = path.with_suffix(suffix)
            fourcc = cv2.VideoWriter.fourcc(*code)
            self.writer = cv2.VideoWriter(str(self.path), fourcc, rate_hz, (size.width, size.height))
            if self.writer.isOpened():
                return
            self.path.unlink(missing_ok=True)
        raise ImageError(f'{path}: expected an OpenCV that writes MP4 or AVI, got {cv2.__version__} without either; '
                         'is the folder writable?')

    def __enter__(self) -> Video:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.writer.release()

    def write(self, rgb: Array) -> None:
        """Append a frame."""
        self.writer.write(cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
