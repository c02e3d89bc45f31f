"""MNN on this machine: convert ONNX files, and run them. Its package is an extra, ``pip install fbnet-pfld[deploy]``."""

import ctypes
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from ..search_space.inputs import InputError

# MNN.tools.mnnconvert, the command, would install a telemetry package and report the conversion; what it calls does not.
_CONVERT = "import sys, MNN, _tools; _tools.mnnconvert(sys.argv)"


def mnn_engine() -> str:
    """Name and version of the installed MNN.

    Raises
    ------
    InputError
        If it is not installed.
    """
    try:
        return f"MNN {version('MNN')}"
    except PackageNotFoundError:
        raise InputError("MNN is not installed; allowed: pip install fbnet-pfld[deploy]") from None


def to_mnn(onnx: Path, out: Path) -> None:
    """Convert an ONNX file.

    Raises
    ------
    InputError
        If MNN is not installed or cannot convert the file.
    """
    mnn_engine()
    done = subprocess.run([sys.executable, "-c", _CONVERT, "-f", "ONNX", "--modelFile", str(onnx), "--MNNModel", str(out),
                           "--bizCode", "fbnet-pfld"], capture_output=True, text=True, errors="replace")
    if done.returncode or "Converted Success" not in done.stdout:
        lines = (done.stdout + done.stderr).strip().splitlines()
        raise InputError(f"MNN cannot convert {onnx}: {lines[-1] if lines else f'exit code {done.returncode}'}")


def mnn_runner(onnx: Path, threads: int) -> Callable[[], object]:
    """Return a call that copies random numbers in, runs the model once, and copies its output out."""
    file = onnx.with_suffix(".mnn")
    to_mnn(onnx, file)
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
