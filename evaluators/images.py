"""Pictures from files."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ..search_space.inputs import InputError


def decode(path: Path) -> NDArray[np.uint8] | None:
    """A picture as uint8 (H, W, 3), BGR, upright; None if OpenCV cannot make one of the file, or it has too many pixels.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    data = np.frombuffer(path.read_bytes(), np.uint8)
    try:
        return cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) else None
    except cv2.error:  # beyond OpenCV's limit of pixels
        return None


def read_picture(path: Path, where: str = "") -> NDArray[np.uint8]:
    """As :func:`decode`, but what cannot be read or decoded is an error; ``where`` says in it who named the picture.

    Raises
    ------
    InputError
        If there is no picture.
    """
    try:
        image = decode(path)
    except OSError as error:
        raise InputError(f"{where}image {path} cannot be read: {error.strerror}") from None
    if image is None:
        raise InputError(f"{where}image {path} cannot be decoded; allowed: any that OpenCV reads")
    return image
