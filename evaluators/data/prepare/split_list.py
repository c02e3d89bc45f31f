"""Split by a list of identities and images for testing."""

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from ....search_space.errors import InputError
from ....search_space.files import read_text
from ....search_space.text import numbered
from .source_face import LeftOut, SourceFace

SHOWN = 3


def by_list(
    faces: Sequence[SourceFace], who: Sequence[str], skipped: Iterable[LeftOut], file: Path, root: Path
) -> tuple[list[str], list[str]]:
    """Return the split of each face by a list of identities for testing.

    An entry is an identity or an image's path in the source: the full path or, if unique, any end of it, with or without the
    suffix. ``lfpw/testset/image_0001.png``, ``testset/image_0001`` and ``image_0001`` may name the same image.

    Returns
    -------
    splits, notes
        ``train`` or ``test`` for each face, and remarks on entries without effect.

    Raises
    ------
    InputError
        If the list cannot be read, or an entry matches nothing or images of several identities.
    """
    entries: dict[str, int] = {}
    repeated: list[tuple[int, str]] = []
    for number, line in numbered(read_text(file, "test list")):
        entry = line.strip(" \t;,\"'").replace("\\", "/").removeprefix("./")
        if entry in entries:
            repeated.append((number, entry))
        elif entry:
            entries[entry] = number
    names = _Names(faces, who, root)
    absent = _names_of(skipped)
    unusable: list[tuple[int, str]] = []
    test: set[str] = set()
    for entry, number in entries.items():
        fits = names.fitting(entry)
        if not fits and _without_suffix(entry) in absent:
            unusable.append((number, entry))
        elif not fits:
            raise InputError(
                f"{file}:{number}: {entry!r} is neither an identity nor an image of the source; entries look like "
                f"{who[0]!r} or {names.relative(faces[0])!r}"
            )
        elif len(set(fits.values())) > 1:
            labels = list(fits)
            more = f" and {len(labels) - SHOWN} more" if len(labels) > SHOWN else ""
            raise InputError(
                f"{file}:{number}: {entry!r} matches several images: {', '.join(labels[:SHOWN])}{more}; give "
                "a longer part of the path"
            )
        test.update(fits.values())
    notes = [
        f"entries of {file} {what}: {len(found)}, such as {entry!r} in line {number}"
        for found, what in ((repeated, "that repeat another one"), (unusable, "that name skipped faces"))
        for number, entry in found[:1]
    ]
    return ["test" if identity in test else "train" for identity in who], notes


class _Names:
    """Names by which an entry may refer to a face."""

    def __init__(self, faces: Sequence[SourceFace], who: Sequence[str], root: Path):
        self._roots = (os.path.abspath(root), os.path.realpath(root))
        self._who = set(who)
        # full path within the source -> image -> identity
        self._exact: dict[str, dict[str, str]] = defaultdict(dict)
        # last part of a path -> (image, identity)
        self._by_end: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for face, identity in zip(faces, who, strict=True):
            image = self.relative(face)
            for name in {face.name, image, _without_suffix(image)}:
                self._exact[name][image] = identity
            for name in {image, _without_suffix(image)}:
                self._by_end[name.rpartition("/")[2]].append((image, identity))
        self._identities: dict[str, list[str]] = defaultdict(list)
        for identity in sorted(self._who):
            self._identities[identity.rpartition("/")[2]].append(identity)

    def relative(self, face: SourceFace) -> str:
        """Return an image's path in the source; the full path if the image lies elsewhere."""
        path = os.path.abspath(face.image)
        return path.removeprefix(f"{self._roots[0]}/")

    def fitting(self, entry: str) -> dict[str, str]:
        """Return image or identity -> identity, for everything that an entry may refer to."""
        if entry in self._who:
            return {entry: entry}
        if entry in self._exact:
            return self._exact[entry]
        end = f"/{entry.strip('/')}"
        last = end.rpartition("/")[2]
        found = {
            image: identity
            for image, identity in self._by_end.get(last, ())
            if any(f"{root}/{name}".endswith(end) for root in self._roots for name in (image, _without_suffix(image)))
        }
        if not found:
            found = {identity: identity for identity in self._identities.get(last, ()) if f"/{identity}".endswith(end)}
        return found


def _names_of(skipped: Iterable[LeftOut]) -> set[str]:
    """Return every end of the paths of skipped annotations, without suffix."""
    ends: set[str] = set()
    for entry in skipped:
        parts = _without_suffix(re.sub(r":\d+$", "", entry.where)).split("/")
        ends.update("/".join(parts[start:]) for start in range(len(parts)))
    return ends


def _without_suffix(path: str) -> str:
    return os.path.splitext(path)[0]
