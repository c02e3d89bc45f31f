"""Learning-rate schedules by name: functions from (optimizer, peak, total steps) to a scheduler that steps every batch."""

import warnings
from collections.abc import Callable

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR


def one_cycle(optimizer: Optimizer, peak: float, steps: int) -> LRScheduler:
    """Raise the rate for 30 % of the steps while the momentum falls, then lower it along a cosine (Smith and Topin 2018)."""
    return OneCycleLR(optimizer, peak, total_steps=steps)


SCHEDULES: dict[str, Callable[[Optimizer, float, int], LRScheduler]] = {"one_cycle": one_cycle}


def restart(make: Callable[[Optimizer], LRScheduler], old: LRScheduler, peak: float) -> LRScheduler:
    """Make a new schedule for the optimizer of ``old``, and advance it to the step of ``old``.

    An extended training uses this: the learning rate jumps to its value at this step of a training of the new length.

    Parameters
    ----------
    make
        Function that creates a schedule at its first step.
    peak
        Learning rate of the optimizer when the schedule is created.
    """
    for group in old.optimizer.param_groups:
        group["lr"] = peak
        group.pop("initial_lr", None)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Detected call of .lr_scheduler.step")
        new = make(old.optimizer)
        for _ in range(old.last_epoch):
            new.step()
    return new
