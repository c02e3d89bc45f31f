"""Run networks on the emulated core, for their counts and for their outputs.

All runs are identical: environment, names, addresses and random numbers are fixed, so that the counts do not depend on the
machine's load. On another machine QEMU finds other addresses, and the cache misses differ by about 1 %.
"""

import signal
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...search_space.errors import InputError
from .components import PACKAGES, PYTHON, Components

ENVIRONMENT = {
    "PYTHONHOME": "/usr",
    "PYTHONPATH": f"/{PACKAGES}",
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
    "LD_PRELOAD": "/openmp.so",
}
ENGINES = ("ncnn", "_mnncengine")
"""Python modules of the engines."""

NAMES = {".param": ("ncnn", "net.param"), ".mnn": ("mnn", "net.mnn")}
"""Suffix of a network's file -> the engine that runs it, and the file's name on the emulated core."""

WEIGHTS = ".bin"
TIMEOUT_S = 1800
COUNTS = "counts"

Floats = NDArray[np.float32]


def engine_of(file: Path) -> str:
    """Return the engine that runs a file on the emulated core; :class:`InputError` if none does."""
    if file.suffix not in NAMES:
        raise InputError(f"{file}: no engine runs it on the emulated core; expected a file that ends in {' or '.join(NAMES)}")
    return NAMES[file.suffix][0]


def count(components: Components, file: Path, shape: tuple[int, int, int], threads: int = 1) -> str:
    """Run a network once with warm caches; return the counting plugin's text, see :mod:`.counts`.

    Parameters
    ----------
    file
        ncnn's ``.param``, with or without the ``.bin`` file of the weights beside it, or MNN's ``.mnn``.
    shape
        Channels, height and width of its input.
    threads
        Virtual threads, whose shares run one after another; 1 for MNN, which starts threads itself.

    Raises
    ------
    InputError
        If the engine cannot run the network, crashes on it, or QEMU cannot load the plugin.
    """
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        plugin = ["-plugin", f"{components.plugin},out={work / COUNTS}"]
        _emulate(components, file, shape, threads, work, plugin)
        written = work / f"{COUNTS}.1"  # of the second run
        if not written.is_file():
            raise InputError(f"{components.qemu} did not load the counting plugin; install a QEMU with plugins, such as 7.2")
        return written.read_text(encoding="ascii")


def outputs(components: Components, file: Path, images: Floats) -> Floats:
    """Run a network on images (N, channels, height, width); return its outputs (N, n), float32.

    Raises
    ------
    InputError
        As :func:`count`.
    """
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        (work / "images").write_bytes(np.ascontiguousarray(images, np.float32).tobytes())
        _emulate(components, file, images.shape[1:], 1, work, [])
        found = np.fromfile(work / "outputs", np.float32)
        return found.reshape(len(images), -1)


def try_engines(components: Components) -> None:
    """Load each engine on the emulated core, without a network; :class:`InputError` if one cannot be loaded."""
    for engine in ENGINES:
        with tempfile.TemporaryDirectory() as folder:
            _run(components, engine, ["-S", "-P", "-c", f"import {engine}"], Path(folder), [])


def _emulate(components: Components, file: Path, shape: tuple[int, ...], threads: int, work: Path, options: list[str]) -> None:
    engine = engine_of(file)
    # fixed names for the network and the system: all paths that the program sees have the same length in every run
    (work / NAMES[file.suffix][1]).symlink_to(file.resolve())
    if file.with_suffix(WEIGHTS).is_file():
        (work / f"net{WEIGHTS}").symlink_to(file.with_suffix(WEIGHTS).resolve())
    try:
        _run(components, engine, ["-S", "-P", "/guest.py", engine, str(threads), *map(str, shape)], work, options)
    except InputError as error:
        raise InputError(f"{file}: {error}") from None


def _run(components: Components, engine: str, arguments: list[str], work: Path, options: list[str]) -> None:
    """Run Python on the emulated core, in the folder ``work``."""
    (work / "system").symlink_to(components.system)
    # an option of QEMU sets the emulated program's variables, so that QEMU itself runs without the preloaded library
    variables = [option for name, value in ENVIRONMENT.items() for option in ("-E", f"{name}={value}")]
    command = [
        components.setarch,
        "-R",  # no random addresses
        components.qemu,
        *("-cpu", components.cpu, "-L", "system", *variables, "-seed", "0", "-0", f"/{PYTHON}"),
        *options,
        f"system/{PYTHON}",
        *arguments,
    ]
    try:
        done = subprocess.run(command, cwd=work, env={}, capture_output=True, text=True, errors="replace", timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        raise InputError(f"{engine} did not finish on the emulated {components.cpu} within {TIMEOUT_S} s") from None
    if done.returncode:
        raise InputError(_reason(engine, components, done))


def _reason(engine: str, components: Components, done: "subprocess.CompletedProcess[str]") -> str:
    said = [line for line in done.stderr.splitlines() if line.strip()]
    number = -done.returncode if done.returncode < 0 else done.returncode - 128
    if any("plugin" in line.lower() and "qemu" in line for line in said):
        return f"QEMU cannot load the counting plugin: {said[-1]}; install a QEMU with plugins, such as Debian's qemu-user 7.2"
    if number in set(signal.Signals):
        return f"{engine} crashed on the emulated {components.cpu}: {signal.Signals(number).name}"
    return f"{said[-1] if said else f'exit code {done.returncode}'} (on the emulated {components.cpu})"
