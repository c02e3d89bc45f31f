"""Read annotation files as lines of numbers. A face with an unreadable annotation is skipped."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ....search_space.text import NotText, decode, fields, numbered
from .source_face import Array, LeftOut

Line = tuple[int, str]
"""Line number, from 1, and text."""


def read_lines(path: Path) -> list[Line]:
    """Return the non-blank lines of a text file with their numbers.

    Raises
    ------
    LeftOut
        If the file cannot be read, is not text (the detail names its kind), or is empty.
    """
    try:
        text = decode(path.read_bytes())
    except FileNotFoundError:
        raise LeftOut("annotation not found", str(path)) from None
    except NotText as error:
        raise LeftOut("annotation is not text", str(path), f"it is {error}") from None
    except OSError as error:
        raise LeftOut("annotation cannot be read", str(path), error.strerror or "") from None
    lines = numbered(text)
    if not lines:
        raise LeftOut("annotation is empty", f"{path}:1")
    return lines


def numbers(tokens: Sequence[str], where: str) -> list[float]:
    """Convert tokens to finite numbers, or raise :class:`LeftOut`."""
    try:
        values = [float(token) for token in tokens]
    except ValueError as error:
        raise LeftOut("coordinate is not a number", where, str(error).rpartition(": ")[2][:30]) from None
    if not all(map(math.isfinite, values)):
        raise LeftOut("coordinate is not finite", where)
    return values


def pairs(lines: Sequence[Line], count: int, path: Path, line: int) -> Array:
    """Parse points, float64 (count, 2), from numbered lines with x and y; ``line`` is reported if the count is wrong."""
    if len(lines) != count:
        raise LeftOut("wrong number of points", f"{path}:{line}", f"{len(lines)} lines of points, expected {count}")
    name = str(path)
    points = []
    for number, text in lines:
        tokens = fields(text)
        if len(tokens) != 2:
            raise LeftOut("line is not a pair of coordinates", f"{name}:{number}", repr(text.strip()[:40]))
        points.append(numbers(tokens, f"{name}:{number}"))
    return np.array(points)
