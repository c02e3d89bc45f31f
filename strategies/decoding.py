"""Find the best architectures within a latency budget: a multiple-choice knapsack over additive latencies."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ..search_space.errors import InputError
from .cost_term import CostTable

NEAR_BUDGET = 0.98
"""Share of the latency budget from which an architecture counts as making full use of it."""

STATES = 200_000
"""Decoding is exact up to this number of partial architectures; larger spaces are decoded on a grid of latencies."""

GRID = 20_000
"""Steps of that grid between zero and the budget."""

# length in microseconds -> unit in which users give a target by mistake
_UNITS = {1e3: "ms", 1e-3: "ns", 1e6: "s"}

_Step = tuple[NDArray[np.int64], NDArray[np.int64]]
"""For each partial architecture up to a layer: index of the one that it extends, and index of the added candidate."""


def cost_range(cost: CostTable) -> tuple[float, float]:
    """Return the latencies of the fastest and of the slowest architecture, in microseconds."""
    rows = cost.blocks_us.values()
    return (cost.fixed_us + sum(min(row.values()) for row in rows), cost.fixed_us + sum(max(row.values()) for row in rows))


def check_target(cost: CostTable, target_us: float) -> None:
    """Reject a latency target that no architecture meets, or that seems to be in another unit than microseconds.

    Raises
    ------
    InputError
        If every architecture is slower than ``target_us``. Also if every architecture is faster and ``target_us``, read as
        nanoseconds, lies in their range; any other target above the range is accepted and limits nothing.
    """
    fastest, slowest = cost_range(cost)
    hint = unit_hint(target_us, fastest, slowest)
    if not target_us >= fastest:
        raise InputError(
            f"no architecture within {target_us:.10g} us; the fastest takes {fastest:.1f} us, "
            f"the slowest {slowest:.1f} us{hint}"
        )
    if target_us > slowest and hint:
        raise InputError(f"{target_us:.10g} us limits nothing: the slowest architecture takes {slowest:.1f} us{hint}")


def unit_hint(us: float, lowest: float, highest: float) -> str:
    """Suggest another unit for a latency, as the end of a message; empty if no other unit fits the known latencies.

    Parameters
    ----------
    us
        The given number, taken as microseconds.
    lowest, highest
        Lowest and highest known latency, in microseconds.
    """
    for factor, unit in _UNITS.items():
        if lowest <= factor * us <= highest:
            return f"; did you mean {us:.10g} {unit}, which is {factor * us:.10g} us?"
    return ""


def decode(scores: Mapping[str, Mapping[str, float]], cost: CostTable, budget_us: float) -> dict[str, str]:
    """Return the architecture with the highest sum of scores within a latency budget.

    If any architecture uses at least 98 % of the budget, only those that do are considered.

    Parameters
    ----------
    scores
        Label -> candidate -> score, such as the logits of a search.
    cost
        Latency model with the same labels and candidates.
    budget_us
        Upper limit, in microseconds.

    Returns
    -------
    dict
        Label -> candidate.

    Raises
    ------
    InputError
        If no architecture fits the budget, or the budget is in another unit; see :func:`check_target`.
    """
    check_target(cost, budget_us)
    return (k_best(scores, cost, budget_us, 1, NEAR_BUDGET * budget_us) or k_best(scores, cost, budget_us, 1))[0]


def k_best(
    scores: Mapping[str, Mapping[str, float]], cost: CostTable, budget_us: float, k: int, at_least_us: float = 0.0
) -> list[dict[str, str]]:
    """Return the ``k`` architectures with the highest sums of scores within latency limits, best first.

    The algorithm proceeds layer by layer. It keeps the ``k`` best of all partial architectures with equal latency, and drops
    those that no completion brings between the limits. This is exact for any additive latency. If more than :data:`STATES`
    remain, latencies within one step of a fine grid count as equal; the limits still hold exactly, but a better architecture
    may be missed.

    Parameters
    ----------
    scores, cost, budget_us
        As for :func:`decode`.
    k
        Largest number of architectures.
    at_least_us
        Lower limit, in microseconds.

    Returns
    -------
    list
        Up to ``k`` architectures, each as label -> candidate.
    """
    labels = list(scores)
    rest = np.array([[min(cost.blocks_us[label].values()), max(cost.blocks_us[label].values())] for label in labels])
    spent: NDArray[np.float64] = np.array([cost.fixed_us])
    value: NDArray[np.float64] = np.zeros(1)
    steps: list[_Step] = []
    for i, label in enumerate(labels):
        # extend every partial architecture by every candidate of this layer
        names = list(scores[label])
        total = np.add.outer(spent, [cost.blocks_us[label][name] for name in names]).ravel()
        worth = np.add.outer(value, [scores[label][name] for name in names]).ravel()
        # drop those that no completion brings between the limits; the order of summation changes the last digits, so a
        # tolerance keeps architectures exactly on a limit
        fastest, slowest = rest[i + 1 :].sum(0)
        order = np.flatnonzero((total + fastest <= budget_us * (1 + 1e-12)) & (total + slowest >= at_least_us * (1 - 1e-12)))
        # keep the k best of those with equal latency
        alike = total if len(order) <= STATES else np.floor(total / budget_us * GRID)
        order = order[np.lexsort((-worth[order], alike[order]))]
        starts = np.flatnonzero(np.diff(alike[order], prepend=-np.inf))
        rank = np.arange(len(order)) - np.repeat(starts, np.diff(starts, append=len(order)))
        kept = order[rank < k]
        steps.append(np.divmod(kept, len(names)))
        spent, value = total[kept], worth[kept]
    best = np.argsort(-value, kind="stable")[:k]
    return [_trace(state, labels, scores, steps) for state in best]


def _trace(state: int, labels: list[str], scores: Mapping[str, Mapping[str, float]], steps: list[_Step]) -> dict[str, str]:
    """Trace a final state back to its choices."""
    choices = {}
    for label, (before, chosen) in zip(reversed(labels), reversed(steps), strict=True):
        choices[label] = list(scores[label])[chosen[state]]
        state = before[state]
    return {label: choices[label] for label in labels}
