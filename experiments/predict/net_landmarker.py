"""The runtime's landmarker for files of all installed engines; the runtime itself only runs ONNX files."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...latency import NETS, open_net
from ...runtime import Landmarker
from ...search_space.errors import InputError


class NetLandmarker(Landmarker):
    """A landmark network in an exported file of any engine, with one thread; its ``metadata`` stay empty.

    Raises
    ------
    InputError
        If the file is missing, is not a network of its engine, or does not predict points of a square image.
    """

    def __init__(self, path: str | Path):
        net = open_net(path)
        output = net(np.zeros(net.shape, np.float32))
        batch, channels, height, width = net.shape
        if (batch, channels) != (1, 3) or height != width or output.size % 2 or not output.size:
            raise InputError(
                f"{path}: input {net.shape}, output {output.shape}; expected (1, 3, S, S) and (1, 2 * points), as "
                "fbnet-pfld export writes them"
            )
        self._path, self._runner, self._input = path, _Runner(net), ""
        self.size, self.num_points, self.metadata = height, output.size // 2, {}


class _Runner:
    """A net with the interface of an onnxruntime session, which the landmarker expects."""

    def __init__(self, net: Any):
        self._net = net

    def run(self, _: None, feed: dict[str, NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        return [self._net(*feed.values())]


def open_landmarker(path: Path) -> Landmarker:
    """Open the landmarker of an exported file: the runtime's own for ONNX files and unknown suffixes.

    Raises
    ------
    InputError, ModelError
        If the file cannot be used.
    """
    return NetLandmarker(path) if path.suffix in NETS and path.suffix != ".onnx" else Landmarker(path)
