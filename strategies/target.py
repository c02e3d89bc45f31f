"""A latency target instead of a weight: sample around it, decode under it."""

from collections.abc import Mapping

import numpy as np
from scipy.optimize import brentq
from torch import Tensor

from .cost_term import CostTable, ExpectedCost
from .decoding import check_target, cost_range, decode

LIMIT = 1e3
"""Largest strength of the latency offset, either way."""


class LatencyTarget(ExpectedCost):
    """Keep the sampling distribution's expected latency on a target, and leave the loss alone.

    The logits learn from the task loss alone. The sampling distribution is ``softmax(logits - strength * latency)``, with the
    one ``strength`` at which the expected latency is the target. The expected latency falls as the strength grows, so that a
    root search finds it.

    Parameters
    ----------
    cost, candidates
        As for :class:`ExpectedCost`.
    target_us
        Microseconds; a target above the slowest architecture changes nothing.

    Raises
    ------
    InputError
        As :class:`ExpectedCost`, and if every architecture costs more.
    """

    def __init__(self, cost: CostTable, candidates: Mapping[str, list[str]], target_us: float):
        super().__init__(cost, candidates)
        check_target(cost, target_us)
        self.cost = cost
        self.target_us = target_us

    def __call__(self, loss: Tensor, weights: Mapping[str, Tensor]) -> Tensor:
        """The objective: the task loss as it is."""
        return loss

    def tilt(self, logits: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The latency offset: what to subtract from the logits so that the target is met, label -> (candidates,), float32, CPU.

        If the target is so near the cheapest or the slowest architecture that no finite strength meets it, the strength is
        :data:`LIMIT`.
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
        """The most probable architecture within the target and near it, by the logits without offset; see :func:`decode`."""
        return decode(logits, self.cost, self.target_us)
