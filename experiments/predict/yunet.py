"""YuNet (Wu et al. 2023), a face detector of the OpenCV Zoo, run by OpenCV."""

from pathlib import Path

import cv2
import numpy as np

from ...runtime import Box, Image
from ...search_space.errors import InputError

FILES = ("face_detection_yunet_2026may.onnx", "face_detection_yunet_2023mar.onnx")
"""Names of its published files."""

SIDE = 640
"""Side of its input, as the older file states it; not every engine of OpenCV accepts others."""


class YuNet:
    """The detector, with OpenCV's own thresholds: ``detector(bgr)`` returns boxes from forehead to chin, and scores.

    Larger images are scaled down to 640 pixels, where faces of less than about 10 pixels are not found.

    Raises
    ------
    InputError
        If the file is not this detector.
    """

    def __init__(self, path: Path):
        try:
            self._detector = cv2.FaceDetectorYN.create(str(path), "", (SIDE, SIDE))
            self(np.zeros((SIDE, SIDE, 3), np.uint8))
        except cv2.error:
            raise InputError(f"{path} is not a YuNet file for OpenCV, such as {FILES[0]}") from None

    def __call__(self, bgr: Image) -> list[tuple[Box, float]]:
        """Return boxes in pixels, and scores, of the faces in an image, uint8 (H, W, 3), BGR."""
        height, width = bgr.shape[:2]
        scale = min(1.0, SIDE / max(height, width))
        small = cv2.resize(bgr, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else bgr
        canvas = np.zeros((SIDE, SIDE, 3), np.uint8)
        canvas[: small.shape[0], : small.shape[1]] = small
        found = self._detector.detect(canvas)[1]
        factors = np.tile((width / small.shape[1], height / small.shape[0]), 2)
        return [(tuple((row[:4] * factors).tolist()), float(row[-1])) for row in (() if found is None else found)]
