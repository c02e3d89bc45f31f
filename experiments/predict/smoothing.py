"""Faces of a video's frames with the numbers of their tracks, and their points smoothed along them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .one_euro import OneEuro
from .tracking import Tracker


class Smoother:
    """Follows the faces of one video, camera or stream.

    Parameters
    ----------
    rate
        Frames per second, for frames whose times do not grow: many streams state none.
    smooth
        Whether points are smoothed; without, faces get the numbers of their tracks alone.
    """

    def __init__(self, rate: float, smooth: bool = True):
        self._rate, self._smooth = rate, smooth
        self._tracker = Tracker()
        self._filters: dict[int, OneEuro] = {}
        self._seen: dict[int, float] = {}
        self._last_ms: float | None = None
        self._now = 0.0

    def __call__(self, faces: Sequence[dict[str, Any]], at_ms: float) -> list[dict[str, Any]]:
        """Faces of the next frame with ``track``, from 0, and ``points`` smoothed.

        Parameters
        ----------
        faces
            Of a frame, as :class:`Predictor` gives them; they stay as they are.
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
