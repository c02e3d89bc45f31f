"""What is compared: recipes that differ from a common base in one thing, and networks trained by one recipe."""

from collections.abc import Callable, Iterator

import numpy as np

from ...latency import Cost
from ...search_space import BASELINES, Architecture, InputError
from ...strategies import cost_of

BASE: dict[str, object] = {"learning_rate": 0.02, "batch_size": 32, "schedule": "one_cycle", "loss": "l1", "augment": "full"}
"""The recipe that others are compared with."""

RECIPES: dict[str, dict[str, object]] = {
    "base": {},
    "learning rate doubled": {"learning_rate": 0.04},
    "learning rate halved": {"learning_rate": 0.01},
    "learning rate a tenth": {"learning_rate": 0.002},
    "cosine": {"schedule": "cosine"},
    "wing": {"loss": "wing"},
    "smooth L1": {"loss": "smooth_l1"},
    "squared": {"loss": "l2"},
    "squared, pose branch": {"loss": "pfld"},
    "moving average": {"ema": 0.998},
    "geometry alone": {"augment": "geometry"},
    "no augmentation": {"augment": "none"},
    "distillation": {"distillation": 0.5},
}
"""Name -> what it changes of the base; ``distillation`` needs a teacher."""

MEDIAN = ("mb_k3_res", "mb_k5_res", "mb_k3_e2_res", "mb_k5_e2_res", "mb_k3_e2_res_se")
"""Blocks of the subnet that recipes are tried on: near the middle of the ``pfld`` space in MACs."""

NEAR = 0.02
"""Relative difference of latencies that count as equal."""

_SAMPLE = 1001


def contenders(searched: Architecture, cost: Cost, seed: int) -> dict[str, Architecture | str]:
    """Name -> architecture or baseline: the searched subnet, its peers in its space, and the baselines.

    Smallest, median (of 1,001 random ones) and largest are so by latency. ``random`` is another subnet for each seed, with the
    searched one's latency.

    Raises
    ------
    InputError
        If 100,000 random subnets have not its latency.
    """
    blocks = cost.blocks_us

    def subnet(choices: tuple[str, ...]) -> Architecture:
        return Architecture(searched.space, searched.num_points, searched.input_size, dict(zip(blocks, choices, strict=True)))

    def extreme(pick: Callable[..., str]) -> Architecture:
        return subnet(tuple(pick(row, key=row.get) for row in blocks.values()))

    drawn = _random(cost, 0)
    median = sorted((next(drawn) for _ in range(_SAMPLE)), key=lambda choices: cost_of(cost, choices))[_SAMPLE // 2]
    own, wanted = tuple(searched.choices[label] for label in blocks), cost_of(cost, tuple(searched.choices[b] for b in blocks))
    for _, other in zip(range(100_000), _random(cost, 1 + seed), strict=False):
        if abs(cost_of(cost, other) / wanted - 1) <= NEAR and other != own:
            break
    else:
        raise InputError(f"no random subnet within {NEAR:.0%} of {wanted:.0f} us; allowed: a searched subnet that has peers")
    return {"searched": searched, "random": subnet(other), "smallest": extreme(min), "median": subnet(median),
            "largest": extreme(max), **{name: name for name in BASELINES}}


def _random(cost: Cost, seed: int) -> Iterator[tuple[str, ...]]:
    rng = np.random.default_rng(seed)
    names = [list(row) for row in cost.blocks_us.values()]
    while True:
        yield tuple(str(rng.choice(row)) for row in names)
