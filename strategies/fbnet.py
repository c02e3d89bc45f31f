"""FBNet as an NNI one-shot strategy, for any model space of ``LayerChoice``s."""

import math
from collections.abc import Callable
from typing import Any, TypeVar

import pytorch_lightning as pl
from nni.nas.nn.pytorch import LayerChoice, ModelSpace
from nni.nas.strategy import DARTS
from pytorch_lightning.utilities import CombinedLoader

from ..search_space.errors import InputError
from .cost_term import CostTable, LatencyTerm
from .decoding import check_target
from .mixed_layer import GumbelMixedLayer
from .mixture import MixtureModule
from .nni_bases import MutationHook, names_of
from .search_module import SearchModule
from .target import LatencyTarget

Space = TypeVar("Space", bound=ModelSpace)


class FBNet(DARTS):
    """FBNet (Wu et al. 2019): Gumbel-softmax over candidate blocks, with a differentiable latency term.

    This is the reference's algorithm: it trains weights and logits in turns, from scratch, with all candidates mixed.
    :class:`StagedFBNet` trains the weights better.

    Works on any NNI ``ModelSpace`` of ``LayerChoice``s and with any Lightning evaluator. Each epoch passes once over the
    evaluator's training loader (a weight step per batch) and once over its validation loader (a logit step per batch, after
    the warm-up); the steps alternate. Validate on held-out *training* data: data that a search has seen is not a test set.

    Parameters
    ----------
    cost
        Latency model of the space, such as ``LookupTable.load(...).cost(space)``; None for no latency term.
    mode, alpha, beta
        Options of the latency term; see :class:`LatencyTerm`. The defaults are the reference's.
    target_us
        Latency target in microseconds, which replaces the latency term: samples stay around it, and the chosen architecture
        meets it; see :class:`LatencyTarget`. None for no target.
    temperature
        Initial Gumbel temperature.
    anneal
        Factor on the temperature after each epoch with architecture steps.
    warmup_epochs
        Number of initial epochs that train only the weights.
    arc_learning_rate, arc_weight_decay
        Adam learning rate and weight decay of the logits.
    gradient_clip_val
        Largest norm of the weights' gradients; None for no clipping.

    Raises
    ------
    InputError
        If no architecture meets the target. When the search starts: if the space has choices of another kind, or ``cost`` does
        not match the space.
    """

    layer = GumbelMixedLayer
    """Class that replaces each ``LayerChoice``."""

    def __init__(
        self,
        cost: CostTable | None = None,
        *,
        mode: str = "mul",
        alpha: float = 0.25,
        beta: float = 0.8,
        target_us: float | None = None,
        temperature: float = 5.0,
        anneal: float = math.exp(-0.045),
        warmup_epochs: int = 5,
        arc_learning_rate: float = 0.01,
        arc_weight_decay: float = 5e-4,
        gradient_clip_val: float | None = None,
        **kwargs: Any,
    ):
        super().__init__(
            arc_learning_rate=arc_learning_rate, warmup_epochs=warmup_epochs, gradient_clip_val=gradient_clip_val, **kwargs
        )
        if target_us is not None:
            if cost is None:
                raise InputError("target_us is given without cost; give both or neither")
            check_target(cost, target_us)
        self.cost = cost
        self.mode = mode
        self.alpha = alpha
        self.beta = beta
        self.target_us = target_us
        self.temperature = temperature
        self.anneal = anneal
        self.arc_weight_decay = arc_weight_decay
        self._term: LatencyTerm | LatencyTarget | None = None

    def default_mutation_hooks(self) -> list[MutationHook]:
        return [self.layer.mutate, *super().default_mutation_hooks()]

    def mutate_model(self, model: Space) -> Space:
        choices = {m.label: names_of(m) for m in model.modules() if isinstance(m, LayerChoice)}
        for label in model.simplify().keys() - choices.keys():
            raise InputError(f"choice {label!r} of the space is not a LayerChoice; only LayerChoices can be searched")
        if self.cost is not None and self.target_us is not None:
            self._term = LatencyTarget(self.cost, choices, self.target_us)
        elif self.cost is not None:
            self._term = LatencyTerm(self.cost, choices, self.mode, self.alpha, self.beta)
        return super().mutate_model(model)

    def configure_oneshot_module(self, training_module: pl.LightningModule) -> SearchModule:
        return MixtureModule(
            training_module,
            self._term,
            self.temperature,
            self.anneal,
            self.warmup_epochs,
            self.arc_learning_rate,
            self.arc_weight_decay,
            self.gradient_clip_val,
        )

    def train_dataloader(self, train_dataloader_fn: Callable[[], Any], val_dataloader_fn: Callable[[], Any]) -> Any:
        # "max_size" ends with the longer loader and yields None for the exhausted one
        return CombinedLoader({"train": train_dataloader_fn(), "val": val_dataloader_fn()}, "max_size")

    def val_dataloader(self, train_dataloader_fn: Callable[[], Any], val_dataloader_fn: Callable[[], Any]) -> Any:
        return val_dataloader_fn()
