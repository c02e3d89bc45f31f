"""Square crops of faces, and turned copies of them.

A crop is a matrix (2, 3) that takes pixels of the picture to pixels of the crop; a pixel i reaches from i to i + 1 in both.
What lies outside of the picture repeats its border, as in the augmentation.
"""

from math import ceil

import cv2
import numpy as np
from numpy.typing import NDArray

from .faces import Array

MARGIN = 1.2
"""Side of a crop over the larger side of the points' extent, as the reference has it."""
DEGREES, SHIFT, SCALE = 30.0, 0.1, (1.0, 1.25)
"""How far a copy is turned at most, and shifted, in parts of the crop's side; smallest and largest side over the extent."""
TRIES = 50
LARGE = 8
"""Side of a face over that of the crop from which the whole picture is reduced first, to bound memory."""


def square(points: Array, size: int) -> Array:
    """Crop of ``size`` pixels around points (P, 2)."""
    low, high = points.min(axis=0), points.max(axis=0)
    return _crop((low + high) / 2, MARGIN * (high - low).max(), 0.0, size)


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


def cut(image: NDArray[np.uint8], matrix: Array, size: int) -> NDArray[np.uint8]:
    """Make the crop, uint8 (size, size, 3).

    A large face is cut out at a whole multiple of the size, near its own resolution, and averaged down, so that no detail
    turns into noise.
    """
    scale = np.sqrt(abs(np.linalg.det(matrix[:, :2])))
    times = max(1, ceil(1 / scale))
    if times > LARGE:
        height, width = image.shape[:2]
        small = max(1, width * LARGE // times), max(1, height * LARGE // times)
        reduced = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
        return cut(reduced, matrix * (width / small[0], height / small[1], 1), size)
    fine = times * matrix
    # warpAffine counts from the middle of the first pixel
    fine[:, 2] += fine[:, :2] @ (0.5, 0.5) - 0.5
    side = times * size
    out = cv2.warpAffine(image, fine, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return cv2.resize(out, (size, size), interpolation=cv2.INTER_AREA) if times > 1 else out
