"""Square crops of faces, and turned copies of them.

A crop is a matrix (2, 3) that takes pixels of the picture to pixels of the crop; a pixel i reaches from i to i + 1 in both.
The runtime makes the pixels, here as in an app; what lies outside of the picture repeats its border, as in the augmentation.
"""

import numpy as np

from ...runtime import MARGIN, cut, matrix_of
from .faces import Array

__all__ = ["apply", "cut", "square", "turned"]

DEGREES, SHIFT, SCALE = 30.0, 0.1, (1.0, 1.25)
"""How far a copy is turned at most, and shifted, in parts of the crop's side; smallest and largest side over the extent."""
TRIES = 50


def square(points: Array, size: int) -> Array:
    """Crop of ``size`` pixels around points (P, 2)."""
    low, high = points.min(axis=0), points.max(axis=0)
    side = MARGIN * (high - low).max()
    return matrix_of((*(low + high - side) / 2, side), size)


def turned(points: Array, size: int, rng: np.random.Generator) -> tuple[Array, float]:
    """Random crop in which the face is turned, shifted and scaled, and no point is outside; with the angle.

    The angle is in degrees, counter-clockwise as seen. If no shift keeps all points inside, the face stays in the middle.
    """
    angle = rng.uniform(-DEGREES, DEGREES)
    flat = apply(_crop(np.zeros(2), 1.0, angle, 1), points)
    low, high = flat.min(axis=0), flat.max(axis=0)
    # the middle of the turned points, back in the picture
    centre = apply(_crop(np.zeros(2), 1.0, -angle, 1), ((low + high) / 2)[None])[0]
    extent = (high - low).max()
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
    """Points (n, 2) of the picture in the crop."""
    return points @ matrix[:, :2].T + matrix[:, 2]
