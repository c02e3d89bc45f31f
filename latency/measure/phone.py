"""Latency on an Android phone: MNN's and ncnn's own benchmark programs, run over ``adb``.

The user provides the program, built for the phone. This module converts the models, pushes them, times them and removes them.
"""

import hashlib
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ...search_space.errors import InputError, allowed
from ..engines.convert import converted, to_mnn, to_ncnn
from .adb import Adb
from .rounds import Method, Timing

FOLDER = "/data/local/tmp/fbnet-pfld"
"""Folder on the phone, inside the one that Android keeps for programs started over adb."""

LOOPS = 50
WARM_UP = 10
THROTTLED = 0.95
"""A timing counts as throttled if the clock is below this share of the core's highest."""

_CLOCKS = "for f in /sys/devices/system/cpu/cpu[0-9]*/cpufreq/{}; do echo $f $(cat $f 2>/dev/null); done"
_TEMPERATURES = "for f in /sys/class/thermal/thermal_zone*/temp; do echo $f $(cat $f 2>/dev/null); done"
_HOTTEST = 130
"""Readings from this many degrees Celsius are not temperatures of a processor."""


@dataclass(frozen=True)
class Program:
    """A benchmark program: its files, its command line, and the line that it prints per model.

    Attributes
    ----------
    command
        Template with ``model`` (path of the file), ``folder`` (with this file alone), ``loops``, ``warm_up``, ``threads`` and
        ``size``.
    line
        Regular expression with a group ``avg`` in milliseconds.
    pins_itself
        Whether it moves its threads to the big cores, regardless of its affinity.
    """

    engine: str
    precision: str
    suffix: str
    convert: Callable[[Path, Path], None]
    command: str
    line: str
    pins_itself: bool = False


# Arguments and output follow MNN's benchmark/benchmark.cpp (precision 1 is high) and ncnn's benchmark/benchncnn.cpp
# (power mode 2 keeps its threads on the big cores, GPU -1 is none).
PROGRAMS = {
    "benchmark.out": Program(
        "MNN",
        "fp32",
        ".mnn",
        to_mnn,
        "./benchmark.out {folder} {loops} {warm_up} 0 {threads} 1",
        r"\[ - \]\s+\S+\s+max\s*=\s*[\d.]+\s*ms\s+min\s*=\s*[\d.]+\s*ms\s+avg\s*=\s*(?P<avg>[\d.]+)\s*ms",
    ),
    "benchncnn": Program(
        "ncnn",
        "ncnn's defaults",
        ".param",
        to_ncnn,
        "./benchncnn {loops} {threads} 2 -1 0 param={model} shape=[{size},{size},3]",
        r"\s+min\s*=\s*[\d.]+\s+max\s*=\s*[\d.]+\s+avg\s*=\s*(?P<avg>[\d.]+)",
        pins_itself=True,
    ),
}


class Phone:
    """An Android device with a benchmark program, as a :class:`~fbnet_pfld.latency.measure.rounds.Backend`.

    Parameters
    ----------
    program
        ``benchmark.out`` or ``benchncnn``, built for the phone; shared libraries beside it are pushed too.
    threads
        Threads of the engine. MNN's program is started on as many of the fastest cores; both programs also move their
        threads to the fast cluster themselves, where they can.
    input_size
        Side of the image in pixels.

    Raises
    ------
    InputError
        If the program or the device is missing, or the program cannot be read or pushed.
    """

    rounds = 5
    method: Method = "measured"

    @staticmethod
    def digest(program: Path) -> str:
        """Digest of a benchmark program; :class:`InputError` if its name is unknown or it cannot be read."""
        if program.name not in PROGRAMS:
            raise InputError(f"unknown benchmark program {program}; {allowed(PROGRAMS)}")
        try:
            return hashlib.sha256(program.read_bytes()).hexdigest()[:16]
        except FileNotFoundError:
            raise InputError(f"benchmark program not found: {program}; build {program.name} for the phone") from None
        except OSError as error:
            raise InputError(f"benchmark program cannot be read: {program}: {error.strerror}") from None

    def __init__(self, adb: Adb, program: Path, threads: int = 1, input_size: int = 112):
        digest = self.digest(program)
        self._adb, self._program, self.threads, self._size = adb, PROGRAMS[program.name], threads, input_size
        self.engine, self.precision = self._program.engine, self._program.precision
        maker, model, chip = (
            adb.shell(f"getprop {name}").strip()
            for name in ("ro.product.manufacturer", "ro.product.model", "ro.board.platform")
        )
        self.device = f"{maker} {model} ({chip})"
        highest = _clocks(adb.shell(_CLOCKS.format("cpuinfo_max_freq")), "cpuinfo_max_freq")
        self._cores = sorted(highest, key=lambda core: (-highest[core], core))[:threads]
        self.clock_ghz = highest[self._cores[-1]] / 1e3 if self._cores else None
        self._pin = self._pinning()
        self._files = [program, *sorted(program.parent.glob("*.so"))]
        self.identity = f"device {adb.serial}, {program.name} {digest}"

    def __enter__(self) -> "Phone":
        try:
            self._adb.shell(f"rm -rf {FOLDER}; mkdir -p {FOLDER}")
            for file in self._files:
                self._adb.push(file, f"{FOLDER}/{file.name}")
            self._adb.shell(f"chmod 755 {FOLDER}/{self._files[0].name}")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(InputError):  # the device may be gone; that has been reported already
            self._adb.shell(f"rm -rf {FOLDER}")

    def load(self, model: str, onnx: Path) -> None:
        """Convert the model, and push it into a separate folder."""
        file = converted(onnx, self._program.suffix, self._program.convert)
        self._adb.shell(f"mkdir -p {FOLDER}/{model}")
        self._adb.push(file, f"{FOLDER}/{model}/{file.name}")

    def time(self, model: str) -> Timing:
        """Run the benchmark program once; return its average, and the slowest of the cores' clocks right after."""
        command = self._program.command.format(
            model=f"{model}/{model}{self._program.suffix}",
            folder=model,
            loops=LOOPS,
            warm_up=WARM_UP,
            threads=self.threads,
            size=self._size,
        )
        printed = self._adb.shell(
            f"cd {FOLDER} && export LD_LIBRARY_PATH=. && {self._pin}{command} && "
            f"{_CLOCKS.format('scaling_cur_freq')} && {_TEMPERATURES}"
        )
        found = list(re.finditer(self._program.line, printed))
        if len(found) != 1 or not float(found[0]["avg"]) > 0:
            lines = [line for line in printed.strip().splitlines() if not line.startswith("/sys/")]
            raise InputError(
                f"{self._files[0].name} printed {len(found)} timings for one model, and last "
                f"{lines[-1] if lines else ''!r}; expected one, with min, max and avg above 0"
            )
        clocks = _clocks(printed, "scaling_cur_freq")
        running = [clocks[core] for core in self._cores if core in clocks]
        return Timing(float(found[0]["avg"]) * 1e3, min(running, default=None), _celsius(printed))

    def remarks(self, times: pd.DataFrame) -> str:
        """Describe the pinning of the cores, and the clocks and temperatures of the timings."""
        said = [f"started on cores {', '.join(map(str, self._cores))}" if self._pin else "cores chosen by the engine"]
        clocks, celsius = times["clock_mhz"].dropna(), times["celsius"].dropna()
        if self.clock_ghz and len(clocks):
            slow = 100 * (clocks < THROTTLED * 1e3 * self.clock_ghz).mean()
            said.append(f"{slow:.0f} % of the timings ended below {100 * THROTTLED:.0f} % of the highest clock")
        else:
            said.append("clocks not readable")
        if len(celsius):
            said.append(f"{celsius.min():.0f} to {celsius.max():.0f} degrees Celsius")
        return ", ".join(said)

    def _pinning(self) -> str:
        """Prefix that pins a command to the chosen cores; empty where that is not possible."""
        there = self._adb.shell("command -v taskset || true").strip()
        if not there or len(self._cores) < self.threads or self._program.pins_itself:
            return ""
        return f"taskset {sum(1 << core for core in self._cores):x} "


def _clocks(printed: str, file: str) -> dict[int, float]:
    """Core -> clock in MHz, for the cores whose clock can be read."""
    found = re.findall(rf"/cpu(\d+)/cpufreq/{file} (\d+)$", printed, re.MULTILINE)
    return {int(core): int(khz) / 1e3 for core, khz in found}


def _celsius(printed: str) -> float | None:
    degrees = [int(text) / 1e3 for text in re.findall(r"^/sys/class/thermal/\S+ (\d{4,6})$", printed, re.MULTILINE)]
    return max((value for value in degrees if value < _HOTTEST), default=None)
