"""Draw boxes and points into images."""

from collections.abc import Sequence
from math import ceil
from typing import Any

import cv2
import numpy as np
from matplotlib.colors import to_rgb

from ...evaluators import parts_of
from ...runtime import Image
from ..plots.part_colors import PART_COLORS

SHORTEST = 480
"""Images with a shorter longer side, in pixels, are enlarged by an integer factor."""

DOTS = 100
"""Width of a face in dots."""

FRACTION_BITS = 4
"""Fractional bits of the coordinates that OpenCV draws at."""

WHITE = (255, 255, 255)
"""Colour of the boxes."""

BLACK = (0, 0, 0)
"""Colour of the rim around each dot."""


def annotate(image: Image, faces: Sequence[dict[str, Any]]) -> Image:
    """Draw ``box`` and ``points`` of faces, in pixels, into a copy of an image, uint8 (H, W, 3), BGR."""
    times = max(1, ceil(SHORTEST / max(image.shape[:2])))
    picture = image.copy()
    if times > 1:
        picture = np.asarray(cv2.resize(image, None, fx=times, fy=times, interpolation=cv2.INTER_CUBIC), np.uint8)
    for face in faces:
        points = np.array(face["points"])
        left, upper, width, height = face["box"]
        cv2.rectangle(
            picture,
            _fixed((left, upper), times),
            _fixed((left + width, upper + height), times),
            WHITE,
            1,
            cv2.LINE_AA,
            FRACTION_BITS,
        )
        radius = max(1.0, times * np.ptp(points, axis=0).max() / DOTS / 2)
        for part, indices in parts_of(len(points)).items():
            color = [255 * channel for channel in to_rgb(PART_COLORS[part])[::-1]]
            for point in points[list(indices)]:
                _dot(picture, _fixed(point, times), radius + 1, BLACK)
                _dot(picture, _fixed(point, times), radius, color)
    return picture


def _dot(picture: Image, centre: tuple[int, int], radius: float, color: Sequence[float]) -> None:
    cv2.circle(picture, centre, round(radius * 2**FRACTION_BITS), color, cv2.FILLED, cv2.LINE_AA, FRACTION_BITS)


def _fixed(point: Sequence[float], times: int) -> tuple[int, int]:
    """Return a point in OpenCV's fixed-point coordinates, which start at the middle of the first pixel."""
    return tuple(round(2**FRACTION_BITS * (times * coordinate - 0.5)) for coordinate in point)
