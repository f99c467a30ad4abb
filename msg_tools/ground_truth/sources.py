"""What velodyne_to_depth needs of a source of scans and images, whatever it is: folders, bags, benchmarks.

A source lists its frames as small entries in the main process, and reads those that a worker does, in order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ..camera import Array, Size
from ..errors import DepthNodeError, ImageError
from ..image_file import read_rgb
from .lens import Lens
from .trajectory import Trajectory

Picture = Path | Callable[[], Array]  # a file, or what decodes a message when it is asked for


@dataclass(frozen=True, slots=True)
class Entry:
    """A frame of a source: its name in the output, number and stamps in the source, and what is needed to read it.

    Where `skip` is a reason, no map is made of it, though its scan may help those of its neighbours.
    """

    name: str
    frame: int
    image_stamp_ns: int | None
    cloud_stamp_ns: int | None
    payload: Any = field(default=None, repr=False)
    skip: str = ''


@dataclass(slots=True)
class Frame:
    """A frame that was read: points (N, 3 or more) [m] of the scanner's frame, when each was measured, and its images.

    `offsets_s` float32 (N,) are seconds after the cloud's stamp; `turn_s` are the first and last of them, for clouds
    whose points' azimuth tells; with neither, all points are of the stamp. `error` says why there are no points.
    """

    entry: Entry
    points: Array | None = None
    offsets_s: Array | None = None
    turn_s: tuple[float, float] | None = None
    image: Picture | None = None
    right: Picture | None = None  # the stereo pair's other image
    error: DepthNodeError | OSError | None = None

    def rgb(self) -> Array:
        """Return the image uint8 (H, W, 3). Raises ImageError where there is none or it is broken."""
        return rgb_of(self.image)


@dataclass(frozen=True)
class View:
    """The camera of a frame: its lens, T_cam_scanner (4, 4) [m], and the distance to the stereo pair's right one.

    `P` (3, 4) is the product of a file's matrices as they stand, their rotations rounded, for who counts on its pixels.
    """

    lens: Lens
    T_cam_scanner: Array
    baseline_m: float | None = None
    P: Array | None = None

    @property
    def P_scanner_to_image(self) -> Array:
        """Return the projection (3, 4) of the scanner's points into an image without distortion."""
        return self.lens.camera.K @ self.T_cam_scanner[:3] if self.P is None else self.P


class Source(Protocol):
    """Scans with images, poses and calibration; it travels to the worker processes whole, so it holds no open files."""

    @property
    def path(self) -> Path:
        """Return where it is."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return what its user should know."""

    @property
    def exposure(self) -> str:
        """Return whose stamp the exposure is: 'image' or, where the scanner triggers the camera, 'cloud'."""

    def entries(self) -> list[Entry]:
        """List the frames in the order of time, in the main process."""

    def read(self, entries: Sequence[Entry]) -> Iterator[Frame]:
        """Read frames, a run of those that were listed, in order; a broken one has an `error`. Any process does it."""

    def view(self, entry: Entry) -> View:
        """Return the camera of a frame. Raises CalibrationError where it is missing or impossible."""

    def trajectory(self) -> Trajectory:
        """Return where the scanner was. Raises PosesError where nothing says so."""


def read_each(entries: Sequence[Entry], read: Callable[[Entry], Frame]) -> Iterator[Frame]:
    """Yield the frame of each entry; one that cannot be read has the error, and the others go on."""
    for entry in entries:
        try:
            yield read(entry)
        except (DepthNodeError, OSError) as error:
            yield Frame(entry, error=error)


def rgb_of(picture: Picture | None) -> Array:
    """Return an image uint8 (H, W, 3). Raises ImageError where there is none or it is broken."""
    if picture is None:
        raise ImageError('expected a frame with an image, got one without')
    return read_rgb(picture) if isinstance(picture, Path) else picture()


def check_size(source: object, size: Size, calibrated: Size) -> None:
    """Raise ImageError where an image is of another size than its calibration."""
    if size != calibrated:
        raise ImageError(f'{source}: expected an image of {calibrated} as the calibration has it, got {size}; '
                         'was it resized, or is the calibration of another camera?')
