"""The latency term of the search objective, differentiable in the sample that the forward pass used."""

from collections.abc import Callable, Mapping
from typing import Protocol

import torch
from torch import Tensor

from ..search_space.errors import InputError, allowed


class CostTable(Protocol):
    """Additive cost of a model space; ``latency.Cost`` is one."""

    @property
    def fixed_us(self) -> float:
        """What every subnet costs, in microseconds."""

    @property
    def blocks_us(self) -> Mapping[str, Mapping[str, float]]:
        """Label -> candidate -> what it adds, in microseconds."""


# FBNet (Wu et al. 2019), equation 2: CE * alpha * log(LAT)^beta; "add" is the other form that its re-implementations offer.
MODES: dict[str, Callable[[Tensor, Tensor, float, float], Tensor]] = {
    "mul": lambda loss, cost, alpha, beta: loss * alpha * torch.log(cost) ** beta,
    "add": lambda loss, cost, alpha, beta: loss + alpha * cost**beta,
}


class ExpectedCost:
    """Cost of an architecture whose choices are weighted, differentiable in the weights.

    Parameters
    ----------
    cost
        The space's cost.
    candidates
        Label -> names of the space's candidates, in the order of the logits.

    Raises
    ------
    InputError
        If labels or candidates of cost and space differ, or a cost is negative or not finite.
    """

    def __init__(self, cost: CostTable, candidates: Mapping[str, list[str]]):
        for label in sorted(cost.blocks_us.keys() ^ candidates.keys()):
            side = "latency table's cost" if label in cost.blocks_us else "search space"
            raise InputError(f"layer {label!r} is only in the {side}; both must have the same layers")
        for label, names in candidates.items():
            for name in names:
                value = cost.blocks_us[label].get(name)
                if value is None:
                    raise InputError(f"no cost for block {name!r} of layer {label!r}; {allowed(cost.blocks_us[label])}")
                if not 0 <= value < float("inf"):
                    raise InputError(f"cost of block {name!r} of layer {label!r} is {value}; allowed: finite, 0 or more")
        self.fixed_us = float(cost.fixed_us)
        self.tables = {
            label: torch.tensor([float(cost.blocks_us[label][name]) for name in names]) for label, names in candidates.items()
        }

    def cost_us(self, weights: Mapping[str, Tensor]) -> Tensor:
        """Expected cost in microseconds, a scalar with gradient, for label -> weights (candidates,) that sum to one."""
        total = next(iter(weights.values())).new_tensor(self.fixed_us)
        for label, table in self.tables.items():
            total = total + (weights[label] * table.to(weights[label])).sum()
        return total


class LatencyTerm(ExpectedCost):
    """Join the task loss and the latency of a sampled architecture.

    Parameters
    ----------
    cost, candidates
        As for :class:`ExpectedCost`.
    mode
        ``mul``: loss * alpha * log(us) ** beta; ``add``: loss + alpha * us ** beta. In ``add``, the unit of alpha is that of
        the loss per microsecond to the power of beta.
    alpha, beta
        Coefficients of these formulas.

    Raises
    ------
    InputError
        As :class:`ExpectedCost`, and if the mode is unknown, or in mode ``mul`` an architecture costs 1 us or less, where the
        power of the logarithm is not defined.
    """

    def __init__(
        self, cost: CostTable, candidates: Mapping[str, list[str]], mode: str = "mul", alpha: float = 0.25, beta: float = 0.8
    ):
        if mode not in MODES:
            raise InputError(f"unknown mode {mode!r} of the latency term; {allowed(MODES)}")
        super().__init__(cost, candidates)
        cheapest = self.fixed_us + sum(float(table.min()) for table in self.tables.values())
        if mode == "mul" and cheapest <= 1:
            raise InputError(f"the cheapest architecture costs {cheapest:g} us; allowed in mode 'mul': more than 1 us")
        self.mode = mode
        self.alpha = alpha
        self.beta = beta

    def __call__(self, loss: Tensor, weights: Mapping[str, Tensor]) -> Tensor:
        """The objective, a scalar."""
        return MODES[self.mode](loss, self.cost_us(weights), self.alpha, self.beta)
