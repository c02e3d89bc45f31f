"""What the points of the known landmark layouts mean: outer eye corners for the NME, mirror partners for flipping, parts."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ...search_space.errors import InputError

KNOWN_POINTS = (68, 98, 106)
"""Numbers of points of the built-in layouts; ``landmarks68.json`` and so on say what these points mean."""

# part -> its group; left and right are those of an upright face in the image
_GROUPS = {
    "contour": "contour",
    "left brow": "brows",
    "right brow": "brows",
    "nose": "nose",
    "left eye": "eyes",
    "right eye": "eyes",
    "outer lip": "mouth",
    "inner lip": "mouth",
}


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
def facts_of(num_points: int) -> Mapping[str, Any]:
    """What the points of a built-in layout mean, as its JSON file says it; not to be changed."""
    return MappingProxyType(json.loads((Path(__file__).parent / f"landmarks{num_points}.json").read_text(encoding="utf-8")))


def _built_in(num_points: int) -> Layout:
    facts = facts_of(num_points)
    first, second = facts["outer_eye_corners"]
    return Layout((first, second), tuple(facts["flip"]))


def layout_of(num_points: int, eye_corners: tuple[int, int] | None = None) -> Layout:
    """Layout of ``num_points`` landmarks; ``eye_corners`` is needed for (and describes) a layout that is not built in.

    Raises
    ------
    InputError
        If the layout is unknown and no eye corners are given, or they are no two indices of it.
    """
    known = _built_in(num_points) if num_points in KNOWN_POINTS else None
    if eye_corners is None:
        if known is None:
            raise InputError(f"no eye corners known for {num_points} points; allowed without eye_corners: 68, 98, 106")
        return known
    first, second = eye_corners
    if first == second or not all(0 <= i < num_points for i in eye_corners):
        raise InputError(
            f"eye_corners: {first}, {second} do not fit {num_points} points; "
            f"allowed: two different indices from 0 to {num_points - 1}"
        )
    return Layout((first, second), known.mirror if known else None)


def parts_of(num_points: int) -> Mapping[str, tuple[int, ...]]:
    """Parts of a face and the indices of their points; every point belongs to one.

    The 68, 98 and 106 points have the same eight parts, from ``contour`` to ``inner lip``. Of a layout that is not built in all
    points are one part, ``points``.
    """
    if num_points not in KNOWN_POINTS:
        return {"points": tuple(range(num_points))}
    finer = facts_of(num_points)["parts"]  # of 106 points: left_brow_upper, left_brow_lower, ...
    return {
        part: tuple(i for name, indices in finer.items() if name.startswith(part.replace(" ", "_")) for i in indices)
        for part in _GROUPS
    }


def groups_of(num_points: int) -> Mapping[str, tuple[int, ...]]:
    """As :func:`parts_of`, in five groups: contour, brows, nose, eyes, mouth."""
    groups: dict[str, tuple[int, ...]] = {}
    for part, indices in parts_of(num_points).items():
        group = _GROUPS.get(part, part)
        groups[group] = (*groups.get(group, ()), *indices)
    return groups
