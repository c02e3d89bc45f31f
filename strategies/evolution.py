"""The Pareto front of cost and score over the subnets of one supernet."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from .cost_term import CostTable
from .decoding import cost_range, k_best

Subnet = tuple[str, ...]
"""Names of the blocks, first searched layer to last."""

BUDGETS = 20
"""Budgets that :func:`evolve` starts with."""

PER_BUDGET = 10
"""Subnets at each of these budgets."""

GENERATION = 100
"""Children of a generation, and random subnets at the start."""

REACH = 3
"""Largest distance between two parents, as positions on the front."""


def pareto_front(cost: Sequence[float], score: Sequence[float]) -> list[int]:
    """Indices of the Pareto-optimal items (lower is better in both figures), cheapest first.

    The first of several items that are equal in both counts.
    """
    best = np.inf
    front = []
    for i in np.lexsort((score, cost)):
        if score[i] < best:
            best = score[i]
            front.append(int(i))
    return front


def cost_of(cost: CostTable, subnet: Subnet) -> float:
    """Cost of a subnet; its blocks are in the order of the table's labels."""
    return cost.fixed_us + sum(row[name] for row, name in zip(cost.blocks_us.values(), subnet, strict=True))


def evolve(
    score: Callable[[list[Subnet]], list[float]],
    logits: Mapping[str, Mapping[str, float]],
    cost: CostTable,
    evaluations: int,
    seed: int = 0,
) -> dict[Subnet, float]:
    """Look for the front of a space that is too large to score as a whole.

    The search starts from the subnets with the highest sums of logits within each of :data:`BUDGETS` budgets, and from random
    ones. Then it scores children of the Pareto-optimal subnets so far: a child crosses two that are near each other on the
    front, and has one block changed on average. The idea is that of NSGA-II (Deb et al. 2002), except that the whole front are
    parents, since the scores by one supernet do not change.

    Parameters
    ----------
    score
        Scores subnets, lower is better.
    logits, cost
        Label -> block -> logit of a search, and their cost, the labels in the network's order.
    evaluations
        Subnets to score in all; fewer if there are no new ones to find near the front.
    seed
        Seed of everything random.

    Returns
    -------
    dict
        Subnet -> score, of all that were scored.
    """
    rng = np.random.default_rng(seed)
    blocks = [list(row) for row in cost.blocks_us.values()]
    found: dict[Subnet, float] = {}

    def add(subnets: list[Subnet]) -> None:
        new = [subnet for subnet in dict.fromkeys(subnets) if subnet not in found][: evaluations - len(found)]
        found.update(zip(new, score(new), strict=True))

    # start: the best by their logits at each budget, and random subnets
    cheapest, slowest = cost_range(cost)
    ordered = {label: logits[label] for label in cost.blocks_us}
    budgets = np.linspace(cheapest, slowest, BUDGETS)
    add(
        [tuple(choices.values()) for budget in budgets for choices in k_best(ordered, cost, budget, PER_BUDGET)]
        + [tuple(str(rng.choice(names)) for names in blocks) for _ in range(GENERATION)]
    )
    # generations: children of the front, until there are no new ones
    while len(found) < evaluations:
        before = len(found)
        subnets = list(found)
        front = [subnets[i] for i in pareto_front([cost_of(cost, subnet) for subnet in subnets], list(found.values()))]
        add([_child(front, blocks, rng) for _ in range(GENERATION)])
        if len(found) == before:
            break
    return found


def _child(parents: list[Subnet], blocks: list[list[str]], rng: np.random.Generator) -> Subnet:
    """Cross two parents that are near each other on the front, and change some blocks at random."""
    first = rng.integers(len(parents))
    pair = np.clip((first, first + rng.integers(-REACH, REACH + 1)), 0, len(parents) - 1)
    crossed = [parents[pair[side]][i] for i, side in enumerate(rng.integers(2, size=len(blocks)))]
    changed = rng.random(len(blocks)) < 1 / len(blocks)
    return tuple(str(rng.choice(names)) if new else old for old, names, new in zip(crossed, blocks, changed, strict=True))
