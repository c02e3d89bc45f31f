"""What the points of the known landmark layouts mean: outer eye corners for the NME, mirror partners for flipping, parts."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ..search_space.inputs import InputError

# WFLW's 98 points: mirror pairs by range, (first of the left, first of the right, step on the right), with their length
_PAIRS_98 = ((0, 32, 16), (33, 46, 5), (38, 50, 4), (55, 59, 2), (60, 72, 5), (65, 75, 3), (76, 82, 3), (83, 87, 2),
             (88, 92, 2), (93, 95, 1), (96, 97, 1))

# part -> the group that it belongs to; left and right are those of the picture of an upright face
_GROUPS = {"contour": "contour", "left brow": "brows", "right brow": "brows", "nose": "nose", "left eye": "eyes",
           "right eye": "eyes", "outer lip": "mouth", "inner lip": "mouth"}
# the first point of each of these parts, in their order, and the end of the last: iBUG's 68 points, and WFLW's 98 without the
# middles of the eyes
_STARTS = {68: (0, 17, 22, 27, 36, 42, 48, 60, 68), 98: (0, 33, 42, 51, 60, 68, 76, 88, 96)}
_MIDDLES_98 = {"left eye": 96, "right eye": 97}


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
def _facts() -> dict:
    return json.loads((Path(__file__).parent / "landmarks106.json").read_text(encoding="utf-8"))


@cache
def _known() -> dict[int, Layout]:
    facts = _facts()
    mirror106, subset = tuple(facts["flip"]), facts["ibug68_to_106"]
    mirror68 = tuple(subset.index(mirror106[i]) for i in subset)
    mirror98 = list(range(98))
    for left, right, length in _PAIRS_98:
        for i in range(length):
            mirror98[left + i], mirror98[right - i] = right - i, left + i
    return {68: Layout((36, 45), mirror68), 98: Layout((60, 72), tuple(mirror98)), 106: Layout((35, 93), mirror106)}


KNOWN_POINTS = (68, 98, 106)
"""Numbers of points of the layouts that are built in."""


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


def parts_of(num_points: int) -> Mapping[str, tuple[int, ...]]:
    """Parts of a face and the indices of their points; every point belongs to one.

    The 68, 98 and 106 points have the same eight parts, from ``contour`` to ``inner lip``. Of a layout that is not built in all
    points are one part, ``points``.
    """
    if num_points == 106:
        finer = _facts()["parts"]  # left_brow_upper, nose_bridge, ...
        return {part: tuple(i for name, indices in finer.items() if name.startswith(part.replace(" ", "_")) for i in indices)
                for part in _GROUPS}
    if num_points not in _STARTS:
        return {"points": tuple(range(num_points))}
    starts = _STARTS[num_points]
    parts = {part: tuple(range(*span)) for part, span in zip(_GROUPS, zip(starts, starts[1:], strict=False), strict=True)}
    return parts | {part: (*parts[part], middle) for part, middle in _MIDDLES_98.items() if num_points == 98}


def groups_of(num_points: int) -> Mapping[str, tuple[int, ...]]:
    """As :func:`parts_of`, in five groups: contour, brows, nose, eyes, mouth."""
    groups: dict[str, tuple[int, ...]] = {}
    for part, indices in parts_of(num_points).items():
        group = _GROUPS.get(part, part)
        groups[group] = (*groups.get(group, ()), *indices)
    return groups
