"""Combine a data set, the landmark module and a Lightning trainer to an NNI evaluator."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from nni.nas.evaluator.pytorch import Lightning, Trainer
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import TensorBoardLogger

from ...search_space.errors import InputError
from ..data.dataset import LandmarkDataset
from ..data.loaders import make_loader, split_indices
from ..names import LAST
from .callbacks import SeedEveryEpoch
from .module import LandmarkModule
from .run_record import RunRecord, data_digest
from .training_options import TrainOptions


def make_evaluator(
    dataset: LandmarkDataset,
    options: TrainOptions,
    folder: str | Path,
    seed: int,
    callbacks: Sequence[pl.Callback] = (),
    *,
    eye_corners: tuple[int, int] | None = None,
    shuffle_val: bool = False,
    record: RunRecord | None = None,
    devices: str = "",
) -> Lightning:
    """Create an evaluator that trains on one part of ``dataset`` and validates on the rest after each epoch.

    Parameters
    ----------
    dataset
        Training data.
    options
        Training options.
    folder
        Folder for ``last.ckpt``, written after each epoch, and TensorBoard logs.
    seed
        Random seed of split, order, augmentation and everything else.
    callbacks
        Additional callbacks of the trainer.
    eye_corners
        Indices of the outer eye corners, for a landmark layout that is not built in.
    shuffle_val
        Whether to shuffle the held-out part, which a search that learns from it needs.
    record
        Record of the run, stored in each ``last.ckpt``; it names the state to resume from, if any.
    devices
        GPUs, such as ``0`` or ``0,1``; ignored if the machine has none. ``cpu`` or ``cpu:2`` for one or two CPU processes. Each
        of several devices takes separate batches of ``batch_size`` faces, and gradients are averaged.

    Raises
    ------
    InputError
        If a device does not exist, the split leaves an empty part, or the state to resume from belongs to another run.
    """
    folder = Path(folder)
    train, val = split_indices(len(dataset), options.val_fraction, seed)
    kept = [] if record is None else [record]
    last = ModelCheckpoint(folder, Path(LAST).stem, save_on_train_epoch_end=True, enable_version_counter=False)
    trainer = Trainer(
        max_epochs=options.epochs,
        callbacks=[SeedEveryEpoch(seed), *callbacks, *kept, last],
        precision=options.precision,
        logger=TensorBoardLogger(folder, name="logs", version=""),
        log_every_n_steps=10,
        num_sanity_val_steps=0,
        enable_progress_bar=False,
        enable_model_summary=False,
        **_accelerator(devices),
    )
    if record is not None:
        record.check(processes=trainer.world_size, data=data_digest(dataset))
    place = (trainer.world_size, trainer.global_rank)
    train_loader = make_loader(dataset, train, options.batch_size, seed, *place)
    val_loader = make_loader(dataset, val, options.batch_size, seed + 1 if shuffle_val else None, *place)
    module = LandmarkModule(
        dataset.points.shape[1],
        options.epochs * len(train_loader),
        options.loss,
        options.learning_rate,
        options.weight_decay,
        options.schedule,
        options.augment,
        eye_corners,
    )
    return Lightning(
        module,
        trainer,
        train_loader,
        val_loader,
        fit_kwargs={"ckpt_path": record and record.state and str(record.state), "weights_only": True},
    )


def _accelerator(devices: str) -> dict[str, Any]:
    """Return Lightning's arguments for the devices that a user names."""
    gpus = torch.cuda.device_count()
    if match := re.fullmatch(r"cpu(?::([1-9]\d*))?", devices):
        return {"accelerator": "cpu", **_processes(int(match[1] or 1))}
    if not gpus:
        return {"accelerator": "cpu", "devices": 1}
    try:
        indices = [int(part) for part in devices.split(",") if part.strip()]
    except ValueError:
        indices = [-1]
    if any(not 0 <= i < gpus for i in indices):
        raise InputError(
            f"--dev-id {devices!r}: no such device; allowed: indices from 0 to {gpus - 1}, separated by commas, or cpu"
        )
    return {"accelerator": "gpu", **_processes(len(indices) or 1), "devices": indices or [0]}


def _processes(count: int) -> dict[str, Any]:
    # a search runs only some of its blocks in each step
    return {"devices": count, "strategy": "ddp_find_unused_parameters_true" if count > 1 else "auto"}
