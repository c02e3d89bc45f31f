"""Latency target, which replaces the latency term: sample around it, decode within it."""

from collections.abc import Mapping

import numpy as np
from scipy.optimize import brentq
from torch import Tensor

from .cost_term import CostTable, ExpectedCost
from .decoding import check_target, cost_range, decode

LIMIT = 1e3
"""Largest absolute strength of the latency offset."""


class LatencyTarget(ExpectedCost):
    """Keep the sampling distribution's expected latency on a target, without changing the loss.

    The logits learn from the task loss alone. The sampling distribution is ``softmax(logits - strength * latency)``, with the
    ``strength`` at which the expected latency equals the target. The expected latency falls as the strength grows, so a root
    search finds it.

    Parameters
    ----------
    cost, candidates
        As for :class:`ExpectedCost`.
    target_us
        Latency target in microseconds; a target above the slowest architecture has no effect.

    Raises
    ------
    InputError
        As for :class:`ExpectedCost` and :func:`check_target`.
    """

    def __init__(self, cost: CostTable, candidates: Mapping[str, list[str]], target_us: float):
        super().__init__(cost, candidates)
        check_target(cost, target_us)
        self.cost = cost
        self.target_us = target_us

    def __call__(self, loss: Tensor, weights: Mapping[str, Tensor]) -> Tensor:
        """Return the objective: the unchanged task loss."""
        return loss

    def tilt(self, logits: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the latency offset to subtract from the logits to meet the target: label -> (candidates,), float32, CPU.

        If the target is so close to the fastest or the slowest architecture that no finite strength meets it, the strength
        is :data:`LIMIT`.
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

        # a target above the slowest architecture needs no offset
        strength = 0.0
        if self.target_us < cost_range(self.cost)[1]:
            if excess(-LIMIT) <= 0:
                strength = -LIMIT
            elif excess(LIMIT) >= 0:
                strength = LIMIT
            else:
                strength = brentq(excess, -LIMIT, LIMIT)
        return {label: strength / unit * self.tables[label] for label in logits}

    def decode(self, logits: Mapping[str, Mapping[str, float]]) -> dict[str, str]:
        """Return the most probable architecture within the target and close to it, by the logits without offset."""
        return decode(logits, self.cost, self.target_us)
