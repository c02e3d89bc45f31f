"""NNI classes that this package derives from, with the types that NNI lacks.

The declarations under ``TYPE_CHECKING`` are only for type checkers and override nothing at run time. NNI's hooks are untyped,
its ``Trainer`` is a traced function instead of a type, and its mutation hooks do not declare that they may return None.
Lightning's optimiser wrapper does not declare the optimiser's methods. These exceptions are collected here, so that no other
module needs one.
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
"""Maps a module, its name, a memo and options to a replacement for the module, or to None to keep it."""


class MixedLayer(DifferentiableMixedLayer):
    """NNI's searched layer with named candidates."""

    if TYPE_CHECKING:
        label: str
        names: list[str]
        _arch_alpha: nn.Parameter

        @classmethod
        def mutate(cls, module: nn.Module, name: str, memo: dict[str, Any], mutate_kwargs: dict[str, Any]) -> Any: ...

        def arch_parameters(self) -> Iterator[nn.Parameter]: ...

        def _reduction(self, items: list[Any], weights: Any) -> Any: ...


class OneShotModule(DartsLightningModule):
    """NNI's Lightning module for a differentiable search."""

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
    """Return the names of a choice's candidates; they are numbers if the space gives the candidates as a list."""
    names: list[Any] = list(choice.names)
    return names


def only_optimizer(configured: Any) -> Optimizer:
    """Return the single optimiser from any form that ``configure_optimizers`` may return."""
    found = configured
    if isinstance(found, Mapping):
        found = found["optimizer"]
    while isinstance(found, (list, tuple)):
        found = found[0]
    optimizer: Optimizer = found
    return optimizer


def mark_as_architecture_optimizer(optimizer: Optimizer) -> Optimizer:
    """Set the flag by which NNI distinguishes the logits' optimiser from those of the weights."""
    marked: Any = optimizer
    marked.is_arch_optimizer = True
    return optimizer
