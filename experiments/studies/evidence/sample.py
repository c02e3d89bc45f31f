"""Fixed samples of a space's subnets that cover its latencies."""

from collections.abc import Sequence

import numpy as np

from ....latency import Cost
from ....search_space import InputError
from ....strategies import NEAR_BUDGET, cost_of, cost_range, k_best

PER_BUDGET = 8
"""Number of random subnets within each budget and at most 2 % below it."""

SPREAD = 60
"""Number of random subnets spread over the latencies of a space."""

TRIES = 100
"""Largest number of draws for a new subnet between two latencies."""


def sample(cost: Cost, budgets: Sequence[float], seed: int = 0) -> list[dict[str, str]]:
    """Return the subnets that are trained alone: the fastest, the slowest, and ``PER_BUDGET`` random ones at each budget.

    Parameters
    ----------
    budgets
        Latency budgets in microseconds.

    Returns
    -------
    list
        Label -> block, per subnet.

    Raises
    ------
    InputError
        If a budget is outside the space's latencies.
    """
    rng = np.random.default_rng(seed)
    subnets = [{label: pick(row, key=row.__getitem__) for label, row in cost.blocks_us.items()} for pick in (min, max)]
    fastest, slowest = cost_range(cost)
    for budget in budgets:
        if not fastest <= budget <= slowest:
            raise InputError(f"no subnets at {budget} us; the space has {fastest} to {slowest}")
        found = 0
        while found < PER_BUDGET:
            subnet = {label: str(rng.choice(list(row))) for label, row in cost.blocks_us.items()}
            if NEAR_BUDGET * budget <= cost_of(cost, tuple(subnet.values())) <= budget and subnet not in subnets:
                subnets.append(subnet)
                found += 1
    return subnets


def spread(cost: Cost, count: int = SPREAD, seed: int = 0) -> list[dict[str, str]]:
    """Return random subnets, a new one at each of ``count`` latencies spaced evenly from the fastest to the slowest.

    Uniform random draws would mostly lie near the middle. Each subnet is therefore the best one within a budget by random
    scores of the blocks: within 2 % of the budget if there is a new one, otherwise faster.

    Returns
    -------
    list
        Label -> block, per subnet; fewer than ``count`` only if the space is very small.
    """
    rng = np.random.default_rng(seed)
    subnets: list[dict[str, str]] = []
    for budget in np.linspace(*cost_range(cost), count):
        subnets += _new(cost, budget, NEAR_BUDGET * budget, subnets, rng) or _new(cost, budget, 0.0, subnets, rng)
    return subnets


def _new(
    cost: Cost, budget: float, at_least: float, known: list[dict[str, str]], rng: np.random.Generator
) -> list[dict[str, str]]:
    """Return a random subnet between two latencies that is not among the known ones; empty if none was found."""
    for _ in range(TRIES):
        scores = {label: {name: float(rng.standard_normal()) for name in row} for label, row in cost.blocks_us.items()}
        found = k_best(scores, cost, budget, 1, at_least)
        if not found or found[0] not in known:
            return found
    return []
