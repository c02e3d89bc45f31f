"""A latency target instead of a weight: sample around it, decode under it."""

from collections.abc import Mapping

import numpy as np
from scipy.optimize import brentq
from torch import Tensor

from ..search_space.inputs import InputError
from .cost_term import CostTable, ExpectedCost


def cost_range(cost: CostTable) -> tuple[float, float]:
    """Cost of the cheapest and of the dearest architecture, in microseconds."""
    return tuple(cost.fixed_us + sum(pick(row.values()) for row in cost.blocks_us.values()) for pick in (min, max))


def check_target(cost: CostTable, target_us: float) -> None:
    """Raise :class:`InputError` if every architecture costs more than ``target_us``."""
    cheapest, dearest = cost_range(cost)
    if not target_us >= cheapest:
        raise InputError(f"no architecture within {target_us:g} us; allowed: from {cheapest:.1f} us, the cheapest "
                         f"(the dearest costs {dearest:.1f} us)")


def decode(scores: Mapping[str, Mapping[str, float]], cost: CostTable, budget_us: float) -> dict[str, str]:
    """Choose the architecture with the highest sum of scores whose cost is at most ``budget_us``; exact.

    A multiple-choice knapsack, solved layer by layer over the combinations that no cheaper one equals (Dyer 1984).

    Parameters
    ----------
    scores
        Label -> candidate -> score.
    cost
        Of the same labels and candidates, in microseconds.
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
    labels = list(scores)
    cheapest = [min(cost.blocks_us[label].values()) for label in labels]
    spent, value = np.array([cost.fixed_us]), np.zeros(1)
    steps: list[tuple[np.ndarray, np.ndarray]] = []
    for i, label in enumerate(labels):
        names = list(scores[label])
        total = np.add.outer(spent, [cost.blocks_us[label][name] for name in names]).ravel()
        worth = np.add.outer(value, [scores[label][name] for name in names]).ravel()
        order = np.lexsort((-worth, total))
        # the tolerance keeps the cheapest architecture at a target of exactly its cost
        order = order[total[order] + sum(cheapest[i + 1:]) <= budget_us * (1 + 1e-12)]
        best_before = np.maximum.accumulate(np.concatenate(([-np.inf], worth[order][:-1])))
        kept = order[worth[order] > best_before]
        steps.append(np.divmod(kept, len(names)))
        spent, value = total[kept], worth[kept]
    state, choices = len(value) - 1, {}
    for label, (before, chosen) in zip(reversed(labels), reversed(steps), strict=True):
        choices[label] = list(scores[label])[chosen[state]]
        state = before[state]
    return {label: choices[label] for label in labels}


class LatencyTarget(ExpectedCost):
    """Keep the sampling distribution's expected latency on a target, and leave the loss alone.

    The logits learn from the task loss; sampled is ``softmax(logits - strength * latency)`` with the one ``strength`` at which
    the expected latency is the target. The expected latency falls as the strength grows, so that a root search finds it.

    Parameters
    ----------
    cost, candidates
        As for :class:`ExpectedCost`.
    target_us
        Microseconds; one above the dearest architecture tilts nothing.

    Raises
    ------
    InputError
        As :class:`ExpectedCost`, and if every architecture costs more.
    """

    def __init__(self, cost: CostTable, candidates: Mapping[str, list[str]], target_us: float):
        super().__init__(cost, candidates)
        check_target(cost, target_us)
        self.cost, self.target_us = cost, target_us

    def __call__(self, loss: Tensor, weights: Mapping[str, Tensor]) -> Tensor:
        """The objective: the task loss as it is."""
        return loss

    def tilt(self, logits: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What to subtract from the logits, label -> (candidates,), float32 on the CPU, so that the target is met.

        At a target so near the cheapest or the dearest architecture that no finite strength meets it, the strongest tilt of
        the searched range is taken.
        """
        rows = [(row.detach().double().cpu().numpy(), self.tables[label].double().numpy()) for label, row in logits.items()]
        unit = max(float(np.ptp(table)) for _, table in rows) or 1.0

        def excess(strength: float) -> float:
            total = self.fixed_us - self.target_us
            for row, table in rows:
                exponent = row - strength * table / unit
                weights = np.exp(exponent - exponent.max())
                total += float(weights @ table / weights.sum())
            return total

        strength, limit = 0.0, 1e3
        if self.target_us < cost_range(self.cost)[1]:
            strength = -limit if excess(-limit) <= 0 else limit if excess(limit) >= 0 else brentq(excess, -limit, limit)
        return {label: strength / unit * self.tables[label] for label in logits}

    def decode(self, logits: Mapping[str, Mapping[str, float]]) -> dict[str, str]:
        """The most probable architecture, by the untilted logits, within the target."""
        return decode(logits, self.cost, self.target_us)

