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
    """Train a supernet whose subnets all work without finetuning, then choose one of them with FBNet's logits.

    1. **teacher**: trains the slowest path alone.
    2. **distillation**: trains every other candidate to reproduce the output of the teacher's block at its position (Li et al.
       2020, DNA; Moons et al. 2021, DONNA). If a layer does not run exactly once per path, the sandwich replaces this stage.
    3. **sandwich**: trains the slowest path on the labels, and random paths and the fastest path half on the labels and half on
       the slowest path's output (Yu et al. 2020, BigNAS).
    4. **logits**: freezes the weights and trains the logits on the validation loader's data by Gumbel-softmax, with the latency
       term or around the target (Wu et al. 2019, FBNet).

    Each of the first three stages has its own one-cycle schedule and its own optimiser from the evaluator's
    ``configure_optimizers``; the evaluator's schedule is not used. The trainer's ``max_epochs`` must be ``stages.epochs``.
    Works on any NNI ``ModelSpace`` of ``LayerChoice``s. An evaluator may provide two optional methods:

    - ``augmented(batch)`` augments a batch at random; the augmentation then happens once per step instead of once per path.
    - ``distance(output, target)`` returns the distance of an output from another network's, a scalar on the scale of the loss.
      The default is the mean squared error over the target's variance.

    Parameters
    ----------
    cost
        As for :class:`FBNet`; without it, the path with the most weights counts as the slowest.
    stages
        Length and learning rate of each stage.
    paths
        Paths per sandwich step, in addition to the slowest.
    branches
        Number of last-layer candidates with which each of these paths runs, in a space that is a :class:`LayerSequence`; the
        layers before run once for all of them. In other spaces, each path runs with one.
    temperature, anneal
        Gumbel temperature at the start of the last stage, and the factor on it after each epoch of that stage.
    arc_learning_rate
        Adam learning rate of the logits.
    **kwargs
        As for :class:`FBNet`, except ``warmup_epochs``.
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
        # every step gets a batch from each loader; an epoch is as long as the longer loader
        return CombinedLoader({"train": train_dataloader_fn(), "val": val_dataloader_fn()}, "max_size_cycle")
