"""The compared recipes, which differ from a base in one setting, and the compared networks, trained with one recipe."""

from collections.abc import Callable

import numpy as np

from ....latency import Cost
from ....search_space import BASELINES, Architecture, PfldSpace
from ....strategies import cost_of

BASE: dict[str, object] = {"learning_rate": 0.02, "batch_size": 32, "schedule": "one_cycle", "loss": "l1", "augment": "full"}
"""The base recipe."""

RECIPES: dict[str, dict[str, object]] = {
    "base": {},
    "learning rate doubled": {"learning_rate": 0.04},
    "learning rate halved": {"learning_rate": 0.01},
    "learning rate a tenth": {"learning_rate": 0.002},
    "smooth L1": {"loss": "smooth_l1"},
    "squared": {"loss": "l2"},
    "squared, pose branch": {"loss": "pfld"},
    "geometry alone": {"augment": "geometry"},
    "no augmentation": {"augment": "none"},
    "distillation": {"distillation": 0.5},
}
"""Name -> settings that differ from the base; ``distillation`` needs a teacher."""

MEDIAN = ("mb_k3_res", "mb_k5_res", "mb_k3_e2_res", "mb_k5_e2_res", "mb_k3_e2_res_se")
"""Blocks of the subnet for the comparison of recipes: near the middle of the ``pfld`` space in MACs."""

_SAMPLE = 1001
"""Number of random subnets for the median."""


def contenders(space: PfldSpace, cost: Cost) -> dict[str, Architecture | str]:
    """Return three subnets of a space, and the baselines: name -> architecture or name of a baseline.

    ``smallest``, ``median`` (of 1,001 random subnets) and ``largest`` are by latency.
    """
    blocks = cost.blocks_us

    def subnet(choices: tuple[str, ...]) -> Architecture:
        return Architecture.from_blocks(space.spec, space.num_points, space.input_size, choices)

    def extreme(pick: Callable[..., str]) -> Architecture:
        return subnet(tuple(pick(row, key=row.get) for row in blocks.values()))

    rng = np.random.default_rng(0)
    drawn = [tuple(str(rng.choice(list(row))) for row in blocks.values()) for _ in range(_SAMPLE)]
    median = sorted(drawn, key=lambda choices: cost_of(cost, choices))[_SAMPLE // 2]
    return {"smallest": extreme(min), "median": subnet(median), "largest": extreme(max), **{name: name for name in BASELINES}}
