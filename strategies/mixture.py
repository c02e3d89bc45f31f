"""The reference's search: it trains weights and logits in turns and mixes all candidates of a layer in every step."""

from typing import Any

import pytorch_lightning as pl

from .cost_term import LatencyTerm
from .search_module import SearchModule
from .target import LatencyTarget


class MixtureModule(SearchModule):
    """Search in a supernet of mixtures; see :class:`FBNet` for the parameters."""

    def __init__(
        self,
        training_module: pl.LightningModule,
        term: LatencyTerm | LatencyTarget | None,
        temperature: float,
        anneal: float,
        warmup_epochs: int,
        arc_learning_rate: float,
        arc_weight_decay: float,
        gradient_clip_val: float | None,
    ):
        super().__init__(
            training_module,
            term,
            arc_learning_rate,
            arc_weight_decay,
            warmup_epochs=warmup_epochs,
            gradient_clip_val=gradient_clip_val,
        )
        self.initial_temperature, self.anneal = temperature, anneal

    @property
    def stage(self) -> str:
        return "mixture"

    def temperature(self, epoch: int) -> float:
        """Gumbel temperature of an epoch; it falls after each epoch with architecture steps."""
        return self.initial_temperature * self.anneal ** max(0, epoch - self.warmup_epochs)

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        if batch["val"] is not None and self.trainer.current_epoch >= self.warmup_epochs:
            self.architecture_step(batch["val"], batch_idx)
        if batch["train"] is not None:
            self.resample()
            self.advance_optimization(self.task_loss(batch["train"], batch_idx), batch_idx, self.gradient_clip_val)
            self.advance_lr_schedulers(batch_idx)
