"""``fbnet-pfld finetune``: train the chosen subnet, or a baseline by the same recipe."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import pytorch_lightning as pl
import typer

from ..evaluators import BEST, Checkpoint, LandmarkDataset, inherit
from ..evaluators import finetune as train
from ..search_space import BASELINES, Architecture, InputError
from ..search_space.inputs import allowed
from .config import Config, check_resume
from .options import (
    DATA_ROOT,
    SNAPSHOT,
    ConfigFile,
    DataRoot,
    DevId,
    Epochs,
    Json,
    Points,
    Precision,
    Resume,
    Seed,
    Snapshot,
    finish,
)
from .progress import TrainingProgress
from .search import ARCHITECTURE


def finetune_network(config: Config, data_root: Path, folder: Path, network: Architecture | str,
                     supernet: Path | None = None, seed: int = 0, resume: str | None = None, devices: str = "",
                     callbacks: Sequence[pl.Callback] = ()) -> Checkpoint:
    """Train a subnet (with the supernet's weights if one is given) or a baseline; write its best epoch into ``folder``.

    Raises
    ------
    InputError
        If data, supernet, device or output are not as they must be; nothing is written then.
    """
    pl.seed_everything(seed, verbose=False)
    if isinstance(network, str):
        if network not in BASELINES:
            raise InputError(f"unknown baseline {network!r}; {allowed(BASELINES)}")
        model, title = BASELINES[network](config.points, config.input_size), network
    else:
        model, title = network.build(), "finetune"
    if supernet is not None:
        inherit(model, network, Checkpoint.load(supernet), supernet)
    data = LandmarkDataset(data_root, "train", model.num_points, model.input_size)
    what = network if isinstance(network, str) else network.to_dict()
    return train(model, network, data, config.finetune, folder, seed, [TrainingProgress(title), *callbacks],
                 eye_corners=config.eye_corners, resume=resume, devices=devices,
                 ready=lambda: check_resume(folder / "settings.json", what, config, seed, resume))


Arch = Annotated[Path | None, typer.Option("--arch", help="Architecture file; the search's by default.")]
Supernet = Annotated[Path | None, typer.Option("--supernet", help="Supernet to inherit weights from; the search's by default.")]
FromScratch = Annotated[bool, typer.Option("--from-scratch", "--from_scratch", help="Inherit no weights.")]
Model = Annotated[str | None, typer.Option("--model", help="Train this baseline instead: " + " or ".join(BASELINES))]


def finetune(data_root: DataRoot = DATA_ROOT, snapshot: Snapshot = SNAPSHOT, dev_id: DevId = "", config: ConfigFile = None,
             arch: Arch = None, supernet: Supernet = None, from_scratch: FromScratch = False, model: Model = None,
             points: Points = None, epochs: Epochs = None, precision: Precision = None, resume: Resume = None,
             seed: Seed = 0, as_json: Json = False) -> None:
    """Finetune the chosen subnet with the supernet's weights, or train a baseline by the same recipe.

    Writes SNAPSHOT/subnet/checkpoint_best.pth (SNAPSHOT/NAME/... for a baseline) and TensorBoard logs.
    """
    settings = Config.load(config, points=points, finetune__epochs=epochs, finetune__precision=precision)
    if model is not None:
        if arch or supernet:
            raise InputError("--model is given with --arch or --supernet; allowed: a baseline or a subnet")
        folder, network, weights = snapshot / model, model, None
    else:
        folder, network = snapshot / "subnet", Architecture.load(arch or snapshot / "supernet" / ARCHITECTURE)
        weights = None if from_scratch else supernet or snapshot / "supernet" / BEST
        if points is not None and points != network.num_points:
            raise InputError(f"architecture of {network.num_points} points, but --points {points}; "
                             f"allowed: {network.num_points}")
    best = finetune_network(settings, data_root, folder, network, weights, seed, resume, dev_id)
    finish({"checkpoint": str(folder / BEST), **best.metrics}, as_json)
