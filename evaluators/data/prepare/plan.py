"""Plan of a preparation: the faces of a source with their splits, the skipped faces, and the unused files."""

import hashlib
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from ....search_space.errors import InputError
from ..walk import Key, Tree, walk
from .identity import example, identities
from .prepare_options import PrepareOptions
from .source import Source
from .source_face import LeftOut, SourceFace
from .source_formats import BY_FOLDERS, FORMATS, Format
from .split import FRACTION, by_folders, by_fraction
from .split_list import by_list
from .summary import reasons
from .unused import Unused, unused

ON_BOTH_SIDES = "its identity is in the test data"
DUPLICATE = "face that the source contains twice"


@dataclass(frozen=True)
class Job:
    """A face to prepare.

    Attributes
    ----------
    number
        Position in the source.
    """

    number: int
    face: SourceFace
    identity: str
    split: str


@dataclass(frozen=True)
class Split:
    """Split of the faces into training and test data.

    Attributes
    ----------
    sides
        ``train`` or ``test`` for each face.
    way
        Source of the split.
    notes
        Remarks for the user.
    """

    sides: list[str]
    way: str
    notes: list[str]


@dataclass(frozen=True)
class Plan:
    """Plan of a preparation.

    Attributes
    ----------
    jobs
        Faces to prepare.
    left_out
        Position in the source -> reason, for each skipped face.
    split
        Source of the split.
    notes
        Remarks for the user.
    unused
        Files that are not used.
    """

    jobs: list[Job]
    left_out: dict[int, LeftOut]
    split: str
    notes: list[str]
    unused: list[Unused]

    def digest(self) -> str:
        """Return a short digest of the annotations and the split, to detect changes."""
        lines = (
            repr((job.number, job.face.name, job.face.image.suffix, job.face.points.tolist(), job.face.box, job.split))
            for job in self.jobs
        )
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def make_plan(src: Path, out: Path, options: PrepareOptions) -> Plan:
    """Read the annotations of a source and determine the split.

    Raises
    ------
    InputError
        If the source is not of the format, leaves no face for training or testing, or ``out`` is inside it.
    """
    form = FORMATS[options.format]
    tree = _walk(src, form)
    _check_apart(tree, src, out)
    source = Source(tree, options.images)
    found = list(form.read(source))
    if options.images and not source.with_suffix(options.images):
        raise InputError(f"--image-suffix {options.image_suffix}: {src} has no image with this suffix")
    if not found:
        raise InputError(
            f"{src} has nothing of format {options.format!r} among its {len(tree.files)} files; give a folder "
            f"with {form.looks_for}"
        )
    left_out = {number: entry for number, entry in enumerate(found) if isinstance(entry, LeftOut)}
    faces, twice = _once({number: entry for number, entry in enumerate(found) if isinstance(entry, SourceFace)}, source)
    left_out |= twice
    if not faces:
        raise InputError(f"{src}: no usable face: {reasons(left_out.values())}")
    who = _one_per_image(list(faces.values()), identities(list(faces.values()), form, options.identity), source)
    split = _split(list(faces.values()), who, list(left_out.values()), src, options)
    _check_sides(split, who, left_out.values(), src)
    jobs = [
        Job(number, face, identity, side)
        for (number, face), identity, side in zip(faces.items(), who, split.sides, strict=True)
    ]
    tested = {job.identity for job in jobs if job.split == "test"}
    both = {
        job.number: LeftOut(ON_BOTH_SIDES, job.face.where) for job in jobs if job.split == "train" and job.identity in tested
    }
    return Plan(
        [job for job in jobs if job.number not in both],
        left_out | both,
        split.way,
        [*source.notes, *split.notes],
        unused(source, tree, form.annotations, options.images),
    )


def _walk(src: Path, form: Format) -> Tree:
    if not src.is_dir():
        what = f"{src} is a file" if src.exists() else f"source not found: {src}"
        raise InputError(f"{what}; give a folder with {form.looks_for}")
    try:
        return walk(src)
    except OSError as error:
        raise InputError(f"{src} cannot be read: {error.strerror}") from None


def _check_apart(tree: Tree, src: Path, out: Path) -> None:
    """Raise :class:`InputError` if ``out`` would lie inside the source, where its reader would find it, or vice versa."""
    target = Path(os.path.realpath(out))
    folders = set(tree.folders.values())
    if any(_key(folder) in folders for folder in (target, *target.parents)):
        raise InputError(f"{out} is inside the source {src}; give a folder outside it")
    if Path(os.path.realpath(src)).is_relative_to(target):
        raise InputError(f"the source {src} is inside {out}; give a folder that does not contain it")


def _key(folder: Path) -> Key | None:
    try:
        status = folder.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _once(found: dict[int, SourceFace], source: Source) -> tuple[dict[int, SourceFace], dict[int, LeftOut]]:
    """Return unique faces and duplicates by number; duplicates have the same points in the same image, under any path."""
    faces: dict[int, SourceFace] = {}
    twice: dict[int, LeftOut] = {}
    first: dict[tuple[Key | None, bytes], SourceFace] = {}
    for number, face in found.items():
        known = first.setdefault((source.key(face.image), face.points.tobytes()), face)
        if known is face:
            faces[number] = face
        else:
            twice[number] = LeftOut(DUPLICATE, face.where, f"the same as {known.where}")
    return faces, twice


def _one_per_image(faces: Sequence[SourceFace], who: Sequence[str], source: Source) -> list[str]:
    """Return identities such that each image, under any path, has one identity: that of its first face."""
    first: dict[Key | None, str] = {}
    return [first.setdefault(source.key(face.image), identity) for face, identity in zip(faces, who, strict=True)]


def _split(faces: list[SourceFace], who: list[str], skipped: list[LeftOut], src: Path, options: PrepareOptions) -> Split:
    if options.test_list is not None:
        sides, notes = by_list(faces, who, skipped, options.test_list, src)
        return Split(sides, f"list {options.test_list}", notes)
    names = [face.name for face in faces]
    if options.test_fraction is None:
        if all(face.split for face in faces):
            return Split([str(face.split) for face in faces], FORMATS[options.format].own_split, [])
        placed = by_folders(names)
        if placed is not None:
            return _by_folders(names, placed)
    fraction = options.test_fraction or FRACTION
    notes = []
    if options.identity is None and len(faces) > 1 and len(set(who)) == len({face.image for face in faces}):
        notes.append(
            f"each of the {len(set(who))} images counts as a different person; if several show the same person, "
            f"--identity keeps them on one side: {example(names)}"
        )
    return Split(by_fraction(who, fraction, options.seed), f"fraction {fraction:g}", notes)


def _by_folders(names: Sequence[str], placed: Sequence[str | None]) -> Split:
    unplaced = [name for name, side in zip(names, placed, strict=True) if side is None]
    notes = (
        [f"faces used for training because none of their folders names a split: {len(unplaced)}, such as {unplaced[0]}"]
        if unplaced
        else []
    )
    return Split([side or "train" for side in placed], BY_FOLDERS, notes)


def _check_sides(split: Split, who: Sequence[str], skipped: Collection[LeftOut], src: Path) -> None:
    for side, remedy in (
        ("test", "a larger --test-fraction, a --test-list or, if every image shows another person, --identity '(.+)'"),
        ("train", "--test-fraction or another --test-list"),
    ):
        if side not in split.sides:
            besides = f"; skipped faces: {reasons(skipped)}" if skipped else ""
            raise InputError(
                f"{src}: no face for {side}ing among {len(who)} faces of {len(set(who))} identities, split by "
                f"{split.way}; use {remedy}{besides}"
            )
