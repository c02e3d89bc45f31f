"""A face as described by a data set's own files, or the reason why it is skipped."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Made = TypeVar("Made")


@dataclass(frozen=True)
class SourceFace:
    """An annotated face.

    Attributes
    ----------
    name
        The image's path in the source, without its suffix.
    image
        The image file.
    points
        float64 (P, 2): x and y as in the source, in the order of the layout of P points.
    where
        File and line of the annotation.
    box
        Left, upper, right and lower edge of the face, in pixels, if the source has them.
    split
        ``train`` or ``test``, if the source defines a split.
    normalised
        Whether points are fractions of the image's width and height instead of pixels.
    """

    name: str
    image: Path
    points: Array
    where: str
    box: tuple[float, ...] | None = None
    split: str | None = None
    normalised: bool = False


class LeftOut(Exception):
    """A skipped face: the reason, the file and line that show it, and what was found there.

    Faces are counted by reason: the reason names a kind of fault, and ``detail`` the instance.
    """

    def __init__(self, reason: str, where: str, detail: str = ""):
        super().__init__(reason, where, detail)
        self.reason = reason
        self.where = where
        self.detail = detail

    @property
    def place(self) -> str:
        """File, line and detail, for one line of a message."""
        return f"{self.where} ({self.detail})" if self.detail else self.where


def attempt(make: Callable[..., Made], *arguments: Any) -> Made | LeftOut:
    """Make a face or a part of one, or return the reason for skipping it."""
    try:
        return make(*arguments)
    except LeftOut as reason:
        return reason


Found = Iterator[SourceFace | LeftOut]
"""Faces and skipped faces of a source, in an order that depends only on names."""
