"""Positions of the 106 points on a head of given shape and expression.

Mirror partners and parts of the indices are in ``landmarks106.json``. The layout of the average face below defines the left
half and the middle in front view; the right half follows from the mirror partners.
"""

from dataclasses import dataclass

import numpy as np

from ..layouts import facts_of
from .head import JAW_DROP, JAW_T, Array, Bump, Expression, Head, Shape, ramp

FACTS = facts_of(106)
FLIP = np.array(FACTS["flip"])
PARTS = {name: np.array(indices) for name, indices in FACTS["parts"].items()}
NUM_POINTS = len(FLIP)

EYE = (-0.44, 0.0)
"""Centre of the left eye."""
MOUTH_Y = 0.98
BROW_Y = -0.31

# points relative to the centre of the left eye; upwards is negative
_EYE = {
    35: (-0.18, 0.02),
    41: (-0.095, -0.055),
    40: (-0.005, -0.095),
    42: (0.06, -0.06),
    39: (0.185, 0.035),
    37: (0.065, 0.06),
    33: (0.0, 0.075),
    36: (-0.095, 0.06),
}
# relative to the centre of the left brow
_BROW = {
    43: (-0.345, 0.095),
    48: (-0.22, -0.035),
    49: (-0.05, -0.075),
    51: (0.145, -0.06),
    50: (0.315, -0.015),
    44: (-0.225, 0.035),
    45: (-0.05, 0.015),
    47: (0.145, 0.025),
    46: (0.315, 0.08),
}
# x, y from the eye line
_NOSE = {
    72: (0.0, -0.01),
    73: (0.0, 0.14),
    74: (0.0, 0.29),
    86: (0.0, 0.45),
    75: (-0.135, 0.01),
    76: (-0.2, 0.44),
    77: (-0.255, 0.56),
    78: (-0.175, 0.655),
    79: (-0.09, 0.665),
    80: (0.0, 0.685),
}
# x, y from the line between the lips
_LIPS = {
    52: (-0.37, 0.01),
    64: (-0.235, -0.085),
    63: (-0.1, -0.14),
    71: (0.0, -0.13),
    55: (-0.25, 0.075),
    56: (-0.13, 0.115),
    53: (0.0, 0.13),
    65: (-0.325, 0.0),
    66: (-0.13, -0.022),
    62: (0.0, -0.018),
    54: (-0.13, -0.01),
    60: (0.0, -0.01),
}
_LOWER_LIP = [55, 56, 53, 54, 60]
_INNER_LOWER = [54, 60]
# contour from the ear down: angle, and y for the upper points; the lower points lie on the jaw's edge
_EAR_SIDE = {
    1: (-91, -0.06),
    9: (-92, 0.08),
    10: (-92, 0.24),
    11: (-91, 0.39),
    12: (-90, 0.54),
    13: (-89, 0.70),
    14: (-88, 0.85),
    15: (-86, 1.00),
}
_JAW_SIDE = {16: -80, 2: -72, 3: -64, 4: -55, 5: -46, 6: -36, 7: -25, 8: -13, 0: 0}


@dataclass(frozen=True)
class FaceModel:
    """A head with its points.

    Attributes
    ----------
    head
        Surface of the head.
    points
        float64 (106, 3), in the head's coordinates.
    theta, t
        float64 (106,): surface coordinates of the points; the eye centres lie slightly below the surface.
    """

    head: Head
    points: Array
    theta: Array
    t: Array


def _front_layout(s: Shape, e: Expression) -> Array:
    """Return the front-view positions (106, 2) of all points except the contour."""
    out = np.zeros((NUM_POINTS, 2))
    scale = 1 + s.length
    for sign, blink, brow in ((1, e.blink_left, e.brow_left), (-1, e.blink_right, e.brow_right)):

        def put(index: int, x: Array | float, y: Array | float, sign: int = sign) -> None:
            out[index if sign > 0 else FLIP[index]] = sign * x, y

        size, lid = 1 + s.eye_size, (1 + s.eye_open)
        squint = 0.3 * max(e.smile, 0)
        smile = e.smile + sign * e.smirk
        for i, (x, y) in _EYE.items():
            corner = i in (35, 39)
            shut = 0.062 + 0.1 * x if y < 0 else y - 0.3 * squint * (not corner) * 0.06
            y = y if corner else (1 - blink) * y * lid + blink * (shut if y < 0 else 0.068)
            put(i, EYE[0] - s.eye_gap + size * x, EYE[1] + size * y + s.eye_tilt * x)
        for i, (x, y) in _BROW.items():
            inner = ramp(np.float64(x), -0.1, 0.35)
            y = y - s.brow_arch * np.cos(x * 4.5) - s.brow_height + s.brow_tilt * x - brow * (0.13 - 0.04 * inner)
            put(
                i,
                EYE[0] - s.eye_gap - 0.035 + (1 + s.brow_width) * x + 0.05 * e.frown * inner,
                BROW_Y + y + (0.09 * inner - 0.015) * e.frown,
            )
        for i, (x, y) in _NOSE.items():
            low = ramp(np.float64(y), 0.2, 0.5)
            wide = 1 + (s.nose_width + 0.12 * max(e.smile, 0)) * low
            tip = s.nose_tip if i in (86, 74) else 0.0
            put(i, x * wide, y * (1 + s.nose_length) + tip - 0.02 * max(e.smile, 0) * low)
        half = 0.95 + s.mouth_width + 0.25 * max(smile, 0) - 0.3 * e.pout - 0.1 * e.open
        gap = 0.62 * JAW_DROP * e.open
        for i, (x, y) in _LIPS.items():
            thick = s.lip_lower if i in _LOWER_LIP else s.lip_upper
            y = y * (1 + thick + 0.3 * e.pout - 0.18 * abs(e.smile))
            across = abs(x) / 0.37
            bow = 1 - across**3
            y += gap * bow if i in _LOWER_LIP else -0.1 * gap * bow
            y += 0.25 * gap * across**2
            y -= 0.13 * (smile * across**2 - 0.25 * e.smile)
            put(i, half * x, MOUTH_Y * scale + s.mouth_height + y)
    return out


def _relief(s: Shape, e: Expression, p: Array) -> tuple[list[Bump], Array]:
    """Return the hills of the face and the profile of the nose for front-view positions ``p``."""
    eye_x, eye_y = -EYE[0] + s.eye_gap, 0.0
    mouth = (p[62, 1] + p[60, 1]) / 2
    upper, lower = (p[71, 1] + p[62, 1]) / 2, (p[60, 1] + p[53, 1]) / 2
    half = abs(p[52, 0] - p[61, 0]) / 2
    tip, base = p[86, 1], p[80, 1]
    out = 1 + s.nose_out
    wing = abs(p[77, 0])
    smile = max(e.smile, 0.0)
    bumps = [
        Bump(eye_x, eye_y, 0.22, 0.15, -0.15 - s.socket),
        Bump(eye_x, eye_y, 0.15, 0.10, 0.14),
        Bump(eye_x - 0.06, BROW_Y - 0.02, 0.30, 0.10, 0.06 + s.brow_ridge),
        Bump(0.0, BROW_Y + 0.04, 0.16, 0.16, 0.05 + 0.5 * s.brow_ridge),
        Bump(0.60, 0.36 - 0.04 * smile, 0.24, 0.20, 0.07 + s.cheek + 0.06 * smile),
        Bump(0.42, 0.95, 0.16, 0.30, -0.04 + 0.5 * s.cheek),
        Bump(0.0, mouth, 0.44, 0.32, 0.26),
        Bump(0.0, upper, 0.75 * half, 0.08 * (1 + s.lip_upper), 0.10 * (1 + s.lip_upper + 2 * e.pout)),
        Bump(0.0, lower, 0.65 * half, 0.08 * (1 + s.lip_lower), 0.09 * (1 + s.lip_lower + 2 * e.pout)),
        Bump(0.0, mouth, 0.8 * half, 0.06, -0.12),
        Bump(half, mouth + 0.02, 0.07, 0.07, -0.05 - 0.04 * smile),
        Bump(0.0, p[53, 1] + 0.09, 0.22, 0.06, -0.03),
        Bump(0.0, 1.46 * (1 + s.length) + s.chin + JAW_DROP * e.open, 0.20, 0.16, 0.18),
        Bump(0.0, (base + p[71, 1]) / 2, 0.035, 0.07, -0.025),
        Bump(wing - 0.07, base - 0.115, 0.10, 0.09, 0.19),
    ]
    nose = np.array(
        [
            [-0.34, 0.0, 0.10],
            [-0.15, 0.06, 0.10],
            [0.02, 0.13 * out, 0.095],
            [0.45 * tip, 0.28 * out, 0.11],
            [tip - 0.06, 0.46 * out, 0.13 * (1 + s.nose_width)],
            [tip + 0.02, 0.48 * out, 0.15 * (1 + s.nose_width)],
            [base - 0.09, 0.38 * out, 0.15 * (1 + s.nose_width)],
            [base, 0.19, 0.14],
            [base + 0.08, 0.0, 0.12],
        ]
    )
    return bumps, nose


def face_model(shape: Shape, expression: Expression) -> FaceModel:
    """Build a head with the 106 points."""
    layout = _front_layout(shape, expression)
    head = Head(shape, expression, *_relief(shape, expression, layout))
    theta, t = head.locate(layout)
    for indices, mirror in ((np.array([*_EAR_SIDE, *_JAW_SIDE]), 1), (FLIP[np.array([*_EAR_SIDE, *_JAW_SIDE])], -1)):
        ears = np.array(list(_EAR_SIDE.values()))
        angles = np.concatenate([ears[:, 0], np.array(list(_JAW_SIDE.values()))])
        theta[indices] = mirror * np.radians(angles)
        # rows are tilted: find the row that passes the desired height at the side of the head
        heights = head.y - head.lift
        top = len(heights) * 9 // 10
        row = np.interp(ears[:, 1], heights[:top], np.linspace(0, 1, len(heights))[:top])
        t[indices] = np.concatenate([row, np.full(len(_JAW_SIDE), JAW_T)])
    points = head.surface(theta, t)
    for eye, centre in (("left_eye", "left_eye_centre"), ("right_eye", "right_eye_centre")):
        points[PARTS[centre]] = points[PARTS[eye]].mean(axis=0)
        theta[PARTS[centre]], t[PARTS[centre]] = theta[PARTS[eye]].mean(), t[PARTS[eye]].mean()
    return FaceModel(head, points, theta, t)
