"""Faces of lists with coordinates in pixels: any such list, and the one from which the 106points set was made."""

from collections.abc import Sequence
from functools import partial

import numpy as np

from .annotations import numbers
from .listed import LIST, SECOND_LIST, check_count, find_image, folders_of, rows, split_lists
from .source import Source
from .source_face import Found, LeftOut, SourceFace

LEAST = 2.0
"""If no coordinate of a face exceeds this, the coordinates are normalised instead of in pixels."""
ANGLES = 3


def read_pixels(source: Source, num_points: int) -> Found:
    """Yield the faces of the lists of both splits, or of a single list without a split."""
    lists: list[tuple[str, str | None]] = [*split_lists(source)]
    whole = source.find(LIST)
    if whole is not None:
        if lists:
            source.refuse(whole, SECOND_LIST)
        else:
            lists = [(whole, None)]
    for file, split in lists:
        yield from rows(source, file, partial(_pixels_face, source, num_points, split, folders_of(file)))


def _pixels_face(
    source: Source, num_points: int, split: str | None, folders: Sequence[str], tokens: list[str], where: str
) -> SourceFace:
    end = 1 + 2 * num_points
    check_count(tokens, (end, end + ANGLES), where)
    image = find_image(source, tokens[0], folders, where, moved=True)
    points = np.array(numbers(tokens[1:end], where)).reshape(num_points, 2)
    if np.abs(points).max() <= LEAST:
        raise LeftOut("coordinates are not in pixels", where, f"{points.min():g} to {points.max():g}")
    if len(tokens) > end:
        source.note("the angles in the lists are not used; angles are computed from the points")
    return SourceFace(source.name(image), image, points, where, None, split)


def read_bbox106(source: Source) -> Found:
    """Yield the faces of ``bbox_landmark.txt``."""
    file = source.find("bbox_landmark.txt")
    if file is not None:
        yield from rows(source, file, partial(_bbox106_face, source))


def _bbox106_face(source: Source, tokens: list[str], where: str) -> SourceFace:
    check_count(tokens, (1 + 4 + 212,), where)
    image = find_image(source, tokens[0], ("imgs", ""), where)
    values = numbers(tokens[1:], where)
    return SourceFace(source.name(image), image, np.array(values[4:]).reshape(106, 2), where, tuple(values[:4]))
