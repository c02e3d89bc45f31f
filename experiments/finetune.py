"""``fbnet-pfld finetune``: train the chosen subnet, or a baseline by the same recipe."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import pytorch_lightning as pl
import typer

from ..evaluators import BEST, Checkpoint, LandmarkDataset, inherit, start_from
from ..evaluators import finetune as train
from ..search_space import BASELINES, Architecture, InputError
from ..search_space.inputs import allowed, only_one
from .config import Config
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
    remark,
    remark_device,
    remark_resume,
)
from .progress import TrainingProgress
from .search import ARCHITECTURE


def finetune_network(config: Config, data_root: Path, folder: Path, network: Architecture | str,
                     supernet: Path | None = None, seed: int = 0, resume: str | None = None, devices: str = "",
                     callbacks: Sequence[pl.Callback] = (), init: Path | None = None) -> Checkpoint:
    """Train a subnet or a baseline; write its best epoch into ``folder``.

    Parameters
    ----------
    supernet
        Checkpoint of a search, whose weights a subnet inherits.
    init
        Checkpoint of the same network to start from; all but its last layer if that has another number of points.

    Raises
    ------
    InputError
        If any input is invalid; nothing has been written.
    """
    pl.seed_everything(seed, verbose=False)
    if isinstance(network, str):
        if network not in BASELINES:
            raise InputError(f"unknown baseline {network!r}; {allowed(BASELINES)}")
        if supernet is not None:
            raise InputError(f"{supernet}: the baseline {network} inherits nothing from a supernet; a subnet does")
        model, title = BASELINES[network](config.points, config.input_size), network
    else:
        model, title = network.build(), "finetune"
    options = config.finetune
    if supernet is not None:
        inherit(model, network, Checkpoint.load(supernet), supernet)
        options = options.inheriting()
    if init is not None:
        fresh = start_from(model, network, Checkpoint.load(init), init)
        if fresh:
            remark(f"{init}: all weights are taken over but the last layer's, {', '.join(fresh)}: this network has "
                   f"{model.num_points} points")
    if config.finetune.teacher is not None:
        Checkpoint.load(config.finetune.teacher)  # a missing file shows before images are decoded
    data = LandmarkDataset(data_root, "train", model.num_points, model.input_size)
    return train(model, network, data, options, folder, seed, [TrainingProgress(title), *callbacks],
                 eye_corners=config.eye_corners, resume=resume, devices=devices)


Arch = Annotated[Path | None, typer.Option("--arch", help="Architecture file; the search's by default.")]
Supernet = Annotated[Path | None, typer.Option("--supernet", help="Supernet to inherit weights from; the search's by default.")]
Init = Annotated[Path | None, typer.Option("--init", help="Start from the weights of this checkpoint_best.pth, also of another "
                                                          "number of points.")]
FromScratch = Annotated[bool, typer.Option("--from-scratch", "--from_scratch", help="Inherit no weights.")]
Model = Annotated[str | None, typer.Option("--model", help="Train this baseline instead: " + " or ".join(BASELINES))]


def finetune(data_root: DataRoot = DATA_ROOT, snapshot: Snapshot = SNAPSHOT, dev_id: DevId = "", config: ConfigFile = None,
             arch: Arch = None, supernet: Supernet = None, init: Init = None, from_scratch: FromScratch = False,
             model: Model = None, points: Points = None, epochs: Epochs = None, precision: Precision = None,
             resume: Resume = None, seed: Seed = 0, as_json: Json = False) -> None:
    """Finetune the chosen subnet with the supernet's weights, or train a baseline by the same recipe.

    With --init, start from the weights of a trained subnet or baseline, with a new schedule; its architecture is taken too,
    unless --arch or --model names one. Writes SNAPSHOT/subnet/checkpoint_best.pth (SNAPSHOT/NAME/... for a baseline) and
    TensorBoard logs.
    """
    only_one({"--arch": arch, "--model": model})
    only_one({"--supernet": supernet, "--model": model})
    only_one({"--supernet": supernet, "--init": init, "--from-scratch": from_scratch or None})
    settings = Config.load(config, points=points, finetune__epochs=epochs, finetune__precision=precision)
    network: Architecture | str
    if model is not None:
        network = model
    elif arch is None and init is not None:
        network, settings = _network_of(init, settings)
    else:
        network = Architecture.load(arch or snapshot / "supernet" / ARCHITECTURE)
    if isinstance(network, Architecture):
        for key, value in (("points", network.num_points), ("input_size", network.input_size)):
            if settings.given(key) and getattr(settings, key) != value:
                raise InputError(f"architecture of {key} {value}, but {key} {getattr(settings, key)} is configured; "
                                 f"search with it, or leave it out")
    inherits = isinstance(network, Architecture) and init is None and not from_scratch
    weights = supernet or snapshot / "supernet" / BEST if inherits else None
    folder = snapshot / (network if isinstance(network, str) else "subnet")
    if init is not None and init.resolve() == (folder / BEST).resolve():
        raise InputError(f"--init {init} is the file that this training writes; give another --snapshot")
    remark_device(dev_id)
    remark_resume(resume, folder)
    best = finetune_network(settings, data_root, folder, network, weights, seed, resume, dev_id, init=init)
    finish({"checkpoint": str(folder / BEST), **best.metrics}, as_json)


def _network_of(init: Path, settings: Config) -> tuple[Architecture | str, Config]:
    """The network that a checkpoint is of, and the settings with its points and input size where none are configured."""
    loaded = Checkpoint.load(init)
    sizes = {"points": loaded.num_points, "input_size": loaded.input_size}
    settings = settings.override({key: None if settings.given(key) else value for key, value in sizes.items()}, str(init))
    if loaded.kind == "baseline":
        return loaded.network, settings
    architecture = loaded.architecture(init)
    return replace(architecture, num_points=settings.points, input_size=settings.input_size, latency=None, metrics={}), settings
