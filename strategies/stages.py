"""Stages of supernet training, and the learning rate in each."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

STAGES = ("teacher", "distillation", "sandwich", "logits")
"""Names of the stages, first to last."""

SHARES: Mapping[str, int] = {"teacher": 10, "distillation": 2, "sandwich": 46, "logits": 2}
"""Default epochs of each stage; a search of another length is split in these proportions."""

RISE: Mapping[str, float] = {"teacher": 0.3, "distillation": 0.2, "sandwich": 0.1}
"""Share of a stage's steps in which its learning rate rises."""

START = 1 / 25
"""First learning rate as a fraction of the highest; this and the next two are the constants of torch's ``OneCycleLR``."""

END = 1 / 250_000
"""Last learning rate as a fraction of the highest."""

MOMENTUM = (0.85, 0.95)
"""Momentum at the highest learning rate, and at the start and end of a stage."""


@dataclass(frozen=True)
class Stages:
    """Length of each stage in epochs, and the learning rate of the weights.

    Parameters
    ----------
    teacher, distillation, sandwich, logits
        Epochs of each stage; 0 skips it.
    teacher_rate, distillation_rate, sandwich_rate
        Highest learning rate of the weights.
    """

    teacher: int = SHARES["teacher"]
    distillation: int = SHARES["distillation"]
    sandwich: int = SHARES["sandwich"]
    logits: int = SHARES["logits"]
    teacher_rate: float = 2e-2
    distillation_rate: float = 5e-3
    sandwich_rate: float = 1e-2

    @property
    def epochs(self) -> int:
        """Total epochs of all stages."""
        return sum(getattr(self, name) for name in STAGES)

    def at(self, epoch: int) -> "Position":
        """Return the stage of an epoch of the search, and the progress within it."""
        first = 0
        for name in STAGES:
            length = getattr(self, name)
            if epoch < first + length:
                break
            first += length
        return Position(name, epoch - first, length)

    def rate(self, name: str) -> float:
        """Return the highest learning rate of the weights in a stage."""
        rate: float = getattr(self, f"{name}_rate")
        return rate


class Position(NamedTuple):
    """A stage, the number of its epochs before this one, and its total number of epochs."""

    stage: str
    done: int
    epochs: int


def split(epochs: int) -> dict[str, int]:
    """Split the epochs of a search over the stages, stage -> epochs, in the proportions of :data:`SHARES`.

    Every stage gets at least one epoch if there are four or more. A shorter search skips the distillation first, then the
    teacher: without the last stage, the logits would not learn and the choice would be meaningless.
    """
    exact = {name: epochs * share / sum(SHARES.values()) for name, share in SHARES.items()}
    found = {name: math.floor(value) for name, value in exact.items()}
    # largest remainders first
    for name in sorted(exact, key=lambda name: found[name] - exact[name])[: epochs - sum(found.values())]:
        found[name] += 1
    # the sandwich, by far the longest stage, gives an epoch to each stage that has none
    for name in ("logits", "teacher", "distillation"):
        if found[name] == 0 and found["sandwich"] > 1:
            found["sandwich"] -= 1
            found[name] += 1
    return found


def one_cycle(done: float, rise: float) -> tuple[float, float]:
    """Return the learning rate as a fraction of the highest, and the momentum, after a fraction ``done`` of all steps.

    The schedule of Smith and Topin 2018, section 3, with the constants of torch's ``OneCycleLR``. This function has no state:
    a resumed or extended search has the right rate at once.
    """
    low, high = MOMENTUM
    if done < rise:
        return _cosine(START, 1.0, done / rise), _cosine(high, low, done / rise)
    return _cosine(1.0, END, (done - rise) / (1 - rise)), _cosine(low, high, (done - rise) / (1 - rise))


def _cosine(start: float, end: float, part: float) -> float:
    return end + (start - end) / 2 * (1 + math.cos(math.pi * part))
