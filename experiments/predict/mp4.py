"""Write MP4 files of frames with OpenCV, and check that the files are complete."""

import os
from pathlib import Path

import cv2
import numpy as np

from ...runtime import Image
from .media import reduced

CODEC = cv2.VideoWriter.fourcc(*"mp4v")
"""OpenCV's number of MPEG-4 video."""

DEFAULT_RATE = 25.0
"""Frames per second of a video whose source states no plausible rate."""

SLOWEST = 0.1
"""Lowest plausible rate, in frames per second."""

FASTEST = 1000.0
"""Highest plausible rate, in frames per second. Streams of unknown rate state 0, or clocks such as 90000 or 1000000."""

PARTS = 65535
"""Maximum number of time units per second in an MPEG-4 stream."""

NEAR = 0.0016
"""OpenCV writes a rate as a decimal fraction within 0.001; this is slightly more, so that its choice is unambiguous."""

LARGEST = 8190
"""Maximum side of an MPEG-4 video, in pixels."""


def container_rate(stated: float | None) -> float:
    """Return the rate, in frames per second, for a video whose source states ``stated``.

    OpenCV writes decimal fractions, and MPEG-4 has at most 65,535 time units per second: 29.97 stays, 66.667 becomes 66.67.
    Implausible rates, such as None, 0 or 90000, become 25.
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
    """An MP4 file that grows frame by frame. Errors are reported at the end, so that they do not stop the prediction.

    The first frame determines the size. Sides that are odd or above MPEG-4's limit are adapted. A later frame of another size
    is scaled down to fit if it is larger, and padded.

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
        """Close the file; return why it is incomplete, or None."""
        if self._writer is None:
            return "there is no frame"
        opened = self._writer.isOpened()
        self._writer.release()
        if not opened:
            width, height = self._size
            return _write_error(self._path) or (
                f"OpenCV cannot write MPEG-4 video of {width} x {height} pixels and {self._rate:g} frames per second here"
            )
        # the writer does not report a full disk: an incomplete file has no index, or a shorter one
        written = cv2.VideoCapture(str(self._path))
        count = max(0, int(written.get(cv2.CAP_PROP_FRAME_COUNT)))
        written.release()
        if count == self._frames:
            return None
        return _write_error(self._path) or f"the file has {count} of {self._frames} frames"


def fitted(frame: Image, size: tuple[int, int]) -> Image:
    """Fit a frame to ``size``, width and height: scale it down if it is larger, then pad it with black."""
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
    """Return the system's error when more is written to a file, or None."""
    try:
        with path.open("ab") as file:
            file.write(bytes(2**20))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return error.strerror
    return None
