"""Train the chosen subnet, or a baseline with the same recipe."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytorch_lightning as pl
from torch import nn

from ...evaluators import Checkpoint, FaceData, finetune, inherit, start_from
from ...evaluators.training.typed_network import as_network
from ...search_space import BASELINES, Architecture
from ...search_space.errors import InputError, allowed
from ...search_space.progress import ignore
from .config import Config

Network = Architecture | str
"""A subnet, or the name of a baseline."""


def finetune_network(
    config: Config,
    faces: FaceData,
    folder: Path,
    network: Network,
    supernet: Path | None = None,
    seed: int = 0,
    resume: str | None = None,
    devices: str = "",
    callbacks: Sequence[pl.Callback] = (),
    init: Path | None = None,
    remark: Callable[[str], None] = ignore,
) -> Checkpoint:
    """Train a subnet or a baseline; write its best epoch into ``folder``.

    Parameters
    ----------
    faces
        Data set with the network's points and input size; see :func:`faces_for`.
    network
        A subnet, or the name of a baseline.
    supernet
        Checkpoint of a supernet whose weights a subnet inherits, or ``pretrained:NAME``.
    init
        Checkpoint of the same network to start from, or ``pretrained:NAME``.
    remark
        Called with one line if the checkpoint has another number of points, which makes the last layer's weights new.

    Raises
    ------
    InputError
        If any input is invalid; nothing has been written.
    """
    pl.seed_everything(seed, verbose=False)
    options = config.finetune
    # build the network, a subnet with the supernet's weights
    model: nn.Module
    if isinstance(network, Architecture):
        model = network.build()
        if supernet is not None:
            tell_fresh(supernet, inherit(model, network, Checkpoint.load(supernet)), network.num_points, remark)
            options = options.inheriting()
    elif network not in BASELINES:
        raise InputError(f"unknown baseline {network!r}; {allowed(BASELINES)}")
    else:
        if supernet is not None:
            raise InputError(f"{supernet}: the baseline {network} cannot inherit from a supernet; only a subnet can")
        model = BASELINES[network](config.points, config.input_size)
    # load the weights to start from
    if init is not None:
        tell_fresh(init, start_from(model, network, Checkpoint.load(init)), as_network(model).num_points, remark)
    if config.finetune.teacher is not None:
        Checkpoint.load(config.finetune.teacher)  # fail on a missing file before images are decoded
    return finetune(
        model,
        network,
        faces.train,
        options,
        folder,
        seed,
        callbacks,
        eye_corners=config.eye_corners,
        resume=resume,
        devices=devices,
    )


def tell_fresh(source: Path, fresh: Sequence[str], num_points: int, remark: Callable[[str], None]) -> None:
    """Remark which weights of a network with ``num_points`` points stay new, if any do."""
    if fresh:
        remark(
            f"{source}: all weights are loaded except the last layer's, {', '.join(fresh)}, because this network has "
            f"{num_points} points"
        )


def faces_for(network: Network, config: Config, data_root: Path) -> FaceData:
    """Return the data set with the points and input size of a subnet, or those of the config for a baseline."""
    if isinstance(network, Architecture):
        return FaceData(data_root, network.num_points, network.input_size)
    return config.faces(data_root)


def network_of(checkpoint: Checkpoint, config: Config) -> tuple[Network, Config]:
    """Return a checkpoint's network, and the config with its points and input size where none are configured."""
    sizes = {"points": checkpoint.num_points, "input_size": checkpoint.input_size}
    config = config.override({key: None if config.given(key) else value for key, value in sizes.items()}, str(checkpoint.path))
    if checkpoint.kind == "baseline":
        return str(checkpoint.network), config
    architecture = checkpoint.architecture()
    return replace(architecture, num_points=config.points, input_size=config.input_size, latency=None, metrics={}), config
