"""Find the points of faces in images and videos, and write the result files."""

import json
import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from ...evaluators.data.images import read_picture
from ...runtime import Image, Landmarker, ModelError
from ...search_space.errors import InputError
from ...search_space.files import atomic_path, write_text
from .annotate import annotate
from .detect import Detector, Finder
from .media import Video, write_jpeg
from .mp4 import Mp4, container_rate
from .smoothing import Smoother
from .sources import Source


class Predictor:
    """Find faces and their points, and record the latencies in milliseconds.

    Attributes
    ----------
    detector_ms
        Latency of the detector per image; empty without a detector.
    face_ms, network_ms
        Latency per face of crop, network and mapping the points back, without the detector; and of the network alone.
    """

    def __init__(self, landmarker: Landmarker, find: Finder):
        self._landmarker, self._find = landmarker, find
        self.detector_ms: list[float] = []
        self.face_ms: list[float] = []
        self.network_ms: list[float] = []
        grey = np.full((landmarker.size, landmarker.size, 3), 128, np.uint8)
        landmarker(grey)  # warm up: the first call is slower

    def __call__(self, image: Image) -> list[dict[str, Any]]:
        """Return the faces of an image, uint8 (H, W, 3), BGR: ``box``, ``points`` (P, 2) in pixels and a detector's ``score``.

        Coordinates start at the image's upper left corner, so pixel i reaches from i to i + 1.
        """
        start = time.perf_counter()
        faces = self._find(image)
        if isinstance(self._find, Detector):
            self.detector_ms.append(1000 * (time.perf_counter() - start))
        found = []
        for face in faces:
            start = time.perf_counter()
            crop = self._landmarker.prepare(image, face.square)
            before = time.perf_counter()
            output = self._landmarker.run(crop)
            after = time.perf_counter()
            points = self._landmarker.locate(output, face.square)
            self.face_ms.append(1000 * (time.perf_counter() - start))
            self.network_ms.append(1000 * (after - before))
            entry = {"box": np.round(face.box, 2).tolist(), "points": np.round(points.astype(float), 2).tolist()}
            found.append(entry if face.score is None else entry | {"score": round(face.score, 4)})
        return found


@dataclass(frozen=True)
class VideoOptions:
    """Options for videos.

    Attributes
    ----------
    limit
        Maximum number of frames of a video.
    smooth
        Whether points are smoothed from frame to frame.
    show
        Called with every annotated frame.
    ended
        Called before every frame; True ends the video.
    """

    limit: int | None = None
    smooth: bool = True
    show: Callable[[Image], None] = lambda image: None
    ended: Callable[[], bool] = lambda: False


@dataclass(frozen=True)
class VideoResult:
    """Result of a video.

    Attributes
    ----------
    frames, failed, unread
        Number of frames that were read; reasons of frames without points; number of stated frames that could not be read.
    faceless
        Number of frames in which no face was found.
    error
        Why there is no drawn video; None if there is one.
    """

    frames: int
    failed: Sequence[str]
    unread: int
    faceless: int
    error: str | None

    def remarks(self, stated: int | None) -> list[str]:
        """Return remarks on missing frames; ``stated`` is the number of frames that the source states."""
        found = [f"{self.unread} of {stated} frames cannot be read"] if self.unread else []
        if self.failed:
            found.append(f"{len(self.failed)} of {self.frames} frames have no points; first reason: {self.failed[0]}")
        if self.faceless:
            found.append(f"no face found in {self.faceless} of {self.frames} frames")
        return found


def predict_image(source: Source, predictor: Predictor, model: str, out: Path) -> int:
    """Write an image with its points, and a JSON file, in pixels of the image after rotation by its EXIF orientation.

    Returns the number of faces.

    Raises
    ------
    InputError, ModelError
        If the image cannot be used.
    WriteError
        If ``out`` cannot be written.
    """
    image = read_picture(source.path)
    start, start_detector = len(predictor.face_ms), len(predictor.detector_ms)
    faces = predictor(image)
    write_jpeg(_file(out, source, ".jpg"), annotate(image, faces))
    record = {
        "image": source.name,
        "size": _size(image),
        "faces": faces,
        "model": model,
        "ms": middle(predictor.face_ms[start:]),
        "ms_detector": middle(predictor.detector_ms[start_detector:]),
    }
    write_text(_file(out, source, ".json"), json.dumps(record) + "\n")
    return len(faces)


def predict_video(
    source: Source,
    video: Video,
    predictor: Predictor,
    model: str,
    out: Path,
    options: VideoOptions,
    advance: Callable[[], None] = lambda: None,
) -> VideoResult:
    """Write a video with the points, and a JSON file with the faces of each frame, even if the video cannot be written.

    Parameters
    ----------
    model
        Name of the network in the results.
    advance
        Called after each frame, for a progress bar.

    Raises
    ------
    InputError, ModelError
        If there is no frame, or the first one cannot be used. Nothing is written.
    WriteError
        If the JSON file cannot be written.
    """
    rate = container_rate(video.rate)
    start, start_detector = len(predictor.face_ms), len(predictor.detector_ms)
    smoother = Smoother(rate, options.smooth)
    frames = islice(video, options.limit)
    # read the first frame before creating a file: a source without frames leaves nothing behind
    at, image = next(frames)
    size, faces = _size(image), smoother(predictor(image), at)
    entries, failed, faceless = [], [], int(not faces)
    with atomic_path(_file(out, source, ".json")) as record_file:
        with tempfile.TemporaryDirectory(prefix=".", dir=record_file.parent, ignore_cleanup_errors=True) as folder:
            drawing = Path(folder) / "drawn.mp4"
            drawn = Mp4(drawing, rate)
            while True:
                entry = {"time_ms": round(at, 3), "faces": faces}
                entry |= {} if _size(image) == size else {"size": _size(image)}
                # as text, which takes a tenth of the memory: a camera may run for hours
                entries.append(json.dumps(entry))
                picture = annotate(image, faces)
                drawn.add(picture)
                options.show(picture)
                advance()
                if (frame := next(frames, None)) is None:
                    break
                at, image = frame
                try:
                    faces = smoother(predictor(image), at)
                    faceless += not faces
                except (InputError, ModelError) as error:
                    faces = []
                    failed.append(str(error))
            undrawn = drawn.finish() or _name(drawing, _file(out, source, ".mp4"))
        # the temporary video is gone now, and no longer fills the disk
        record = {
            "video": source.name,
            "fps": rate,
            "source_fps": video.rate,
            "size": size,
            "unread_frames": video.unread,
            "drawn": None if undrawn else str(_file(out, source, ".mp4")),
            "error": undrawn,
            "model": model,
            "smoothed": options.smooth,
            "ms": middle(predictor.face_ms[start:]),
            "ms_detector": middle(predictor.detector_ms[start_detector:]),
        }
        head = json.dumps(record).removesuffix("}")
        record_file.write_text(f'{head}, "frames": [{", ".join(entries)}]}}\n', encoding="utf-8")
    return VideoResult(len(entries), failed, video.unread, faceless, undrawn)


@contextmanager
def until_interrupted() -> Iterator[Callable[[], bool]]:
    """Let the first Ctrl-C end a recording; yield a function that tells whether it came. A second one acts as usual."""
    came = []

    def end(number: int, frame: object) -> None:
        came.append(number)
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, end)
    try:
        yield lambda: bool(came)
    finally:
        signal.signal(signal.SIGINT, before)


def middle(ms: Sequence[float]) -> float | None:
    """Return the median of milliseconds, or None if there are none."""
    return round(median(ms), 4) if ms else None


def _name(drawing: Path, path: Path) -> str | None:
    """Move a finished video to its path; return the error, or None."""
    try:
        with atomic_path(path) as temporary:
            os.replace(drawing, temporary)
    except InputError as error:
        return str(error).removeprefix(f"cannot write {path}: ")
    return None


def _file(out: Path, source: Source, suffix: str) -> Path:
    target = out / source.target
    return target.with_name(target.name + suffix)


def _size(image: Image) -> list[int]:
    """Width and height, in pixels."""
    return [image.shape[1], image.shape[0]]
