"""What a user may choose of a preparation."""

from dataclasses import dataclass
from pathlib import Path

from ...search_space.inputs import InputError, allowed
from .formats import FORMATS


@dataclass(frozen=True)
class PrepareOptions:
    """How to prepare a data set.

    Parameters
    ----------
    format
        A name of :data:`FORMATS`.
    size
        Side of the crops, in pixels.
    copies
        Turned copies of every training face. The reference makes ten; here the training turns, shifts and scales faces itself,
        every epoch anew, keeps all pictures in memory, and holds out a part of them, in which copies of a face would meet.
    test_fraction
        Share of the faces for testing; None for the source's own split, and a tenth where it has none.
    test_list
        File with an identity or a picture's name per line: these identities are for testing.
    identity
        Regular expression with one group that finds the identity in a picture's path; None for the format's own.
    origin
        Coordinate of the left and the upper edge of a picture: 0.5 if the middle of the first pixel is at 1, -0.5 if at 0.
        None for the format's own.
    seed
        Of copies and split.

    Raises
    ------
    InputError
        If something is unknown or contradictory.
    """

    format: str
    size: int = 112
    copies: int = 0
    test_fraction: float | None = None
    test_list: Path | None = None
    identity: str | None = None
    origin: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            raise InputError(f"unknown format {self.format!r}; {allowed(FORMATS)}")
        if self.test_list is not None and self.test_fraction is not None:
            raise InputError("--test-list and --test-fraction are both given; allowed: one of them")
        if self.test_fraction is not None and not 0 < self.test_fraction < 1:
            raise InputError(f"--test-fraction: {self.test_fraction:g}; allowed: more than 0, less than 1")
