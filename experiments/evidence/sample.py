"""Which subnets are trained from scratch: a fixed sample that covers the space's latencies."""

from collections.abc import Sequence

import numpy as np

from ...latency import Cost
from ...strategies import NEAR, cost_of, cost_range

BUDGETS = (1900.0, 2100.0, 2300.0)
"""Latency budgets in microseconds by the experiment's own table, ``latency.csv``; the space goes from 1,716 to 2,506."""

PER_BUDGET = 8
"""Random subnets within each budget and at most 2 % below it."""


def sample(cost: Cost, budgets: Sequence[float] = BUDGETS, seed: int = 0) -> list[dict[str, str]]:
    """The subnets, as label -> block: the cheapest, the slowest, and ``PER_BUDGET`` random ones at each budget."""
    rng = np.random.default_rng(seed)
    subnets = [{label: pick(row, key=row.get) for label, row in cost.blocks_us.items()} for pick in (min, max)]
    cheapest, dearest = cost_range(cost)
    for budget in budgets:
        if not cheapest <= budget <= dearest:
            raise ValueError(f"no subnets at {budget} us; the space has {cheapest} to {dearest}")
        found = 0
        while found < PER_BUDGET:
            subnet = {label: str(rng.choice(list(row))) for label, row in cost.blocks_us.items()}
            if NEAR * budget <= cost_of(cost, tuple(subnet.values())) <= budget and subnet not in subnets:
                subnets.append(subnet)
                found += 1
    return subnets
