"""Pictures and videos as OpenCV reads and writes them."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from ..runtime import Image
from ..search_space.inputs import InputError, allowed, atomic_path

PICTURES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
"""Suffixes of pictures; any other file is taken for a video."""

CODEC = "mp4v"
FRAME_RATE = 25.0
"""Of a video that does not tell its own."""
JPEG = (cv2.IMWRITE_JPEG_QUALITY, 95, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444)


def pictures_of(source: Path) -> list[Path] | None:
    """The picture ``source``, or the pictures in that folder by name; None if it is another file.

    Raises
    ------
    InputError
        If there is nothing, no picture in the folder, or there are two whose results would have one name.
    """
    if not source.exists():
        raise InputError(f"{source} not found; allowed: a picture, a folder of pictures, or a video")
    if not source.is_dir():
        return [source] if source.suffix.lower() in PICTURES else None
    paths = sorted(path for path in source.iterdir() if path.suffix.lower() in PICTURES)
    if not paths:
        raise InputError(f"no picture in {source}; {allowed(PICTURES)}")
    stems: dict[str, Path] = {}
    for path in paths:
        if stems.setdefault(path.stem, path) != path:
            raise InputError(f"{stems[path.stem]} and {path.name}: two pictures of one name; allowed: different names")
    return paths


def write_jpeg(path: Path, image: Image) -> None:
    """Write a picture."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(cv2.imencode(".jpg", image, JPEG)[1].tobytes())


class Video:
    """A video's frames.

    Attributes
    ----------
    fps
        Frames per second.
    frames
        How many it says it has, or None.
    """

    def __init__(self, path: Path):
        self._path, self._capture = path, cv2.VideoCapture(str(path))
        rate, count = (self._capture.get(what) for what in (cv2.CAP_PROP_FPS, cv2.CAP_PROP_FRAME_COUNT))
        self.fps = rate if np.isfinite(rate) and rate > 0 else FRAME_RATE
        self.frames = int(count) if count > 0 else None

    def __iter__(self) -> Iterator[Image]:
        """uint8 (H, W, 3), BGR, upright.

        Raises
        ------
        InputError
            If there is no frame.
        """
        read, frame = self._capture.read()
        if not read:
            raise InputError(f"{self._path}: no picture, and no video with frames that OpenCV can read; {allowed(PICTURES)}, "
                             "or a video")
        while read:
            yield frame
            read, frame = self._capture.read()
        self._capture.release()


def write_video(path: Path, fps: float, frames: Iterator[Image]) -> None:
    """Write frames of one size as an MP4 file; nothing is touched before the first of them is there.

    Raises
    ------
    InputError
        If the file cannot be written, or OpenCV has no such codec here.
    """
    first = next(frames)
    with atomic_path(path) as temporary:
        writer = cv2.VideoWriter(str(temporary), cv2.VideoWriter_fourcc(*CODEC), fps, first.shape[1::-1])
        if not writer.isOpened():
            raise InputError(f"cannot write {path}: this OpenCV has no codec {CODEC!r}")
        for frame in itertools.chain([first], frames):
            writer.write(frame)
        writer.release()
