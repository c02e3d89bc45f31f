"""Latencies of networks that are to be compared: measured in turns, and compared within what repeats.

Two networks are timed in short bursts, one after the other, round by round: a busy spell of the machine hits both. But where
in memory an engine puts a network changes its latency as well, by a percent or so, and stays as it is until the file is opened
again. So files are opened several times, each time in another order, and what counts is what these sessions agree on. (Opened
always in the same order, a file differed from itself by more than the 95 % interval in 18 of 30 trials; so, in 3 of 90.)
"""

import gc
import os
import random
import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from ...search_space.errors import InputError
from ...search_space.progress import Track, silent
from .nets import open_net

Runner = Callable[[], object]

Name = TypeVar("Name", bound=Hashable)

WARM_UP = 20
"""Calls after a file is opened, before it is timed."""

CALLS = 10
"""Timed calls in a row."""

SESSIONS = 12
"""Default number of times that each file is opened."""

ROUNDS = 8
"""Turns of each file in a session."""

FEWEST_SESSIONS = 8
"""Fewest sessions after which one of two networks can be called faster: of seven, the extremes are no 99 % interval."""


def ready(path: str | Path, threads: int) -> Runner:
    """Open a file, warm it up, and return a call that runs it once on random numbers."""
    net = open_net(path, threads)
    image = np.random.default_rng(0).random(net.shape, np.float32)
    for _ in range(WARM_UP):
        net(image)
    return lambda: net(image)


def burst(run: Runner, calls: int = CALLS) -> NDArray[np.float64]:
    """Microseconds of some calls in a row, (calls,), after one that brings the network back into the caches."""
    run()
    times = np.empty(calls + 1)
    times[0] = time.perf_counter()
    for i in range(calls):
        run()
        times[i + 1] = time.perf_counter()
    return np.diff(times) * 1e6


def interleave(
    files: Mapping[Name, Path], threads: int = 1, sessions: int = SESSIONS, track: Track = silent
) -> dict[Name, NDArray[np.float64]]:
    """Time files in turns. Call it :func:`pinned`, and open no file before with an engine whose threads outlive it.

    Parameters
    ----------
    files
        Name -> file of a network with one image as its input.
    sessions
        How often each file is opened.
    track
        Shows the progress over the sessions.

    Returns
    -------
    dict
        Name -> microseconds of every call, (sessions, rounds, calls).

    Raises
    ------
    InputError
        If a file cannot be run, or there are fewer cores than threads.
    """
    us = {name: np.empty((sessions, ROUNDS, CALLS)) for name in files}
    with _no_collection():
        for session in track(range(sessions), "sessions"):
            order = _order(list(files), session)
            runners = {name: ready(files[name], threads) for name in order}
            for number in range(ROUNDS):
                for name in random.Random(number).sample(order, len(order)):
                    us[name][session, number] = burst(runners[name])
    return us


def _order(names: Sequence[Name], session: int) -> list[Name]:
    """Another order each session: of two names, each is before the other equally often, and each is everywhere."""
    turn = session // 2 % len(names)
    turned = [*names[turn:], *names[:turn]]
    return turned[::-1] if session % 2 else turned


class Interval(NamedTuple):
    """A median and an interval that it is in."""

    median: float
    low: float
    high: float


def interval(values: NDArray[np.float64], level: float = 0.95) -> Interval:
    """Median of values (n,), with the interval between two of them that holds the true one in ``level`` of cases.

    Whatever their distribution: the number of values below the true median is binomial (Hahn and Meeker 1991, Statistical
    Intervals, section 5.2). Of too few values it is infinite.
    """
    count, ordered = len(values), np.sort(values)
    rank = int(binom.ppf((1 - level) / 2, count, 0.5))
    low, high = (ordered[rank - 1], ordered[count - rank]) if rank else (-np.inf, np.inf)
    return Interval(float(np.median(values)), float(low), float(high))


def ratio(us: NDArray[np.float64], reference: NDArray[np.float64], level: float = 0.95) -> Interval:
    """Latency over that of a reference from the same :func:`interleave`: bursts of one round against each other."""
    return interval(np.median(np.median(us, axis=2) / np.median(reference, axis=2), axis=1), level)


def fastest(us: Mapping[str, NDArray[np.float64]]) -> str | None:
    """The one of two or more that is faster than every other by more than the noise; None if there is no such one.

    One of equals is called so in at most 1 % of cases, however many there are (Bonferroni's correction).
    """
    best = min(us, key=lambda name: np.median(us[name]))
    others = [name for name in us if name != best]
    level = 1 - 0.01 / max(1, len(others))
    return best if others and all(ratio(us[name], us[best], level).low > 1 for name in others) else None


@contextmanager
def pinned(threads: int) -> Iterator[None]:
    """Keep this thread, and those that it starts, on the last ``threads`` cores; where the system cannot do that, anywhere.

    Raises
    ------
    InputError
        If there are not so many.
    """
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores = os.sched_getaffinity(0)
    if threads > len(cores):
        raise InputError(f"--threads {threads}: this machine has {len(cores)} cores; allowed: 1 to {len(cores)}")
    os.sched_setaffinity(0, sorted(cores)[-threads:])
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Keep Python's garbage collector out of the timings."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
