"""Identities of faces: faces of one identity are never on both sides of the split."""

import re
from collections.abc import Sequence

from ....search_space.errors import InputError
from .ibug import ANNOTATION_FOLDERS, IMAGE_FOLDERS
from .source_face import SourceFace
from .source_formats import Format
from .split import split_of_folder

NUMBERED = ("image", "indoor", "outdoor", "aflw__face")
"""Prefixes of names in 300W, LFPW and Menpo whose numbers count images of different people: ``image_0001``."""
FRAME = re.compile(r"(?:frame|frm|img|im)?[-_. ]?\d+|image[-. ]?\d+", re.IGNORECASE)
"""Names that do not identify a person."""

# example patterns for --identity, the likeliest first
_EXAMPLES = (r"(.+)/", r"([^/]+)[_-][^/]*$", r"([^/]*?)\d+$", r"([^/]{3})")


def identities(faces: Sequence[SourceFace], form: Format, pattern: str | None = None) -> list[str]:
    """Return the identity of each face.

    By default, the identity comes from the image's file name without suffix:

    1. If the name does not identify a person (:data:`FRAME`: a number, or a frame number), the identity is the folder: in
       300VW, ``001/image/000001`` has the identity ``001``. Folders that only sort files, such as ``image`` or ``train``, are
       ignored; without any other folder, each image is an identity.
    2. If the format's names group images of one person or photograph, the identity is that part of the name: ``ann_0`` has
       the identity ``ann``, unless that part is one of :data:`NUMBERED`.
    3. Otherwise each image is an identity.

    Parameters
    ----------
    pattern
        Regular expression with one group, searched in the image's path in the source without suffix; the group is the identity.

    Raises
    ------
    InputError
        If the pattern is not a regular expression with one group, or does not match a name.
    """
    names = [face.name for face in faces]
    if pattern is None:
        return [_identity(name, form.identity) for name in names]
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise InputError(f"--identity: {pattern!r} is not a regular expression ({error}); give one with one group") from None
    if compiled.groups != 1:
        raise InputError(f"--identity: {pattern!r} has {compiled.groups} groups; it must have one")
    found = []
    for name in names:
        match = compiled.search(name)
        if not match or not match[1]:
            raise InputError(f"--identity: {pattern!r} does not match {name!r}; it must match every image's path")
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
    """Suggest a value of ``--identity`` for the names of a source, preferably a pattern that groups some images."""
    found = {pattern: [match and match[1] for match in (re.search(pattern, name) for name in names)] for pattern in _EXAMPLES}
    fitting = {pattern: who for pattern, who in found.items() if all(who)}
    together = [pattern for pattern, who in fitting.items() if 1 < len(set(who)) < len(names)]
    pattern = next(iter([*together, *fitting]), "(.+)")
    return f"--identity '{pattern}' maps {names[0]!r} to {fitting.get(pattern, names)[0]!r}"
