"""Meaning of the points in the known landmark layouts: outer eye corners for the NME, mirror partners, and face parts."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ...search_space.errors import InputError

KNOWN_POINTS = (68, 98, 106)
"""Numbers of points of the built-in layouts, which ``landmarks68.json`` and so on describe."""

# part -> its group; left and right are as seen in the image of an upright face
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
        Index of every point's partner in the mirrored face; None if unknown, which disables mirroring.
    """

    eye_corners: tuple[int, int]
    mirror: tuple[int, ...] | None


@cache
def facts_of(num_points: int) -> Mapping[str, Any]:
    """Return the JSON description of a built-in layout, read-only."""
    return MappingProxyType(json.loads((Path(__file__).parent / f"landmarks{num_points}.json").read_text(encoding="utf-8")))


def _built_in(num_points: int) -> Layout:
    facts = facts_of(num_points)
    first, second = facts["outer_eye_corners"]
    return Layout((first, second), tuple(facts["flip"]))


def layout_of(num_points: int, eye_corners: tuple[int, int] | None = None) -> Layout:
    """Return the layout of ``num_points`` landmarks.

    Parameters
    ----------
    num_points
        Number of landmarks; layouts with 68, 98 and 106 are built in.
    eye_corners
        Indices of the outer eye corners, which a layout that is not built in needs.

    Raises
    ------
    InputError
        If the layout is not built in and ``eye_corners`` is None, or they are not two different indices of points.
    """
    known = _built_in(num_points) if num_points in KNOWN_POINTS else None
    if eye_corners is None:
        if known is None:
            raise InputError(f"no eye corners known for {num_points} points; give eye_corners, or use 68, 98 or 106 points")
        return known
    first, second = eye_corners
    if first == second or not all(0 <= i < num_points for i in eye_corners):
        raise InputError(
            f"eye_corners: {first}, {second} do not fit {num_points} points; "
            f"allowed: two different indices from 0 to {num_points - 1}"
        )
    return Layout((first, second), known.mirror if known else None)


def parts_of(num_points: int) -> Mapping[str, tuple[int, ...]]:
    """Return the parts of a face and the indices of their points; every point belongs to one part.

    The layouts of 68, 98 and 106 points have the same eight parts, from ``contour`` to ``inner lip``. Other layouts have a
    single part, ``points``.
    """
    if num_points not in KNOWN_POINTS:
        return {"points": tuple(range(num_points))}
    finer = facts_of(num_points)["parts"]  # of 106 points: left_brow_upper, left_brow_lower, ...
    return {
        part: tuple(i for name, indices in finer.items() if name.startswith(part.replace(" ", "_")) for i in indices)
        for part in _GROUPS
    }


def groups_of(num_points: int) -> Mapping[str, tuple[int, ...]]:
    """Return the parts of a face like :func:`parts_of`, in five groups: contour, brows, nose, eyes, mouth."""
    groups: dict[str, tuple[int, ...]] = {}
    for part, indices in parts_of(num_points).items():
        group = _GROUPS.get(part, part)
        groups[group] = (*groups.get(group, ()), *indices)
    return groups
