"""Latency term of the search objective, differentiable in the sample that the forward pass used."""

from collections.abc import Callable, Mapping
from typing import Protocol

import torch
from torch import Tensor

from ..search_space.errors import InputError, allowed


class CostTable(Protocol):
    """Additive latency model of a search space; ``latency.Cost`` implements it."""

    @property
    def fixed_us(self) -> float:
        """Latency common to all subnets, in microseconds."""

    @property
    def blocks_us(self) -> Mapping[str, Mapping[str, float]]:
        """Label -> candidate -> latency that the candidate adds, in microseconds."""


# "mul": FBNet (Wu et al. 2019), equation 2, CE * alpha * log(LAT)^beta; "add": the other form that re-implementations offer.
MODES: dict[str, Callable[[Tensor, Tensor, float, float], Tensor]] = {
    "mul": lambda loss, cost, alpha, beta: loss * alpha * torch.log(cost) ** beta,
    "add": lambda loss, cost, alpha, beta: loss + alpha * cost**beta,
}
"""Mode of the latency term -> objective as a function of task loss, latency in microseconds, alpha and beta."""


class ExpectedCost:
    """Expected latency of an architecture with weighted candidates, differentiable in the weights.

    Parameters
    ----------
    cost
        Latency model of the space.
    candidates
        Label -> names of the space's candidates, in the order of the logits.

    Raises
    ------
    InputError
        If ``cost`` and the space have different labels or candidates, or a latency is negative or not finite.
    """

    def __init__(self, cost: CostTable, candidates: Mapping[str, list[str]]):
        for label in sorted(cost.blocks_us.keys() ^ candidates.keys()):
            side = "latency table" if label in cost.blocks_us else "search space"
            raise InputError(f"layer {label!r} is only in the {side}; both must have the same layers")
        for label, names in candidates.items():
            for name in names:
                value = cost.blocks_us[label].get(name)
                if value is None:
                    raise InputError(f"no latency for block {name!r} of layer {label!r}; {allowed(cost.blocks_us[label])}")
                if not 0 <= value < float("inf"):
                    raise InputError(f"latency of block {name!r} of layer {label!r} is {value}; must be finite, 0 or more")
        self.fixed_us = float(cost.fixed_us)
        self.tables = {
            label: torch.tensor([float(cost.blocks_us[label][name]) for name in names]) for label, names in candidates.items()
        }

    def cost_us(self, weights: Mapping[str, Tensor]) -> Tensor:
        """Return the expected latency in microseconds, a scalar with gradient.

        ``weights`` maps each label to weights (candidates,) that sum to one.
        """
        total = next(iter(weights.values())).new_tensor(self.fixed_us)
        for label, table in self.tables.items():
            total = total + (weights[label] * table.to(weights[label])).sum()
        return total


class LatencyTerm(ExpectedCost):
    """Combine the task loss and the latency of a sampled architecture.

    Parameters
    ----------
    cost, candidates
        As for :class:`ExpectedCost`.
    mode
        ``mul``: loss * alpha * log(us) ** beta; ``add``: loss + alpha * us ** beta. In mode ``add``, the unit of ``alpha`` is
        the unit of the loss divided by microseconds ** beta.
    alpha, beta
        Coefficients of these formulas.

    Raises
    ------
    InputError
        As for :class:`ExpectedCost`, if the mode is unknown, or if an architecture has a latency of 1 us or less in mode
        ``mul``, where the power of the logarithm is undefined.
    """

    def __init__(
        self, cost: CostTable, candidates: Mapping[str, list[str]], mode: str = "mul", alpha: float = 0.25, beta: float = 0.8
    ):
        if mode not in MODES:
            raise InputError(f"unknown mode {mode!r} of the latency term; {allowed(MODES)}")
        super().__init__(cost, candidates)
        fastest = self.fixed_us + sum(float(table.min()) for table in self.tables.values())
        if mode == "mul" and fastest <= 1:
            raise InputError(f"the fastest architecture takes {fastest:g} us; mode 'mul' needs more than 1 us")
        self.mode = mode
        self.alpha = alpha
        self.beta = beta

    def __call__(self, loss: Tensor, weights: Mapping[str, Tensor]) -> Tensor:
        """Return the objective, a scalar."""
        return MODES[self.mode](loss, self.cost_us(weights), self.alpha, self.beta)
