"""Progress bar of a whole training, with epochs and steps done, NME, latency and remaining time."""

from collections.abc import Mapping
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.utilities import rank_zero_only
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

# logged name -> format on the screen
SHOWN: Mapping[str, str] = {
    "val_nme": "NME {:.2f} %",
    "arch/expected_us": "expected {:.0f} us",
    "arch/decoded_us": "chosen {:.0f} us",
}


class _Figures(ProgressColumn):
    """Column with the latest value of every metric in :data:`SHOWN` that the training logs."""

    def render(self, task: Task) -> Text:
        figures = task.fields.get("figures", {})
        return Text("  ".join(form.format(figures[name]) for name, form in SHOWN.items() if name in figures))


class TrainingProgress(pl.Callback):
    """Rich progress bar over all epochs of a Lightning training; on a pipe, one line per epoch instead.

    Parameters
    ----------
    title
        Name of the training.
    console
        Console to draw on; standard error by default, because standard output is for results.
    """

    def __init__(self, title: str, console: Console | None = None):
        self.title = title
        self.console = console or Console(stderr=True)
        self._bar: Progress | None = None

    @rank_zero_only
    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not self.console.is_terminal:
            return
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            _Figures(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self.console,
        )
        steps = int(trainer.num_training_batches)
        total = None if trainer.max_epochs is None else steps * trainer.max_epochs
        self._task = self._bar.add_task(self.title, total=total, completed=steps * trainer.current_epoch)
        self._bar.start()

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        if self._bar:
            self._bar.advance(self._task)

    @rank_zero_only
    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.sanity_checking:
            return
        figures = {name: float(value) for name, value in trainer.callback_metrics.items() if name in SHOWN}
        stage = getattr(pl_module, "stage", None)  # only in a search
        epoch = f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}" + (f" ({stage})" if stage else "")
        if self._bar:
            self._bar.update(self._task, figures=figures, description=f"{self.title} {epoch}")
        else:
            line = "  ".join(form.format(figures[name]) for name, form in SHOWN.items() if name in figures)
            self.console.print(f"{self.title} {epoch}  {line}", highlight=False, soft_wrap=True)

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        self.teardown(trainer, pl_module, "fit")
        if isinstance(exception, KeyboardInterrupt):
            self.console.print(f"{self.title} interrupted; resume search or finetune with --resume auto", soft_wrap=True)

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        if self._bar:
            self._bar.stop()
            self._bar = None
