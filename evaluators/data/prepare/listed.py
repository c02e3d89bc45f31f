"""Common parts of list formats: one face per line, with the path of its image."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from ....search_space.text import fields
from .annotations import read_lines
from .source import NOT_FOUND, Source, join
from .source_face import Found, LeftOut, SourceFace, attempt

LIST = "list.txt"
SPLIT_FOLDERS: Mapping[str, Sequence[str]] = {"train": ("train_data", "train"), "test": ("test_data", "test")}
SECOND_LIST = "list of faces that another list contains"

Make = Callable[[list[str], str], SourceFace]
"""Function from the fields of a line, and its file and line number, to a face."""


def rows(source: Source, file: str, make: Make) -> Found:
    """Yield the faces of a list."""
    source.use(file)
    path = source.path(file)
    try:
        lines = read_lines(path)
    except LeftOut as reason:
        yield reason
        return
    for number, text in lines:
        yield attempt(make, fields(text), f"{path}:{number}")


def first_of(source: Source, files: Sequence[str]) -> list[str]:
    """Return the first of several lists of the same faces, if any; refuse the others."""
    for file in files[1:]:
        source.refuse(file, SECOND_LIST)
    return list(files[:1])


def split_lists(source: Source) -> list[tuple[str, str]]:
    """Return ``list.txt`` from the folder of each split, with the split."""
    found = []
    for split, names in SPLIT_FOLDERS.items():
        files = [source.find(join(name, LIST)) for name in names]
        found += [(file, split) for file in first_of(source, [file for file in files if file is not None])]
    return found


def folders_of(file: str) -> list[str]:
    """Return the folders where paths in a list may start: the list's folder, its parent, the source."""
    folder = file.rpartition("/")[0]
    return list(dict.fromkeys((folder, folder.rpartition("/")[0], "")))


def find_image(source: Source, name: str, folders: Sequence[str], where: str, moved: bool = False) -> Path:
    """Find the image that a path in a list names.

    Parameters
    ----------
    folders
        Folders of the source in which the path may start; the first match wins.
    moved
        Whether to find a path that does not exist by its end, because the list comes from another machine: at least by its
        last folder and name, and only if exactly one image of the source matches.

    Raises
    ------
    LeftOut
        If there is no such image.
    """
    name = name.replace("\\", "/")
    for file in _candidates(source, name, folders):
        source.use(file)
        return source.path(file)
    for folder in folders:
        path = source.path(folder) / name  # an absolute name ignores the folder
        if path.is_file():
            return path
    parts = [part for part in name.split("/") if part not in ("", ".", "..")]
    for start in range(max(1, len(parts) - 1) if moved else 0):
        end = parts[start:]
        for file in (*_candidates(source, "/".join(end), folders), *source.ending_in(end)):
            source.use(file)
            return source.path(file)
    raise LeftOut(NOT_FOUND, where, name)


def _candidates(source: Source, name: str, folders: Iterable[str]) -> list[str]:
    """Return the files of the source that a path may refer to."""
    inside = source.inside_of(name)
    files = [source.find(inside)] if inside is not None else [source.find(join(folder, name)) for folder in folders]
    return [file for file in files if file is not None]


def check_count(tokens: Sequence[str], wanted: Sequence[int], where: str) -> None:
    """Raise :class:`LeftOut` unless a line has one of the ``wanted`` numbers of fields."""
    if len(tokens) not in wanted:
        raise LeftOut("wrong number of fields", where, f"{len(tokens)}, expected {' or '.join(map(str, wanted))}")
