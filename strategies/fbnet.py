"""FBNet as an NNI one-shot strategy, for any model space of ``LayerChoice``s."""

import math
from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
import torch
from nni.nas.nn.pytorch import LayerChoice, ModelSpace
from nni.nas.oneshot.pytorch.differentiable import DartsLightningModule
from nni.nas.strategy import DARTS
from pytorch_lightning.utilities import CombinedLoader
from torch import Tensor, nn

from ..search_space.inputs import InputError
from .cost_term import CostTable, LatencyTerm
from .decode import check_target
from .mixed_layer import GumbelMixedLayer
from .target import LatencyTarget


class FBNetModule(DartsLightningModule):
    """The search itself, around the Lightning module that trains the network; see :class:`FBNet` for the parameters.

    Logs once per epoch ``arch/temperature``, ``arch/entropy`` (mean over the layers, in nats), ``prob/<label>/<block>``, and
    with a cost ``arch/expected_us`` (under the probabilities) and ``arch/decoded_us`` (of the chosen architecture).
    """

    def __init__(self, training_module: pl.LightningModule, term: LatencyTerm | LatencyTarget | None, temperature: float,
                 anneal: float, warmup_epochs: int, arc_learning_rate: float, arc_weight_decay: float,
                 gradient_clip_val: float | None):
        super().__init__(training_module, arc_learning_rate=arc_learning_rate, warmup_epochs=warmup_epochs,
                         gradient_clip_val=gradient_clip_val)
        self.term, self.initial_temperature, self.anneal = term, temperature, anneal
        self.arc_weight_decay = arc_weight_decay

    def temperature(self, epoch: int) -> float:
        """Gumbel temperature of an epoch: it falls after each epoch with architecture steps."""
        return self.initial_temperature * self.anneal ** max(0, epoch - self.warmup_epochs)

    def layers(self) -> dict[str, GumbelMixedLayer]:
        """Label -> its searched layer, the first of those that share the label."""
        layers: dict[str, GumbelMixedLayer] = {}
        for module in self.supernet_modules():
            layers.setdefault(module.label, module)
        return layers

    def on_train_epoch_start(self) -> None:
        for module in self.supernet_modules():
            module.temperature = self.temperature(self.trainer.current_epoch)
        self.tilt_to_target()
        super().on_train_epoch_start()

    def tilt_to_target(self) -> None:
        """Bring the expected latency of what is sampled back to the target, if there is one."""
        if isinstance(self.term, LatencyTarget):
            tilts = self.term.tilt({label: layer._arch_alpha for label, layer in self.layers().items()})
            for module in self.supernet_modules():
                module.tilt = tilts[module.label]

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        if batch["val"] is not None and self.trainer.current_epoch >= self.warmup_epochs:
            self.architecture_step(batch["val"], batch_idx)
        if batch["train"] is not None:
            self.resample()
            loss = self._loss(batch["train"], batch_idx)
            self.advance_optimization(loss, batch_idx, self.gradient_clip_val)
            self.advance_lr_schedulers(batch_idx)

    def architecture_step(self, batch: Any, batch_idx: int) -> None:
        """One step of the logits on held-out data; task loss and latency see the same sample."""
        optimizer = self.architecture_optimizers()
        weights = self.resample()
        optimizer.zero_grad()
        loss = self._loss(batch, batch_idx)
        self.manual_backward(loss if self.term is None else self.term(loss, weights))
        optimizer.step()
        for module in self.supernet_modules():
            if not torch.isfinite(module._arch_alpha).all():
                raise FloatingPointError(f"logits of layer {module.label!r} are not finite after epoch "
                                         f"{self.trainer.current_epoch}, step {batch_idx}")
        self.tilt_to_target()

    def _loss(self, batch: Any, batch_idx: int) -> Tensor:
        loss = self.training_module.training_step(batch, batch_idx)
        loss = loss["loss"] if isinstance(loss, dict) else loss
        if not torch.isfinite(loss):
            raise FloatingPointError(f"task loss is {float(loss.detach())} in epoch {self.trainer.current_epoch}, "
                                     f"step {batch_idx}; a lower learning rate may help")
        return loss

    def validation_step(self, batch: Any, batch_idx: int) -> Any:
        """Validate the supernet, its candidates weighted as in training but without noise."""
        return self.training_module.validation_step(batch, batch_idx)

    def on_validation_epoch_end(self) -> None:
        # the one hook of these that NNI's base class does not pass on
        self.training_module.on_validation_epoch_end()
        for name, value in self.figures().items():
            self.log(name, value)

    def export(self) -> dict[str, str]:
        """The chosen architecture, label -> candidate: the most probable one, within the latency target if there is one."""
        if not isinstance(self.term, LatencyTarget):
            return super().export()
        return self.term.decode({label: dict(zip(layer.names, layer._arch_alpha.detach().tolist(), strict=True))
                                 for label, layer in self.layers().items()})

    def figures(self) -> dict[str, float]:
        """State of the search: what is logged after each epoch, by name."""
        probabilities = self.export_probs()
        figures = {f"prob/{label}/{name}": p for label, row in probabilities.items() for name, p in row.items()}
        entropies = [-sum(p * math.log(max(p, 1e-30)) for p in row.values()) for row in probabilities.values()]
        figures["arch/entropy"] = sum(entropies) / len(entropies)
        figures["arch/temperature"] = self.temperature(self.trainer.current_epoch)
        if self.term is not None:
            expected = {label: torch.tensor(list(row.values())) for label, row in probabilities.items()}
            chosen = self.export()
            decoded = {label: torch.tensor([float(name == chosen[label]) for name in row])
                       for label, row in probabilities.items()}
            figures["arch/expected_us"] = float(self.term.cost_us(expected))
            figures["arch/decoded_us"] = float(self.term.cost_us(decoded))
        return figures

    def arch_parameters(self) -> list[nn.Parameter]:
        """The logits in the network's order, each once (NNI's order changes between processes, which breaks resuming)."""
        return list({id(p): p for module in self.supernet_modules() for p in module.arch_parameters()}.values())

    def configure_architecture_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.arch_parameters(), self.arc_learning_rate, weight_decay=self.arc_weight_decay)


class FBNet(DARTS):
    """FBNet (Wu et al. 2019): Gumbel-softmax over candidate blocks, with a latency term that has a gradient.

    Works on any NNI ``ModelSpace`` of ``LayerChoice``s and any Lightning evaluator. Each epoch passes once over the evaluator's
    training loader (a step of the weights per batch) and once over its validation loader (a step of the logits per batch, after
    the warm-up), the steps taking turns. Give it held-out *training* data to validate on: what a search saw is no test set.

    Parameters
    ----------
    cost
        Additive cost of the space in microseconds, such as ``LookupTable.load(...).cost(space)``; None for no latency term.
    mode, alpha, beta
        Of the latency term; see :class:`LatencyTerm`. Defaults as the reference has them.
    target_us
        Latency target in microseconds, in place of the latency term: sampling stays around it and the chosen architecture is
        within it; see :class:`LatencyTarget`. None for no target.
    temperature
        Gumbel temperature at the start.
    anneal
        Factor on it after each epoch with architecture steps.
    warmup_epochs
        First epochs in which only the weights train.
    arc_learning_rate, arc_weight_decay
        Adam's, for the logits.
    gradient_clip_val
        Limit of the norm of the weights' gradients; None for none.

    Raises
    ------
    InputError
        If no architecture is within the target; when the search starts, if cost and space do not fit each other.
    """

    def __init__(self, cost: CostTable | None = None, *, mode: str = "mul", alpha: float = 0.25, beta: float = 0.8,
                 target_us: float | None = None, temperature: float = 5.0, anneal: float = math.exp(-0.045),
                 warmup_epochs: int = 5, arc_learning_rate: float = 0.01, arc_weight_decay: float = 5e-4,
                 gradient_clip_val: float | None = None, **kwargs: Any):
        super().__init__(arc_learning_rate=arc_learning_rate, warmup_epochs=warmup_epochs,
                         gradient_clip_val=gradient_clip_val, **kwargs)
        if target_us is not None:
            if cost is None:
                raise InputError("a latency target without a cost; allowed: both, or neither")
            check_target(cost, target_us)
        self.cost, self.mode, self.alpha, self.beta, self.target_us = cost, mode, alpha, beta, target_us
        self.temperature, self.anneal, self.arc_weight_decay = temperature, anneal, arc_weight_decay
        self._term: LatencyTerm | LatencyTarget | None = None

    def default_mutation_hooks(self) -> list[Callable]:
        return [GumbelMixedLayer.mutate, *super().default_mutation_hooks()]

    def mutate_model(self, model: ModelSpace) -> ModelSpace:
        choices = {m.label: list(m.names) for m in model.modules() if isinstance(m, LayerChoice)}
        if self.target_us is not None:
            self._term = LatencyTarget(self.cost, choices, self.target_us)
        elif self.cost is not None:
            self._term = LatencyTerm(self.cost, choices, self.mode, self.alpha, self.beta)
        return super().mutate_model(model)

    def configure_oneshot_module(self, training_module: pl.LightningModule) -> FBNetModule:
        return FBNetModule(training_module, self._term, self.temperature, self.anneal, self.warmup_epochs,
                           self.arc_learning_rate, self.arc_weight_decay, self.gradient_clip_val)

    def train_dataloader(self, train_dataloader_fn: Callable[[], Any], val_dataloader_fn: Callable[[], Any]) -> Any:
        # "max_size" ends with the longer loader and gives None for the one that has run out
        return CombinedLoader({"train": train_dataloader_fn(), "val": val_dataloader_fn()}, "max_size")

    def val_dataloader(self, train_dataloader_fn: Callable[[], Any], val_dataloader_fn: Callable[[], Any]) -> Any:
        return val_dataloader_fn()
