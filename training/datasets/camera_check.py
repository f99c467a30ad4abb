"""Intrinsics as a dataset gives them, checked against the image that they should belong to."""

from __future__ import annotations

from numpy.typing import ArrayLike

from msg_tools.camera import Intrinsics, Size
from msg_tools.errors import CalibrationError

from .frame import DatasetError

ALIKE = 1.15  # a crop seldom moves cx and cy by factors as near each other as this; another size always does
MUCH = 1.25


def camera_of(matrix: ArrayLike, size: Size, source: object, calibrated: Size | None = None) -> Intrinsics:
    """Return the intrinsics of K (3, 3) or P (3, 4) for an image of a size; `calibrated` is the size they are for.

    Raises DatasetError where they are none, or those of an image of another size: by `calibrated`, or where that is
    unknown because the principal point lies outside, or as far off in x as in y.
    """
    try:
        camera = Intrinsics.from_matrix(matrix, size)
    except CalibrationError as error:
        raise DatasetError(f'{source}: {error}') from error
    if calibrated is not None:
        if calibrated != size:
            raise DatasetError(f'{source}: expected an image of {calibrated}, as its intrinsics, got {size}; '
                               'was it resized? Scale fx, fy, cx and cy with it')
        return camera
    x, y = (2 * center / length for center, length in ((camera.cx, size.width), (camera.cy, size.height)))
    if not (0 < x < 2 and 0 < y < 2) or (1 / ALIKE < x / y < ALIKE and not 1 / MUCH < x < MUCH):
        raise DatasetError(f'{source}: expected intrinsics of an image of {size}, got a principal point of '
                           f'({camera.cx:g}, {camera.cy:g}); are they those of the image before it was resized?')
    return camera
