"""What is done to a map of the network before it is brought to the image's size: its edges become steeper."""

from __future__ import annotations

import cv2
import numpy as np

from msg_tools.camera import Array

NEAR, FAR = (3, 3), (17, 3)  # width and height of two means [px of the network's map]; 17 are 5 degrees
AMOUNT = np.float32(0.5)  # of their difference, added


def sharpened(log_depth: Array) -> Array:
    """Return log depth (h/2, w/2) float32 with steeper edges along its rows; the same where it is not finite all over.

    Along rows alone: there a street's log depth is level but for its edges, while along columns the ground bends it
    everywhere, and a ground that is bent more is wrong. The mean of 3x3 pixels, so that single ones do not stand out.
    The image is not asked: as a guide it costs accuracy (docs/speed-network.md).

    >>> edge = np.array([[0.0] * 20 + [1.7] * 20], np.float32)
    >>> print(sharpened(edge)[0, 17:23].round(2))
    [-0.3  -0.35 -0.12  1.82  2.05  2.  ]
    """
    if not np.isfinite(log_depth).all():  # a mean would carry it along the row
        return log_depth
    return log_depth + AMOUNT * (cv2.blur(log_depth, NEAR) - cv2.blur(log_depth, FAR))
