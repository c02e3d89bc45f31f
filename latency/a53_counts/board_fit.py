"""From counts of an emulated run to the cycles of a board with Cortex-A53 cores.

In each part of a run (see :mod:`~fbnet_pfld.latency.emulator.counts`) the cores take, in cycles::

    core = a * cycles + b * jumps + c * streams + d * stores + e * (1 in a region with several threads)

where ``cycles`` are those of the in-order model without any cache miss. The memory takes ``m * lines``. A single thread waits
for its lines. With several threads the others continue, which hides a part of the shorter of the two::

    one thread        core + m1 * lines
    several threads   core + m_board * lines - h * min(core, m_board * lines)

The sum over the parts is multiplied by the board's scale. Every number is at least 0. All are fitted together to ncnn's
published figures at 1 and 4 threads, in fp32 and INT8, by least absolute relative errors (iteratively reweighted least
squares). A board thus has two numbers: its scale and, if it has figures with several threads, the cycles per line from memory
then.

The size of the level-2 cache and whether waiting is hidden are chosen by the error on held-out networks, within the loop
that holds networks out (:mod:`.board_validation`). We chose streams of eight, and counted lines that are written back, after
looking at the same data; that choice is not in the loop.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import nnls

from ...search_space.errors import InputError
from ..a53_model.fit import CLOCK_GHZ, ENGINE, HERE, SIBLING, THREADS
from ..a53_model.kept import cached_copies
from ..emulator.counts import COLUMNS, Counts
from .recorded import Key, recorded

Floats = NDArray[np.float64]

CORE = ["cycles", "jumps", "streams", "stores", "region"]
_ROUNDS = 4
"""Alternations between fitting the hidden part and the other numbers."""

_SCALE_ROUNDS = 8
_AGAIN = 3
"""Alternations between fitting the numbers and the boards' scales: at first, and after each change of the hidden part."""

_WEIGHT_ROUNDS = 4
_LEAST_ERROR = 0.01
"""Relative error below which a figure's weight does not grow further."""


@dataclass(frozen=True)
class Settings:
    """Chosen, not fitted: size of the level-2 cache in KB, and whether other threads hide waiting for memory."""

    level_2_kb: int = 256
    hides: bool = True


CANDIDATES = tuple(Settings(kb, hides) for kb in (256, 512, 1024) for hides in (False, True))


@dataclass(frozen=True)
class BoardModel:
    """The fitted numbers.

    Attributes
    ----------
    core
        Cycles per count, a value for each of :data:`CORE`.
    line_alone
        Cycles per line with one thread.
    hidden
        Hidden share of the shorter of core and memory time, with several threads.
    boards
        A row per board: ``scale``, and ``line``, cycles per line with several threads; 0 where no such figure is known.
    """

    settings: Settings
    core: Floats
    line_alone: float
    hidden: float
    boards: pd.DataFrame

    def cycles(self, counts: Counts, threads: int, board: str = SIBLING) -> float:
        """Cycles of a run with ``threads`` threads on a board."""
        core, lines = _parts(counts, threads, self.settings)
        cores, scale = core @ self.core, self._of(board, "scale")
        if threads == 1:
            return float(scale * (cores + self.line_alone * lines).sum())
        memory = self._of(board, "line") * lines
        return float(scale * (cores + memory - self.hidden * np.minimum(cores, memory)).sum())

    def _of(self, board: str, column: str) -> float:
        return float(self.boards[column][board])

    def us(self, counts: Counts, threads: int) -> float:
        """Latency on the Snapdragon 625 in microseconds, with scale and memory of the board :data:`SIBLING`."""
        return self.cycles(counts, threads) / (CLOCK_GHZ * 1e3)


def _parts(counts: Counts, threads: int, settings: Settings) -> tuple[Floats, Floats]:
    """Counts of the cores (P, 5) and lines (P,) of each part; with one thread, starting a region costs nothing."""
    column = {name: counts.parts[:, i] for i, name in enumerate(COLUMNS)}
    core = np.stack([column[name] for name in CORE], axis=1)
    if threads == 1:
        core[:, CORE.index("region")] = 0
    return core, column[f"lines{settings.level_2_kb}"]


@cached_copies
def figures() -> pd.DataFrame:
    """The fitted figures: ncnn's for recorded networks, fp32 and INT8, at 1 and 4 threads."""
    every: pd.DataFrame = pd.read_csv(HERE / "published.csv")
    every = every[(every["engine"] == ENGINE) & every["threads"].isin(THREADS)]
    known = recorded().keys()
    there = [key in known for key in zip(every["model"], every["threads"], strict=True)]
    found: pd.DataFrame = every[there].reset_index(drop=True)
    return found


@cached_copies
def board_fit(settings: Settings = Settings(), without: str | None = None, without_board: str | None = None) -> BoardModel:
    """Fit the model to all figures except those of a network or a board."""
    used = figures()
    used = used[(used["model"] != without) & (used["soc"] != without_board)]
    return solve_boards(used, recorded(), settings)


def solve_boards(used: pd.DataFrame, counts: Mapping[Key, Counts], settings: Settings = Settings()) -> BoardModel:
    """Fit the numbers by least absolute relative errors.

    Parameters
    ----------
    used
        A row per figure: ``model``, ``threads``, ``soc`` (the board), ``clock_ghz``, ``latency_ms``.
    counts
        Counts by network and threads.

    Raises
    ------
    InputError
        If ``used`` is empty.
    """
    if used.empty:
        raise InputError("no published figures to fit; expected at least one")
    problem = _Problem(used, counts, settings)
    scales = np.ones(len(problem.names))
    numbers, scales = problem.solve(problem.design(None), scales, _SCALE_ROUNDS)
    if settings.hides:
        # the hidden part depends on the core and memory time: alternate
        for _ in range(_ROUNDS):
            numbers, scales = problem.solve(problem.design(numbers), scales, _AGAIN)
            numbers[-1] = min(numbers[-1], 1.0)
    return problem.model(numbers, scales)


class _Problem:
    """The figures as a system of equations; unknowns: the core's numbers, ``m1``, ``m`` per board, and ``h``."""

    def __init__(self, used: pd.DataFrame, counts: Mapping[Key, Counts], settings: Settings):
        self.settings = settings
        self.keys: list[Key] = list(zip(used["model"], used["threads"], strict=True))
        self.parts = {key: _parts(counts[key], key[1], settings) for key in set(self.keys)}
        self.board, names = pd.factorize(used["soc"], sort=True)
        self.names = [str(name) for name in names]
        self.several = used["threads"].to_numpy() > 1
        self.measured = (used["latency_ms"] * used["clock_ghz"] * 1e6).to_numpy(float)

    @cached_property
    def visible(self) -> Floats:
        """Columns without the hidden part: the core, lines with one thread, and lines per board."""
        core = np.array([self.parts[key][0].sum(axis=0) for key in self.keys])
        lines = np.array([self.parts[key][1].sum() for key in self.keys])
        per_board = np.zeros((len(lines), len(self.names)))
        per_board[np.arange(len(lines)), self.board] = lines * self.several
        return np.hstack([core, (lines * ~self.several)[:, None], per_board])

    def design(self, numbers: Floats | None) -> Floats:
        """Columns of the system; with ``numbers``, also the column of the part that they hide."""
        if numbers is None:
            return self.visible
        core, lines = numbers[: len(CORE)], numbers[len(CORE) + 1 :]
        hidden = np.zeros(len(self.keys))
        for i in np.flatnonzero(self.several):
            own = self.parts[self.keys[i]]
            hidden[i] = np.minimum(own[0] @ core, lines[self.board[i]] * own[1]).sum()
        return np.hstack([self.visible, -hidden[:, None]])

    def solve(self, design: Floats, scales: Floats, rounds: int) -> tuple[Floats, Floats]:
        """Numbers, at least 0, and the boards' scales, with geometric mean 1, from initial scales."""
        unit = np.maximum(np.abs(design).max(axis=0), 1.0)
        design = design / unit
        weight = np.ones(len(self.measured))
        for _ in range(rounds):
            # the numbers under these scales: weights turn squares into absolute errors
            relative = design * (scales[self.board] / self.measured)[:, None]
            for _ in range(_WEIGHT_ROUNDS):
                numbers = nnls(relative * weight[:, None], weight)[0]
                weight = 1 / np.sqrt(np.maximum(np.abs(relative @ numbers - 1), _LEAST_ERROR))
            # each board's scale under these numbers
            ratio = self.measured / (design @ numbers)
            scales = np.array([np.median(ratio[self.board == i]) for i in range(len(self.names))])
            scales /= np.exp(np.log(scales).mean())
        return numbers / unit, scales

    def model(self, numbers: Floats, scales: Floats) -> BoardModel:
        """Return the numbers as a :class:`BoardModel`."""
        first = len(CORE) + 1
        boards = pd.DataFrame({"scale": scales, "line": numbers[first : first + len(self.names)]}, self.names)
        hidden = float(numbers[-1]) if self.settings.hides else 0.0
        return BoardModel(self.settings, numbers[: len(CORE)], float(numbers[len(CORE)]), hidden, boards)


def modelled_cycles(model: BoardModel, rows: pd.DataFrame, boards: Sequence[str] | None = None) -> Floats:
    """Modelled cycles (N,) of published figures, on their own boards or on ``boards``."""
    named = rows["soc"] if boards is None else boards
    counts = recorded()
    return np.array(
        [
            model.cycles(counts[network, threads], threads, board)
            for network, threads, board in zip(rows["model"], rows["threads"], named, strict=True)
        ]
    )
