"""Pictures from files."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray


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
