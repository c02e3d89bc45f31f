"""The One Euro filter: a low-pass whose cutoff rises with speed, so that points neither tremble at rest nor lag in motion.

Source: Casiez, Roussel, Vogel, "1 Euro Filter: A Simple Speed-based Low-pass Filter for Noisy Input in Interactive Systems",
CHI 2012. Speeds are in face sizes per second here, so the filter does not depend on the size of the face in pixels.
"""

from math import tau

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

MIN_CUTOFF = 0.5
"""Cutoff of points at rest, in Hz."""

BETA = 10.0
"""Increase of the cutoff with speed, in Hz per (face size per second).

Both values were chosen on synthetic faces with noise in every frame (25 frames per second, 2 faces, detector and network as in
``predict``). The columns are the movement of a point at rest from frame to frame, in percent of the points' extent; the lag of
a face that oscillates by a third of its extent at 0.8 Hz, and of one that turns by 25 degrees at 0.5 Hz; and the error of the
points in both cases, in percent:

====================  ======  ============  ==============
filter                rest    lag           error
====================  ======  ============  ==============
none                  2.20    1 and 0 ms    4.8 and 5.2
low-pass of 1 Hz      0.36    132, 144 ms   13.4 and 6.3
0.5 Hz, beta 5        0.44    36, 50 ms     5.8 and 4.9
0.5 Hz, beta 10       0.61    21, 27 ms     5.0 and 4.9
1 Hz, beta 10         0.72    20, 24 ms     5.0 and 4.9
0.5 Hz, beta 20       0.86    12, 12 ms     4.8 and 4.9
====================  ======  ============  ==============
"""

SPEED_CUTOFF = 1.0
"""Cutoff of the low-pass of the speed, in Hz; the authors' value."""


class OneEuro:
    """Filter the points of one face, frame by frame.

    Parameters
    ----------
    min_cutoff
        Cutoff at rest, in Hz, above 0.
    beta
        Increase of the cutoff, in Hz per (face size per second); 0 makes the filter a first-order low-pass.
    """

    def __init__(self, min_cutoff: float = MIN_CUTOFF, beta: float = BETA):
        self._min_cutoff, self._beta = min_cutoff, beta
        self._raw: Array | None = None
        self._smooth: Array = np.zeros(0)
        self._velocity: Array = np.zeros(0)

    def __call__(self, points: Array, seconds: float, size: float) -> Array:
        """Filter the next points.

        Parameters
        ----------
        points
            float (P, 2), in pixels.
        seconds
            Time since the previous points, above 0; not used for the first points.
        size
            Size of the face in pixels: the longer side of its box.

        Returns
        -------
        float64 (P, 2)
            Filtered points in pixels; the first points are unchanged.
        """
        points = np.asarray(points, np.float64)
        if self._raw is None:
            self._raw, self._smooth, self._velocity = points, points, np.zeros_like(points)
            return points
        # velocity in face sizes per second; it is noisy, so it has its own low-pass
        velocity = (points - self._raw) / (seconds * size)
        self._velocity = self._velocity + weight(SPEED_CUTOFF, seconds) * (velocity - self._velocity)
        # the faster a point, the higher its cutoff; both axes share it, so the result does not depend on the image's rotation
        speed = np.linalg.norm(self._velocity, axis=1, keepdims=True)
        self._smooth = self._smooth + weight(self._min_cutoff + self._beta * speed, seconds) * (points - self._smooth)
        self._raw = points
        return self._smooth


def weight(cutoff: float | Array, seconds: float) -> Array:
    """Weight of the new value in a first-order low-pass: ``1 / (1 + 1 / (2 pi cutoff seconds))``."""
    return 1 / (1 + 1 / (tau * np.asarray(cutoff) * seconds))
