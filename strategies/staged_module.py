"""The search in stages: train a supernet whose subnets all work without finetuning, then the logits over it."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from .batch_norm import batch_statistics
from .block_distillation import Call, distillation_errors, not_once
from .cost_term import CostTable, LatencyTerm
from .distances import relative_error
from .paths import FairPaths, Path, branches, ends
from .search_module import SearchModule
from .stages import RISE, Position, Stages, one_cycle
from .sweep import Chain, outputs
from .target import LatencyTarget

CHEAPEST = 0.25
"""Share of the sandwich's steps in which the cheapest path replaces a random one."""

SOFT = 0.5
"""Weight of the distance to the teacher's output in the loss of a sandwiched path."""

VALIDATED = 8
"""Number of paths that validation cycles through: the slowest, the cheapest and random ones."""


class StagedModule(SearchModule):
    """Train the supernet in stages; see :class:`StagedFBNet` for the parameters.

    Beside what :class:`SearchModule` logs: ``stage``, its number, and ``train_distillation_error``, the mean error of the
    candidates.
    """

    def __init__(self, training_module: pl.LightningModule, term: LatencyTerm | LatencyTarget | None, cost: CostTable | None,
                 stages: Stages, paths: int, branches: int, temperature: float, anneal: float, arc_learning_rate: float,
                 arc_weight_decay: float, gradient_clip_val: float | None):
        super().__init__(training_module, term, arc_learning_rate, arc_weight_decay, gradient_clip_val=gradient_clip_val)
        self.cost, self.stages, self.paths, self.branches = cost, stages, paths, branches
        self.initial_temperature, self.anneal = temperature, anneal
        self._runs_once = True
        self._input: tuple[Any, ...] = ()
        self._output = self._answer = None
        self._steps = {"teacher": self._teacher_step, "distillation": self._distillation_step,
                       "sandwich": self._sandwich_step, "logits": self._logits_step}

    def set_model(self, model: nn.Module) -> None:
        super().set_model(model)
        self.cheapest, self.teacher = ends(self.layers(), self.cost)
        self._candidates = {label: list(layer.names) for label, layer in self.layers().items()}
        self._forward, model.forward = model.forward, self._run_network

    # --- where the search stands -----------------------------------------------------------------------------------------

    @property
    def position(self) -> Position:
        """Stage of this epoch, and how far it is."""
        return self.stages.at(self.trainer.current_epoch)

    @property
    def stage(self) -> str:
        return self.position.stage

    @property
    def partial(self) -> bool:
        return self.stage == "teacher"

    def temperature(self, epoch: int) -> float:
        """Gumbel temperature of an epoch: it falls after each epoch of the last stage."""
        stage, done, _ = self.stages.at(epoch)
        return self.initial_temperature * (self.anneal**done if stage == "logits" else 1.0)

    def on_train_epoch_start(self) -> None:
        super().on_train_epoch_start()
        learns_logits = self.stage == "logits"
        logits = {id(parameter) for parameter in self.arch_parameters()}
        for parameter in self.parameters():
            parameter.requires_grad_((id(parameter) in logits) == learns_logits)
        self._fair = FairPaths(self._candidates)  # anew in each epoch, so that a resumed search draws the same paths

    # --- steps -----------------------------------------------------------------------------------------------------------

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        position = self.position
        stage = position.stage
        if stage == "distillation" and not self._runs_once:
            stage = "sandwich"
        if stage != "logits":
            self._set_rate(position, batch_idx)
        self._steps[stage](self._augmented(batch["val" if stage == "logits" else "train"]), batch_idx)

    def _teacher_step(self, batch: Any, batch_idx: int) -> None:
        """Let the slowest path learn alone."""
        with self._weights_step():
            self.manual_backward(self._path_loss(self.teacher, batch, batch_idx))

    def _distillation_step(self, batch: Any, batch_idx: int) -> None:
        """Let every other candidate learn what the teacher's block in its place puts out."""
        layers = self.searched()
        with torch.no_grad():
            taught = self._calls(self.teacher, batch, batch_idx)
            others = self._calls(self.alike(self._fair.draw), batch, batch_idx)
        if fault := not_once(taught, layers):
            self._runs_once = False
            logging.getLogger(__name__).warning("%s: the space is no chain of layers, so the sandwich takes the place of "
                                                "block-wise distillation", fault)
            self._steps["sandwich"](batch, batch_idx)
            return
        total, count = 0.0, 0
        with self._weights_step():
            for layer, errors in distillation_errors(layers, self.teacher, *([own[0] for own in calls]
                                                                             for calls in (taught, others))):
                if not errors:
                    continue
                loss = torch.stack(list(errors.values())).sum()
                if not torch.isfinite(loss):
                    name, error = next((name, error) for name, error in errors.items() if not torch.isfinite(error))
                    what = f"error of block {name!r} of layer {layer.label!r} is {float(error.detach())}"
                    raise self.diverged(what, batch_idx)
                self.manual_backward(loss)  # layer by layer: the graphs share nothing, so that few are held at once
                total, count = total + loss.detach(), count + len(errors)
        self.log("train_distillation_error", total / max(1, count), on_step=False, on_epoch=True, batch_size=1)

    def _sandwich_step(self, batch: Any, batch_idx: int) -> None:
        """Let the slowest path learn from the labels, and others half from them and half from its output.

        Sandwich rule and in-place distillation: Yu et al. 2020 (BigNAS), section 3.1.
        """
        students = self.alike(self._draw_students)
        self._random_seed = int(torch.randint(2**31, ()))
        with self._weights_step():
            with self._same_random_numbers():
                loss = self._path_loss(self.teacher, batch, batch_idx)
            soft = self._output.detach()
            self.manual_backward(loss)
            for group in students:
                losses = [(1 - SOFT) * loss + SOFT * self._distance(output, soft)
                          for loss, output in self._student_losses(group, batch, batch_idx)]
                self.manual_backward(torch.stack(losses).mean())

    def _student_losses(self, group: list[Path], batch: Any, batch_idx: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Loss and output of paths that begin alike; what they share runs once where the space is a :class:`Chain`."""
        shared = outputs(self.model, *self._input, [tuple(path.values()) for path in group]) if self._is_chain else None
        for path in group:
            with self._same_random_numbers():
                if shared is not None:
                    index, self._answer = next(shared)
                    path = group[index]
                loss = self._path_loss(path, batch, batch_idx)
            yield loss, self._output
            self._answer = None

    def _logits_step(self, batch: Any, batch_idx: int) -> None:
        """Let the logits learn over the weights as they are, by a mixture of the candidates (FBNet)."""
        self._use(None)
        with batch_statistics(self):
            self.architecture_step(batch, batch_idx)

    def _draw_students(self) -> list[list[Path]]:
        """Groups of paths that differ in the last layer alone; now and then the cheapest path is in the last group."""
        paths = [self._fair.draw() for _ in range(self.paths)]
        if paths and float(torch.rand(())) < CHEAPEST:
            paths[-1] = self.cheapest
        return [branches(path, self._candidates, self.branches if self._is_chain else 1) for path in paths]

    @property
    def _is_chain(self) -> bool:
        return isinstance(self.model, Chain)

    # --- running paths ---------------------------------------------------------------------------------------------------

    def _use(self, path: Path | None) -> None:
        """Let the supernet run a path, or a mixture of all candidates."""
        for layer in self.searched():
            layer.block = None if path is None else path[layer.label]

    def _path_loss(self, path: Path, batch: Any, batch_idx: int) -> Tensor:
        self._use(path)
        return self.task_loss(batch, batch_idx)

    def _calls(self, path: Path, batch: Any, batch_idx: int) -> list[list[Call]]:
        """Inputs and outputs of every searched layer when a path runs."""
        layers = self.searched()
        for layer in layers:
            layer.calls = []
        try:
            self._path_loss(path, batch, batch_idx)
            return [layer.calls for layer in layers]
        finally:
            for layer in layers:
                layer.calls = None

    def _run_network(self, *inputs: Any) -> Tensor:
        """In place of the supernet's ``forward``: keeps what goes in and comes out, or gives an output that is known."""
        self._input = inputs
        self._output = self._forward(*inputs) if self._answer is None else self._answer
        return self._output

    def _augmented(self, batch: Any) -> Any:
        augmented = getattr(self.training_module, "augmented", None)
        return batch if augmented is None else augmented(batch)

    def _distance(self, output: Tensor, target: Tensor) -> Tensor:
        distance = getattr(self.training_module, "distance", relative_error)
        return distance(output, target)

    @contextmanager
    def _same_random_numbers(self) -> Iterator[None]:
        """The same random numbers for all paths of a step, so that they differ by their blocks alone."""
        with torch.random.fork_rng(self.cuda_devices()):
            torch.manual_seed(self._random_seed)
            yield

    def diverged(self, what: str, batch_idx: int) -> FloatingPointError:
        blocks = [(layer.label, layer.block) for layer in self.searched() if layer.block is not None]
        bad = self._first_bad_block(blocks)
        return super().diverged(f"{what} in stage {self.stage}{bad}", batch_idx)

    def _first_bad_block(self, blocks: list[tuple[str, str]]) -> str:
        """Name the first block of the path with a weight that is not finite."""
        layers = self.layers()
        return next((f", layer {label!r}, block {block!r}" for label, block in blocks
                     if not all(torch.isfinite(weight).all() for weight in layers[label][block].parameters())), "")

    # --- optimisers ------------------------------------------------------------------------------------------------------

    def configure_optimizers(self) -> list[Optimizer]:
        """One optimiser of the weights for each stage, as the evaluator has it, and one of the logits."""
        weights = [self.postprocess_weight_optimizers(_optimizer(self.training_module.configure_optimizers()))
                   for _ in RISE]
        logits = self.configure_architecture_optimizers()
        logits.is_arch_optimizer = True  # NNI's mark
        return [*weights, logits]

    def _stage_optimizer(self) -> Any:
        return self.optimizers()[list(RISE).index(self.stage)]

    def _set_rate(self, position: Position, batch_idx: int) -> None:
        done = (position.done + batch_idx / self.trainer.num_training_batches) / position.epochs
        factor, momentum = one_cycle(done, RISE[position.stage])
        for group in self._stage_optimizer().param_groups:
            group["lr"] = factor * self.stages.rate(position.stage)
            if "betas" in group:
                group["betas"] = (momentum, *group["betas"][1:])

    @contextmanager
    def _weights_step(self) -> Iterator[None]:
        """A step of the weights with the gradients that are computed inside."""
        optimizer = self._stage_optimizer()
        optimizer.zero_grad()
        yield
        if self.gradient_clip_val is not None:
            self.clip_gradients(optimizer, self.gradient_clip_val, "norm")
        optimizer.step()

    # --- validation ------------------------------------------------------------------------------------------------------

    def on_validation_start(self) -> None:
        """Validate with the statistics of each batch: the running ones are those of many paths."""
        self._validated = self._paths_to_validate()
        self._statistics = ExitStack()
        self._statistics.enter_context(batch_statistics(self))
        super().on_validation_start()

    def _paths_to_validate(self) -> list[Path]:
        """What the figures of an epoch are of: the teacher, the subnets in turns, or the chosen one."""
        if self.stage == "teacher":
            return [self.teacher]
        if self.stage == "logits":
            return [self.export()]
        with torch.random.fork_rng(self.cuda_devices()):
            torch.manual_seed(0)  # the same subnets after every epoch
            fair = FairPaths(self._candidates)
            return [self.teacher, self.cheapest, *(fair.draw() for _ in range(VALIDATED - 2))]

    def validation_step(self, batch: Any, batch_idx: int) -> Any:
        self._use(self._validated[batch_idx % len(self._validated)])
        return super().validation_step(batch, batch_idx)

    def on_validation_end(self) -> None:
        self._statistics.close()
        super().on_validation_end()

    def figures(self) -> dict[str, float]:
        return {"stage": float(list(self._steps).index(self.stage)), **super().figures()}


def _optimizer(configured: Any) -> Optimizer:
    """The one optimiser among what Lightning lets ``configure_optimizers`` return."""
    found = configured
    if isinstance(found, Mapping):
        found = found["optimizer"]
    while isinstance(found, (list, tuple)):
        found = found[0]
    return found
