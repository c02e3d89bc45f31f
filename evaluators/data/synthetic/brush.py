"""Smooth curves and soft polygons, blended into images."""

import cv2
import numpy as np

from .head import Array

SHIFT = 4
"""Fractional bits of OpenCV's fixed-point coordinates."""


def _curve_matrix(count: int, closed: bool, steps: int) -> Array:
    """Return the matrix that maps ``count`` points to a Catmull-Rom curve with ``steps`` points per segment."""
    segments = count if closed else count - 1
    s = (np.arange(segments * steps) % steps) / steps
    weights = np.stack([-s + 2 * s**2 - s**3, 2 - 5 * s**2 + 3 * s**3, s + 4 * s**2 - 3 * s**3, s**3 - s**2]) / 2
    start = np.arange(segments * steps) // steps
    out = np.zeros((segments * steps + (not closed), count))
    for k, w in enumerate(weights):
        index = start + k - 1
        index = index % count if closed else np.clip(index, 0, count - 1)
        np.add.at(out, (np.arange(len(start)), index), w)
    if not closed:
        out[-1, -1] = 1
    return out


_CURVES: dict[tuple[int, bool], Array] = {}


def curve(points: Array, closed: bool = True, steps: int = 4) -> Array:
    """Return a smooth curve through ``points`` (n, 2)."""
    key = (len(points), closed)
    if key not in _CURVES:
        _CURVES[key] = _curve_matrix(*key, steps)
    return _CURVES[key] @ points


def fixed(points: Array) -> Array:
    """Convert points to OpenCV's fixed-point integers, for calls with ``shift=SHIFT``."""
    return np.round(np.asarray(points) * (1 << SHIFT)).astype(np.int32)


def blend(
    image: Array,
    points: Array,
    color: Array,
    strength: float = 1.0,
    soft: float = 0.0,
    line: float = 0.0,
    clip: Array | None = None,
) -> None:
    """Blend a polygon (or, with ``line``, an open line of that width) into a uint8 image, in place.

    ``soft`` is the sigma of its edge in pixels; ``clip`` is a second polygon that confines the paint.
    """
    pad = int(3 * soft + line + 3)
    at = fixed(points)
    left, top, width, height = cv2.boundingRect(at)
    x0, y0 = max((left >> SHIFT) - pad, 0), max((top >> SHIFT) - pad, 0)
    x1, y1 = ((left + width) >> SHIFT) + pad, ((top + height) >> SHIFT) + pad
    part = image[y0 : max(y1, 0), x0 : max(x1, 0)]
    if part.size == 0:
        return
    mask: Array = np.zeros(part.shape[:2], np.uint8)
    corner = np.array([x0 << SHIFT, y0 << SHIFT], np.int32)
    at -= corner
    if line:
        cv2.polylines(mask, [at], False, 255, max(1, round(line)), cv2.LINE_AA, SHIFT)
    else:
        cv2.fillPoly(mask, [at], 255, cv2.LINE_AA, SHIFT)
    if soft:
        mask = cv2.GaussianBlur(mask, (0, 0), soft)
    if clip is not None:
        inside = np.zeros_like(mask)
        cv2.fillPoly(inside, [fixed(clip) - corner], 255, cv2.LINE_AA, SHIFT)
        mask = cv2.min(mask, inside)
    alpha = mask.astype(np.float32)[..., None] * np.float32(strength / 255)
    part[:] = (part + alpha * (np.asarray(color, np.float32) - part)).astype(np.uint8)
