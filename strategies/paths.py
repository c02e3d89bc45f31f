"""Which paths of a supernet run: the ends of its space, and random ones."""

from collections.abc import Mapping, Sequence

import torch

from .cost_term import CostTable
from .mixed_layer import GumbelMixedLayer

Path = dict[str, str]
"""Label -> name of the block."""


def ends(layers: Mapping[str, GumbelMixedLayer], cost: CostTable | None) -> tuple[Path, Path]:
    """The cheapest and the slowest path; without a cost, those of the fewest and of the most weights."""
    cheapest: Path = {}
    slowest: Path = {}
    for label, layer in layers.items():
        row: Mapping[str, float] = cost.blocks_us[label] if cost is not None else _weights(layer)
        cheapest[label] = min(layer.names, key=row.__getitem__)
        slowest[label] = max(layer.names, key=row.__getitem__)
    return cheapest, slowest


def _weights(layer: GumbelMixedLayer) -> dict[str, float]:
    """Candidate -> number of its weights."""
    return {name: sum(weight.numel() for weight in layer[name].parameters()) for name in layer.names}


class FairPaths:
    """Random paths in which every candidate of a layer has its turn before any has the next.

    All have then run equally often, give or take one. Source: Chu et al. 2021 (FairNAS), section 3.

    Parameters
    ----------
    candidates
        Label -> names of the blocks.
    """

    def __init__(self, candidates: Mapping[str, Sequence[str]]):
        self.candidates = candidates
        self._turns: dict[str, list[str]] = {label: [] for label in candidates}

    def draw(self) -> Path:
        """The next path, from torch's random numbers."""
        path = {}
        for label, names in self.candidates.items():
            self._turns[label] = self._turns[label] or [names[i] for i in torch.randperm(len(names)).tolist()]
            path[label] = self._turns[label].pop()
        return path


def branches(path: Path, candidates: Mapping[str, Sequence[str]], count: int) -> list[Path]:
    """The path, and others that differ from it in the last layer alone: ``count`` in all if it has so many candidates."""
    label, names = list(candidates.items())[-1]
    others = [names[i] for i in torch.randperm(len(names)).tolist() if names[i] != path[label]]
    return [path | {label: name} for name in (path[label], *others[: count - 1])]
