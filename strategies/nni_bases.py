"""NNI's classes that this package derives from, with the types that NNI does not give.

The declarations under ``TYPE_CHECKING`` are for type checkers alone: nothing is overridden when a search runs. NNI's own hooks
have no types at all, its ``Trainer`` is no type but a traced function, its mutation hooks do not say that they may return None,
and Lightning's wrapper of an optimiser does not say that it has the optimiser's methods. All of that is collected here, so that
no other module needs an exception for it.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from nni.nas.nn.pytorch import LayerChoice
from nni.nas.oneshot.pytorch.differentiable import DartsLightningModule
from nni.nas.oneshot.pytorch.supermodule.differentiable import DifferentiableMixedLayer
from torch.optim import Optimizer

if TYPE_CHECKING:
    import pytorch_lightning as pl
    from torch import Tensor, nn

MutationHook = Callable[..., Any]
"""Given a module, its name, a memo and options, makes what takes the module's place; None to leave it as it is."""


class MixedLayer(DifferentiableMixedLayer):
    """NNI's searched layer, its candidates given by name."""

    if TYPE_CHECKING:
        label: str
        names: list[str]
        _arch_alpha: nn.Parameter

        @classmethod
        def mutate(cls, module: nn.Module, name: str, memo: dict[str, Any], mutate_kwargs: dict[str, Any]) -> Any: ...

        def arch_parameters(self) -> Iterator[nn.Parameter]: ...

        def _reduction(self, items: list[Any], weights: Any) -> Any: ...


class OneShotModule(DartsLightningModule):
    """NNI's Lightning module of a differentiable search."""

    if TYPE_CHECKING:

        @property
        def trainer(self) -> pl.Trainer: ...

        @trainer.setter
        def trainer(self, trainer: pl.Trainer | None) -> None: ...

        def on_train_epoch_start(self) -> None: ...

        def on_validation_start(self) -> None: ...

        def on_validation_end(self) -> None: ...

        def postprocess_weight_optimizers(self, optimizers: Any) -> Any: ...

        def architecture_optimizers(self) -> Any: ...

        def advance_optimization(
            self,
            loss: Tensor,
            batch_idx: int,
            gradient_clip_val: float | None = None,
            gradient_clip_algorithm: str | None = None,
        ) -> None: ...

        def advance_lr_schedulers(self, batch_idx: int) -> None: ...


def names_of(choice: LayerChoice) -> list[str]:
    """Names of a choice's candidates, which are numbers where the space gives them as a list."""
    names: list[Any] = list(choice.names)
    return names


def only_optimizer(configured: Any) -> Optimizer:
    """The one optimiser among what Lightning lets ``configure_optimizers`` return."""
    found = configured
    if isinstance(found, Mapping):
        found = found["optimizer"]
    while isinstance(found, (list, tuple)):
        found = found[0]
    optimizer: Optimizer = found
    return optimizer


def mark_as_architecture_optimizer(optimizer: Optimizer) -> Optimizer:
    """Set the mark by which NNI tells the optimiser of the logits from those of the weights."""
    marked: Any = optimizer
    marked.is_arch_optimizer = True
    return optimizer
