"""Lightning callbacks for trainings that can be killed at any time: fixed randomness per epoch, best weights kept."""

from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl


class SeedEveryEpoch(pl.Callback):
    """Seed every generator at the start of each epoch, so that an epoch does not depend on whether the run was resumed."""

    def __init__(self, seed: int):
        self.seed = seed

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        pl.seed_everything((self.seed + 1_000_003 * (1 + trainer.current_epoch)) % 2**32, verbose=False)


class KeepBest(pl.Callback):
    """Call ``save`` after each validation whose figure is the lowest so far.

    Parameters
    ----------
    save
        Writes the weights as they are; gets the logged figures of this validation as floats.
    monitor
        Name of the logged figure.
    first_epoch
        Earlier epochs do not count, such as a search's warm-up.
    """

    def __init__(self, save: Callable[[dict[str, float]], None], monitor: str = "val_nme", first_epoch: int = 0):
        self.save, self.monitor, self.first_epoch = save, monitor, first_epoch
        self.best = float("inf")

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        figures = {name: float(value) for name, value in trainer.callback_metrics.items()}
        if trainer.current_epoch >= self.first_epoch and figures[self.monitor] < self.best:
            self.best = figures[self.monitor]
            self.save(figures)

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best = state_dict["best"]
