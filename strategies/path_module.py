"""Run single paths of a supernet, and record losses, outputs and calls of the layers."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from .block_distillation import Call
from .cost_term import CostTable, LatencyTerm
from .distances import relative_error
from .path_layer import PathLayer
from .paths import Path, ends
from .search_module import SearchModule
from .sweeping import LayerSequence
from .target import LatencyTarget


class PathModule(SearchModule):
    """Search in a supernet of :class:`PathLayer`, which can run one path at a time; subclasses decide which and when.

    Attributes
    ----------
    fastest, teacher
        The fastest and the slowest path.
    candidates
        Label -> names of its candidates.
    input
        Inputs of the network's last run.
    answer
        Output that the network returns without running; None to let it run.
    random_seed
        Random seed for :meth:`same_random_numbers`.
    """

    fastest: Path
    teacher: Path
    candidates: dict[str, list[str]]

    def __init__(
        self,
        training_module: pl.LightningModule,
        term: LatencyTerm | LatencyTarget | None,
        cost: CostTable | None,
        arc_learning_rate: float,
        arc_weight_decay: float,
        gradient_clip_val: float | None,
    ):
        super().__init__(training_module, term, arc_learning_rate, arc_weight_decay, gradient_clip_val=gradient_clip_val)
        self.cost = cost
        self.input: tuple[Any, ...] = ()
        self.answer: Tensor | None = None
        self.random_seed = 0
        self._output: Tensor | None = None

    def set_model(self, model: nn.Module) -> None:
        super().set_model(model)
        self.fastest, self.teacher = ends(self.layers(), self.cost)
        self.candidates = {label: list(layer.names) for label, layer in self.layers().items()}
        self._forward = model.forward
        model.forward = self._run_network

    def searched(self) -> Sequence[PathLayer]:
        return [module for module in self.supernet_modules() if isinstance(module, PathLayer)]

    @property
    def sequence(self) -> LayerSequence | None:
        """The supernet if its subnets can share their first layers, otherwise None."""
        model: object = self.model
        return model if isinstance(model, LayerSequence) else None

    def use(self, path: Path | None) -> None:
        """Make the supernet run a path, or a mixture of all candidates if ``path`` is None."""
        for layer in self.searched():
            layer.block = None if path is None else path[layer.label]

    def path_loss(self, path: Path, batch: Any, batch_idx: int) -> Tensor:
        """Return the task loss of a path, a scalar."""
        self.use(path)
        return self.task_loss(batch, batch_idx)

    def calls_of(self, path: Path, batch: Any, batch_idx: int) -> list[list[Call]]:
        """Run a path and return the inputs and outputs of every searched layer."""
        layers = self.searched()
        for layer in layers:
            layer.calls = []
        try:
            self.path_loss(path, batch, batch_idx)
            return [layer.calls or [] for layer in layers]
        finally:
            for layer in layers:
                layer.calls = None

    def _run_network(self, *inputs: Any) -> Tensor:
        """Replacement for the supernet's ``forward``: record inputs and output, or return a known output."""
        self.input = inputs
        output: Tensor = self._forward(*inputs) if self.answer is None else self.answer
        self._output = output
        return output

    def last_output(self) -> Tensor:
        """Return the output of the network's last run."""
        assert self._output is not None  # a path has run
        return self._output

    def augmented_batch(self, batch: Any) -> Any:
        """Augment a batch at random with the evaluator's method, if it has one."""
        augmented = getattr(self.training_module, "augmented", None)
        return batch if augmented is None else augmented(batch)

    def distance(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the distance of an output from a target, a scalar, by the evaluator's measure if it has one."""
        distance = getattr(self.training_module, "distance", relative_error)
        return distance(output, target)

    @contextmanager
    def same_random_numbers(self) -> Iterator[None]:
        """Use the same random numbers for all paths of a step, so that only their blocks differ."""
        with torch.random.fork_rng(self.cuda_devices()):
            torch.manual_seed(self.random_seed)
            yield

    def diverged(self, what: str, batch_idx: int) -> FloatingPointError:
        blocks = [(layer.label, layer.block) for layer in self.searched() if layer.block is not None]
        bad = self._first_bad_block(blocks)
        return super().diverged(f"{what} in stage {self.stage}{bad}", batch_idx)

    def _first_bad_block(self, blocks: list[tuple[str, str]]) -> str:
        """Name the path's first block with a non-finite weight."""
        layers = self.layers()
        return next(
            (
                f", layer {label!r}, block {block!r}"
                for label, block in blocks
                if not all(torch.isfinite(weight).all() for weight in layers[label][block].parameters())
            ),
            "",
        )
