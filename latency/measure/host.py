"""Latency on this machine, by any registered engine that can run or convert ONNX files."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import psutil

from ...search_space.errors import InputError, allowed
from ..engines.interleave import Runner, burst, interleave, pinned, ready
from ..engines.nets import ENGINES
from .rounds import Method, Timing


class Host:
    """This machine as a :class:`~fbnet_pfld.latency.measure.rounds.Backend`; a timing is the median of consecutive calls.

    Parameters
    ----------
    engine
        Name of a registered engine.
    threads
        Threads of the engine.

    Raises
    ------
    InputError
        If the engine is unknown or not installed.
    """

    precision = "fp32"
    rounds = 60
    method: Method = "measured"
    identity = "this machine"

    def __init__(self, engine: str = "onnxruntime", threads: int = 1):
        if engine not in ENGINES:
            raise InputError(f"unknown engine {engine!r}; {allowed(ENGINES)}")
        self._engine = ENGINES[engine]
        self.engine = self._engine.version()
        self.threads = threads
        self.device, self.clock_ghz = processor()
        self._runners: dict[str, Runner] = {}

    def __enter__(self) -> "Host":
        return self

    def __exit__(self, *_: object) -> None:
        self._runners.clear()

    def load(self, model: str, onnx: Path) -> None:
        """Open the file and warm it up."""
        self._runners[model] = ready(self._engine.file(onnx), self.threads)

    def time(self, model: str) -> Timing:
        """Return the median of consecutive calls, after one that brings the model back into the caches."""
        return Timing(float(np.median(burst(self._runners[model]))))

    def remarks(self, times: pd.DataFrame) -> str:
        """Return no remarks: the clock of a single core during a timing cannot be read here."""
        return ""


def host_latency_us(files: Mapping[str, Path], threads: int = 1) -> dict[str, float]:
    """Median latency of one image per file in microseconds; see :func:`~fbnet_pfld.latency.engines.interleave.interleave`."""
    with pinned(threads):
        return {name: float(np.median(us)) for name, us in interleave(files, threads).items()}


def processor() -> tuple[str, float | None]:
    """Name of this machine's processor, and its highest known clock in GHz."""
    names = [line.split(":", 1)[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    mhz = max((core.max or core.current for core in psutil.cpu_freq(percpu=True) or []), default=0)
    return (names[0] if names else "unknown processor"), (round(mhz / 1000, 2) or None)


def _lines(path: str) -> list[str]:
    return Path(path).read_text(encoding="utf-8").splitlines() if Path(path).is_file() else []
