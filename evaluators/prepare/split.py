"""Which faces are for training and which for testing: never the same person, or photograph, on both sides."""

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from ...search_space.inputs import InputError
from .faces import SourceFace
from .formats import Format

FRACTION = 0.1
NUMBERED = ("image", "indoor", "outdoor", "aflw__face")
"""Beginnings of names in 300W, LFPW and Menpo whose number counts pictures of different people."""


def identities(faces: Sequence[SourceFace], form: Format, pattern: str | None = None) -> list[str]:
    """Who is on each face: by default its picture, or the part of the file name before the last ``_`` where pictures of one
    person or photograph are told apart so, unless that part is one of :data:`NUMBERED`; else the one group of the regular
    expression ``pattern``, searched in the picture's path in the source without suffix.

    Raises
    ------
    InputError
        If the pattern is not a regular expression of one group, or a name has no match.
    """
    names = [face.name for face in faces]
    if pattern is None:
        prefixes = [PurePosixPath(name).name.rpartition("_")[0] for name in names]
        return [prefix if form.shots and prefix and prefix.lower() not in NUMBERED else name
                for prefix, name in zip(prefixes, names, strict=True)]
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise InputError(f"--identity: {pattern!r} is no regular expression ({error}); allowed: one with one group") from None
    if compiled.groups != 1:
        raise InputError(f"--identity: {pattern!r} has {compiled.groups} groups; allowed: one")
    found = [match and match[1] for match in map(compiled.search, names)]
    for name, identity in zip(names, found, strict=True):
        if not identity:
            raise InputError(f"--identity: {pattern!r} finds nothing in {name!r}; allowed: a match in every picture's path")
    return found


def by_list(faces: Sequence[SourceFace], who: Sequence[str], wanted: Mapping[str, int], source: str) -> list[str]:
    """Split of each face by a list (entry -> line) of identities, or names of pictures, whose identities are for testing.

    Raises
    ------
    InputError
        If an entry is neither.
    """
    known: dict[str, set[str]] = {}
    for face, identity in zip(faces, who, strict=True):
        for key in {identity, face.name, face.image.stem, face.image.name}:
            known.setdefault(key, set()).add(identity)
    for entry, line in wanted.items():
        if entry not in known:
            raise InputError(f"{source}:{line}: {entry!r} is no identity and no picture of the source; allowed: such as "
                             f"{who[0]!r}")
    test = set().union(*(known[entry] for entry in wanted))
    return ["test" if identity in test else "train" for identity in who]


def by_fraction(who: Sequence[str], fraction: float, seed: int) -> list[str]:
    """Split of each face: about ``fraction`` of them for testing.

    Identities are taken in an order that depends on them and the seed alone; one with more faces than are still wanted is
    passed over.
    """
    room = fraction * len(who)
    test: set[str] = set()
    for identity, count in sorted(Counter(who).items(), key=lambda item: _hash(item[0], seed)):
        if count <= room:
            test.add(identity)
            room -= count
    return ["test" if identity in test else "train" for identity in who]


def _hash(identity: str, seed: int) -> str:
    return hashlib.sha256(f"{seed}:{identity}".encode()).hexdigest()
