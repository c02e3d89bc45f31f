"""What a user may choose of a preparation."""

from dataclasses import dataclass
from pathlib import Path

from ....search_space.errors import InputError, allowed, only_one
from ..images import SUFFIXES
from .source_formats import FORMATS

EXIF = ("apply", "ignore")


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
        Rotated copies of every training face. The reference makes ten; here the training rotates, shifts and scales faces
        itself, every epoch anew, keeps all images in memory, and holds out a part of them, where copies of a face would meet.
    test_fraction
        Share of the faces for testing; None for the source's own split, and a tenth where it has none.
    test_list
        File with an identity or an image's path per line: these identities are for testing.
    identity
        Regular expression with one group that finds the identity in an image's path; None for the format's own rule.
    origin
        Coordinate of the left and the upper edge of an image: 0.5 if the middle of the first pixel is at 1, -0.5 if at 0.
        None for the format's own.
    exif
        ``apply``: points are those of the image that its EXIF orientation has turned upright. ``ignore``: of the stored pixels.
    keep_outside
        Whether faces with points outside of the image are used; what lies outside repeats the image's border.
    image_suffix
        The one suffix of images to use, where annotations name them by their stems; None for all that OpenCV reads.
    seed
        Seed of copies and split.

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
    exif: str = "apply"
    keep_outside: bool = False
    image_suffix: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            raise InputError(f"unknown format {self.format!r}; {allowed(FORMATS)}")
        only_one({"--test-list": self.test_list, "--test-fraction": self.test_fraction})
        if self.test_fraction is not None and not 0 < self.test_fraction < 1:
            raise InputError(f"--test-fraction is {self.test_fraction:g}; wanted: more than 0, less than 1")
        if self.exif not in EXIF:
            raise InputError(f"--exif is {self.exif!r}; wanted: {' or '.join(EXIF)}")
        if self.image_suffix is not None and not FORMATS[self.format].by_stem:
            raise InputError(f"--image-suffix is given, but lists of format {self.format!r} name every image with its suffix")
        if self.image_suffix is not None and self.images not in SUFFIXES:
            raise InputError(f"--image-suffix is {self.image_suffix!r}; wanted: one of {', '.join(SUFFIXES)}")

    @property
    def images(self) -> str | None:
        """The one suffix of images to use, with a dot and in lower case."""
        return self.image_suffix and f".{self.image_suffix.lower().removeprefix('.')}"
