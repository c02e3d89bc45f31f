"""The points of faces in images and videos, and the files that hold them."""

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
    """Finds faces and their points, and keeps the time in milliseconds.

    Attributes
    ----------
    detector_ms
        Of each image, finding the faces; empty without a detector.
    face_ms, network_ms
        Of each face: crop, network and the way back, without the detector; and of these the network alone.
    """

    def __init__(self, landmarker: Landmarker, find: Finder):
        self._landmarker, self._find = landmarker, find
        self.detector_ms: list[float] = []
        self.face_ms: list[float] = []
        self.network_ms: list[float] = []
        grey = np.full((landmarker.size, landmarker.size, 3), 128, np.uint8)
        landmarker(grey)  # the first call takes longer

    def __call__(self, image: Image) -> list[dict[str, Any]]:
        """Faces of an image, uint8 (H, W, 3), BGR: ``box``, ``points`` (P, 2) in pixels and, of a detector, ``score``.

        Coordinates count from the image's upper left corner, so that pixel i reaches from i to i + 1.
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
    """The user's wishes for videos.

    Attributes
    ----------
    limit
        Frames after which a video ends.
    smooth
        Whether points are smoothed from frame to frame.
    show
        Gets every frame with its points drawn in.
    ended
        Asked before every frame; True ends the video.
    """

    limit: int | None = None
    smooth: bool = True
    show: Callable[[Image], None] = lambda image: None
    ended: Callable[[], bool] = lambda: False


@dataclass(frozen=True)
class VideoResult:
    """What became of a video.

    Attributes
    ----------
    frames, failed, unread
        Frames that were read; those of them on which there are no points, with the first one's reason; and those that the
        source states but that could not be read.
    faceless
        Frames in which no face was found.
    error
        Why there is no drawn video; None if there is one.
    """

    frames: int
    failed: Sequence[str]
    unread: int
    faceless: int
    error: str | None

    def remarks(self, stated: int | None) -> list[str]:
        """What to tell of frames that are missing; ``stated`` is how many the source states."""
        found = [f"{self.unread} of {stated} frames cannot be read"] if self.unread else []
        if self.failed:
            found.append(f"{len(self.failed)} of {self.frames} frames have no points, the first for: {self.failed[0]}")
        if self.faceless:
            found.append(f"no face found in {self.faceless} of {self.frames} frames")
        return found


def predict_image(source: Source, predictor: Predictor, model: str, out: Path) -> int:
    """Write an image with its points, and a JSON file; both in pixels of the upright image, turned by its EXIF orientation.

    Returns how many faces were found.

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
    """Write a video with the points, and a JSON file with a list of the frames' faces, whatever becomes of the drawn video.

    Parameters
    ----------
    model
        What the user calls the network.
    advance
        Called after each frame, for a progress bar.

    Raises
    ------
    InputError, ModelError
        If there is no frame, or the first one cannot be used. Nothing is written then.
    WriteError
        If the JSON file cannot be written.
    """
    rate = container_rate(video.rate)
    start, start_detector = len(predictor.face_ms), len(predictor.detector_ms)
    smoother = Smoother(rate, options.smooth)
    frames = islice(video, options.limit)
    # the first frame before the first file: a source without frames leaves nothing behind
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
                # as text, of which a frame takes a tenth of the memory: a camera may run for hours
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
        # the drawn video, complete or not, is out of the way now, also of a full disk
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
    """Take a first Ctrl-C as the end of a recording; yields what tells whether it came. A second one acts as ever."""
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
    """Median of milliseconds; None of none."""
    return round(median(ms), 4) if ms else None


def _name(drawing: Path, path: Path) -> str | None:
    """Give a finished video its name; return why it cannot have it, or None."""
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
