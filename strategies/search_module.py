"""Base class of all searches: a Lightning module around the one that trains the network."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from .cost_term import LatencyTerm
from .mixed_layer import GumbelMixedLayer
from .nni_bases import OneShotModule
from .target import LatencyTarget

Result = TypeVar("Result")


class SearchModule(OneShotModule):
    """Logits, latency, sampling and export of a search; subclasses train the weights.

    Logs once per epoch ``arch/temperature``, ``arch/entropy`` (mean over the layers, in nats), ``prob/<label>/<block>``, and
    with a cost ``arch/expected_us`` (under the probabilities) and ``arch/decoded_us`` (of the chosen architecture).

    Parameters
    ----------
    training_module
        Module that trains one network: its ``training_step`` returns the task loss, and its model is the supernet.
    term
        Combines task loss and latency; None for the loss alone.
    arc_learning_rate, arc_weight_decay
        Adam learning rate and weight decay of the logits.
    """

    def __init__(
        self,
        training_module: pl.LightningModule,
        term: LatencyTerm | LatencyTarget | None,
        arc_learning_rate: float,
        arc_weight_decay: float,
        **kwargs: Any,
    ):
        super().__init__(training_module, arc_learning_rate=arc_learning_rate, **kwargs)
        self.term = term
        self.arc_weight_decay = arc_weight_decay

    @property
    def stage(self) -> str:
        """Name of the stage of this epoch."""
        raise NotImplementedError

    @property
    def partial(self) -> bool:
        """Whether only some of the supernet's subnets have been trained so far."""
        return False

    def temperature(self, epoch: int) -> float:
        """Gumbel temperature of an epoch."""
        raise NotImplementedError

    def searched(self) -> Sequence[GumbelMixedLayer]:
        """Return all searched layers in network order (NNI's supernet modules include convolutions without a choice)."""
        return [module for module in self.supernet_modules() if isinstance(module, GumbelMixedLayer)]

    def layers(self) -> Mapping[str, GumbelMixedLayer]:
        """Return label -> searched layer, the first of those that share the label."""
        layers: dict[str, GumbelMixedLayer] = {}
        for module in self.searched():
            layers.setdefault(module.label, module)
        return layers

    def on_train_epoch_start(self) -> None:
        for module in self.searched():
            module.temperature = self.temperature(self.trainer.current_epoch)
        self.tilt_to_target()
        super().on_train_epoch_start()

    def alike(self, draw: Callable[[], Result]) -> Result:
        """Run a random draw that gives the same result in all processes."""
        if self._trainer is None or self.trainer.world_size == 1:
            return draw()
        seed = self.trainer.strategy.broadcast(int(torch.randint(2**31, ())))
        with torch.random.fork_rng(self.cuda_devices()):
            torch.manual_seed(seed)
            return draw()

    def cuda_devices(self) -> list[int]:
        """Indices of the GPUs whose random numbers this process uses."""
        return [self.device.index] if self.device.type == "cuda" else []

    def resample(self) -> dict[str, Any]:
        """Draw a new sample, the same in all processes."""
        return self.alike(super().resample)

    def tilt_to_target(self) -> None:
        """Update the latency offset to bring the expected latency of samples back to the target, if there is one."""
        if isinstance(self.term, LatencyTarget):
            tilts = self.term.tilt({label: layer._arch_alpha for label, layer in self.layers().items()})
            for module in self.searched():
                module.tilt = tilts[module.label]

    def architecture_step(self, batch: Any, batch_idx: int) -> None:
        """Take one step of the logits on held-out data; task loss and latency use the same sample."""
        optimizer = self.architecture_optimizers()
        weights = self.resample()
        optimizer.zero_grad()
        loss = self.task_loss(batch, batch_idx)
        self.manual_backward(loss if self.term is None else self.term(loss, weights))
        optimizer.step()
        self.after_architecture_step(batch_idx)

    def after_architecture_step(self, batch_idx: int) -> None:
        """Check the new logits, and update the latency offset."""
        for module in self.searched():
            if not torch.isfinite(module._arch_alpha).all():
                raise FloatingPointError(
                    f"logits of layer {module.label!r} are not finite after epoch "
                    f"{self.trainer.current_epoch}, step {batch_idx}"
                )
        self.tilt_to_target()

    def task_loss(self, batch: Any, batch_idx: int) -> Tensor:
        """Return the task loss, a scalar; raise :class:`FloatingPointError` if it is not finite."""
        result: Any = self.training_module.training_step(batch, batch_idx)
        loss: Tensor = result["loss"] if isinstance(result, dict) else result
        if not torch.isfinite(loss):
            raise self.diverged(f"task loss is {float(loss.detach())}", batch_idx)
        return loss

    def diverged(self, what: str, batch_idx: int) -> FloatingPointError:
        """Build the error for a non-finite value, with a likely cause."""
        bad = self._first_bad_weight()
        cause = f"{bad} is not finite: a lower learning rate may help" if bad else "all weights are finite: check the data"
        return FloatingPointError(f"{what} in epoch {self.trainer.current_epoch}, step {batch_idx}; {cause}")

    def _first_bad_weight(self) -> str:
        # NNI adds the prefix "_model."
        return next(
            (
                f"weight {name.removeprefix('_model.')!r}"
                for name, weight in self.training_module.named_parameters()
                if not torch.isfinite(weight).all()
            ),
            "",
        )

    def on_validation_start(self) -> None:
        """Stop before non-finite weights overwrite the last good checkpoint."""
        if bad := self._first_bad_weight():
            raise FloatingPointError(
                f"{bad} is not finite at the end of epoch {self.trainer.current_epoch}; a lower learning rate may help"
            )
        super().on_validation_start()

    def validation_step(self, batch: Any, batch_idx: int) -> Any:
        return self.training_module.validation_step(batch, batch_idx)

    def on_validation_epoch_end(self) -> None:
        # NNI's base class does not forward this hook
        self.training_module.on_validation_epoch_end()
        for name, value in self.figures().items():
            self.log(name, value)

    def export(self) -> dict[str, str]:
        """Return the most probable architecture, label -> candidate; within the latency target if there is one."""
        if not isinstance(self.term, LatencyTarget):
            return super().export()
        return self.term.decode(self.logits())

    def logits(self) -> dict[str, dict[str, float]]:
        """Return label -> candidate -> logit, without latency offset."""
        return {
            label: dict(zip(layer.names, layer._arch_alpha.detach().tolist(), strict=True))
            for label, layer in self.layers().items()
        }

    def figures(self) -> dict[str, float]:
        """Return the values that are logged after each epoch, by name."""
        probabilities = self.export_probs()
        figures = {f"prob/{label}/{name}": p for label, row in probabilities.items() for name, p in row.items()}
        entropies = [-sum(p * math.log(max(p, 1e-30)) for p in row.values()) for row in probabilities.values()]
        figures["arch/entropy"] = sum(entropies) / len(entropies)
        figures["arch/temperature"] = self.temperature(self.trainer.current_epoch)
        if self.term is not None:
            expected = {label: torch.tensor(list(row.values())) for label, row in probabilities.items()}
            chosen = self.export()
            decoded = {
                label: torch.tensor([float(name == chosen[label]) for name in row]) for label, row in probabilities.items()
            }
            figures["arch/expected_us"] = float(self.term.cost_us(expected))
            figures["arch/decoded_us"] = float(self.term.cost_us(decoded))
        return figures

    def arch_parameters(self) -> list[nn.Parameter]:
        """Return the logits in network order, each once (NNI's order changes between processes, which breaks resuming)."""
        return list({id(p): p for module in self.searched() for p in module.arch_parameters()}.values())

    def configure_architecture_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.arch_parameters(), self.arc_learning_rate, weight_decay=self.arc_weight_decay)
