"""Files of networks, opened with the engines that run them on this machine."""

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray

from ..search_space.inputs import InputError, allowed
from .mnn import MnnNet
from .tensors import image_shape

METADATA = "metadata.json"
"""Name of the file within a TorchScript file that says what the network is."""


class Net(Protocol):
    """A network that is ready to run.

    Attributes
    ----------
    engine
        Name and version of what runs it.
    shape
        Of its input, one image: (1, channels, height, width).
    """

    engine: str
    shape: tuple[int, ...]

    def __call__(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run it on an image of its ``shape``; its output, (1, n)."""


class OnnxNet:
    """An ONNX file, run by onnxruntime on the CPU, as :class:`Net`.

    Raises
    ------
    InputError
        If onnxruntime cannot run the file.
    """

    engine = f"onnxruntime {onnxruntime.__version__}"

    def __init__(self, path: str | Path, threads: int = 1):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3  # errors; what it warns of is its own way of optimising
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's errors have no common public base class
            reason = str(error).splitlines()[0].rsplit(") ", 1)[-1]  # without the place in its sources
            raise InputError(f"not an ONNX model that onnxruntime can run: {path}: {reason}") from None
        inputs, outputs = ([(entry.type == "tensor(float)", entry.shape) for entry in side]
                           for side in (self._session.get_inputs(), self._session.get_outputs()))
        self.shape = image_shape(path, inputs, outputs)
        self._name = self._session.get_inputs()[0].name

    def __call__(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        return self._session.run(None, {self._name: image})[0]


class TorchScriptNet:
    """A TorchScript file that says its ``input_size`` in :data:`METADATA`, as export writes it, as :class:`Net`.

    Torch has one number of threads for the whole process: the one of the net that was opened last.

    Raises
    ------
    InputError
        If torch cannot run the file, or it does not say its input size.
    """

    engine = f"torch {torch.__version__}"

    def __init__(self, path: str | Path, threads: int = 1):
        inside = {METADATA: "{}"}
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)  # torch has plans for this format
                self._net = torch.jit.load(str(path), map_location="cpu", _extra_files=inside).eval()
            size = int(json.loads(inside[METADATA])["input_size"])
            self.shape = (1, 3, size, size)
            self(np.zeros(self.shape, np.float32))
        except (RuntimeError, ValueError, KeyError, TypeError):
            raise InputError(f"not a TorchScript network of this package: {path}; allowed: what export has written") from None
        torch.set_num_threads(threads)

    @torch.inference_mode()
    def __call__(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        return self._net(torch.from_numpy(image)).numpy()


# suffix of a file -> what opens it, given its path and a number of threads
NETS: dict[str, Callable[[str | Path, int], Net]] = {".onnx": OnnxNet, ".mnn": MnnNet, ".pt": TorchScriptNet}


def open_net(path: str | Path, threads: int = 1) -> Net:
    """Open a file of a network by its suffix.

    Raises
    ------
    InputError
        If the suffix is unknown, or the file is missing or not what the suffix says.
    """
    suffix = Path(path).suffix
    if suffix not in NETS:
        raise InputError(f"{path}: unknown suffix {suffix!r}; {allowed(NETS)}")
    try:
        with open(path, "rb") as file:
            file.read(1)
    except FileNotFoundError:
        raise InputError(f"network not found: {path}") from None
    except OSError as error:
        raise InputError(f"network cannot be read: {path}: {error.strerror}") from None
    return NETS[suffix](path, threads)


def run_each(net: Net, images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Run images (N, 3, S, S) one by one; the outputs, (N, n)."""
    return np.concatenate([net(image[None]) for image in images])
