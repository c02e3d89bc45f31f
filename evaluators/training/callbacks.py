"""Lightning callbacks for trainings that may be killed at any time: a fixed seed per epoch, and saving of the best weights."""

from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.utilities import rank_zero_only


class SeedEveryEpoch(pl.Callback):
    """Seed all random generators before the first batch of each epoch, so that an epoch is the same in a resumed run.

    The epoch's start would be the wrong moment: Lightning creates the loaders' iterators, which draw random numbers, before
    that hook in a resumed run and after it in any other run.
    """

    def __init__(self, seed: int):
        self.seed = seed

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int) -> None:
        if batch_idx == 0:
            pl.seed_everything((self.seed + 1_000_003 * (1 + trainer.current_epoch)) % 2**32, verbose=False)


class KeepBest(pl.Callback):
    """Call ``save`` after each validation with the lowest metric so far.

    Parameters
    ----------
    save
        Function that saves the current weights; it gets the logged metrics of the validation as floats.
    monitor
        Name of the logged metric.
    """

    def __init__(self, save: Callable[[dict[str, float]], None], monitor: str = "val_nme"):
        self.save, self.monitor = save, monitor
        self.best = float("inf")

    @rank_zero_only
    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        figures = {name: float(value) for name, value in trainer.callback_metrics.items()}
        if figures[self.monitor] < self.best:
            self.best = figures[self.monitor]
            self.save(figures)

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best = state_dict["best"]
