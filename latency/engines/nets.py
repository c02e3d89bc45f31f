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
        Name and version of what runs it.
    shape
        Shape of its input, one image: (1, channels, height, width).
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
    """An inference engine that latencies on this machine can be measured with.

    Attributes
    ----------
    version
        Gives its name and version; raises :class:`InputError` if it is not installed.
    suffix
        Suffix of the files that it runs.
    convert
        Writes such a file from an ONNX file, given the paths of both; None for an engine that runs ONNX files.
    """

    version: Callable[[], str]
    suffix: str
    convert: Callable[[Path, Path], None] | None = None

    def file(self, onnx: Path) -> Path:
        """The engine's file of an ONNX file, made beside it if it is not there."""
        return onnx if self.convert is None else converted(onnx, self.suffix, self.convert)


Opener = Callable[[str | Path, int], Net]
"""Opens a file, given its path and a number of threads."""

NETS: dict[str, Opener] = {}
"""Suffix of a file -> what opens it."""

BESIDE: dict[str, Sequence[str]] = {}
"""Suffix of a file -> suffixes of the files that belong to it."""

ENGINES: dict[str, Engine] = {}
"""Name -> engine, of those that can be measured with: all but those whose files cannot be made from ONNX files."""


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
        What options and messages call it.
    suffix
        Suffix of its files, such as ``.onnx``, by which :func:`open_net` knows them.
    opener
        Makes a :class:`Net` from a file's path and a number of threads.
    version, convert
        As for :class:`Engine`. Without a version, the engine opens files but no table is measured with it.
    beside
        Suffixes of further files that a network of this engine has, named as the first one is.

    Raises
    ------
    InputError
        If the name or the suffix is taken.
    """
    if name in ENGINES:
        raise InputError(f"engine {name!r} is registered already; give the new one another name")
    if suffix in NETS:
        raise InputError(f"suffix {suffix!r} of engine {name!r} is another engine's already; give its files another one")
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
    """All files of the network in the file ``path``: that one and those beside that belong to it."""
    path = Path(path)
    return [path, *(path.with_suffix(suffix) for suffix in BESIDE.get(path.suffix, ()))]


def bytes_of(path: str | Path) -> int:
    """Size of the network in the file ``path``, with all its files."""
    return sum(file.stat().st_size for file in files_of(path))


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
