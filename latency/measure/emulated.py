"""Latency on an emulated core: counts of the engine's own Arm code, and a model of their cost.

For the Cortex-A53, the model is that of :mod:`~fbnet_pfld.latency.a53_counts.board_fit`, and latencies are those of the
Snapdragon 625. For other cores there are no published figures: their latencies are instruction counts, one per nanosecond,
until ``latency calibrate`` scales them with the user's timings.
"""

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pandas as pd

from ...search_space.errors import InputError, allowed
from ..a53_counts.board_fit import BoardModel, board_fit
from ..a53_model.fit import CLOCK_GHZ, DEVICE, THREADS
from ..emulator.components import find_components
from ..emulator.cores import A53, find_core
from ..emulator.counts import Counts, counted
from ..engines.convert import converted, to_mnn, to_ncnn
from .rounds import Method, Timing

Convert = Callable[[Path, Path], None]

ENGINES: dict[str, tuple[str, str, Convert]] = {"ncnn": ("ncnn", ".param", to_ncnn), "mnn": ("MNN", ".mnn", to_mnn)}
"""Engine -> its name in the emulated system, the suffix of its files, and the converter from ONNX."""

PRECISIONS = ("fp32", "int8")
INSTRUCTIONS_PER_US = 1000.0
"""Assumed speed of cores without a model."""


class EmulatedCore:
    """An emulated core with an engine, as a :class:`~fbnet_pfld.latency.measure.rounds.Backend`.

    Loaded networks are counted in the background, on every processor of this machine.

    Parameters
    ----------
    engine
        ``ncnn`` or ``mnn``.
    threads
        1 or 4 for the Cortex-A53.
    input_size
        Side of the image in pixels.
    cpu
        QEMU's name of the core.
    precision
        ``fp32``, or ``int8`` with ``quantise``.
    quantise
        Converts the engine's fp32 file to an INT8 file, given both paths.

    Raises
    ------
    InputError
        If an argument is invalid, or a component of the emulator is missing.
    """

    rounds = 1
    method: Method = "emulated"

    def __init__(
        self,
        engine: str = "ncnn",
        threads: int = 1,
        input_size: int = 112,
        cpu: str = A53,
        precision: str = "fp32",
        quantise: Convert | None = None,
    ):
        if engine not in ENGINES:
            raise InputError(f"--engine is {engine!r}; {allowed(ENGINES)}")
        if precision not in PRECISIONS:
            raise InputError(f"--precision is {precision!r}; {allowed(PRECISIONS)}")
        core = find_core(cpu)
        if cpu == A53 and threads not in THREADS:
            raise InputError(
                f"--threads is {threads}; allowed: {', '.join(map(str, THREADS))}; others have no published figures"
            )
        if precision != "fp32" and quantise is None:
            raise InputError(f"--precision {precision} needs a converter; give the argument quantise")
        self.components = find_components(cpu)
        self.threads, self.precision = threads, precision
        name, self._suffix, self._convert = ENGINES[engine]
        self.engine = f"{name} {self.components.versions[name]}"
        self.device = DEVICE if cpu == A53 else f"{core.name}, emulated"
        self.clock_ghz = CLOCK_GHZ if cpu == A53 else None
        self.identity = f"{cpu}, {precision}, {self.components.identity}"
        self.model: BoardModel | None = board_fit() if cpu == A53 else None
        self._quantise = quantise if precision != "fp32" else None
        self._shape = (3, input_size, input_size)
        self._pool = ThreadPoolExecutor(len(os.sched_getaffinity(0)))
        self._us: dict[str, Future[float]] = {}

    def __enter__(self) -> "EmulatedCore":
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def load(self, model: str, onnx: Path) -> None:
        """Start to convert and count a network."""
        self._us[model] = self._pool.submit(self.us, onnx)

    def time(self, model: str) -> Timing:
        """Wait until a loaded network has been counted; return its latency."""
        return Timing(self._us[model].result())

    def remarks(self, times: pd.DataFrame) -> str:
        """Describe the origin of these latencies."""
        if self.model is None:
            return "counts of instructions, one per nanosecond, not scaled: calibrate the table with your own timings"
        said = "counts of an emulated core and a model of their cost; the shipped tables state the model's error"
        if self._own_threads:
            said += f"; {self.engine} shares its work among threads as ncnn does"
        return said

    def us(self, onnx: Path) -> float:
        """Convert and count a network; return its latency in microseconds."""
        file = self.file(onnx)
        if not self._own_threads:
            return self._cost(self.count(file), self.threads)
        # MNN's threads wait for work in loops that cannot be counted: assume the same gain from threads as ncnn's
        alone = self._cost(self.count(file, 1), 1)
        ncnn = self._file(onnx, ENGINES["ncnn"][1], to_ncnn)
        several, one = self.count(ncnn), self.count(ncnn, 1)
        return alone * self._cost(several, self.threads) / self._cost(one, 1)

    def count(self, file: Path, threads: int | None = None) -> Counts:
        """Count a file of the engine."""
        return counted(self.components, file, self._shape, threads or self.threads)

    def file(self, onnx: Path) -> Path:
        """Return the engine's file beside an ONNX file; convert it if it is missing."""
        return self._file(onnx, self._suffix, self._convert)

    @property
    def _own_threads(self) -> bool:
        return self.threads > 1 and self._suffix != ENGINES["ncnn"][1]

    def _file(self, onnx: Path, suffix: str, convert: Convert) -> Path:
        file = converted(onnx, suffix, convert)
        if self._quantise is None or suffix != self._suffix:
            return file
        quantise = self._quantise
        return converted(file.with_suffix(f".int8{suffix}"), suffix, lambda _, out: quantise(file, out))

    def _cost(self, counts: Counts, threads: int) -> float:
        if self.model is None:
            return counts.instructions / INSTRUCTIONS_PER_US
        return self.model.us(counts, threads)
