"""Paths of a supernet: the fastest, the slowest, and random ones."""

from collections.abc import Mapping, Sequence

import torch

from .cost_term import CostTable
from .mixed_layer import GumbelMixedLayer

Path = dict[str, str]
"""Label -> name of the block."""


def ends(layers: Mapping[str, GumbelMixedLayer], cost: CostTable | None) -> tuple[Path, Path]:
    """Return the fastest and the slowest path; without a cost, those with the fewest and the most weights."""
    fastest: Path = {}
    slowest: Path = {}
    for label, layer in layers.items():
        row: Mapping[str, float] = cost.blocks_us[label] if cost is not None else _weights(layer)
        fastest[label] = min(layer.names, key=row.__getitem__)
        slowest[label] = max(layer.names, key=row.__getitem__)
    return fastest, slowest


def _weights(layer: GumbelMixedLayer) -> dict[str, float]:
    """Candidate -> number of its weights."""
    return {name: sum(weight.numel() for weight in layer[name].parameters()) for name in layer.names}


class FairPaths:
    """Random paths in which every candidate of a layer runs once before any runs again.

    All candidates thus run equally often, give or take one. Source: Chu et al. 2021 (FairNAS), section 3.

    Parameters
    ----------
    candidates
        Label -> names of the blocks.
    """

    def __init__(self, candidates: Mapping[str, Sequence[str]]):
        self.candidates = candidates
        self._turns: dict[str, list[str]] = {label: [] for label in candidates}

    def draw(self) -> Path:
        """Draw the next path, label -> block, with torch's random generator."""
        path = {}
        for label, names in self.candidates.items():
            self._turns[label] = self._turns[label] or [names[i] for i in torch.randperm(len(names)).tolist()]
            path[label] = self._turns[label].pop()
        return path


def branches(path: Path, candidates: Mapping[str, Sequence[str]], count: int) -> list[Path]:
    """Return the path and others that differ only in the last layer: ``count`` in all, if it has that many candidates."""
    label, names = list(candidates.items())[-1]
    others = [names[i] for i in torch.randperm(len(names)).tolist() if names[i] != path[label]]
    return [path | {label: name} for name in (path[label], *others[: count - 1])]
