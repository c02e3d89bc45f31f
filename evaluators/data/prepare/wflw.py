"""Faces with WFLW's 98 points: WFLW's own lists, and the lists that the PFLD repositories make of them."""

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from .annotations import numbers
from .listed import check_count, find_image, first_of, folders_of, rows, split_lists
from .source import Source
from .source_face import Found, LeftOut, SourceFace

FARTHEST = 1.0
"""Largest distance of normalised coordinates outside the image, in image sides; larger values are not normalised."""
ATTRIBUTES = 6
ANGLES = 3


def read_wflw(source: Source) -> Found:
    """Yield the faces of the training list, then those of the test list."""
    folders = ["", *source.folders_named("wflw_images")]
    texts = source.with_suffix(".txt")
    for split in ("train", "test"):
        names = (f"list_98pt_rect_attr_{split}.txt", f"list_98pt_{split}.txt")
        files = [file for name in names for file in texts if os.path.basename(file).lower() == name]
        for file in first_of(source, files):
            yield from rows(source, file, partial(_wflw_face, source, split, folders))


def _wflw_face(source: Source, split: str, folders: Sequence[str], tokens: list[str], where: str) -> SourceFace:
    check_count(tokens, (196 + 1, 196 + 4 + ATTRIBUTES + 1), where)
    image = find_image(source, tokens[-1], folders, where)
    values = numbers(tokens[:-1], where)
    name = Path(tokens[-1]).with_suffix("").as_posix()
    return SourceFace(name, image, np.array(values[:196]).reshape(98, 2), where, tuple(values[196:200]) or None, split)


def read_pfld98(source: Source) -> Found:
    """Yield the faces of ``train_data/list.txt``, then those of ``test_data/list.txt``."""
    for file, split in split_lists(source):
        source.note("the attributes and angles in the lists are not used; angles are computed from the points")
        yield from rows(source, file, partial(_pfld98_face, source, split, folders_of(file)))


def _pfld98_face(source: Source, split: str, folders: Sequence[str], tokens: list[str], where: str) -> SourceFace:
    check_count(tokens, (1 + 196 + ATTRIBUTES + ANGLES,), where)
    image = find_image(source, tokens[0], folders, where, moved=True)
    points = np.array(numbers(tokens[1:197], where)).reshape(98, 2)
    if np.abs(points - 0.5).max() > 0.5 + FARTHEST:
        raise LeftOut("coordinates are not normalised to 0..1", where, f"{points.min():g} to {points.max():g}")
    return SourceFace(source.name(image), image, points, where, None, split, normalised=True)
