"""Rank correlation with confidence intervals, its upper limit, and the expected best of some random subnets."""

from collections.abc import Sequence
from math import asin, comb, pi, sin, sqrt

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ....strategies import NEAR_BUDGET

RESAMPLES = 2_000
"""Number of bootstrap resamples."""

COVERED = (2.5, 97.5)
"""Percentiles of the resamples that bound the confidence interval."""


def taus(first: ArrayLike, second: ArrayLike, weights: np.ndarray) -> np.ndarray:
    """Kendall's tau-b of two rankings (N,) for each row of ``weights`` (B, N), the multiplicities of the subnets.

    Tied pairs count for neither order, including pairs of a subnet with itself when it is drawn twice.

    Returns
    -------
    ndarray
        Shape (B,); nan if all subnets are tied in a ranking.
    """

    def pairs(values: np.ndarray) -> np.ndarray:
        return ((weights @ values) * weights).sum(1)

    a, b = (np.sign(np.subtract.outer(values, values)) for values in (np.asarray(first), np.asarray(second)))
    with np.errstate(invalid="ignore"):
        return pairs(a * b) / np.sqrt(pairs(abs(a)) * pairs(abs(b)))


def levels(frame: pd.DataFrame, budgets: Sequence[float]) -> list[pd.DataFrame]:
    """Return groups of subnets of nearly equal latency, one per budget that has at least two of them."""
    found = [frame[frame.us.between(NEAR_BUDGET * budget, budget)] for budget in budgets]
    return [level for level in found if len(level) > 1]


def rank_correlation(score: pd.Series, truth: pd.DataFrame, budgets: Sequence[float], seed: int = 0) -> dict[str, float]:
    """Kendall's tau of a score (lower is better) with the true NME: over all subnets, and within equal latency.

    The latter is the mean over the budgets. The 95 % intervals are percentile bootstraps over subnets (Efron and Tibshirani
    1993, chapter 13); within equal latency, the subnets of each budget are resampled.

    Parameters
    ----------
    score
        Score of each subnet.
    truth
        ``us`` and ``test_nme`` of each subnet.

    Returns
    -------
    dict
        ``tau``, ``tau_low``, ``tau_high``, and ``tau_equal``, ``tau_equal_low``, ``tau_equal_high``.
    """
    rng = np.random.default_rng(seed)
    found: dict[str, float] = {}
    for name, parts in {"tau": [truth], "tau_equal": levels(truth, budgets)}.items():
        drawn = []
        for part in parts:
            n = len(part)
            resampled = rng.multinomial(n, np.full(n, 1 / n), RESAMPLES)
            # the first row is the sample itself
            drawn.append(taus(score[part.index], part.test_nme, np.vstack([np.ones(n), resampled])))
        means = np.mean(drawn, axis=0) if drawn else np.full(1 + RESAMPLES, np.nan)
        known = means[1:][np.isfinite(means[1:])]
        low, high = np.percentile(known, COVERED) if len(known) else (np.nan, np.nan)
        found |= {name: float(means[0]), f"{name}_low": float(low), f"{name}_high": float(high)}
    return found


def ceiling(tau: float) -> float:
    """Tau of the best possible score with the mean of two trainings, given the tau between these two.

    Such a score knows each subnet's expected NME over trainings. For normal variables the correlation is
    ``r = sin(pi / 2 tau)``, and the correlation of the mean of two with their common part is ``sqrt(2 r / (1 + r))`` (Spearman
    1910, Brown 1910).
    """
    r = max(0.0, sin(pi / 2 * tau))
    return 2 / pi * asin(sqrt(2 * r / (1 + r)))


def best_of(nmes: Sequence[float], k: int) -> float:
    """Expected minimum of ``k`` of these values, drawn without replacement, by order statistics."""
    ordered, n = sorted(nmes), len(nmes)
    return sum(value * comb(n - 1 - i, k - 1) for i, value in enumerate(ordered)) / comb(n, k)
