"""Track faces from frame to frame."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from ...runtime import Box

Array = NDArray[np.float64]

OVERLAP = 0.2
"""Minimum intersection over union of a face and the box that its track expects."""

PATIENCE = 10
"""Number of consecutive frames without its face after which a track is dropped."""

INERTIA = 0.5
"""Weight of a track's previous velocity when it is updated."""


@dataclass
class _Track:
    """A tracked face: its last box, the box's change per frame, and the number of frames since it was seen."""

    box: Array
    velocity: Array
    unseen: int = 0

    @property
    def expected(self) -> Array:
        """The box in the next frame, if its motion continues."""
        return self.box + (self.unseen + 1) * self.velocity


class Tracker:
    """Number faces from 0, in the order in which they appear; a face keeps its number while it is tracked.

    Faces are matched with the boxes that their tracks expect, so that the sum of intersections over unions is largest (the
    Hungarian method). As in SORT (Bewley et al. 2016), motion is assumed to be uniform, and continues while a face is hidden.
    """

    def __init__(self) -> None:
        self._tracks: dict[int, _Track] = {}
        self._next = 0

    @property
    def followed(self) -> set[int]:
        """Numbers of the tracked faces, visible or hidden."""
        return set(self._tracks)

    def __call__(self, boxes: Sequence[Box]) -> list[int]:
        """Return the number of each face of the next frame, given the boxes."""
        found = np.array(boxes, np.float64).reshape(-1, 4)
        numbers = list(self._tracks)
        expected = np.array([self._tracks[number].expected for number in numbers]).reshape(-1, 4)
        # maximise the total overlap; pairs with too little are no matches
        shared = overlaps(expected, found)
        rows, columns = linear_sum_assignment(shared, maximize=True)
        matched = {column: numbers[row] for row, column in zip(rows, columns, strict=True) if shared[row, column] >= OVERLAP}
        # update the tracks of matched faces, let the others wait, and start tracks for new faces
        for column, number in matched.items():
            track = self._tracks[number]
            change = (found[column] - track.box) / (track.unseen + 1)
            velocity = INERTIA * track.velocity + (1 - INERTIA) * change
            self._tracks[number] = _Track(found[column], velocity)
        for number in set(numbers) - set(matched.values()):
            self._tracks[number].unseen += 1
            if self._tracks[number].unseen > PATIENCE:
                del self._tracks[number]
        return [matched[column] if column in matched else self._begin(box) for column, box in enumerate(found)]

    def _begin(self, box: Array) -> int:
        number = self._next
        self._next += 1
        self._tracks[number] = _Track(box, np.zeros(4))
        return number


def overlaps(a: Array, b: Array) -> Array:
    """Intersection over union, (n, m), of boxes (n, 4) and (m, 4): left, upper, width and height."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, :2] + a[:, None, 2:], b[None, :, :2] + b[None, :, 2:])
    shared = np.prod(np.maximum(0, high - low), axis=2)
    areas = np.prod(a[:, 2:], axis=1)[:, None] + np.prod(b[:, 2:], axis=1)[None]
    return shared / np.maximum(areas - shared, 1e-9)
