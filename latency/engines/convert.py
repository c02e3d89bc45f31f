"""From ONNX files to those of other engines. The converters are optional requirements: the extra ``deploy`` in setup.cfg."""

import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from ...search_space.errors import InputError
from ...search_space.files import atomic_path

# MNN's commands would install a telemetry package and report what they do, and that of the quantiser passes its arguments in
# a form that its library no longer takes; what they call does neither.
_MNN = "import sys, MNN, _tools; getattr(_tools, sys.argv.pop(1))(sys.argv)"


def converted(onnx: Path, suffix: str, convert: Callable[[Path, Path], None]) -> Path:
    """Return the file beside ``onnx`` that ``convert`` makes of it, making it if it is not there."""
    file = onnx.with_suffix(suffix)
    if not file.is_file():
        with atomic_path(file) as temporary:
            convert(onnx, temporary)
    return file


def install(package: str) -> str:
    """The command that installs one of this package's optional requirements; it is on no index itself, its requirements are."""
    found = [line.partition(";")[0].strip() for line in requires("fbnet-pfld") or ()]
    wanted = next((line for line in found if re.match(rf"{re.escape(package)}\b", line, re.IGNORECASE)), package)
    return f"pip install {shlex.quote(wanted)}"


def mnn_version() -> str:
    """Name and version of the installed MNN.

    Raises
    ------
    InputError
        If it is not installed.
    """
    try:
        return f"MNN {version('MNN')}"
    except PackageNotFoundError:
        raise InputError(f"MNN is not installed; install it with: {install('MNN')}") from None


def to_mnn(onnx: Path, out: Path) -> None:
    """Convert an ONNX file to MNN's, which keeps its metadata.

    Raises
    ------
    InputError
        If MNN is not installed or cannot convert the file.
    """
    _mnn_convert(onnx, out, "ONNX", "fbnet-pfld")


def annotate_mnn(source: Path, out: Path, note: str) -> None:
    """Copy an MNN file with ``note`` in its field ``bizCode``.

    Raises
    ------
    InputError
        If MNN is not installed or cannot read the file.
    """
    _mnn_convert(source, out, "MNN", note)


def quantise_mnn(source: Path, out: Path, settings: Path) -> None:
    """Quantise an MNN file by MNN's quantiser, whose settings are in a JSON file.

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
    """Convert an ONNX file to ncnn's ``.param`` file, which is all that its benchmark reads, by way of pnnx.

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
        done = subprocess.run([EXEC_PATH, "net.onnx"], cwd=folder, capture_output=True, text=True, errors="replace")
        param = Path(folder) / "net.ncnn.param"
        if not param.is_file():
            raise _refused("pnnx", onnx, done)
        out.write_bytes(param.read_bytes())


def _refused(tool: str, onnx: Path, done: subprocess.CompletedProcess[str]) -> InputError:
    lines = (done.stdout + done.stderr).strip().splitlines()
    return InputError(f"{tool} cannot convert {onnx}: {lines[-1] if lines else f'exit code {done.returncode}'}")
