"""Network files, opened with the engines that run them on this machine; :func:`register_engine` adds an engine."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from ...search_space.errors import InputError, allowed
from .convert import converted, mnn_version, ncnn_version, to_mnn, to_ncnn
from .mnn import MnnNet
from .tensors import image_shape


class Net(Protocol):
    """A network that is ready to run.

    Attributes
    ----------
    engine
        Name and version of the engine.
    shape
        Shape of the input, one image: (1, channels, height, width).
    """

    engine: str
    shape: tuple[int, ...]

    def __call__(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run the network on an image of ``shape``, float32; return its output (1, n)."""


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
        options.log_severity_level = 3  # errors only: the warnings are about its own optimiser
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's errors have no common public base class
            reason = str(error).splitlines()[0].rsplit(") ", 1)[-1]  # without the source location
            raise InputError(f"not an ONNX model that onnxruntime can run: {path}: {reason}") from None
        inputs, outputs = (
            [(entry.type == "tensor(float)", entry.shape) for entry in side]
            for side in (self._session.get_inputs(), self._session.get_outputs())
        )
        self.shape = image_shape(path, inputs, outputs)
        self._name = self._session.get_inputs()[0].name

    def __call__(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        output: NDArray[np.float32] = self._session.run(None, {self._name: image})[0]
        return output


@dataclass(frozen=True)
class Engine:
    """An inference engine that can measure latencies on this machine.

    Attributes
    ----------
    version
        Returns its name and version; raises :class:`InputError` if it is not installed.
    suffix
        Suffix of its files.
    convert
        Converts an ONNX file to the engine's format, given both paths; None for an engine that runs ONNX files.
    """

    version: Callable[[], str]
    suffix: str
    convert: Callable[[Path, Path], None] | None = None

    def file(self, onnx: Path) -> Path:
        """Return the engine's file beside an ONNX file; convert it if it is missing."""
        return onnx if self.convert is None else converted(onnx, self.suffix, self.convert)


Opener = Callable[[str | Path, int], Net]
"""Opens a file; arguments: its path, number of threads."""

NETS: dict[str, Opener] = {}
"""Suffix of a file -> function that opens it."""

BESIDE: dict[str, Sequence[str]] = {}
"""Suffix of a file -> suffixes of its companion files."""

ENGINES: dict[str, Engine] = {}
"""Name -> engine that can measure latencies; engines whose files cannot be made from ONNX files are not listed."""


def register_engine(
    name: str,
    suffix: str,
    opener: Opener,
    version: Callable[[], str] | None = None,
    convert: Callable[[Path, Path], None] | None = None,
    beside: Sequence[str] = (),
) -> None:
    """Add an inference engine.

    Parameters
    ----------
    name
        Its name in options and messages.
    suffix
        Suffix of its files, such as ``.onnx``, by which :func:`open_net` selects the engine.
    opener
        Makes a :class:`Net` from a file's path and a number of threads.
    version, convert
        As in :class:`Engine`. An engine without ``version`` opens files but cannot measure a table.
    beside
        Suffixes of companion files, which have the name of the main file.

    Raises
    ------
    InputError
        If the name or the suffix is taken.
    """
    if name in ENGINES:
        raise InputError(f"engine {name!r} is registered already; give the new one another name")
    if suffix in NETS:
        raise InputError(f"suffix {suffix!r} of engine {name!r} belongs to another engine already; give its files another one")
    NETS[suffix], BESIDE[suffix] = opener, beside
    if version is not None:
        ENGINES[name] = Engine(version, suffix, convert)


def _open_torchscript(path: str | Path, threads: int) -> Net:
    from .torchscript import TorchScriptNet  # loads torch, which no other engine needs

    return TorchScriptNet(path, threads)


def _open_ncnn(path: str | Path, threads: int) -> Net:
    from .ncnn_net import NcnnNet

    return NcnnNet(path, threads)


register_engine("onnxruntime", ".onnx", OnnxNet, lambda: OnnxNet.engine)
register_engine("mnn", ".mnn", MnnNet, mnn_version, to_mnn)
register_engine("ncnn", ".param", _open_ncnn, ncnn_version, to_ncnn, beside=[".bin"])
register_engine("torchscript", ".pt", _open_torchscript)


def files_of(path: str | Path) -> list[Path]:
    """All files of a network: ``path`` and its companion files."""
    path = Path(path)
    return [path, *(path.with_suffix(suffix) for suffix in BESIDE.get(path.suffix, ()))]


def bytes_of(path: str | Path) -> int:
    """Total size of all files of a network, in bytes."""
    return sum(file.stat().st_size for file in files_of(path))


def open_net(path: str | Path, threads: int = 1) -> Net:
    """Open a network file with the engine that its suffix names.

    Raises
    ------
    InputError
        If the suffix is unknown, or the file is missing or invalid.
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
    """Run images (N, 3, S, S) one by one; return the outputs (N, n)."""
    return np.concatenate([net(image[None]) for image in images])
