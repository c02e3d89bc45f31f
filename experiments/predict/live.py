"""Draw and describe the faces of a picture or of a webcam's frames, for a live page."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

from ...runtime import Image, Landmarker
from .annotate import annotate
from .detect import Finder, whole_image
from .predictor import Predictor
from .smoothing import Smoother

RECENT = 30
"""Number of latest faces in a webcam's median latency."""

RATE = 20
"""Assumed frames per second of a webcam whose frames have the same time."""

NO_FACE = "**No face found.** If the picture shows one face and little else, tick *One face's crop*."
"""Text for a picture without faces."""


@dataclass(frozen=True)
class View:
    """A picture and its text, as the page shows them.

    Attributes
    ----------
    picture
        The picture with its faces, uint8 (H, W, 3), BGR, as :func:`annotate` draws them.
    text
        Number of faces and milliseconds, in Markdown.
    """

    picture: Image
    text: str


class Stream:
    """The frames of one webcam: faces are tracked from frame to frame, and their points are optionally smoothed.

    Attributes
    ----------
    settings
        Its settings: network, crop, smooth.
    """

    def __init__(self, predictor: Predictor, settings: tuple[str, bool, bool]):
        self._predictor, self.settings = predictor, settings
        self._smoother = Smoother(RATE, settings[-1])

    def __call__(self, image: Image) -> View:
        """Find the faces of the next frame, uint8 (H, W, 3), BGR.

        Raises
        ------
        ModelError
            If the network predicts non-finite points.
        """
        at_ms = 1000 * time.monotonic()
        return _view(image, self._smoother(self._predictor(image), at_ms), self._predictor)


class Live:
    """Run any of several networks on pictures; a network is opened at first use, and stays open.

    Parameters
    ----------
    open_model
        Opens a network by name.
    find
        Finds the faces.
    """

    def __init__(self, open_model: Callable[[str], Landmarker], find: Finder):
        self._open_model, self._find = open_model, find
        self._landmarkers: dict[str, Landmarker] = {}

    def predictor(self, model: str, crop: bool) -> Predictor:
        """Return a predictor with the named network; with ``crop``, each picture is the crop of one face.

        Raises
        ------
        InputError, ModelError
            If the network cannot be used.
        """
        if model not in self._landmarkers:
            self._landmarkers[model] = self._open_model(model)
        return Predictor(self._landmarkers[model], whole_image if crop else self._find)

    def view(self, image: Image, model: str, crop: bool) -> View:
        """Find the faces of one picture, uint8 (H, W, 3), BGR.

        Raises
        ------
        InputError, ModelError
            If the network cannot be used.
        """
        predictor = self.predictor(model, crop)
        return _view(image, predictor(image), predictor)

    def stream(self, before: Stream | None, model: str, crop: bool, smooth: bool) -> Stream:
        """Return the stream ``before`` if it has the same settings, otherwise a new one.

        Raises
        ------
        InputError, ModelError
            If the network cannot be used.
        """
        settings = model, crop, smooth
        if before is not None and before.settings == settings:
            return before
        return Stream(self.predictor(model, crop), settings)


def _view(image: Image, faces: list[dict[str, Any]], predictor: Predictor) -> View:
    """Return the view of the faces that a predictor has found; latencies are medians over the latest faces."""
    if not faces:
        return View(image, NO_FACE)
    last = max(RECENT, len(faces))
    face_ms, network_ms = median(predictor.face_ms[-last:]), median(predictor.network_ms[-last:])
    parts = [
        f"**{len(faces)} face{'s' if len(faces) > 1 else ''}**",
        f"{face_ms:.2f} ms per face, of which {network_ms:.2f} ms for the network (one thread)",
    ]
    if predictor.detector_ms:
        parts.append(f"{median(predictor.detector_ms[-RECENT:]):.0f} ms to find the faces")
    return View(annotate(image, faces), " · ".join(parts))
