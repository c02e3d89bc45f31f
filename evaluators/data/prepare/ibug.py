"""Faces of ``.pts`` files, as 300W, 300VW and Menpo have them."""

import re
from collections.abc import Iterator
from pathlib import Path

from .annotations import Line, pairs, read_lines
from .source import Source
from .source_face import Array, Found, LeftOut, SourceFace, attempt

ANNOTATION_FOLDERS = ("annot", "annots", "annotation", "annotations", "pts", "landmark", "landmarks")
IMAGE_FOLDERS = ("image", "images", "img", "imgs", "frame", "frames", "picture", "pictures")
"""300VW keeps images in ``image`` beside ``annot``; these are the names that others give to such folders."""

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
    """Where the image of a ``.pts`` file may be: beside it, or in a folder of images beside a folder of annotations."""
    yield folder
    parent, _, name = folder.rpartition("/")
    if name.lower() in ANNOTATION_FOLDERS:
        yield from source.subfolders(parent, IMAGE_FOLDERS)


def _points(path: Path, lines: list[Line]) -> Array:
    """Points (68, 2) of the lines of a ``.pts`` file."""
    # every brace on a line of its own, wherever the file has it
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
    # without a count in the header, the lines alone must be as many as they should
    line = split[opened][0]
    for number, piece in split[:opened]:
        count = _COUNT.search(piece)
        if count:
            line = number
            if count[1] != "68":
                raise LeftOut("wrong number of points", f"{path}:{number}", f"{count[1]}, wanted 68")
    return pairs(split[opened + 1 : closed], 68, path, line)
