"""Convert ONNX files for other engines. The converters are optional requirements: the extra ``deploy`` in setup.cfg."""

import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from ...search_space.errors import InputError, WriteError
from .ncnn_file import INPUT_SIDES, NcnnLayer, param_text, read_param, weights_beside

# MNN's own commands install a telemetry package and report their use, and the quantiser's command passes its arguments in a
# form that its library no longer accepts. Calling the library directly avoids both.
_MNN = "import sys, MNN, _tools; getattr(_tools, sys.argv.pop(1))(sys.argv)"


def converted(onnx: Path, suffix: str, convert: Callable[[Path, Path], None]) -> Path:
    """Return the file with ``suffix`` beside ``onnx``; make it with ``convert`` if it is missing.

    Raises
    ------
    InputError
        If the file cannot be made or written.
    """
    file = onnx.with_suffix(suffix)
    if not file.is_file():
        try:
            with tempfile.TemporaryDirectory(prefix=f".{file.name}.", dir=file.parent) as folder:
                made = Path(folder) / file.name
                convert(onnx, made)
                # move the file itself last: once it exists, its companion files are complete
                for each in sorted(Path(folder).iterdir(), key=lambda each: each == made):
                    each.replace(file.with_name(each.name))
        except OSError as error:
            raise WriteError(f"cannot write {file}: {error.strerror or error}") from None
    return file


def install(package: str) -> str:
    """Return the command that installs an optional requirement by its own name, as no index has this package itself."""
    found = [line.partition(";")[0].strip() for line in requires("fbnet-pfld") or ()]
    wanted = next((line for line in found if re.match(rf"{re.escape(package)}\b", line, re.IGNORECASE)), package)
    return f"pip install {shlex.quote(wanted)}"


def mnn_version() -> str:
    """Name and version of the installed MNN; :class:`InputError` if it is not installed."""
    return _installed("MNN")


def ncnn_version() -> str:
    """Name and version of the installed ncnn; :class:`InputError` if it is not installed."""
    return _installed("ncnn")


def check_ncnn() -> None:
    """Raise :class:`InputError` if ncnn or pnnx, which makes its files, is not installed."""
    ncnn_version()
    _installed("pnnx")


def _installed(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        raise InputError(f"{package} is not installed; install it with: {install(package)}") from None


def to_mnn(onnx: Path, out: Path) -> None:
    """Convert an ONNX file to an MNN file, which keeps its metadata.

    Raises
    ------
    InputError
        If MNN is not installed or cannot convert the file.
    """
    _mnn_convert(onnx, out, "ONNX", "fbnet-pfld")


def annotate_mnn(source: Path, out: Path, note: str) -> None:
    """Copy an MNN file, and write ``note`` into the field ``bizCode`` of the copy.

    Raises
    ------
    InputError
        If MNN is not installed or cannot read the file.
    """
    _mnn_convert(source, out, "MNN", note)


def quantise_mnn(source: Path, out: Path, settings: Path) -> None:
    """Quantise an MNN file with MNN's quantiser, whose settings are in a JSON file.

    Raises
    ------
    InputError
        If MNN is not installed or cannot quantise the file.
    """
    _mnn_tool("mnnquant", source, [str(source), str(out), str(settings)], "Quantize model done", out)


def _mnn_convert(source: Path, out: Path, framework: str, note: str) -> None:
    _mnn_tool(
        "mnnconvert",
        source,
        ["-f", framework, "--modelFile", str(source), "--MNNModel", str(out), "--bizCode", note],
        "Converted Success",
        out,
    )


def _mnn_tool(tool: str, source: Path, arguments: list[str], end: str, out: Path) -> None:
    mnn_version()
    done = subprocess.run([sys.executable, "-c", _MNN, tool, *arguments], capture_output=True, text=True, errors="replace")
    if done.returncode or end not in done.stdout or not out.is_file():
        raise _refused("MNN", source, done)


def to_ncnn(onnx: Path, out: Path) -> None:
    """Convert an ONNX file to ncnn's format with pnnx.

    ``out`` holds the layers, and a ``.bin`` file beside it the weights in float32. ``out`` states the input size if the ONNX
    file does, and keeps its metadata.

    Raises
    ------
    InputError
        If pnnx is not installed or cannot convert the file.
    """
    try:
        from pnnx import EXEC_PATH
    except ImportError:
        raise InputError(f"pnnx is not installed; install it with: {install('pnnx')}") from None
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "net.onnx").write_bytes(onnx.read_bytes())
        done = subprocess.run([EXEC_PATH, "net.onnx", "fp16=0"], cwd=folder, capture_output=True, text=True, errors="replace")
        param = Path(folder) / "net.ncnn.param"
        if not (param.is_file() and weights_beside(param).is_file()):
            raise _refused("pnnx", onnx, done)
        layers, _ = read_param(param)
        weights = weights_beside(param).read_bytes()
    sides, metadata = _stated(onnx)
    weights_beside(out).write_bytes(weights)
    out.write_text(param_text([_sized(layer, sides) for layer in layers], metadata), encoding="utf-8")


def _stated(onnx: Path) -> tuple[list[int], dict[str, str]]:
    """Channels, height and width of an ONNX file's input (none if they are not fixed), and the file's metadata."""
    from onnx import load  # slower than all other imports here

    model = load(onnx)
    shapes = [[side.dim_value for side in entry.type.tensor_type.shape.dim[1:]] for entry in model.graph.input]
    sides = shapes[0] if len(shapes) == 1 and len(shapes[0]) == 3 and all(shapes[0]) else []
    return sides, {entry.key: entry.value for entry in model.metadata_props}


def _sized(layer: NcnnLayer, sides: list[int]) -> NcnnLayer:
    """Return an input layer with its size; other layers unchanged."""
    if layer.kind != "Input" or not sides:
        return layer
    return replace(layer, parameters=dict(zip(INPUT_SIDES, map(str, reversed(sides)), strict=True)))


def _refused(tool: str, onnx: Path, done: subprocess.CompletedProcess[str]) -> InputError:
    lines = (done.stdout + done.stderr).strip().splitlines()
    return InputError(f"{tool} cannot convert {onnx}: {lines[-1] if lines else f'exit code {done.returncode}'}")
