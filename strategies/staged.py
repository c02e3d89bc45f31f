"""FBNet over a supernet that is trained in stages, as an NNI one-shot strategy."""

from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.utilities import CombinedLoader

from .cost_term import CostTable
from .fbnet import FBNet
from .path_layer import PathLayer
from .staged_module import StagedModule
from .stages import Stages


class StagedFBNet(FBNet):
    """Train a supernet whose subnets all work without finetuning, and let FBNet's logits choose one of them.

    1. **teacher**: the slowest path learns alone.
    2. **distillation**: every other candidate learns what the teacher's block in its place puts out (Li et al. 2020, DNA; Moons
       et al. 2021, DONNA). A space in which a layer does not run exactly once per path has the sandwich
       in its place.
    3. **sandwich**: the slowest path learns from the labels, random ones and the cheapest half from them and half from its
       output (Yu et al. 2020, BigNAS).
    4. **logits**: the weights stay, the logits learn on the validation loader's data by Gumbel-softmax, with the latency term
       or around the target (Wu et al. 2019, FBNet).

    Each of the first three stages has a one-cycle schedule and an optimiser of its own, made by the evaluator's
    ``configure_optimizers``; the evaluator's own schedule is not used. The trainer's ``max_epochs`` must be ``stages.epochs``.
    Works on any NNI ``ModelSpace`` of ``LayerChoice``s. An evaluator may have two methods for it, and need not:

    - ``augmented(batch)`` changes a batch at random, which then happens once per step instead of once per path;
    - ``distance(output, target)``, a scalar, says how far an output is from another network's, on the scale of the loss;
      otherwise it is the mean squared error over the target's variance.

    Parameters
    ----------
    cost
        As for :class:`FBNet`; without one, the path with the most weights counts as the slowest.
    stages
        Length and learning rate of each stage.
    paths
        Paths per step of the sandwich beside the slowest.
    branches
        Candidates of the last layer in which each of these paths ends, in a space that is a :class:`LayerSequence`: what
        comes before runs once for them. In others each path ends in one.
    temperature, anneal
        Gumbel temperature at the start of the last stage, and the factor on it after each of its epochs.
    arc_learning_rate
        Adam learning rate of the logits.
    **kwargs
        As for :class:`FBNet`; there are no ``warmup_epochs``.
    """

    layer = PathLayer

    def __init__(
        self,
        cost: CostTable | None = None,
        *,
        stages: Stages | None = None,
        paths: int = 2,
        branches: int = 3,
        temperature: float = 5.0,
        anneal: float = 0.5,
        arc_learning_rate: float = 0.03,
        **kwargs: Any,
    ):
        super().__init__(
            cost, temperature=temperature, anneal=anneal, warmup_epochs=0, arc_learning_rate=arc_learning_rate, **kwargs
        )
        self.stages = Stages() if stages is None else stages
        self.paths = paths
        self.branches = branches

    def configure_oneshot_module(self, training_module: pl.LightningModule) -> StagedModule:
        return StagedModule(
            training_module,
            self._term,
            self.cost,
            self.stages,
            self.paths,
            self.branches,
            self.temperature,
            self.anneal,
            self.arc_learning_rate,
            self.arc_weight_decay,
            self.gradient_clip_val,
        )

    def train_dataloader(self, train_dataloader_fn: Callable[[], Any], val_dataloader_fn: Callable[[], Any]) -> Any:
        # a batch of each in every step; an epoch is as long as the longer loader
        return CombinedLoader({"train": train_dataloader_fn(), "val": val_dataloader_fn()}, "max_size_cycle")
