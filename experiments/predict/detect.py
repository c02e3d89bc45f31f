"""Where faces are in an image: in a given box, where a detector finds them, or all over it; and the squares around them."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ...runtime import Box, Image, Square, square_of, square_of_crop
from ...search_space.errors import InputError, only_one

DETECTORS = ("face_detection_yunet_2026may.onnx", "face_detection_yunet_2023mar.onnx")
"""Names under which a detector's file in the working folder is taken, from the OpenCV Zoo; the first that is there."""

SIDE = 640
"""Side of the detector's input: the one that the older file states, to which not every engine of OpenCV makes exceptions."""


@dataclass(frozen=True)
class Face:
    """A face in an image: its box, the square that the network is to see, and a detector's score, 0..1."""

    box: Box
    square: Square
    score: float | None = None


Finder = Callable[[Image], list[Face]]


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
    """OpenCV's face detector with a YuNet file (Wu et al. 2023) and OpenCV's own thresholds.

    Larger images are scaled down to 640 pixels: faces of less than about 10 pixels then are not found.

    Raises
    ------
    InputError
        If the file is missing or no such detector.
    """

    def __init__(self, path: Path):
        if not os.path.isfile(path):
            raise InputError(f"face detector not found: {path}; it is a YuNet file such as {DETECTORS[0]}")
        try:
            self._detector = cv2.FaceDetectorYN.create(str(path), "", (SIDE, SIDE))
            self(np.zeros((SIDE, SIDE, 3), np.uint8))
        except cv2.error:
            raise InputError(f"{path} is not a face detector for OpenCV, such as {DETECTORS[0]}") from None

    def __call__(self, image: Image) -> list[Face]:
        height, width = image.shape[:2]
        scale = min(1.0, SIDE / max(height, width))
        small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else image
        canvas = np.zeros((SIDE, SIDE, 3), np.uint8)
        canvas[: small.shape[0], : small.shape[1]] = small
        found = self._detector.detect(canvas)[1]
        factors = np.tile((width / small.shape[1], height / small.shape[0]), 2)
        return [_detected(row[:4] * factors, row[-1]) for row in (() if found is None else found)]


def _detected(numbers: np.ndarray, score: float) -> Face:
    box = tuple(numbers.tolist())
    return Face(box, square_of(box), float(score))


def make_finder(box: str | None, detector: Path | None) -> tuple[Finder, str]:
    """How faces are found, and that in words.

    Raises
    ------
    InputError
        If both are given, or the one that is given is wrong.
    """
    only_one({"--box": box, "--detector": detector})
    if box is not None:
        return GivenBox(box), f"given: {box}"
    path = detector or next((Path(name) for name in DETECTORS if Path(name).is_file()), None)
    if path is not None:
        return Detector(path), f"found by {path}"
    return whole_image, "none: each image is one face's crop, for there is no --box and no --detector"
