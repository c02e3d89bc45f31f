"""Options of a preparation."""

from dataclasses import dataclass
from pathlib import Path

from ....search_space.errors import InputError, allowed, only_one
from ..images import SUFFIXES
from .source_formats import FORMATS

EXIF = ("apply", "ignore")


@dataclass(frozen=True)
class PrepareOptions:
    """Options for preparing a data set.

    Parameters
    ----------
    format
        A name of :data:`FORMATS`.
    size
        Side of the crops, in pixels.
    copies
        Rotated copies of every training face. The reference makes ten. Here, training itself rotates, shifts and scales faces
        in every epoch, keeps all images in memory, and holds out some of them, so copies of a face would be on both sides.
    test_fraction
        Share of the faces for testing; None for the source's own split, or a tenth if it has none.
    test_list
        File with one identity or image path per line; these identities are for testing.
    identity
        Regular expression with one group that extracts the identity from an image's path; None for the format's own rule.
    origin
        Coordinate of the left and upper edge of an image: 0.5 if the centre of the first pixel is at 1, -0.5 if at 0. None for
        the format's own.
    exif
        ``apply``: points refer to the image rotated upright by its EXIF orientation. ``ignore``: to the stored pixels.
    keep_outside
        Whether to use faces with points outside the image; the image's border is repeated there.
    image_suffix
        The only image suffix to use, if annotations name images by their stems; None for all that OpenCV reads.
    seed
        Random seed of copies and split.

    Raises
    ------
    InputError
        If an option is unknown, out of range or contradictory.
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
            raise InputError(f"--test-fraction is {self.test_fraction:g}; must be more than 0 and less than 1")
        if self.exif not in EXIF:
            raise InputError(f"--exif is {self.exif!r}; must be {' or '.join(EXIF)}")
        if self.image_suffix is not None and not FORMATS[self.format].by_stem:
            raise InputError(f"--image-suffix is given, but lists of format {self.format!r} name every image with its suffix")
        if self.image_suffix is not None and self.images not in SUFFIXES:
            raise InputError(f"--image-suffix is {self.image_suffix!r}; must be one of {', '.join(SUFFIXES)}")

    @property
    def images(self) -> str | None:
        """The only image suffix to use, with a dot and in lower case."""
        return self.image_suffix and f".{self.image_suffix.lower().removeprefix('.')}"
