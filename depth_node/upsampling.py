"""What is done to a map of the network before it is brought to the image's size: its edges become steeper."""

from __future__ import annotations

import cv2
import numpy as np

from msg_tools.camera import Array

NEAR, FAR = (3, 3), (17, 3)  # width and height of two means [px of the network's map]; 17 are 5 degrees
AROUND = 9, 1  # within which nothing becomes nearer or farther than what was nearest or farthest there


def sharpened(log_depth: Array) -> Array:
    """Return log depth (h/2, w/2) float32 with steeper edges along its rows; the same where it is not finite all over.

    Along rows alone: there a street's log depth is level but for its edges, while along columns the ground bends it
    everywhere, and a ground that is bent more is wrong. The mean of 3x3 pixels, so that single ones do not stand out,
    and within the depths that are there, so that no edge gets a rim that nobody saw. The image is not asked: as a guide
    it costs accuracy (docs/speed-network.md). backends/device_path.py does the same in torch.

    >>> edge = np.array([[0.0] * 18 + [0.4, 0.8, 1.2, 1.6] + [2.0] * 18], np.float32)
    >>> print(sharpened(edge)[0, 16:24].round(2))
    [0.   0.   0.   0.66 1.34 2.   2.   2.  ]
    """
    if not np.isfinite(log_depth).all():  # a mean would carry it along the row
        return log_depth
    steeper = log_depth + (cv2.blur(log_depth, NEAR) - cv2.blur(log_depth, FAR))
    window = np.ones(AROUND[::-1], np.uint8)
    return np.clip(steeper, cv2.erode(log_depth, window), cv2.dilate(log_depth, window))
