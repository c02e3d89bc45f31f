"""The staged search: train a supernet whose subnets all work without finetuning, then the logits over it."""

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.optim import Optimizer

from .batch_norm import batch_statistics
from .block_distillation import distillation_errors, not_once
from .cost_term import CostTable, LatencyTerm
from .nni_bases import mark_as_architecture_optimizer, only_optimizer
from .path_module import PathModule
from .paths import FairPaths, Path, branches
from .stages import RISE, Position, Stages, one_cycle
from .sweeping import outputs
from .target import LatencyTarget

FASTEST = 0.25
"""Share of the sandwich steps in which the fastest path replaces a random one."""

SOFT = 0.5
"""Weight of the distance to the teacher's output in the loss of the other paths of the sandwich."""

VALIDATED = 8
"""Number of paths that validation cycles through: the slowest, the fastest and random ones."""


class StagedModule(PathModule):
    """Train the supernet in stages; see :class:`StagedFBNet` for the parameters.

    In addition to the values of :class:`SearchModule`, it logs ``stage``, the stage's number, and
    ``train_distillation_error``, the mean error of the candidates.
    """

    def __init__(
        self,
        training_module: pl.LightningModule,
        term: LatencyTerm | LatencyTarget | None,
        cost: CostTable | None,
        stages: Stages,
        paths: int,
        branches: int,
        temperature: float,
        anneal: float,
        arc_learning_rate: float,
        arc_weight_decay: float,
        gradient_clip_val: float | None,
    ):
        super().__init__(training_module, term, cost, arc_learning_rate, arc_weight_decay, gradient_clip_val)
        self.stages = stages
        self.paths = paths
        self.branches = branches
        self.initial_temperature = temperature
        self.anneal = anneal
        self._runs_once = True
        self._steps = {
            "teacher": self._teacher_step,
            "distillation": self._distillation_step,
            "sandwich": self._sandwich_step,
            "logits": self._logits_step,
        }

    # --- progress of the search ------------------------------------------------------------------------------------------

    @property
    def position(self) -> Position:
        """Stage of this epoch, and the progress within it."""
        return self.stages.at(self.trainer.current_epoch)

    @property
    def stage(self) -> str:
        return self.position.stage

    @property
    def partial(self) -> bool:
        return self.stage == "teacher"

    def temperature(self, epoch: int) -> float:
        """Gumbel temperature of an epoch; it falls after each epoch of the last stage."""
        stage, done, _ = self.stages.at(epoch)
        return self.initial_temperature * (self.anneal**done if stage == "logits" else 1.0)

    def on_train_epoch_start(self) -> None:
        super().on_train_epoch_start()
        learns_logits = self.stage == "logits"
        logits = {id(parameter) for parameter in self.arch_parameters()}
        for parameter in self.parameters():
            parameter.requires_grad_((id(parameter) in logits) == learns_logits)
        self._fair = FairPaths(self.candidates)  # reset in each epoch, so that a resumed search draws the same paths

    # --- steps -----------------------------------------------------------------------------------------------------------

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        position = self.position
        stage = position.stage
        if stage == "distillation" and not self._runs_once:
            stage = "sandwich"
        if stage != "logits":
            self._set_rate(position, batch_idx)
        self._steps[stage](self.augmented_batch(batch["val" if stage == "logits" else "train"]), batch_idx)

    def _teacher_step(self, batch: Any, batch_idx: int) -> None:
        """Train the slowest path alone."""
        with self._weights_step():
            self.manual_backward(self.path_loss(self.teacher, batch, batch_idx))

    def _distillation_step(self, batch: Any, batch_idx: int) -> None:
        """Train every other candidate to reproduce the output of the teacher's block at its position."""
        layers = self.searched()
        with torch.no_grad():
            taught = self.calls_of(self.teacher, batch, batch_idx)
            others = self.calls_of(self.alike(self._fair.draw), batch, batch_idx)
        if fault := not_once(taught, layers):
            self._runs_once = False
            logging.getLogger(__name__).warning(
                "%s: the space is not a chain of layers, so the sandwich replaces block-wise distillation", fault
            )
            self._steps["sandwich"](batch, batch_idx)
            return
        total: Tensor | float = 0.0
        count = 0
        with self._weights_step():
            for layer, errors in distillation_errors(
                layers, self.teacher, *([own[0] for own in calls] for calls in (taught, others))
            ):
                if not errors:
                    continue
                loss = torch.stack(list(errors.values())).sum()
                if not torch.isfinite(loss):
                    name, error = next((name, error) for name, error in errors.items() if not torch.isfinite(error))
                    what = f"error of block {name!r} of layer {layer.label!r} is {float(error.detach())}"
                    raise self.diverged(what, batch_idx)
                self.manual_backward(loss)  # layer by layer: the graphs are independent, so few are in memory at once
                total = total + loss.detach()
                count += len(errors)
        self.log("train_distillation_error", total / max(1, count), on_step=False, on_epoch=True, batch_size=1)

    def _sandwich_step(self, batch: Any, batch_idx: int) -> None:
        """Train the slowest path on the labels, and others half on the labels and half on its output.

        Sandwich rule and in-place distillation: Yu et al. 2020 (BigNAS), section 3.1.
        """
        students = self.alike(self._draw_students)
        self.random_seed = int(torch.randint(2**31, ()))
        with self._weights_step():
            with self.same_random_numbers():
                loss = self.path_loss(self.teacher, batch, batch_idx)
            soft = self.last_output().detach()
            self.manual_backward(loss)
            for group in students:
                losses = [
                    (1 - SOFT) * loss + SOFT * self.distance(output, soft)
                    for loss, output in self._student_losses(group, batch, batch_idx)
                ]
                self.manual_backward(torch.stack(losses).mean())

    def _student_losses(self, group: list[Path], batch: Any, batch_idx: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield loss and output of paths that share their first layers, which a :class:`LayerSequence` runs once."""
        sequence = self.sequence
        shared = None
        if sequence is not None:
            (x,) = self.input  # begin() takes one input
            shared = outputs(sequence, x, [tuple(path.values()) for path in group])
        for path in group:
            with self.same_random_numbers():
                if shared is not None:
                    index, self.answer = next(shared)
                    path = group[index]
                loss = self.path_loss(path, batch, batch_idx)
            yield loss, self.last_output()
            self.answer = None

    def _logits_step(self, batch: Any, batch_idx: int) -> None:
        """Train the logits over frozen weights, with a mixture of the candidates (FBNet)."""
        self.use(None)
        with batch_statistics(self):
            self.architecture_step(batch, batch_idx)

    def _draw_students(self) -> list[list[Path]]:
        """Draw groups of paths that differ only in the last layer; the fastest path sometimes starts the last group."""
        paths = [self._fair.draw() for _ in range(self.paths)]
        if paths and float(torch.rand(())) < FASTEST:
            paths[-1] = self.fastest
        return [branches(path, self.candidates, 1 if self.sequence is None else self.branches) for path in paths]

    # --- optimisers ------------------------------------------------------------------------------------------------------

    def configure_optimizers(self) -> list[Optimizer]:
        """Create one optimiser of the weights for each stage, by the evaluator's method, and one of the logits."""
        weights = [
            self.postprocess_weight_optimizers(only_optimizer(self.training_module.configure_optimizers())) for _ in RISE
        ]
        return [*weights, mark_as_architecture_optimizer(self.configure_architecture_optimizers())]

    def _stage_optimizer(self) -> Any:
        optimizers: Any = self.optimizers()
        return optimizers[list(RISE).index(self.stage)]

    def _set_rate(self, position: Position, batch_idx: int) -> None:
        done = (position.done + batch_idx / self.trainer.num_training_batches) / position.epochs
        factor, momentum = one_cycle(done, RISE[position.stage])
        for group in self._stage_optimizer().param_groups:
            group["lr"] = factor * self.stages.rate(position.stage)
            if "betas" in group:
                group["betas"] = (momentum, *group["betas"][1:])

    @contextmanager
    def _weights_step(self) -> Iterator[None]:
        """Take a step of the weights with the gradients that are computed inside the block."""
        optimizer = self._stage_optimizer()
        optimizer.zero_grad()
        yield
        if self.gradient_clip_val is not None:
            self.clip_gradients(optimizer, self.gradient_clip_val, "norm")
        optimizer.step()

    # --- validation ------------------------------------------------------------------------------------------------------

    def on_validation_start(self) -> None:
        """Validate with per-batch statistics, since the running ones average over many paths."""
        self._validated = self._paths_to_validate()
        self._statistics = ExitStack()
        self._statistics.enter_context(batch_statistics(self))
        super().on_validation_start()

    def _paths_to_validate(self) -> list[Path]:
        """Return the paths to validate in this epoch: the teacher, several subnets in turn, or the chosen one."""
        if self.stage == "teacher":
            return [self.teacher]
        if self.stage == "logits":
            return [self.export()]
        with torch.random.fork_rng(self.cuda_devices()):
            torch.manual_seed(0)  # the same subnets after every epoch
            fair = FairPaths(self.candidates)
            return [self.teacher, self.fastest, *(fair.draw() for _ in range(VALIDATED - 2))]

    def validation_step(self, batch: Any, batch_idx: int) -> Any:
        self.use(self._validated[batch_idx % len(self._validated)])
        return super().validation_step(batch, batch_idx)

    def on_validation_end(self) -> None:
        self._statistics.close()
        super().on_validation_end()

    def figures(self) -> dict[str, float]:
        return {"stage": float(list(self._steps).index(self.stage)), **super().figures()}
