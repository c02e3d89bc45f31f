"""Read and write images and videos with OpenCV."""

import itertools
from collections.abc import Callable, Iterator
from math import isfinite
from pathlib import Path

import cv2
import numpy as np

from ...runtime import Image
from ...search_space.errors import InputError
from ...search_space.files import atomic_path
from .sources import Kind, Source

JPEG = (cv2.IMWRITE_JPEG_QUALITY, 95, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444)
"""OpenCV's options: quality 95, colours at full resolution."""

LARGEST_JPEG = 65500
"""Largest side, in pixels, that libjpeg writes."""

PATIENCE = 1000
"""Number of consecutive unreadable frames after which the rest of a file is skipped."""


def reduced(image: Image, largest: int) -> Image:
    """Return the image, scaled down if a side has more than ``largest`` pixels."""
    height, width = image.shape[:2]
    scale = largest / max(height, width)
    if scale >= 1:
        return image
    size = (max(1, int(scale * width)), max(1, int(scale * height)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def write_jpeg(path: Path, image: Image) -> None:
    """Write an image, scaled down if a side has more than 65,500 pixels."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(cv2.imencode(".jpg", reduced(image, LARGEST_JPEG), JPEG)[1].tobytes())


def further_frames(path: Path) -> int:
    """Return the number of frames or pages of an image file after the first, which is the one that OpenCV decodes."""
    return max(0, cv2.imcount(str(path)) - 1)


class Video:
    """The frames of a video, a camera or a stream.

    Attributes
    ----------
    rate
        Frames per second that the source states, or None.
    stated
        Number of frames that the source states, or None. For some files, it is an estimate.
    unread
        Number of stated frames that could not be read; known after the iteration.

    Parameters
    ----------
    stop
        Called before each frame; True ends the iteration.

    Raises
    ------
    InputError
        If it cannot be opened.
    """

    def __init__(self, source: Source, stop: Callable[[], bool] = lambda: False):
        self._source, self._stop, self.unread = source, stop, 0
        # an absolute path: in relative ones, FFmpeg takes text before a colon for a protocol
        address = str(source.address.absolute()) if isinstance(source.address, Path) else source.address
        self._capture = cv2.VideoCapture(address)
        if not self._capture.isOpened():
            raise InputError(self._why_not())
        rate, count = (self._capture.get(what) for what in (cv2.CAP_PROP_FPS, cv2.CAP_PROP_FRAME_COUNT))
        self.rate = rate if isfinite(rate) and rate > 0 else None
        self.stated = int(count) if isfinite(count) and count > 0 else None

    def __iter__(self) -> Iterator[tuple[float, Image]]:
        """Yield milliseconds since the first frame, and the frame: uint8 (H, W, 3), BGR, upright.

        A file may have damaged frames in the middle: reading continues after them, up to the stated number of frames.

        Raises
        ------
        InputError
            If there is no frame.
        """
        start, frames, failed = None, 0, 0
        try:
            for tried in itertools.count(1):
                if self._stop():
                    break
                read, image = self._capture.read()
                if read:
                    at = self._capture.get(cv2.CAP_PROP_POS_MSEC)
                    start = at if start is None else start
                    frames, failed = frames + 1, 0
                    yield at - start, np.asarray(image, np.uint8)
                    continue
                failed += 1
                if tried > (self.stated or 0) or failed == PATIENCE:
                    self.unread = max(0, (self.stated or 0) - frames)
                    break
        finally:
            self._capture.release()
        if not frames:
            raise InputError(self._why_not())

    def _why_not(self) -> str:
        name = self._source.name
        if self._source.kind is Kind.LIVE:
            return f"{name} cannot be opened by OpenCV, or gives no frames"
        try:
            with self._source.path.open("rb") as file:
                empty = not file.read(1)
        except OSError as error:
            return f"{name} cannot be read: {error.strerror}"
        return (
            f"{name} is an empty file" if empty else f"{name} is neither an image nor a video with frames that OpenCV can read"
        )
