"""Which face of a frame is which of the frames before."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from ...runtime import Box

Array = NDArray[np.float64]

OVERLAP = 0.2
"""Intersection over union, of a face and where its track expects it, from which they are one."""

PATIENCE = 10
"""Frames in a row without its face after which a track is dropped."""

INERTIA = 0.5
"""Part of a track's velocity that stays when it is measured anew."""


@dataclass
class _Track:
    """A face that is followed: its last box, the box's change per frame, and how many frames ago it was seen."""

    box: Array
    velocity: Array
    unseen: int = 0

    @property
    def expected(self) -> Array:
        """The box in the next frame, if its motion goes on."""
        return self.box + (self.unseen + 1) * self.velocity


class Tracker:
    """Numbers faces from 0, in the order in which they appear; a face keeps its number while it is followed.

    Faces are matched with the boxes in which their tracks expect them, so that the sum of intersections over unions is largest
    (the Hungarian method). As in SORT (Bewley et al. 2016), motion is taken to be uniform, and goes on while a face is hidden.
    """

    def __init__(self) -> None:
        self._tracks: dict[int, _Track] = {}
        self._next = 0

    @property
    def followed(self) -> set[int]:
        """Numbers of the faces that are followed, seen or hidden."""
        return set(self._tracks)

    def __call__(self, boxes: Sequence[Box]) -> list[int]:
        """The number of each face of the next frame, given their boxes."""
        found = np.array(boxes, np.float64).reshape(-1, 4)
        numbers = list(self._tracks)
        expected = np.array([self._tracks[number].expected for number in numbers]).reshape(-1, 4)
        # match as much overlap as there is; too little of it is no match
        shared = overlaps(expected, found)
        rows, columns = linear_sum_assignment(shared, maximize=True)
        matched = {column: numbers[row] for row, column in zip(rows, columns, strict=True) if shared[row, column] >= OVERLAP}
        # the tracks of matched faces move on, the others wait, and new faces begin new ones
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
