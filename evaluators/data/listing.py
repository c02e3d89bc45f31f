"""``list.txt`` of the 106points layout: one face per line, with points normalised to the crop and the pose in degrees."""

import shlex
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...search_space.errors import InputError
from ...search_space.files import read_text
from ...search_space.text import fields, numbered
from .layouts import KNOWN_POINTS

SPLITS = {"train": "train_data", "test": "test_data"}
"""Split -> its folder in the data root."""
REACH = (-1.0, 2.0)
"""Smallest and largest coordinate, in crop sides: no label lies more than one crop side outside."""
TURN = 360.0
"""Largest angle in degrees."""
WFLW_ATTRIBUTES = 6
"""Number of attributes per line in the WFLW lists of other PFLD repositories, between coordinates and angles."""


@dataclass(frozen=True)
class FaceLabel:
    """A line of ``list.txt``.

    Attributes
    ----------
    image
        Path of the image, relative to the data root.
    points
        float32 (P, 2), normalised to the crop.
    pose
        float32 (3,): pitch, yaw and roll in degrees.
    where
        File and line, for messages.
    """

    image: str
    points: NDArray[np.float32]
    pose: NDArray[np.float32]
    where: str


def read_listing(listing: Path, num_points: int) -> list[FaceLabel]:
    """Read the faces of a ``list.txt``.

    Raises
    ------
    InputError
        If the list has no face, or a line has the wrong number of fields, a number that is not finite, a coordinate outside
        :data:`REACH` (such as pixels), or an angle beyond :data:`TURN`. The message names file and line.
    """
    lines = numbered(read_text(listing, "landmark list"))
    if not lines:
        raise InputError(f"{listing}: no faces found; each line must describe a face")
    return [_face(fields(line), num_points, listing, number) for number, line in lines]


def _face(found: list[str], num_points: int, listing: Path, line: int) -> FaceLabel:
    where = f"{listing}:{line}"
    if len(found) != 1 + 2 * num_points + 3:
        raise InputError(
            f"{where}: {len(found)} fields, but {num_points} points need {1 + 2 * num_points + 3} (image path, "
            f"{2 * num_points} coordinates, pitch, yaw, roll){_remedy(len(found), listing)}"
        )
    try:
        values = np.array(found[1:], dtype=np.float32)
    except ValueError as error:
        raise InputError(f"{where}: {error}; only numbers may follow the image path") from None
    if not np.isfinite(values).all():
        position = int(np.flatnonzero(~np.isfinite(values))[0]) + 1
        raise InputError(f"{where}: field {position + 1} is {found[position]!r}; it must be a finite number")
    points, pose = values[:-3], values[-3:]
    if points.min() < REACH[0] or points.max() > REACH[1]:
        remedy = ""
        if points.max() > 10 and num_points in KNOWN_POINTS:
            remedy = f"; if these are pixels: {_import(f'pixels{num_points}', listing)}"
        raise InputError(
            f"{where}: coordinates from {points.min():g} to {points.max():g}; they must be fractions of the crop's "
            f"side, 0 to 1 (down to {REACH[0]:g} and up to {REACH[1]:g} for points outside the crop){remedy}"
        )
    if np.abs(pose).max() > TURN:
        raise InputError(
            f"{where}: angles {' '.join(f'{angle:g}' for angle in pose)}; pitch, yaw and roll must be degrees "
            f"from -{TURN:g} to {TURN:g}"
        )
    return FaceLabel(found[0], points.reshape(num_points, 2), pose, where)


def _remedy(count: int, listing: Path) -> str:
    """Suggest a remedy based on the number of fields."""
    if count == 1 + 2 * 98 + WFLW_ATTRIBUTES + 3:
        return f"; import WFLW with attributes with: {_import('pfld98', listing)}"
    points, rest = divmod(count - 4, 2)
    return f"; these lines have {points} points: --points {points}" if points > 0 and not rest else ""


def _import(name: str, listing: Path) -> str:
    """Return the command that converts the data set to this layout."""
    root = listing.parent.parent
    return shlex.join(["fbnet-pfld", "data", "prepare", "--format", name, str(root), f"{root}-106points"])
