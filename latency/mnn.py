"""MNN's runtime on this machine."""

import ctypes
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from .convert import converted, to_mnn


def mnn_runner(onnx: Path, threads: int) -> Callable[[], object]:
    """Return a call that copies random numbers in, runs the model once, and copies its output out."""
    file = converted(onnx, ".mnn", to_mnn)
    with _silently():
        import MNN

        net = MNN.Interpreter(str(file))
        running = net.createSession({"numThread": threads, "precision": "high"})
    entry, exit_ = net.getSessionInput(running), net.getSessionOutput(running)

    def tensor(values: np.ndarray) -> "MNN.Tensor":
        return MNN.Tensor(values.shape, MNN.Halide_Type_Float, values, MNN.Tensor_DimensionType_Caffe)

    image = tensor(np.random.default_rng(0).random(entry.getShape(), np.float32))
    result = tensor(np.zeros(exit_.getShape(), np.float32))

    def run() -> np.ndarray:
        entry.copyFrom(image)
        net.runSession(running)
        exit_.copyToHostTensor(result)
        return result

    return run


@contextmanager
def _silently() -> Iterator[None]:
    """Drop what MNN prints about the machine and each session: standard output is for results."""
    sys.stdout.flush()
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        yield
    finally:
        ctypes.CDLL(None).fflush(None)
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)
