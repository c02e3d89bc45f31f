"""Points of each layout on the average head, in three dimensions.

The 68 points and WFLW's 98 are subsets of the 106, as defined in ``landmarks68.json`` and ``landmarks98.json``.
"""

from collections.abc import Mapping
from functools import cache

import numpy as np

from ..layouts import facts_of
from ..synthetic.head import Array, Expression, Shape
from ..synthetic.landmarks import face_model

JD_TO_106 = np.array(facts_of(106)["JD_to_106"])

TO_106: Mapping[int, list[int]] = {
    68: facts_of(68)["to_106"],
    98: facts_of(98)["to_106"],
    106: list(range(106)),
}
"""Number of points -> for each point, the index of the corresponding one of the 106 points."""


@cache
def average_head(num_points: int) -> Array:
    """Return the points, float64 (num_points, 3), of the neutral average head: x right, y down, z away, half width 1."""
    return face_model(Shape(), Expression()).points[TO_106[num_points]]
