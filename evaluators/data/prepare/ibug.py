"""Faces of ``.pts`` files, as in 300W, 300VW and Menpo."""

import re
from collections.abc import Iterator
from pathlib import Path

from .annotations import Line, pairs, read_lines
from .source import Source
from .source_face import Array, Found, LeftOut, SourceFace, attempt

ANNOTATION_FOLDERS = ("annot", "annots", "annotation", "annotations", "pts", "landmark", "landmarks")
IMAGE_FOLDERS = ("image", "images", "img", "imgs", "frame", "frames", "picture", "pictures")
"""300VW keeps images in ``image`` beside ``annot``; the other names are those that other data sets use."""

_BRACES = re.compile(r"([{}])")
_SEPARATORS = " \t;,"
_COUNT = re.compile(r"n_points[:=;,\s]*([^;,\s]+)", re.IGNORECASE)


def read(source: Source) -> Found:
    """Yield the face of every ``.pts`` file."""
    for file in source.with_suffix(".pts"):
        source.use(file)
        yield attempt(_face, source, file)


def _face(source: Source, file: str) -> SourceFace:
    folder, _, name = file.rpartition("/")
    path = source.path(file)
    image = attempt(source.image_of, name[: -len(".pts")], _image_folders(source, folder), str(path))
    points = _points(path, read_lines(path))
    return source.face(image, points, str(path))


def _image_folders(source: Source, folder: str) -> Iterator[str]:
    """Yield the folders where the image of a ``.pts`` file may be: the same, or image folders beside an annotation folder."""
    yield folder
    parent, _, name = folder.rpartition("/")
    if name.lower() in ANNOTATION_FOLDERS:
        yield from source.subfolders(parent, IMAGE_FOLDERS)


def _points(path: Path, lines: list[Line]) -> Array:
    """Parse points (68, 2) from the lines of a ``.pts`` file."""
    # put every brace on a separate line
    split = [
        (number, piece.strip(_SEPARATORS))
        for number, text in lines
        for piece in _BRACES.split(text)
        if piece.strip(_SEPARATORS)
    ]
    pieces = [piece for _, piece in split]
    if pieces.count("{") != 1 or pieces.count("}") != 1 or pieces.index("{") > pieces.index("}"):
        raise LeftOut("no points in braces", f"{path}:{lines[-1][0]}")
    opened = pieces.index("{")
    closed = pieces.index("}")
    if closed + 1 < len(split):
        raise LeftOut("text after the points", f"{path}:{split[closed + 1][0]}")
    # without a count in the header, only the number of lines is checked
    line = split[opened][0]
    for number, piece in split[:opened]:
        count = _COUNT.search(piece)
        if count:
            line = number
            if count[1] != "68":
                raise LeftOut("wrong number of points", f"{path}:{number}", f"{count[1]}, expected 68")
    return pairs(split[opened + 1 : closed], 68, path, line)
