"""The best architectures within a latency budget: a multiple-choice knapsack over an additive cost."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ..search_space.errors import InputError
from .cost_term import CostTable

NEAR_BUDGET = 0.98
"""An architecture that takes this share of its budget, or more, makes full use of it."""

STATES = 200_000
"""Decoding is exact up to this number of partial architectures; larger spaces are decoded on a grid of costs."""

GRID = 20_000
"""Steps of that grid between zero and the budget."""

# microseconds -> unit in which a target is given by mistake
_UNITS = {1e3: "ms", 1e-3: "ns", 1e6: "s"}

_Step = tuple[NDArray[np.int64], NDArray[np.int64]]
"""For each partial architecture of a layer: which one of the layer before it continues, and by which candidate."""


def cost_range(cost: CostTable) -> tuple[float, float]:
    """Cost of the cheapest and of the slowest architecture, in microseconds."""
    rows = cost.blocks_us.values()
    return (cost.fixed_us + sum(min(row.values()) for row in rows), cost.fixed_us + sum(max(row.values()) for row in rows))


def check_target(cost: CostTable, target_us: float) -> None:
    """Refuse a target in microseconds that no architecture meets, or that is one only in another unit.

    Raises
    ------
    InputError
        If every architecture costs more than ``target_us``; or if every one costs less, and the number of nanoseconds that it
        is lies in their range. Any other target above the range is no limit, which is a choice.
    """
    cheapest, slowest = cost_range(cost)
    hint = unit_hint(target_us, cheapest, slowest)
    if not target_us >= cheapest:
        raise InputError(
            f"no architecture within {target_us:.10g} us; allowed: from {cheapest:.1f} us, the cheapest "
            f"(the slowest takes {slowest:.1f} us){hint}"
        )
    if target_us > slowest and hint:
        raise InputError(f"{target_us:.10g} us is no limit, for the slowest architecture takes {slowest:.1f} us{hint}")


def unit_hint(us: float, lowest: float, highest: float) -> str:
    """What a latency was meant to be, to stand at the end of a message: if one in another unit lies near the known latencies.

    Parameters
    ----------
    us
        What was given, taken as microseconds.
    lowest, highest
        Lowest and highest known latency, in microseconds.
    """
    for factor, unit in _UNITS.items():
        if lowest <= factor * us <= highest:
            return f"; did you mean {us:.10g} {unit}, which are {factor * us:.10g} us?"
    return ""


def decode(scores: Mapping[str, Mapping[str, float]], cost: CostTable, budget_us: float) -> dict[str, str]:
    """The architecture with the highest sum of scores within a budget, and within 2 % of it if any architecture is.

    Parameters
    ----------
    scores
        Label -> candidate -> score, such as the logits of a search.
    cost
        Cost of the same labels and candidates, in microseconds.
    budget_us
        Upper limit.

    Returns
    -------
    dict
        Label -> candidate.

    Raises
    ------
    InputError
        If nothing fits into the budget.
    """
    check_target(cost, budget_us)
    return (k_best(scores, cost, budget_us, 1, NEAR_BUDGET * budget_us) or k_best(scores, cost, budget_us, 1))[0]


def k_best(
    scores: Mapping[str, Mapping[str, float]], cost: CostTable, budget_us: float, k: int, at_least_us: float = 0.0
) -> list[dict[str, str]]:
    """The ``k`` architectures with the highest sums of scores that cost from ``at_least_us`` to ``budget_us``, best first.

    The algorithm goes layer by layer. It keeps the ``k`` best of all partial architectures that cost the same, and drops those
    that no completion brings between the limits. This is exact for any additive cost. If more than :data:`STATES` are left,
    costs within one step of a fine grid count as equal; the limits still hold exactly, but a better architecture may be missed.

    Returns
    -------
    list
        Label -> candidate, up to ``k`` times; fewer if there are not so many.
    """
    labels = list(scores)
    rest = np.array([[min(cost.blocks_us[label].values()), max(cost.blocks_us[label].values())] for label in labels])
    spent: NDArray[np.float64] = np.array([cost.fixed_us])
    value: NDArray[np.float64] = np.zeros(1)
    steps: list[_Step] = []
    for i, label in enumerate(labels):
        # continue every partial architecture by every candidate of this layer
        names = list(scores[label])
        total = np.add.outer(spent, [cost.blocks_us[label][name] for name in names]).ravel()
        worth = np.add.outer(value, [scores[label][name] for name in names]).ravel()
        # drop those that no completion brings between the limits; sums in another order differ in their last digits, so a
        # tolerance keeps an architecture that costs exactly a limit
        cheapest, slowest = rest[i + 1 :].sum(0)
        order = np.flatnonzero((total + cheapest <= budget_us * (1 + 1e-12)) & (total + slowest >= at_least_us * (1 - 1e-12)))
        # of those that cost the same, keep the k best
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
    """Follow a final state back to its choices."""
    choices = {}
    for label, (before, chosen) in zip(reversed(labels), reversed(steps), strict=True):
        choices[label] = list(scores[label])[chosen[state]]
        state = before[state]
    return {label: choices[label] for label in labels}
