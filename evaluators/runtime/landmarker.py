"""Find the landmarks of a face in a picture, from the face's box, with a file that ``fbnet-pfld export`` wrote.

This file needs numpy, OpenCV and onnxruntime, but nothing else from its package; an app can copy it::

    import cv2
    from fbnet_pfld.runtime import Landmarker  # in a copy: from landmarker import Landmarker

    landmarker = Landmarker("output/subnet.onnx")
    points = landmarker(cv2.imread("photo.jpg"), box=(120, 80, 200, 260))  # (P, 2), pixels; the box of a face detector

In a picture, pixel i spans i to i + 1, so (0, 0) is the picture's upper left corner and not the centre of a pixel.
"""

from collections.abc import Sequence
from math import ceil, isfinite
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
from numpy.typing import NDArray

Image = NDArray[np.uint8]
"""A picture (H, W, 3), BGR, as OpenCV reads it."""
Box = tuple[float, float, float, float]
"""Left edge, upper edge, width and height, in pixels."""
Square = tuple[float, float, float]
"""Left edge, upper edge and side, in pixels."""

MARGIN = 1.2
"""Side of a crop divided by the larger side of the points' extent, as in the reference."""

BELOW_FOREHEAD = 0.8
"""Lower fraction of a face's box that contains the landmarks. Detectors' boxes reach from the forehead to the chin and from
cheek to cheek, as in WIDER FACE (Yang et al. 2016, section 3); landmarks start at the brows. They cover a little over two
thirds of the distance from the hairline to the chin, but detectors differ in where on the forehead a box starts. Of the
fractions 0.7 to 1, this one has the best worst case: on 300 rendered faces, a network's NME of 4.4 % became 5.1 if the true
fraction is 0.7, 4.6 if it is 0.9, and 5.5 if the box contains only the landmarks."""

LARGE = 8
"""Ratio of a face's side to the crop's side above which the whole picture is reduced first, to bound memory."""
LARGEST = 1e6
"""Side of a square, in pixels, that exceeds every picture that OpenCV can crop."""

STATED = {"colour_order": "BGR", "input_range": "0..1"}
"""Required values of these metadata keys, if a file has them; crops are always made this way."""
EXPORTED = "give an ONNX file written by fbnet-pfld export"


class ModelError(ValueError):
    """An ONNX file that is not a landmark network or expects other input; the message is one line and names the file."""


class Landmarker:
    """A landmark network in an ONNX file, float or INT8.

    ``landmarker(bgr, box)`` is ``locate(run(prepare(bgr, square)), square)`` with ``square = square_of(box)``.

    Attributes
    ----------
    size
        Side S of the network's input, in pixels.
    num_points
        Number P of landmarks.
    metadata : dict of str
        Metadata of the file.

    Parameters
    ----------
    path
        ONNX file. Its input must be float32 (1, 3, S, S), its output (1, 2P): x0 y0 x1 y1 ... as fractions of the crop's side.
        Both may have a dynamic batch dimension N instead of 1.
    threads
        CPU threads of the network. OpenCV, which makes the crop, has its own setting.

    Raises
    ------
    ModelError
        If the file is missing or not such a network, or its metadata state another colour order or input range.
    """

    def __init__(self, path: str | Path, threads: int = 1):
        self._path, self._runner = path, _open(path, threads)
        inputs, outputs = (
            [(entry.type, *entry.shape) for entry in side] for side in (self._runner.get_inputs(), self._runner.get_outputs())
        )
        match inputs, outputs:
            # a dynamic dimension is a name or None
            case (
                [("tensor(float)", 1 | str() | None, 3, int(height), int(width))],
                [("tensor(float)", 1 | str() | None, int(numbers))],
            ) if height == width and numbers > 0 and numbers % 2 == 0:
                self.size, self.num_points = height, numbers // 2
            case _:
                raise ModelError(
                    f"{path}: inputs {inputs}, outputs {outputs}; the network must have one float input (1, 3, S, S) and one "
                    "float output (1, 2 * points), or N instead of 1, as written by fbnet-pfld export"
                )
        self.metadata: dict[str, str] = dict(self._runner.get_modelmeta().custom_metadata_map)
        for key, value in STATED.items():
            if self.metadata.get(key, value) != value:
                raise ModelError(f"{path}: metadata state {key}: {self.metadata[key]!r}; allowed: {value}")
        self._input = self._runner.get_inputs()[0].name

    def __call__(self, bgr: Image, box: Sequence[float] | None = None) -> NDArray[np.float32]:
        """Find the points of one face.

        Parameters
        ----------
        bgr
            The picture, uint8 (H, W, 3), BGR.
        box
            x, y, width and height of the face, in pixels, from forehead to chin, as face detectors return them. None if the
            whole picture is the crop of a face, as in a data set.

        Returns
        -------
        float32 (P, 2)
            x and y, in pixels of the picture.

        Raises
        ------
        ModelError
            If the points are not finite.
        ValueError
            If ``bgr`` is not such a picture or ``box`` is invalid.
        """
        square = square_of_crop(bgr) if box is None else square_of(box)
        return self.locate(self.run(self.prepare(bgr, square)), square)

    def prepare(self, bgr: Image, square: Square) -> NDArray[np.float32]:
        """Crop the square to a network input, float32 (1, 3, S, S), 0..1; the picture's border is repeated outside it.

        Raises
        ------
        ValueError
            If ``bgr`` is not a picture, uint8 (H, W, 3), or ``square`` is invalid.
        """
        _check_picture(bgr)
        crop = cut(bgr, matrix_of(square, self.size), self.size)
        return crop.transpose(2, 0, 1)[None] / np.float32(255)

    def run(self, crop: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run the network on a crop, float32 (1, 3, S, S); return points, float32 (P, 2), as fractions of the crop's side.

        Raises
        ------
        ModelError
            If the points are not finite, because the network has diverged.
        """
        points = self._runner.run(None, {self._input: crop})[0].reshape(-1, 2)
        if not np.isfinite(points).all():
            raise ModelError(f"{self._path}: predicted points are not finite; the network has diverged")
        return points

    @staticmethod
    def locate(points: NDArray[np.float32], square: Square) -> NDArray[np.float32]:
        """Map points (P, 2) from fractions of the crop's side to pixels of the picture."""
        left, upper, side = square
        return points * np.float32(side) + np.array((left, upper), np.float32)


def square_of(box: Sequence[float]) -> Square:
    """Return the square around the landmarks of a face in a box, as in training: 1.2 times the larger side of their extent.

    Raises
    ------
    ValueError
        If the box is not four finite numbers, the last two above 0.
    """
    numbers = [float(number) for number in box]
    if len(numbers) != 4 or not all(map(isfinite, numbers)) or min(numbers[2:]) <= 0:
        raise ValueError(f"box {numbers}; give x, y, width and height in pixels, the last two above 0")
    left, upper, width, height = numbers
    below = BELOW_FOREHEAD * height
    side = MARGIN * max(width, below)
    return left + (width - side) / 2, upper + height - (below + side) / 2, side


def square_of_crop(bgr: Image) -> Square:
    """Return the square around a picture that is the crop of a face."""
    _check_picture(bgr)
    height, width = bgr.shape[:2]
    side = max(width, height)
    return (width - side) / 2, (height - side) / 2, side


def matrix_of(square: Square, size: int) -> NDArray[np.float64]:
    """Return the matrix (2, 3) that maps pixels of the picture to pixels of the square's crop of ``size`` pixels.

    Raises
    ------
    ValueError
        If the square is not finite, or its side is not above 0 or exceeds every picture.
    """
    left, upper, side = square
    if not (isfinite(left) and isfinite(upper) and 0 < side < LARGEST):
        raise ValueError(f"square {square}; give left edge, upper edge and side in pixels, the side above 0")
    scale = size / side
    return np.array([[scale, 0, -scale * left], [0, scale, -scale * upper]])


def cut(image: Image, matrix: NDArray[np.float64], size: int) -> Image:
    """Make the crop, uint8 (size, size, 3); ``matrix`` (2, 3) maps pixels of the picture to pixels of the crop.

    Pixels outside the picture repeat its border. A large face is cropped at an integer multiple of the size, close to its own
    resolution, and averaged down, which prevents aliasing. Data sets are prepared with the same function, so a network gets the
    same input in an app as in training.
    """
    source: NDArray[Any] = image
    times = _reduction(matrix)
    # reduce the whole picture first, if the face is so large that its crop would take too much memory
    if times > LARGE:
        height, width = source.shape[:2]
        small = max(1, width * LARGE // times), max(1, height * LARGE // times)
        source = cv2.resize(source, small, interpolation=cv2.INTER_AREA)
        matrix = matrix * (width / small[0], height / small[1], 1)
        times = min(_reduction(matrix), LARGE)  # a side of one pixel cannot be reduced as far as intended
    # crop at a multiple of the size; warpAffine counts from the centre of the first pixel
    fine = times * matrix
    fine[:, 2] += fine[:, :2] @ (0.5, 0.5) - 0.5
    side = times * size
    crop: NDArray[Any] = cv2.warpAffine(source, fine, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    # average down
    if times > 1:
        crop = cv2.resize(crop, (size, size), interpolation=cv2.INTER_AREA)
    return crop


def _reduction(matrix: NDArray[np.float64]) -> int:
    """Return the number of picture pixels per crop pixel along a side, rounded up."""
    return max(1, ceil(1 / np.sqrt(abs(np.linalg.det(matrix[:, :2])))))


def _check_picture(bgr: Image) -> None:
    if not (isinstance(bgr, np.ndarray) and bgr.dtype == np.uint8 and bgr.ndim == 3 and bgr.shape[2] == 3 and bgr.size):
        raise ValueError("not a picture; give a uint8 array (H, W, 3), BGR, as OpenCV reads it")


def _open(path: str | Path, threads: int) -> onnxruntime.InferenceSession:
    try:
        with open(path, "rb") as file:
            file.read(1)
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}; {EXPORTED}") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no common public base class
        raise ModelError(f"{path}: onnxruntime cannot run this model: {str(error).splitlines()[0]}; {EXPORTED}") from None
