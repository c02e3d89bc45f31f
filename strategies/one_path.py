"""FBNet's search with one block per layer at a time: weights by single paths, logits by comparing two."""

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

import torch
from lightning_utilities.core.apply_func import apply_to_collection
from torch import Tensor
from torch.nn import functional

from .all_paths import FBNetModule
from .batch_norm import batch_statistics

PATHS = 2
"""Paths that an architecture step compares."""


class OnePathModule(FBNetModule):
    """Search in which every step runs single sampled paths; see :class:`FBNet` for the parameters.

    In the warm-up the paths are fair, whatever the latency target: a step has as many paths as a layer has candidates, each on
    its part of the batch, so that every block learns in every step (Chu et al. 2021, FairNAS, section 3).

    The logits' gradient is the score-function estimate of the expected loss with the other paths' loss as baseline (Kool et
    al. 2019, "Buy 4 REINFORCE samples, get a baseline for free"): unbiased whatever the network does with its blocks, without
    a backward pass through it. All paths of a step see the same batch and the same random numbers, so that their losses
    differ by their blocks alone.
    """

    def on_train_epoch_start(self) -> None:
        for module in self.searched():
            module.turns = [] if self.warming_up else None
        super().on_train_epoch_start()

    def weight_loss(self, batch: Any, batch_idx: int) -> Tensor:
        if not self.warming_up:
            return super().weight_loss(batch, batch_idx)
        sizes: list[int] = []
        apply_to_collection(batch, Tensor, lambda tensor: sizes.append(len(tensor)))
        paths = min(max(len(layer.names) for layer in self.layers().values()), max(1, sizes[0] // 2))
        losses = []
        for k in range(paths):  # parts of two at least, for the sake of BatchNorm
            part = apply_to_collection(batch, Tensor, lambda tensor, k=k: tensor.tensor_split(paths)[k])
            losses.append(super().weight_loss(part, batch_idx))
        return torch.stack(losses).mean()

    def architecture_step(self, batch: Any, batch_idx: int) -> None:
        optimizer = self.architecture_optimizers()
        optimizer.zero_grad()
        paths = [self.resample() for _ in range(PATHS)]
        with torch.no_grad():
            losses = torch.stack(self._compare(paths, batch, batch_idx))
        baseline = (losses.sum() - losses) / (len(losses) - 1)
        self.manual_backward(((losses - baseline) * torch.stack([self.log_probability(path) for path in paths])).mean())
        optimizer.step()
        self.after_architecture_step(batch_idx)

    def _compare(self, paths: list[dict[str, Tensor]], batch: Any, batch_idx: int) -> list[Tensor]:
        """Objective of each path on one batch, each with the same random numbers."""
        losses = []
        cuda = [self.device.index] if self.device.type == "cuda" else []
        for i, path in enumerate(paths):
            with torch.random.fork_rng(cuda, enabled=i < len(paths) - 1):
                self.use(path)
                loss = self._loss(batch, batch_idx)
            losses.append(loss if self.term is None else self.term(loss, path))
        return losses

    def use(self, path: Mapping[str, Tensor]) -> None:
        """Let the supernet run a path: label -> one-hot (candidates,)."""
        for module in self.searched():
            module.sample = path[module.label]

    def log_probability(self, path: Mapping[str, Tensor]) -> Tensor:
        """Of sampling a path; a scalar with gradient to the logits."""
        return torch.stack([(functional.log_softmax(layer.logits, -1) * path[label]).sum()
                            for label, layer in self.layers().items()]).sum()

    def on_validation_start(self) -> None:
        """Validate the chosen path, with the statistics of each batch: the running ones are those of many paths."""
        chosen = self.export()
        self.use({label: torch.tensor([float(name == chosen[label]) for name in layer.names])
                  for label, layer in self.layers().items()})
        self._statistics = ExitStack()
        self._statistics.enter_context(batch_statistics(self))
        super().on_validation_start()

    def on_validation_end(self) -> None:
        self._statistics.close()
        super().on_validation_end()
