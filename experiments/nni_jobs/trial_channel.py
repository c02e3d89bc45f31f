"""Make a process a well-behaved trial of an NNI experiment, whichever service started it."""

import math
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import nni
import psutil
import pytorch_lightning as pl

from ...search_space import Architecture, InputError
from .nni_fixes import TrialChannel, listed_parameters

# logged name -> key of an intermediate result; NNI's tuners and assessors read "default"
REPORTED = {"val_nme": "default", "arch/expected_us": "expected_us", "arch/decoded_us": "chosen_us", "arch/entropy": "entropy"}


class Report(pl.Callback):
    """Reports of this trial to NNI: the metrics in :data:`REPORTED` after each validation, and the final result.

    Create it before anything else of NNI runs in the trial.

    Parameters
    ----------
    maximised
        Whether NNI maximises ``default``, as its NAS strategies do and its tuners here do not; it is then negated.
    """

    def __init__(self, maximised: bool = False) -> None:
        self._channel, self._sign = TrialChannel(), -1 if maximised else 1

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        logged = trainer.callback_metrics
        metric = {key: float(logged[name]) for name, key in REPORTED.items() if name in logged}
        with self._channel.open():
            nni.report_intermediate_result(metric | {"default": self._sign * metric["default"]})

    def final(self, architecture: Architecture, default: float, **figures: float) -> dict[str, Any]:
        """Report the final result, and write the trial's ``architecture.json``.

        The result also contains label -> block, because NNI keeps results in the experiment's database, wherever the trial ran.
        It is flat and short, because the web UI gives every entry its own axis.

        Parameters
        ----------
        architecture
            Architecture that the trial found, with its latency.
        default
            Value to minimise.
        figures
            Further values for the web UI.

        Raises
        ------
        SystemExit
            If ``default`` is not finite, which tuners and web UI cannot handle. The trial then fails.
        """
        if not math.isfinite(default):
            raise SystemExit(f"fbnet-pfld: the result of the trial is {default}: its training has diverged")
        architecture.save(folder() / "architecture.json")
        metric: dict[str, Any] = {"default": self._sign * round(default, 4), "latency_us": architecture.us}
        metric |= figures | architecture.choices
        with self._channel.open():
            nni.report_final_result(metric)
        return metric


def begin() -> tuple[dict[str, Any], Report]:
    """Start as a trial; return its parameters and its :class:`Report`.

    Raises
    ------
    InputError
        If no NNI experiment started this process.
    """
    if nni.get_experiment_id() == "STANDALONE":
        raise InputError("not started by an NNI experiment; use it as a trialCommand, see experiments/docs/nni.md")
    end_with_manager()
    parameters = listed_parameters()
    return parameters, Report()


def folder() -> Path:
    """Return the folder in which NNI keeps the files of this trial."""
    return Path(os.environ["NNI_OUTPUT_DIR"])


def end_with_manager() -> None:
    """End this process immediately when NNI cancels it, or when the manager that started it is gone.

    NNI cancels a trial with SIGINT. It shows a trial that dies of the signal as canceled; Lightning would catch the signal and
    exit with code 1, which NNI shows as failed. A killed manager cancels nothing: its trials would keep running.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    manager = next((process for process in psutil.Process().parents() if process.name() == "node"), None)
    if manager is not None:
        threading.Thread(target=_watch, args=(manager,), daemon=True).start()


def _watch(manager: psutil.Process) -> None:
    while manager.is_running() and manager.status() != psutil.STATUS_ZOMBIE:
        time.sleep(1)
    os._exit(1)  # safe at any point of the training: files are written whole or not at all
