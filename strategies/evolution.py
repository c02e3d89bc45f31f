"""Pareto front of latency and score over the subnets of a supernet."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from .cost_term import CostTable
from .decoding import cost_range, k_best

Subnet = tuple[str, ...]
"""Names of the blocks, first searched layer to last."""

BUDGETS = 20
"""Number of latency budgets that :func:`evolve` starts from."""

PER_BUDGET = 10
"""Initial subnets per budget."""

GENERATION = 100
"""Children per generation; also the number of random initial subnets."""

REACH = 3
"""Largest distance between two parents, in positions on the front."""


def pareto_front(cost: Sequence[float], score: Sequence[float]) -> list[int]:
    """Return the indices of the Pareto-optimal items (lower is better in both), lowest ``cost`` first.

    Of several items that are equal in both, only the first is included.
    """
    best = np.inf
    front = []
    for i in np.lexsort((score, cost)):
        if score[i] < best:
            best = score[i]
            front.append(int(i))
    return front


def cost_of(cost: CostTable, subnet: Subnet) -> float:
    """Return the latency in microseconds of a subnet whose blocks are in the order of the table's labels."""
    return cost.fixed_us + sum(row[name] for row, name in zip(cost.blocks_us.values(), subnet, strict=True))


def evolve(
    score: Callable[[list[Subnet]], list[float]],
    logits: Mapping[str, Mapping[str, float]],
    cost: CostTable,
    evaluations: int,
    seed: int = 0,
) -> dict[Subnet, float]:
    """Search for the Pareto front of a space that is too large to score completely.

    The search starts from the subnets with the highest sums of logits within each of :data:`BUDGETS` budgets, and from random
    ones. It then scores children of the subnets that are Pareto-optimal so far. A child crosses two parents that are close on
    the front, and has one block replaced on average. The method follows NSGA-II (Deb et al. 2002), except that the whole front
    serves as parents, since a subnet's score does not change.

    Parameters
    ----------
    score
        Function that scores subnets; lower is better.
    logits, cost
        Label -> block -> logit of a search, and the latency model; the model's labels are in network order.
    evaluations
        Total number of subnets to score; fewer are scored if a generation contains no new ones.
    seed
        Random seed.

    Returns
    -------
    dict
        Subnet -> score, for all scored subnets.
    """
    rng = np.random.default_rng(seed)
    blocks = [list(row) for row in cost.blocks_us.values()]
    found: dict[Subnet, float] = {}

    def add(subnets: list[Subnet]) -> None:
        new = [subnet for subnet in dict.fromkeys(subnets) if subnet not in found][: evaluations - len(found)]
        found.update(zip(new, score(new), strict=True))

    # start from the subnets with the best logits at each budget, and random ones
    fastest, slowest = cost_range(cost)
    ordered = {label: logits[label] for label in cost.blocks_us}
    budgets = np.linspace(fastest, slowest, BUDGETS)
    add(
        [tuple(choices.values()) for budget in budgets for choices in k_best(ordered, cost, budget, PER_BUDGET)]
        + [tuple(str(rng.choice(names)) for names in blocks) for _ in range(GENERATION)]
    )
    # add generations of children of the front until there are no new ones
    while len(found) < evaluations:
        before = len(found)
        subnets = list(found)
        front = [subnets[i] for i in pareto_front([cost_of(cost, subnet) for subnet in subnets], list(found.values()))]
        add([_child(front, blocks, rng) for _ in range(GENERATION)])
        if len(found) == before:
            break
    return found


def _child(parents: list[Subnet], blocks: list[list[str]], rng: np.random.Generator) -> Subnet:
    """Cross two parents that are close on the front, and replace some blocks at random."""
    first = rng.integers(len(parents))
    pair = np.clip((first, first + rng.integers(-REACH, REACH + 1)), 0, len(parents) - 1)
    crossed = [parents[pair[side]][i] for i, side in enumerate(rng.integers(2, size=len(blocks)))]
    changed = rng.random(len(blocks)) < 1 / len(blocks)
    return tuple(str(rng.choice(names)) if new else old for old, names, new in zip(crossed, blocks, changed, strict=True))
