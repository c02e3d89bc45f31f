"""The Pareto front of cost and score over the subnets of one supernet."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from .cost_term import CostTable
from .decode import cost_range, k_best

Subnet = tuple[str, ...]
"""Names of the blocks, first searched layer to last."""

BUDGETS, PER_BUDGET, GENERATION, REACH = 20, 10, 100, 3
"""Of :func:`evolve`: budgets at the start, subnets at each; children of a generation; places between parents on the front."""


def pareto_front(cost: Sequence[float], score: Sequence[float]) -> list[int]:
    """Indices of what nothing else equals or beats in both figures (lower is better), cheapest first.

    Of equals in both, the first counts.
    """
    best, front = np.inf, []
    for i in np.lexsort((score, cost)):
        if score[i] < best:
            best = score[i]
            front.append(int(i))
    return front


def cost_of(cost: CostTable, subnet: Subnet) -> float:
    """Cost of a subnet; its blocks are in the order of the table's labels."""
    return cost.fixed_us + sum(row[name] for row, name in zip(cost.blocks_us.values(), subnet, strict=True))


def evolve(score: Callable[[list[Subnet]], list[float]], logits: Mapping[str, Mapping[str, float]], cost: CostTable,
           evaluations: int, seed: int = 0) -> dict[Subnet, float]:
    """Look for the front of a space that is too large to score as a whole.

    Starts from the subnets with the highest sums of logits within each of :data:`BUDGETS` budgets, and from random ones; then
    children of those on the front so far are scored: two near each other crossed, and one block changed on average. Deb et al.
    2002 (NSGA-II) have the idea; here the whole front are the parents, since scores of one supernet do not change.

    Parameters
    ----------
    score
        Scores subnets, lower is better.
    logits, cost
        Label -> block -> logit of a search, and their cost, the labels in the network's order.
    evaluations
        Subnets to score in all; fewer if there are no new ones to find near the front.
    seed
        Of everything random.

    Returns
    -------
    dict
        Subnet -> score, of all that were scored.
    """
    rng = np.random.default_rng(seed)
    blocks = [list(row) for row in cost.blocks_us.values()]
    found: dict[Subnet, float] = {}

    def add(subnets: list[Subnet]) -> None:
        new = [subnet for subnet in dict.fromkeys(subnets) if subnet not in found][:evaluations - len(found)]
        found.update(zip(new, score(new), strict=True))

    cheapest, slowest = cost_range(cost)
    ordered = {label: logits[label] for label in cost.blocks_us}
    budgets = np.linspace(cheapest, slowest, BUDGETS)
    add([tuple(choices.values()) for budget in budgets for choices in k_best(ordered, cost, budget, PER_BUDGET)]
        + [tuple(str(rng.choice(names)) for names in blocks) for _ in range(GENERATION)])
    while len(found) < evaluations:
        before = len(found)
        subnets = list(found)
        front = [subnets[i] for i in pareto_front([cost_of(cost, subnet) for subnet in subnets], list(found.values()))]
        add([_child(front, blocks, rng) for _ in range(GENERATION)])
        if len(found) == before:
            break
    return found


def _child(parents: list[Subnet], blocks: list[list[str]], rng: np.random.Generator) -> Subnet:
    first = rng.integers(len(parents))
    pair = np.clip((first, first + rng.integers(-REACH, REACH + 1)), 0, len(parents) - 1)
    crossed = [parents[pair[side]][i] for i, side in enumerate(rng.integers(2, size=len(blocks)))]
    changed = rng.random(len(blocks)) < 1 / len(blocks)
    return tuple(str(rng.choice(names)) if new else old for old, names, new in zip(crossed, blocks, changed, strict=True))
