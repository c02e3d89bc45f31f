"""Checks that a face must pass to be used. Every check is conservative: it rejects only what no true face shows."""

from collections.abc import Callable, Collection, Mapping

import numpy as np

from .head_pose import scaled_orthographic
from .layouts3d import average_head
from .source_face import Array, LeftOut

OUTSIDE = 0.02
"""Largest distance of a point outside the image, relative to the points' extent: labels at the border lie about a pixel out."""
GROWN = 2.0
"""Factor on the size of a box that must then contain more than half of the points; detectors' boxes are tighter or wider."""
UNEXPLAINED = 0.15
"""Largest share of the points' variance that no view of the average head explains. True faces have up to 0.06 (3,246
photographs with 68 points, 4,500 rendered faces with yaw up to 93 degrees); points in another order have 0.2 (all indices off
by one) to 1."""
AWAY = -0.5
"""Smallest cosine of the angle between the direction of the face and the direction to the viewer. Points that are mirrored, or
have x and y swapped, look like a face seen from behind, through the head: -0.7 to -1 on these photographs. True faces have
-0.13 to 1, also upside down."""
LARGEST = 32766
"""Largest side of an image, in pixels, from which OpenCV can crop."""

TOO_LARGE = "image too large"
OUTSIDE_OF_IMAGE = "points outside the image"

Box = tuple[float, ...]
Size = tuple[int, int]


def _size(points: Array, box: Box | None, size: Size) -> bool:
    return max(size) <= LARGEST


def _box_has_area(points: Array, box: Box | None, size: Size) -> bool:
    return box is None or (box[0] < box[2] and box[1] < box[3])


def _box_in_image(points: Array, box: Box | None, size: Size) -> bool:
    return box is None or all(0 <= (low + high) / 2 <= end for low, high, end in zip(box[:2], box[2:], size, strict=True))


def _extent(points: Array, box: Box | None, size: Size) -> bool:
    return bool(np.ptp(points, axis=0).min() >= 1)


def reach(points: Array, size: Size) -> float:
    """Return how far the farthest point (P, 2) lies outside an image, relative to the points' extent; 0 within tolerance."""
    beyond = max(-points.min(), (points - np.array(size)).max())
    extent = np.ptp(points, axis=0).max()
    return float(beyond / extent) if beyond > max(1.0, OUTSIDE * extent) else 0.0


def _points_in_image(points: Array, box: Box | None, size: Size) -> bool:
    return reach(points, size) == 0


def _points_in_box(points: Array, box: Box | None, size: Size) -> bool:
    if box is None:
        return True
    low, high = np.array(box[:2]), np.array(box[2:])
    inside = np.abs(points - (low + high) / 2) <= GROWN * (high - low) / 2
    return bool(inside.all(axis=1).mean() > 0.5)


def _order(points: Array, box: Box | None, size: Size) -> bool:
    return scaled_orthographic(points, average_head(len(points)))[2] <= UNEXPLAINED


def _not_mirrored(points: Array, box: Box | None, size: Size) -> bool:
    return scaled_orthographic(points, average_head(len(points)))[0][2, 2] >= AWAY


# reason -> condition that a good face meets
CHECKS: Mapping[str, Callable[[Array, Box | None, Size], bool]] = {
    TOO_LARGE: _size,
    "box without area": _box_has_area,
    "box outside the image": _box_in_image,
    "points without extent": _extent,
    OUTSIDE_OF_IMAGE: _points_in_image,
    "points far from their box": _points_in_box,
    "points in another order": _order,
    "points mirrored, or x and y swapped": _not_mirrored,
}


def check(points: Array, box: Box | None, size: Size, where: str, waived: Collection[str] = ()) -> None:
    """Raise :class:`LeftOut` unless points (P, 2) and box, in pixels, pass all checks for an image of ``size`` (width, height).

    Parameters
    ----------
    waived
        Reasons to ignore.
    """
    for reason, holds in CHECKS.items():
        if reason not in waived and not holds(points, box, size):
            raise LeftOut(reason, where)
