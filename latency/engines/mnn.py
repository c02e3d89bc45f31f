"""MNN's runtime on this machine."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...search_space.errors import InputError
from .convert import mnn_version
from .silence import STDOUT, quietly
from .tensors import image_shape


class MnnNet:
    """A ``.mnn`` file whose input is one image, opened as :class:`~fbnet_pfld.latency.engines.nets.Net`.

    A call copies the image in, runs the network, and copies its output out.

    Raises
    ------
    InputError
        If MNN is not installed, or cannot run the file.
    """

    def __init__(self, path: str | Path, threads: int = 1):
        self.engine = mnn_version()
        with quietly(STDOUT):  # MNN prints about the machine and each session
            import MNN

            try:
                self._net = MNN.Interpreter(str(path))
            except Exception:  # MNN has no exception class, and the text only says where to read more
                raise InputError(f"not a network that MNN can run: {path}") from None
            self._session = self._net.createSession({"numThread": threads, "precision": "high"})
            inputs, outputs = (
                [(tensor.getDataType() == MNN.Halide_Type_Float, tensor.getShape()) for tensor in side.values()]
                for side in (self._net.getSessionInputAll(self._session), self._net.getSessionOutputAll(self._session))
            )
            self.shape = image_shape(path, inputs, outputs)
            self._entry = self._net.getSessionInput(self._session)
            self._net.resizeTensor(self._entry, self.shape)
            self._net.resizeSession(self._session)
        exit_ = self._net.getSessionOutput(self._session)

        def tensor(values: NDArray[np.float32]) -> "MNN.Tensor":
            return MNN.Tensor(values.shape, MNN.Halide_Type_Float, values, MNN.Tensor_DimensionType_Caffe)

        self._tensor, self._exit, self._result = tensor, exit_, tensor(np.zeros(exit_.getShape(), np.float32))

    def __call__(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        self._entry.copyFrom(self._tensor(image))
        self._net.runSession(self._session)
        self._exit.copyToHostTensor(self._result)
        output: NDArray[np.float32] = self._result.getNumpyData().reshape(1, -1).copy()
        return output
