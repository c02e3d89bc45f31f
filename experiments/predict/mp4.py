"""MP4 files of frames: what OpenCV's writer takes, and whether the file is whole."""

import os
from pathlib import Path

import cv2
import numpy as np

from ...runtime import Image
from .media import reduced

CODEC = cv2.VideoWriter.fourcc(*"mp4v")
"""OpenCV's number of MPEG-4 video."""

DEFAULT_RATE = 25.0
"""Frames per second of a video whose source states none, or none that a camera has."""

SLOWEST = 0.1
"""Lowest rate that is believed, in frames per second."""

FASTEST = 1000.0
"""Highest rate that is believed, in frames per second. Streams of unknown rate state 0, 90000 or 1000000, which are clocks."""

PARTS = 65535
"""An MPEG-4 stream counts time in at most so many parts of a second."""

NEAR = 0.0016
"""OpenCV writes a rate as a decimal fraction within 0.001; a little more here leaves its choice no doubt."""

LARGEST = 8190
"""Side, in pixels, that MPEG-4 can have."""


def container_rate(stated: float | None) -> float:
    """The rate, in frames per second, at which a video is written whose source states ``stated``.

    OpenCV writes decimal fractions, MPEG-4 takes at most 65,535 parts of a second: 29.97 stays, 66.667 becomes 66.67. What is
    no rate of a camera or a file, such as None, 0 or 90000, becomes 25.
    """
    if stated is None or not SLOWEST <= stated <= FASTEST:
        return DEFAULT_RATE
    rate = DEFAULT_RATE
    for digits in range(4):
        parts = round(stated * 10**digits)
        if parts > PARTS:
            break
        rate = parts / 10**digits
        if abs(rate - stated) < NEAR:
            break
    return rate


class Mp4:
    """An MP4 file that grows frame by frame. What goes wrong is told at the end: frames are worth more than their video.

    The first frame decides the size. Sides that are odd or beyond MPEG-4's are brought to what it takes. A later frame of
    another size is scaled down to fit if it is larger, and padded.

    Parameters
    ----------
    rate
        Frames per second, as :func:`container_rate` gives them.
    """

    def __init__(self, path: Path, rate: float):
        self._path, self._rate, self._frames = path, rate, 0
        self._writer: cv2.VideoWriter | None = None
        self._size = (0, 0)

    def add(self, frame: Image) -> None:
        """Append a frame, uint8 (H, W, 3), BGR."""
        frame = reduced(frame, LARGEST)
        if self._writer is None:
            height, width = frame.shape[:2]
            self._size = width + width % 2, height + height % 2
            self._writer = cv2.VideoWriter(str(self._path), CODEC, self._rate, self._size)
        self._writer.write(fitted(frame, self._size))
        self._frames += 1

    def finish(self) -> str | None:
        """Close the file; return why it is not whole, or None."""
        if self._writer is None:
            return "there is no frame"
        opened = self._writer.isOpened()
        self._writer.release()
        if not opened:
            width, height = self._size
            return _write_error(self._path) or (
                f"OpenCV cannot write MPEG-4 video of {width} x {height} pixels and {self._rate:g} frames per second here"
            )
        # the writer says nothing of a full disk: a file that is not whole has no index, or a shorter one
        written = cv2.VideoCapture(str(self._path))
        count = max(0, int(written.get(cv2.CAP_PROP_FRAME_COUNT)))
        written.release()
        if count == self._frames:
            return None
        return _write_error(self._path) or f"the file has {count} of {self._frames} frames"


def fitted(frame: Image, size: tuple[int, int]) -> Image:
    """Bring a frame to ``size``, width and height: scaled down to fit if it is larger, then padded in black."""
    width, height = size
    scale = min(1.0, width / frame.shape[1], height / frame.shape[0])
    if scale < 1:
        inside = max(1, round(scale * frame.shape[1])), max(1, round(scale * frame.shape[0]))
        frame = np.asarray(cv2.resize(frame, inside, interpolation=cv2.INTER_AREA), np.uint8)
    if frame.shape[:2] == (height, width):
        return frame
    out = np.zeros((height, width, 3), np.uint8)
    out[: frame.shape[0], : frame.shape[1]] = frame
    return out


def _write_error(path: Path) -> str | None:
    """What the system says when more is written to a file; None if it takes it."""
    try:
        with path.open("ab") as file:
            file.write(bytes(2**20))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return error.strerror
    return None
