"""From a picture and a face's square to the face's points: what an app does with an exported network."""

from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from ..evaluators.prepare.crop import cut
from ..search_space.inputs import InputError

Image = NDArray[np.uint8]
Square = tuple[float, float, float]
"""Left edge, upper edge and side, in pixels of a picture; pixel i reaches from i to i + 1."""


class Landmarker:
    """A landmark network in an ONNX file.

    ``landmarker(image, square)`` is ``locate(run(prepare(image, square)), square)``.

    Attributes
    ----------
    size
        Side of the network's input, in pixels.
    num_points
        Landmarks that it predicts.

    Parameters
    ----------
    runner
        The file, opened.
    path
        Its name, for messages.

    Raises
    ------
    InputError
        If its input is not one square BGR image, or its output not an x and a y per point.
    """

    def __init__(self, runner: onnxruntime.InferenceSession, path: str | Path):
        tensors = [[(entry.type, *entry.shape) for entry in side] for side in (runner.get_inputs(), runner.get_outputs())]
        match tensors:
            case [[("tensor(float)", 1, 3, int(height), int(width))], [("tensor(float)", 1, int(numbers))]] \
                    if height == width and numbers % 2 == 0:
                self.size, self.num_points = height, numbers // 2
            case [inputs, outputs]:
                raise InputError(f"{path}: inputs {inputs}, outputs {outputs}; allowed: one float input (1, 3, S, S) and one "
                                 "float output (1, 2 * points), as export writes them")
        self._runner, self._path = runner, path
        self._input = runner.get_inputs()[0].name

    def __call__(self, image: Image, square: Square) -> NDArray[np.float32]:
        """Points (P, 2) in pixels of ``image``, uint8 (H, W, 3), BGR, of the face in ``square``."""
        return self.locate(self.run(self.prepare(image, square)), square)

    def prepare(self, image: Image, square: Square) -> NDArray[np.float32]:
        """The square as the network sees it: float32 (1, 3, S, S), 0..1; outside of the picture its border is repeated."""
        left, upper, side = square
        scale = self.size / side
        crop = cut(image, np.array([[scale, 0, -scale * left], [0, scale, -scale * upper]]), self.size)
        return crop.transpose(2, 0, 1)[None] / np.float32(255)

    def run(self, crop: NDArray[np.float32]) -> NDArray[np.float32]:
        """Points (P, 2) in parts of the crop's side.

        Raises
        ------
        InputError
            If they are not finite: the file is of a network that has diverged.
        """
        points = self._runner.run(None, {self._input: crop})[0].reshape(-1, 2)
        if not np.isfinite(points).all():
            raise InputError(f"{self._path}: points that are not finite; allowed: a trained network")
        return points

    @staticmethod
    def locate(points: NDArray[np.float32], square: Square) -> NDArray[np.float32]:
        """Bring points (P, 2) of the crop back into the picture, in pixels."""
        left, upper, side = square
        return points * np.float32(side) + np.array((left, upper), np.float32)
