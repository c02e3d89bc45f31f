"""What is to be made of a source: its faces with their sides, and those that cannot be used."""

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...search_space.inputs import InputError, read_text
from .faces import LeftOut, SourceFace
from .formats import FORMATS
from .options import PrepareOptions
from .split import FRACTION, by_fraction, by_list, identities

ON_BOTH_SIDES = "its identity is in the test data"


@dataclass(frozen=True)
class Job:
    """A face to make.

    Attributes
    ----------
    number
        Its place in the source.
    """

    number: int
    face: SourceFace
    identity: str
    split: str


@dataclass(frozen=True)
class Plan:
    """The faces to make, and those left out by their place in the source."""

    jobs: list[Job]
    left_out: dict[int, LeftOut]

    def digest(self) -> str:
        """A short name of the annotations and the split, for telling whether they have changed."""
        lines = (repr((job.number, job.face.name, job.face.points.tolist(), job.face.box, job.split)) for job in self.jobs)
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def make_plan(src: Path, options: PrepareOptions) -> Plan:
    """Read the annotations of a source and settle the split.

    Raises
    ------
    InputError
        If the source is none of the format, or leaves no face for training or testing.
    """
    form = FORMATS[options.format]
    if not src.is_dir():
        raise InputError(f"source not found: {src}; allowed: a folder with {form.looks_for}")
    try:
        found = list(form.read(src))
    except OSError as error:
        raise InputError(f"{error.filename} cannot be read: {error.strerror}") from None
    if not found:
        raise InputError(f"{src}: nothing of format {options.format!r}; allowed: a folder with {form.looks_for}")
    left_out = {number: entry for number, entry in enumerate(found) if isinstance(entry, LeftOut)}
    faces = {number: entry for number, entry in enumerate(found) if isinstance(entry, SourceFace)}
    if not faces:
        raise InputError(f"{src}: no face can be used: {reasons(left_out.values())}")
    who = identities(list(faces.values()), form, options.identity)
    splits = _splits(list(faces.values()), who, options)
    for split, allowed in (("test", "a larger --test-fraction, --test-list or another --identity"),
                           ("train", "--test-fraction or another --test-list")):
        if split not in splits:
            raise InputError(f"{src}: no face for {split}ing among {len(faces)} faces of {len(set(who))} identities; "
                             f"allowed: {allowed}")
    jobs = [Job(number, face, identity, split)
            for (number, face), identity, split in zip(faces.items(), who, splits, strict=True)]
    tested = {job.identity for job in jobs if job.split == "test"}
    both = {job.number: LeftOut(ON_BOTH_SIDES, job.face.where)
            for job in jobs if job.split == "train" and job.identity in tested}
    return Plan([job for job in jobs if job.number not in both], left_out | both)


def _splits(faces: list[SourceFace], who: list[str], options: PrepareOptions) -> list[str]:
    if options.test_list is not None:
        lines = read_text(options.test_list, "test list").splitlines()
        wanted = {line.strip(): number for number, line in enumerate(lines, 1) if line.strip()}
        return by_list(faces, who, wanted, str(options.test_list))
    if options.test_fraction is None and all(face.split for face in faces):
        return [str(face.split) for face in faces]
    return by_fraction(who, options.test_fraction or FRACTION, options.seed)


def summary(left_out: Iterable[LeftOut]) -> dict[str, dict[str, Any]]:
    """Reason -> how many faces, and the first of them, the most frequent reason first."""
    entries = list(left_out)
    counts = Counter(entry.reason for entry in entries)
    return {reason: {"faces": count, "first": next(entry.where for entry in entries if entry.reason == reason)}
            for reason, count in counts.most_common()}


def reasons(left_out: Iterable[LeftOut]) -> str:
    """The same in a line."""
    return ", ".join(f"{reason} ({entry['faces']}, such as {entry['first']})" for reason, entry in summary(left_out).items())
