"""Read images from files."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ...search_space.errors import InputError
from .exif import as_stored, is_tiff, orientation

SUFFIXES = (
    ".jpg",
    ".jpeg",
    ".jpe",
    ".jfif",
    ".png",
    ".bmp",
    ".dib",
    ".webp",
    ".tif",
    ".tiff",
    ".jp2",
    ".ppm",
    ".pgm",
    ".pbm",
    ".pnm",
    ".gif",
    ".avif",
)
"""Suffixes of the image formats that OpenCV reads, in lower case."""


@dataclass(frozen=True)
class Decoded:
    """An image file's content.

    Attributes
    ----------
    image
        uint8 (H, W, 3), BGR; None if OpenCV cannot decode the file or it has too many pixels.
    orientation
        EXIF orientation, 1 to 8; 1 is upright.
    """

    image: NDArray[np.uint8] | None
    orientation: int


def decode_content(content: bytes, upright: bool = True) -> Decoded:
    """Decode an image file's bytes.

    Parameters
    ----------
    upright
        Whether to rotate the image upright by its EXIF orientation, as ``cv2.imread`` and image viewers do. Otherwise the
        pixels are as stored in the file.
    """
    turn = orientation(content)
    if not content:
        return Decoded(None, turn)
    flags = cv2.IMREAD_COLOR if upright else cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        # imdecode returns None if the content is not an image
        image: NDArray[Any] | None = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    except cv2.error:  # beyond OpenCV's limit of pixels
        return Decoded(None, turn)
    if image is not None and not upright and is_tiff(content):  # OpenCV ignores the flags for TIFF images
        image = as_stored(image, turn)
    return Decoded(image, turn)


def decode(path: Path) -> NDArray[np.uint8] | None:
    """Decode an image file to uint8 (H, W, 3), BGR, upright; None if OpenCV cannot decode it or it has too many pixels.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    return decode_content(path.read_bytes()).image


def read_picture(path: Path, where: str = "") -> NDArray[np.uint8]:
    """Decode an image like :func:`decode`, or raise an error, in which ``where`` names the source of the image's path.

    Raises
    ------
    InputError
        If the file cannot be read or decoded.
    """
    try:
        image = decode(path)
    except OSError as error:
        raise InputError(f"{where}image {path} cannot be read: {error.strerror}") from None
    if image is None:
        raise InputError(f"{where}image {path} cannot be decoded; give an image that OpenCV can read")
    return image
