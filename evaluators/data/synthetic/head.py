"""A parametric head: a closed surface with nose, eye sockets, lips and chin, and the position of face points on it.

Units: half the width of an average face is 1. The axes are those of a camera image: x to the right, y down, z away from the
viewer. The origin lies between the ears at eye height, and the face looks towards -z. The surface has two coordinates:
``theta``, the angle about the vertical axis (0 at the nose, -pi/2 at the ear on the left of the image), and the row ``t``,
which runs from 0 at the crown over the chin to 1 below the jaw.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

Array = NDArray[Any]
"""Floats, unless a docstring says uint8 or bool; OpenCV's annotations do not distinguish them either."""

# y at the front, half width, depth to the front, depth to the back, rise of the row from the front to the ears
PROFILE = np.array(
    [
        [-1.55, 0.00, 0.00, 0.00, 0.00],
        [-1.52, 0.36, 0.36, 0.42, 0.00],
        [-1.38, 0.68, 0.70, 0.80, 0.00],
        [-1.12, 0.88, 0.94, 1.08, 0.00],
        [-0.76, 0.99, 1.09, 1.26, 0.00],
        [-0.38, 1.03, 1.13, 1.32, 0.00],
        [0.00, 1.03, 1.08, 1.30, 0.00],
        [0.40, 1.00, 1.05, 1.18, 0.05],
        [0.70, 0.97, 1.05, 1.02, 0.12],
        [1.00, 0.94, 1.07, 0.82, 0.25],
        [1.25, 0.90, 1.06, 0.62, 0.37],
        [1.45, 0.86, 1.04, 0.45, 0.47],
        [1.58, 0.79, 0.97, 0.35, 0.51],
        [1.62, 0.66, 0.84, 0.28, 0.50],
        [1.60, 0.42, 0.55, 0.18, 0.45],
        [1.52, 0.00, 0.00, 0.00, 0.40],
    ]
)
ROWS = 257
JAW_KEY = 12
"""Row of :data:`PROFILE` at the lower edge of the jaw."""

_arc = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(PROFILE[:, [0, 2]], axis=0), axis=1))])
_arc /= _arc[-1]
T = np.linspace(0.0, 1.0, ROWS)
JAW_T = float(_arc[JAW_KEY])
"""Row ``t`` of the jaw's lower edge, where the lower contour points lie."""
_TABLE = PchipInterpolator(_arc, PROFILE, axis=0)(T)
_FRONT_ROWS = int(np.searchsorted(T, _arc[JAW_KEY + 1]))


def ramp(value: Array, low: float, high: float) -> Array:
    """Smooth step from 0 at ``low`` to 1 at ``high``."""
    x = np.clip((value - low) / (high - low), 0.0, 1.0)
    return x * x * (3.0 - 2.0 * x)


@dataclass(frozen=True)
class Shape:
    """Shape of an individual head: every value is a deviation from the average head; 0 is average."""

    width: float = 0.0
    length: float = 0.0
    depth: float = 0.0
    forehead: float = 0.0
    jaw: float = 0.0
    chin: float = 0.0
    cheek: float = 0.0
    brow_ridge: float = 0.0
    brow_height: float = 0.0
    brow_arch: float = 0.0
    brow_tilt: float = 0.0
    brow_width: float = 0.0
    eye_size: float = 0.0
    eye_open: float = 0.0
    eye_gap: float = 0.0
    eye_tilt: float = 0.0
    socket: float = 0.0
    nose_length: float = 0.0
    nose_width: float = 0.0
    nose_out: float = 0.0
    nose_tip: float = 0.0
    mouth_width: float = 0.0
    mouth_height: float = 0.0
    lip_upper: float = 0.0
    lip_lower: float = 0.0


@dataclass(frozen=True)
class Expression:
    """Facial expression; 0 is neutral. ``open`` and the blinks range up to 1, ``smile`` from -1 to 1.

    ``smirk`` is added to the smile on the left and subtracted on the right; ``sideways`` moves the jaw to the right, in units.
    """

    open: float = 0.0
    smile: float = 0.0
    smirk: float = 0.0
    sideways: float = 0.0
    pout: float = 0.0
    blink_left: float = 0.0
    blink_right: float = 0.0
    brow_left: float = 0.0
    brow_right: float = 0.0
    frown: float = 0.0


@dataclass(frozen=True)
class Bump:
    """A Gaussian hill on the front of the face, and its mirror image; ``height`` points out of the face."""

    x: float
    y: float
    width: float
    tall: float
    height: float


class Head:
    """Surface of a head.

    Parameters
    ----------
    shape, expression
        Shape of the individual head, and the expression; an open mouth lowers the jaw.
    bumps
        Hills on the front of the face, in addition to the nose.
    nose
        ``(k, 3)`` rows with y, height and half width of the nose's ridge, from root to base.
    """

    def __init__(self, shape: Shape, expression: Expression, bumps: list[Bump], nose: Array):
        y, a, f, g, lift = _TABLE.T
        low = ramp(y, 0.3, 1.5)
        high = ramp(-y, 0.3, 1.4)
        jaw = np.where(T > JAW_T, 1.0, ramp(y, 0.9, 1.45))
        self.y = y * (1 + shape.length * (y > 0)) + shape.chin * jaw + JAW_DROP * expression.open * jaw - shape.forehead * high
        self.a = a * (1 + shape.width + shape.jaw * low)
        self.f = f * (1 + shape.depth)
        self.g = g
        self.lift = lift * (1 - 0.3 * shape.jaw) + 0.4 * JAW_DROP * expression.open * jaw
        self.aside = expression.sideways * np.where(T > JAW_T, 1.0, ramp(y, 0.45, 1.35))
        self.bumps = bumps
        knots = np.linspace(nose[0, 0], nose[-1, 0], 33)
        self._nose = np.column_stack([knots, PchipInterpolator(nose[:, 0], nose[:, 1:])(knots)])

    def relief(self, x: Array, y: Array) -> Array:
        """Return the height of the features above the smooth head at front-view positions; positive is towards the viewer."""
        side = np.abs(x)
        knots, heights, widths = self._nose.T
        width = np.interp(y, knots, widths)
        out = np.interp(y, knots, heights, left=0.0, right=0.0) * np.exp(-((side / width) ** 2))
        for b in self.bumps:
            v = np.exp(-(((y - b.y) / b.tall) ** 2))
            hill = np.exp(-(((side - b.x) / b.width) ** 2))
            out += b.height * v * hill
        return out

    def surface(self, theta: Array, t: Array) -> Array:
        """Return points of the surface, float64 (..., 3), at angles ``theta`` and rows ``t`` of equal shape."""
        y, a, f, g, lift, aside = (np.interp(t, T, row) for row in (self.y, self.a, self.f, self.g, self.lift, self.aside))
        c = np.cos(theta)
        x = a * np.sin(theta)
        y = y - lift * (1 - c)
        out = np.where(c > 0, f * np.abs(c) ** 0.85, g * c)
        front = ramp(c, 0.0, 0.35) * (1 - ramp(t, JAW_T + 0.01, JAW_T + 0.06))
        faces = front > 0
        out[faces] += front[faces] * self.relief(x[faces], y[faces])
        return np.stack([x + aside * ramp(c, -0.2, 0.5), y, -out], axis=-1)

    def straight(self, points: Array) -> Array:
        """Return front-view positions (n, 2) without the sideways movement of the jaw."""
        moved = np.interp(points[:, 1], self.y[:_FRONT_ROWS], self.aside[:_FRONT_ROWS])
        return np.stack([points[:, 0] - moved, points[:, 1]], axis=-1)

    def locate(self, points: Array) -> tuple[Array, Array]:
        """Return the coordinates ``(theta, t)`` where the front of the surface covers front-view positions ``points`` (n, 2).

        The positions are those that :meth:`straight` returns.
        """
        rows, row_t = self.y[:_FRONT_ROWS], T[:_FRONT_ROWS]
        t = np.interp(points[:, 1], rows, row_t)
        theta = np.zeros_like(t)
        for _ in range(3):  # converges to within 4e-5 units
            theta = np.arcsin(np.clip(points[:, 0] / np.interp(t, T, self.a), -0.99, 0.99))
            t = np.interp(points[:, 1] + np.interp(t, T, self.lift) * (1 - np.cos(theta)), rows, row_t)
        return theta, t


JAW_DROP = 0.42
"""Distance by which a fully open mouth lowers the chin, in units."""
