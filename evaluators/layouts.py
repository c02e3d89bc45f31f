"""What the points of the known landmark layouts mean: outer eye corners for the NME, mirror partners for flipping."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ..search_space.inputs import InputError

# WFLW's 98 points: mirror pairs by range, (first of the left, first of the right, step on the right), with their length
_PAIRS_98 = ((0, 32, 16), (33, 46, 5), (38, 50, 4), (55, 59, 2), (60, 72, 5), (65, 75, 3), (76, 82, 3), (83, 87, 2),
             (88, 92, 2), (93, 95, 1), (96, 97, 1))


@dataclass(frozen=True)
class Layout:
    """A landmark layout.

    Parameters
    ----------
    eye_corners
        Indices of the two outer eye corners, whose distance normalises the NME.
    mirror
        Index of every point's partner in the mirrored face, or None where it is not known (no flipping then).
    """

    eye_corners: tuple[int, int]
    mirror: tuple[int, ...] | None


@cache
def _known() -> dict[int, Layout]:
    facts = json.loads((Path(__file__).parent / "landmarks106.json").read_text(encoding="utf-8"))
    mirror106, subset = tuple(facts["flip"]), facts["ibug68_to_106"]
    mirror68 = tuple(subset.index(mirror106[i]) for i in subset)
    mirror98 = list(range(98))
    for left, right, length in _PAIRS_98:
        for i in range(length):
            mirror98[left + i], mirror98[right - i] = right - i, left + i
    return {68: Layout((36, 45), mirror68), 98: Layout((60, 72), tuple(mirror98)), 106: Layout((35, 93), mirror106)}


def layout_of(num_points: int, eye_corners: tuple[int, int] | None = None) -> Layout:
    """Layout of ``num_points`` landmarks; ``eye_corners`` is needed for (and describes) a layout that is not built in.

    Raises
    ------
    InputError
        If the layout is unknown and no eye corners are given, or they are no two indices of it.
    """
    known = _known().get(num_points)
    if eye_corners is None:
        if known is None:
            raise InputError(f"no eye corners known for {num_points} points; allowed without eye_corners: 68, 98, 106")
        return known
    first, second = eye_corners
    if first == second or not all(0 <= i < num_points for i in eye_corners):
        raise InputError(f"eye_corners: {first}, {second} do not fit {num_points} points; "
                         f"allowed: two different indices from 0 to {num_points - 1}")
    return Layout((first, second), known.mirror if known else None)
