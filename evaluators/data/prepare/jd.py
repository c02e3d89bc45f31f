"""Faces with JD-landmark's 106 points, one file each, in the folder layouts of JD-landmark and LaPa."""

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ....search_space.text import fields
from ..images import SUFFIXES
from .annotations import numbers, pairs, read_lines
from .layouts3d import JD_TO_106
from .source import Source, suffix_of
from .source_face import Found, LeftOut, SourceFace, attempt

LAPA_SPLITS: Mapping[str, str] = {"train": "train", "val": "train", "test": "test"}
"""LaPa folder -> split."""


def read_lapa(source: Source) -> Found:
    """Yield the face of every file in a folder ``landmarks`` beside ``images`` in ``train``, ``val`` or ``test``."""
    for landmarks in source.folders_named("landmarks"):
        part = landmarks.rpartition("/")[0]
        split = LAPA_SPLITS.get(part.rpartition("/")[2].lower())
        images = source.subfolder(part, "images")
        if split and images is not None:
            for file in source.inside(landmarks, ".txt"):
                source.use(file)
                yield attempt(_lapa_face, source, file, images, split)


def _lapa_face(source: Source, file: str, images: str, split: str) -> SourceFace:
    path = source.path(file)
    stem = os.path.splitext(os.path.basename(file))[0]
    image = attempt(source.image_of, stem, [images], str(path))
    return source.face(image, _points(path), str(path), split=split)


def read_jd106(source: Source) -> Found:
    """Yield the face of every file in a folder ``landmark`` beside ``picture``."""
    for landmark in source.folders_named("landmark"):
        parent = landmark.rpartition("/")[0]
        pictures = source.subfolder(parent, "picture")
        if pictures is None:
            continue
        rect = source.subfolder(parent, "rect")
        boxes = {_lower_suffix(file): file for file in source.inside(rect, ".rect")} if rect is not None else {}
        for file in source.inside(landmark, ".txt"):
            source.use(file)
            yield attempt(_jd106_face, source, file, pictures, boxes)
        for box in boxes.values():
            source.refuse(box, "box without annotation")


def _jd106_face(source: Source, file: str, pictures: str, boxes: Mapping[str, str]) -> SourceFace:
    path = source.path(file)
    # NAME.jpg.txt names one image, NAME.txt any image with that stem
    full = os.path.splitext(os.path.basename(file))[0]
    stem = os.path.splitext(full)[0] if suffix_of(full) in SUFFIXES else full
    box = next((boxes[name] for name in (f"{full}.rect", f"{stem}.rect") if name in boxes), None)
    if box is not None:
        source.use(box)
    image = attempt(source.image_of, stem, [pictures], str(path), full)
    points = _points(path)
    return source.face(image, points, str(path), box=_rect(source.path(box)) if box else None)


def _lower_suffix(file: str) -> str:
    stem, suffix = os.path.splitext(os.path.basename(file))
    return stem + suffix.lower()


def _points(file: Path) -> np.ndarray:
    """Read points, float64 (106, 2), from a landmark file, in the order of 106points."""
    (number, first), *rest = read_lines(file)
    count = first.strip(" \t;,")
    if count != "106":
        raise LeftOut("wrong number of points", f"{file}:{number}", f"the first line is {count[:40]!r}, expected 106")
    points = np.empty((106, 2))
    points[JD_TO_106] = pairs(rest, 106, file, number)
    return points


def _rect(file: Path) -> tuple[float, ...]:
    """Read left, upper, right and lower edge from a ``.rect`` file."""
    lines = read_lines(file)
    tokens = [token for _, text in lines for token in fields(text)]
    values = numbers(tokens, f"{file}:{lines[0][0]}")
    if len(values) != 4:
        raise LeftOut("box does not have four numbers", f"{file}:{lines[0][0]}", f"{len(values)} numbers")
    return tuple(values)
