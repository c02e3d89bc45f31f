"""Square crops of faces, and rotated copies of them.

A crop is a matrix (2, 3) that maps pixels of the picture to pixels of the crop; pixel i spans i to i + 1 in both. The runtime
computes the pixels, as in an app; pixels outside the picture repeat its border, as in the augmentation.
"""

import numpy as np

from ...runtime import MARGIN, cut, matrix_of
from .source_face import Array

__all__ = ["apply", "cut", "square", "turned"]

DEGREES = 30.0
"""Largest rotation of a copy in either direction, in degrees."""
SHIFT = 0.1
"""Largest shift of a copy, as a fraction of the crop's side."""
SCALE = (1.0, 1.25)
"""Smallest and largest side of a copy's crop, relative to the extent of its points."""
TRIES = 50
"""Largest number of random shifts and scales to try until all points are inside."""


def square(points: Array, size: int) -> Array:
    """Return the crop of ``size`` pixels around points (P, 2)."""
    low, high = points.min(axis=0), points.max(axis=0)
    side = MARGIN * (high - low).max()
    return matrix_of((*(low + high - side) / 2, side), size)


def turned(points: Array, size: int, rng: np.random.Generator) -> tuple[Array, float]:
    """Return a random crop that rotates, shifts and scales the face and contains all points, and the angle.

    The angle is in degrees, counter-clockwise as seen. If no shift keeps all points inside, the face stays in the centre.
    """
    # rotate the points about the origin, and find their extent
    angle = rng.uniform(-DEGREES, DEGREES)
    flat = apply(_crop(np.zeros(2), 1.0, angle, 1), points)
    low, high = flat.min(axis=0), flat.max(axis=0)
    # map the centre of the rotated points back to the picture
    centre = apply(_crop(np.zeros(2), 1.0, -angle, 1), ((low + high) / 2)[None])[0]
    extent = (high - low).max()
    # draw scale and shift until all points are inside
    for _ in range(TRIES):
        side = rng.uniform(*SCALE) * extent
        shift = rng.uniform(-SHIFT, SHIFT, 2) * MARGIN * extent
        matrix = _crop(centre + shift, side, angle, size)
        inside = apply(matrix, points)
        if inside.min() >= 0 and inside.max() <= size:
            return matrix, angle
    return _crop(centre, MARGIN * extent, angle, size), angle


def _crop(centre: Array, side: float, degrees: float, size: int) -> Array:
    scale, angle = size / side, np.radians(degrees)
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    linear = np.array([[cos, sin], [-sin, cos]])
    return np.column_stack([linear, size / 2 - linear @ centre])


def apply(matrix: Array, points: Array) -> Array:
    """Map points (n, 2) from the picture to the crop."""
    return points @ matrix[:, :2].T + matrix[:, 2]
