"""The points of each layout on the average head, in three dimensions.

The 68 points are a subset of the 106. WFLW's 98 are the order of JD without the six points on the sides of the nose (55 to 57
and 63 to 65) and two of the four eye centres: the same 33 points of the contour, nine of each brow, and so on.
"""

from collections.abc import Mapping
from functools import cache

import numpy as np

from ..synthetic.head import Array, Expression, Shape
from ..synthetic.landmarks import FACTS, face_model

JD_TO_106 = np.array(FACTS["JD_to_106"])
_WFLW_IN_JD = [*range(55), *range(58, 63), *range(66, 74), *range(75, 83), *range(84, 106)]

TO_106: Mapping[int, list[int]] = {
    68: FACTS["ibug68_to_106"],
    98: JD_TO_106[_WFLW_IN_JD].tolist(),
    106: list(range(106)),
}
"""Number of points -> for each of them the index of the 106 that means the same."""


@cache
def average_head(num_points: int) -> Array:
    """Points float64 (num_points, 3) of the average head, neutral: x right, y down, z away, half the head's width is 1."""
    return face_model(Shape(), Expression()).points[TO_106[num_points]]
