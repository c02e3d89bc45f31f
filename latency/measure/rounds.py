"""Time a set of models on a device in rounds, so that a killed run loses nothing.

Each round times every model once, in a different order. A slow spell of the device slows all models alike; dividing by the
round's level removes it. A finished timing is in the file before the next one starts.
"""

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
import pandas as pd

from ...search_space.errors import InputError
from ...search_space.files import check_same, read_whole_lines, write_text
from ...search_space.progress import Track, silent

Method = Literal["measured", "emulated"]

COLUMNS = ["round", "model", "us", "clock_mhz", "celsius"]


class Timing(NamedTuple):
    """One latency of one model, with the clock and the temperature during the timing where they can be read."""

    us: float
    clock_mhz: float | None = None
    celsius: float | None = None


class Backend(Protocol):
    """A device with an inference engine. Its context manager puts the needed files there and removes them."""

    device: str
    clock_ghz: float | None
    engine: str
    precision: str
    threads: int
    rounds: int
    method: Method
    identity: str
    """Distinguishes backends with the same names, whose timings must not be mixed."""

    def load(self, model: str, onnx: Path) -> None:
        """Prepare a model from an ONNX file whose input is one image."""

    def time(self, model: str) -> Timing:
        """Time a loaded model; raise :class:`InputError` if that fails."""

    def remarks(self, times: pd.DataFrame) -> str:
        """Return notes on the timings of :class:`Measured`; may be empty."""


@dataclass(frozen=True)
class Measured:
    """Latencies from all rounds.

    Attributes
    ----------
    us
        Model -> median latency over the rounds in microseconds, after division by the rounds' levels.
    noise
        Relative standard error of such a latency, as a median over the models.
    spread
        Relative standard deviation of a single timing within its round, as a median over the models.
    drift
        Ratio of the largest level of a round to the smallest, minus 1.
    times
        All timings, one per row, with :data:`COLUMNS`.
    """

    us: dict[str, float]
    noise: float
    spread: float
    drift: float
    times: pd.DataFrame


def measure(
    models: Mapping[str, Any],
    write: Callable[[Any, Path], None],
    backend: Backend,
    rounds: int,
    folder: Path,
    settings: dict[str, Any],
    track: Track = silent,
) -> Measured:
    """Write every model as an ONNX file, load it and time it in ``rounds`` rounds.

    Parameters
    ----------
    models
        Name -> model.
    write
        Writes a model's ONNX file, completely or not at all.
    folder
        Folder for files and timings; a run resumes with those that it finds there.
    settings
        Everything that the timings depend on; it must equal the settings in the folder.

    Raises
    ------
    InputError
        If the folder belongs to another measurement, it has an invalid timing, or the backend fails. Finished timings are kept.
    """
    record, file = folder / "settings.json", folder / "times.csv"
    if record.is_file():
        check_same(record, settings, "a measurement", "timings")
    else:
        write_text(record, json.dumps(settings, indent=2) + "\n")
    known = _read(file)
    done = set(zip(known["round"], known["model"], strict=True))
    missing = [
        (number, name)
        for number in range(rounds)
        for name in random.Random(number).sample(list(models), len(models))
        if (number, name) not in done
    ]
    try:
        for name in track(list(models) if missing else [], "models"):
            onnx = folder / f"{name}.onnx"
            if not onnx.is_file():
                write(models[name], onnx)
            backend.load(name, onnx)
        for number, name in track(missing, "timings"):
            timing = backend.time(name)
            with file.open("a", encoding="utf-8") as out:
                out.write(",".join("" if value is None else str(value) for value in (number, name, *timing)) + "\n")
    except (InputError, OSError) as error:
        raise InputError(
            f"{error}; {len(_read(file))} of {len(models) * rounds} timings are kept in {folder}; run the same "
            "command again to resume"
        ) from None
    return summarise(_read(file), rounds)


def summarise(times: pd.DataFrame, rounds: int) -> Measured:
    """Compute each model's latency and its repeatability from ``times``, the timings of :class:`Measured`."""
    grid = times[times["round"] < rounds].pivot_table(index="round", columns="model", values="us")
    level = (grid / grid.median()).median(axis=1)
    steady = grid.div(level, axis=0)
    us = steady.median()
    spread = float((1.4826 * (steady - us).abs().median() / us).median())
    return Measured(us.to_dict(), 1.2533 * spread / np.sqrt(len(grid)), spread, float(level.max() / level.min() - 1), times)


def _read(file: Path) -> pd.DataFrame:
    rows = []
    for number, line in enumerate(read_whole_lines(file, "timings"), 1):
        try:
            index, name, us, clock, celsius = line.split(",")
            rows.append((int(index), name, float(us), float(clock or "nan"), float(celsius or "nan")))
        except ValueError:
            raise InputError(f"{file}:{number}: not a timing: {line!r}; expected {', '.join(COLUMNS)}") from None
    frame: pd.DataFrame = pd.DataFrame(rows, columns=COLUMNS)
    return frame
