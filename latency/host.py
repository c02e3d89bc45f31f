"""Latency on this machine: ONNX files through onnxruntime or MNN."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median

import numpy as np
import onnxruntime
import pandas as pd
import psutil

from ..search_space.inputs import InputError, allowed
from .convert import mnn_version
from .measure import Timing
from .mnn import mnn_runner

Runner = Callable[[], object]

WARM_UP, CALLS = 20, 10


def session(path: str | Path, threads: int = 1) -> onnxruntime.InferenceSession:
    """Open an ONNX file on the CPU with a fixed number of threads.

    Raises
    ------
    InputError
        If the file is missing or is no model that onnxruntime can run.
    """
    if not Path(path).is_file():
        raise InputError(f"ONNX file not found: {path}")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no common public base class
        raise InputError(f"not an ONNX model that onnxruntime can run: {path}: {str(error).splitlines()[0]}") from None


def onnxruntime_runner(onnx: Path, threads: int) -> Runner:
    """Return a call that runs the model once, on random numbers."""
    runner = session(onnx, threads)
    feed = {entry.name: np.random.default_rng(0).random(entry.shape, np.float32) for entry in runner.get_inputs()}
    return lambda: runner.run(None, feed)


# engine -> its name with version, and how to make a call from an ONNX file and a number of threads
ENGINES: dict[str, tuple[Callable[[], str], Callable[[Path, int], Runner]]] = {
    "onnxruntime": (lambda: f"onnxruntime {onnxruntime.__version__}", onnxruntime_runner),
    "mnn": (mnn_version, mnn_runner),
}


class Host:
    """This machine as a :class:`~fbnet_pfld.latency.measure.Backend`; a timing is the median of some calls in a row.

    Raises
    ------
    InputError
        If the engine is unknown or not installed.
    """

    precision = "fp32"
    rounds = 60
    identity = "this machine"

    def __init__(self, engine: str = "onnxruntime", threads: int = 1):
        if engine not in ENGINES:
            raise InputError(f"unknown engine {engine!r}; {allowed(ENGINES)}")
        version, self._make = ENGINES[engine]
        self.engine, self.threads = version(), threads
        self.device, self.clock_ghz = _processor()
        self._runners: dict[str, Runner] = {}

    def __enter__(self) -> "Host":
        return self

    def __exit__(self, *_: object) -> None:
        self._runners.clear()

    def load(self, model: str, onnx: Path) -> None:
        """Open the file and warm it up."""
        self._runners[model] = self._make(onnx, self.threads)
        for _ in range(WARM_UP):
            self._runners[model]()

    def time(self, model: str) -> Timing:
        """Median of some calls, after one that brings the model back into the caches."""
        run, calls = self._runners[model], []
        run()
        for _ in range(CALLS):
            start = time.perf_counter()
            run()
            calls.append(time.perf_counter() - start)
        return Timing(median(calls) * 1e6)

    def remarks(self, times: pd.DataFrame) -> str:
        """Nothing: this machine's clock cannot be read for one core at one moment."""
        return ""


def host_latency_us(files: Mapping[str, Path], threads: int = 1) -> dict[str, float]:
    """Median latency of one image through onnxruntime, per ONNX file, in microseconds.

    The networks take turns in short bursts, so that a busy spell of a shared machine hits all of them alike: compare the
    ratios rather than the figures.

    Parameters
    ----------
    files
        Name -> ONNX file with one input of fixed shape.
    threads
        onnxruntime's threads.
    """
    with Host("onnxruntime", threads) as host:
        for name, path in files.items():
            host.load(name, path)
        rounds = [{name: host.time(name).us for name in files} for _ in range(host.rounds)]
    return {name: median(times[name] for times in rounds) for name in files}


def _processor() -> tuple[str, float | None]:
    """Name and highest known clock in GHz of this machine's processor."""
    names = [line.split(":", 1)[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    mhz = max((core.max or core.current for core in psutil.cpu_freq(percpu=True) or []), default=0)
    return (names[0] if names else "unknown processor"), (round(mhz / 1000, 2) or None)


def _lines(path: str) -> list[str]:
    return Path(path).read_text(encoding="utf-8").splitlines() if Path(path).is_file() else []
