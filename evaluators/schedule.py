"""Learning-rate schedules by name: (optimizer, peak, total steps) to a scheduler that steps after every batch."""

from collections.abc import Callable

from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, LRScheduler, OneCycleLR, SequentialLR

WARM_UP = 0.05
"""Share of the steps in which ``cosine`` comes to its peak."""


def one_cycle(optimizer: Optimizer, peak: float, steps: int) -> LRScheduler:
    """Up for 30 % of the steps while the momentum falls, then down along a cosine (Smith and Topin 2018, section 3)."""
    return OneCycleLR(optimizer, peak, total_steps=steps)


def cosine(optimizer: Optimizer, peak: float, steps: int) -> LRScheduler:
    """Up along a line for 5 % of the steps, then down along a cosine (Loshchilov and Hutter 2017, SGDR, equation 5)."""
    up = max(1, round(WARM_UP * steps))
    parts = [LinearLR(optimizer, 1 / up, total_iters=up), CosineAnnealingLR(optimizer, max(1, steps - up))]
    return SequentialLR(optimizer, parts, [up])


SCHEDULES: dict[str, Callable[[Optimizer, float, int], LRScheduler]] = {"one_cycle": one_cycle, "cosine": cosine}
