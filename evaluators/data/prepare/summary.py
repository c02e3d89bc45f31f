"""Counts of skipped faces and unused files, for the record and for messages."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from .source_face import LeftOut
from .unused import Unused


def of_faces(left_out: Iterable[LeftOut]) -> dict[str, dict[str, Any]]:
    """Return reason -> number of skipped faces and the first one; the most frequent reason first."""
    return _summary("faces", ((entry.reason, entry.place) for entry in left_out))


def of_files(unused: Iterable[Unused]) -> dict[str, dict[str, Any]]:
    """Return reason -> number of unused files and the first one; the most frequent reason first."""
    return _summary("files", ((entry.reason, entry.path) for entry in unused))


def reasons(left_out: Iterable[LeftOut]) -> str:
    """Format the reasons for skipping faces as one line."""
    return ", ".join(f"{reason} ({entry['faces']}, such as {entry['first']})" for reason, entry in of_faces(left_out).items())


def _summary(what: str, entries: Iterable[tuple[str, str]]) -> dict[str, dict[str, Any]]:
    first: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for reason, place in entries:
        first.setdefault(reason, place)
        counts[reason] += 1
    return {reason: {what: count, "first": first[reason]} for reason, count in counts.most_common()}
