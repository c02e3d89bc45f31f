"""Compare latencies of networks: time them in turns, over several sessions.

Two networks are timed in short bursts, one after the other, round by round, so that a busy spell of the machine hits both. The
memory addresses that an engine gives a network also change its latency, by about a percent, and stay until the file is opened
again. Each file is therefore opened in several sessions, each time in a different order, and confidence intervals are over
sessions. (With files always opened in the same order, a file differed from itself by more than the 95 % interval in 18 of 30
trials; in changing orders, in 3 of 90.)
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
"""Calls after a file is opened, before the first timed one."""

CALLS = 10
"""Consecutive timed calls."""

SESSIONS = 12
"""Default number of times that each file is opened."""

ROUNDS = 8
"""Bursts of each file in a session."""

FEWEST_SESSIONS = 8
"""Fewest sessions that can show one of two networks to be faster: the extremes of seven do not bound a 99 % interval."""


def ready(path: str | Path, threads: int) -> Runner:
    """Open a file, warm it up, and return a function that runs it once on random numbers."""
    net = open_net(path, threads)
    image = np.random.default_rng(0).random(net.shape, np.float32)
    for _ in range(WARM_UP):
        net(image)
    return lambda: net(image)


def burst(run: Runner, calls: int = CALLS) -> NDArray[np.float64]:
    """Microseconds (calls,) of consecutive calls, after one that brings the network back into the caches."""
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
    """Time files in turns.

    Call this function within :func:`pinned`. Before it, do not open a file with an engine whose threads outlive the file.

    Parameters
    ----------
    files
        Name -> file of a network whose input is one image.
    threads
        Threads of the engines.
    sessions
        How often each file is opened.
    track
        Shows the progress over the sessions.

    Returns
    -------
    dict
        Name -> microseconds of every call, of shape (sessions, rounds, calls).

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
    """Order of a session; over the sessions each name takes every position, and precedes every other equally often."""
    turn = session // 2 % len(names)
    turned = [*names[turn:], *names[:turn]]
    return turned[::-1] if session % 2 else turned


class Interval(NamedTuple):
    """A median and its confidence interval."""

    median: float
    low: float
    high: float


def interval(values: NDArray[np.float64], level: float = 0.95) -> Interval:
    """Median of values (n,), and the interval between two of them that contains the true median in ``level`` of cases.

    It holds for any distribution: the number of values below the true median is binomial (Hahn and Meeker 1991, Statistical
    Intervals, section 5.2). With too few values the interval is infinite.
    """
    count, ordered = len(values), np.sort(values)
    rank = int(binom.ppf((1 - level) / 2, count, 0.5))
    low, high = (ordered[rank - 1], ordered[count - rank]) if rank else (-np.inf, np.inf)
    return Interval(float(np.median(values)), float(low), float(high))


def ratio(us: NDArray[np.float64], reference: NDArray[np.float64], level: float = 0.95) -> Interval:
    """Ratio of a latency to a reference's, both from one :func:`interleave`; it compares bursts of the same round."""
    return interval(np.median(np.median(us, axis=2) / np.median(reference, axis=2), axis=1), level)


def fastest(us: Mapping[str, NDArray[np.float64]]) -> str | None:
    """Return the network that is faster than every other by more than the noise, or None.

    If all are equally fast, one is returned in at most 1 % of cases, for any number of networks (Bonferroni correction).
    """
    best = min(us, key=lambda name: np.median(us[name]))
    others = [name for name in us if name != best]
    level = 1 - 0.01 / max(1, len(others))
    return best if others and all(ratio(us[name], us[best], level).low > 1 for name in others) else None


@contextmanager
def pinned(threads: int) -> Iterator[None]:
    """Pin this thread, and those that it starts, to the last ``threads`` cores; no effect on systems without affinity.

    Raises
    ------
    InputError
        If there are fewer cores than threads.
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
    """Switch Python's garbage collector off during timings."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
