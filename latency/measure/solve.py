"""Solve for the latency of each block from the latencies of whole subnets, by least squares."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls
from scipy.stats import kendalltau

from ...search_space.architecture import Architecture
from ...search_space.signature import Signature
from ..a53_model.fit import THREADS
from ..a53_model.modelled import block_us
from .design import is_identity

LEAST_NOISE = 1e-3
"""Lower limit of the relative error of a subnet's latency."""


@dataclass(frozen=True)
class Solution:
    """``rows`` in microseconds, and the relative standard error of each row, at most 1."""

    rows: dict[Signature, float]
    errors: dict[Signature, float]

    def us(self, subnet: Architecture) -> float:
        """Latency of a subnet in microseconds: the sum of its rows."""
        return sum(self.rows[signature] for signature in subnet.signatures())


@dataclass(frozen=True)
class Agreement:
    """Agreement of predicted with measured latencies of some subnets."""

    subnets: int
    mean_percent: float
    largest_percent: float
    kendall_tau: float


def solve(subnets: Sequence[Architecture], us: np.ndarray, noise: float, threads: int) -> Solution:
    """Minimise squared relative errors, with every row at least 0 and an identity exactly 0.

    Whole subnets do not determine everything, such as the shares of the fixed parts in their sum. There, the layer model of the
    Snapdragon 625 decides, scaled to this device: it is a prior with a relative standard deviation of 1, too wide to matter
    elsewhere.

    Parameters
    ----------
    us
        Measured latency (N,) of each subnet, in microseconds.
    noise
        Relative standard error of these latencies. If the rows fit them worse than that, the misfit replaces it.
    """
    keys = sorted({signature for subnet in subnets for signature in subnet.signatures()})
    free = [key for key in keys if not is_identity(key)]
    column = {key: i for i, key in enumerate(free)}
    counts = np.zeros((len(subnets), len(free)))
    for row, subnet in zip(counts, subnets, strict=True):
        for signature in subnet.signatures():
            if signature in column:
                row[column[signature]] += 1
    modelled = np.array([block_us(key, min(THREADS, key=lambda known: abs(known - threads))) for key in free])
    prior = modelled * np.median(us / (counts @ modelled))
    # in units of the prior, so that all unknowns are of similar size
    work = counts * prior / us[:, None]
    found, _ = _posterior(work, max(noise, LEAST_NOISE))
    misfit = float(np.sqrt(np.mean((work @ found - 1) ** 2)))
    found, spread = _posterior(work, max(noise, misfit, LEAST_NOISE))
    relative = spread / np.maximum(found, spread)
    zero = dict.fromkeys(set(keys) - set(free), 0.0)
    return Solution(
        {**zero, **dict(zip(free, (found * prior).tolist(), strict=True))},
        {**zero, **dict(zip(free, relative.tolist(), strict=True))},
    )


def _posterior(work: np.ndarray, noise: float) -> tuple[np.ndarray, np.ndarray]:
    """Mode and standard deviations (F,) of x >= 0: ``work @ x`` = 1 with error ``noise``, prior x = 1 with error 1."""
    system = np.vstack([work / noise, np.eye(work.shape[1])])
    target = np.concatenate([np.full(len(work), 1 / noise), np.ones(work.shape[1])])
    return nnls(system, target)[0], np.sqrt(np.diag(np.linalg.inv(system.T @ system)))


def agreement(predicted: np.ndarray, measured: np.ndarray) -> Agreement:
    """Compare predicted and measured latencies (N,) of the same subnets."""
    error = 100 * np.abs(predicted / measured - 1)
    return Agreement(len(error), float(error.mean()), float(error.max()), float(kendalltau(predicted, measured).statistic))
