"""Who is on a face: faces of one identity are never on both sides of the split."""

import re
from collections.abc import Sequence

from ....search_space.errors import InputError
from .ibug import ANNOTATION_FOLDERS, IMAGE_FOLDERS
from .source_face import SourceFace
from .source_formats import Format
from .split import split_of_folder

NUMBERED = ("image", "indoor", "outdoor", "aflw__face")
"""Beginnings of names in 300W, LFPW and Menpo whose number counts images of different people: ``image_0001``."""
FRAME = re.compile(r"(?:frame|frm|img|im)?[-_. ]?\d+|image[-. ]?\d+", re.IGNORECASE)
"""Names that tell no person apart."""

# what an example of --identity may look like, the likeliest first
_EXAMPLES = (r"(.+)/", r"([^/]+)[_-][^/]*$", r"([^/]*?)\d+$", r"([^/]{3})")


def identities(faces: Sequence[SourceFace], form: Format, pattern: str | None = None) -> list[str]:
    """Who is on each face.

    By default, from the image's file name without suffix:

    1. If it tells no person apart (:data:`FRAME`: a number, or the number of a frame), its folder, as in 300VW, where
       ``001/image/000001`` is ``001``. Folders that only sort files, such as ``image`` or ``train``, do not count; without
       any other folder the image stands for itself.
    2. If the format's names tell apart images of one person or photograph, that part of the name: ``ann_0`` is ``ann``,
       unless that part is one of :data:`NUMBERED`.
    3. Else the image itself.

    Parameters
    ----------
    pattern
        Regular expression whose one group is the identity instead, searched in the image's path in the source without suffix.

    Raises
    ------
    InputError
        If the pattern is not a regular expression of one group, or a name has no match.
    """
    names = [face.name for face in faces]
    if pattern is None:
        return [_identity(name, form.identity) for name in names]
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise InputError(f"--identity: {pattern!r} is no regular expression ({error}); wanted: one with one group") from None
    if compiled.groups != 1:
        raise InputError(f"--identity: {pattern!r} has {compiled.groups} groups; wanted: one")
    found = []
    for name in names:
        match = compiled.search(name)
        if not match or not match[1]:
            raise InputError(f"--identity: {pattern!r} finds nothing in {name!r}; wanted: a match in every image's path")
        found.append(match[1])
    return found


def _identity(name: str, shots: str | None) -> str:
    *folders, file = name.split("/")
    if FRAME.fullmatch(file):
        while folders and _only_sorts(folders[-1]):
            folders.pop()
        return "/".join(folders) or name
    person = re.fullmatch(shots, file) if shots else None
    return person[1] if person and person[1].lower() not in NUMBERED else name


def _only_sorts(folder: str) -> bool:
    return folder.lower() in (*IMAGE_FOLDERS, *ANNOTATION_FOLDERS) or split_of_folder(folder) is not None


def example(names: Sequence[str]) -> str:
    """How to give ``--identity``, for the names of a source: by preference a pattern that brings some images together."""
    found = {pattern: [match and match[1] for match in (re.search(pattern, name) for name in names)] for pattern in _EXAMPLES}
    fitting = {pattern: who for pattern, who in found.items() if all(who)}
    together = [pattern for pattern, who in fitting.items() if 1 < len(set(who)) < len(names)]
    pattern = next(iter([*together, *fitting]), "(.+)")
    return f"--identity '{pattern}' takes {names[0]!r} for {fitting.get(pattern, names)[0]!r}"
