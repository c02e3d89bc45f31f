"""A face as a data set's own files describe it, or the reason why it cannot be used."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class SourceFace:
    """An annotated face.

    Attributes
    ----------
    name
        The picture's path in the source, without its suffix.
    image
        The picture.
    points
        float64 (P, 2): x and y in pixels of the picture, as the source has them, in the order of the layout of P points.
    where
        File and line of the annotation.
    box
        Left, upper, right and lower edge of the face, in pixels, if the source has them.
    split
        ``train`` or ``test``, if the source has a split of its own.
    """

    name: str
    image: Path
    points: Array
    where: str
    box: tuple[float, ...] | None = None
    split: str | None = None


class LeftOut(Exception):
    """A face that cannot be used, with the reason and the file and line that show it."""

    def __init__(self, reason: str, where: str):
        super().__init__(reason, where)
        self.reason, self.where = reason, where


def attempt(make: Callable[..., SourceFace], *arguments: Any) -> SourceFace | LeftOut:
    """Make a face, or return why it is left out."""
    try:
        return make(*arguments)
    except LeftOut as reason:
        return reason


def read_lines(path: Path) -> list[tuple[int, list[str]]]:
    """Read a text file as numbered lines of tokens, without those that are blank."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise LeftOut("annotation not found", str(path)) from None
    except (OSError, UnicodeDecodeError):
        raise LeftOut("annotation cannot be read", str(path)) from None
    lines = [(number, line.split()) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not lines:
        raise LeftOut("annotation is empty", f"{path}:1")
    return lines


def numbers(tokens: Sequence[str], where: str) -> list[float]:
    """Tokens as finite numbers."""
    try:
        values = [float(token) for token in tokens]
    except ValueError:
        raise LeftOut("coordinate is no number", where) from None
    if not all(map(math.isfinite, values)):
        raise LeftOut("coordinate is not finite", where)
    return values


def pairs(lines: Sequence[tuple[int, list[str]]], count: int, path: Path, line: int) -> Array:
    """Points (count, 2) from numbered lines of an x and a y each; ``line`` is where a wrong count shows."""
    if len(lines) != count:
        raise LeftOut("wrong number of points", f"{path}:{line}")
    for number, tokens in lines:
        if len(tokens) != 2:
            raise LeftOut("line is no pair of coordinates", f"{path}:{number}")
    return np.array([numbers(tokens, f"{path}:{number}") for number, tokens in lines])
