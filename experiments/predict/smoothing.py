"""Track the faces of a video, and smooth their points along the tracks."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .one_euro import OneEuro
from .tracking import Tracker


class Smoother:
    """Track the faces of one video, camera or stream, and smooth their points.

    Parameters
    ----------
    rate
        Frames per second, for frames whose times do not increase: many streams state none.
    smooth
        Whether points are smoothed; otherwise, faces only get track numbers.
    """

    def __init__(self, rate: float, smooth: bool = True):
        self._rate, self._smooth = rate, smooth
        self._tracker = Tracker()
        self._filters: dict[int, OneEuro] = {}
        self._seen: dict[int, float] = {}
        self._last_ms: float | None = None
        self._now = 0.0

    def __call__(self, faces: Sequence[dict[str, Any]], at_ms: float) -> list[dict[str, Any]]:
        """Return the faces of the next frame with ``track``, from 0, and smoothed ``points``.

        Parameters
        ----------
        faces
            Faces of the frame, as :class:`Predictor` returns them; not modified.
        at_ms
            Time of the frame, in milliseconds.
        """
        elapsed = 0.0 if self._last_ms is None else (at_ms - self._last_ms) / 1000
        self._now += elapsed if elapsed > 0 else 1 / self._rate
        self._last_ms = at_ms
        numbers = self._tracker([face["box"] for face in faces])
        followed = [
            face | {"track": number, "points": self._filtered(number, face["points"], max(face["box"][2:]))}
            for number, face in zip(numbers, faces, strict=True)
        ]
        for number in self._filters.keys() - self._tracker.followed:
            del self._filters[number], self._seen[number]
        return followed

    def _filtered(self, number: int, points: list[list[float]], size: float) -> list[list[float]]:
        if not self._smooth:
            return points
        filtered = self._filters.setdefault(number, OneEuro())
        smooth = filtered(np.array(points), self._now - self._seen.get(number, 0.0), size)
        self._seen[number] = self._now
        return np.round(smooth, 2).tolist()
