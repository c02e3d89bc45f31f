"""Training of peers: each with our recipe at several learning rates, then with more seeds at its best rate."""

import tempfile
import time
from collections.abc import Sequence

import pandas as pd
import pytorch_lightning as pl
import torch
from torch import nn

from ....evaluators import FaceData, evaluate, finetune
from ....evaluators.training.checkpoint import load_weights
from ....search_space import BASELINES, Architecture
from ...pipeline.config import Config
from ...pipeline.training_progress import TrainingProgress
from ..results import Records, digest
from .peer_networks import PEERS

KEYS = ("data", "network", "start", "epochs", "rate", "seed")
"""Columns of ``trainings.csv`` that identify a training; ``start`` is :data:`SCRATCH` or :data:`SUPERNET`."""

SCRATCH = "scratch"
"""Start of a training with new weights."""

SUPERNET = "supernet"
"""Start of a training with the weights of a supernet."""


def train_peers(
    config: Config, name: str, faces: FaceData, networks: Sequence[str], rates: Sequence[float], seeds: int, records: Records
) -> None:
    """Train peers from scratch, a row per training; resume where it was stopped.

    Seed 0 trains at every learning rate. Further seeds train at the rate that had the lowest held-out NME with seed 0.

    Parameters
    ----------
    config
        The recipe; its learning rate is ignored.
    name
        Name of the data set in the results.
    networks
        Keys of ``PEERS``.

    Raises
    ------
    InputError
        If the records have rows of these networks with other settings.
    """
    setup = setup_of(config)
    for network in networks:
        known = {"data": name, "network": network, "start": SCRATCH, "epochs": config.finetune.epochs}
        records.check(setup=setup, **known)
        # every rate with the first seed, then the other seeds at the best rate
        for seed in range(seeds):
            for rate in rates if seed == 0 else [best_rate(of_network(records.frame(), known))]:
                if records.has(**known, rate=rate, seed=seed):
                    continue
                pl.seed_everything(seed, verbose=False)
                model = PEERS[network](config.points, config.input_size)
                settings = config.override({"finetune__learning_rate": rate}, "peers")
                figures = train_and_test(settings, faces, model, network, seed)
                records.add(**known, rate=rate, seed=seed, setup=setup, **figures, supernet_seconds=0.0, blocks="")


def take_baselines(recorded: pd.DataFrame, config: Config, name: str, records: Records) -> None:
    """Copy trainings of the baselines with the same recipe from another experiment's table; their duration is unknown.

    Parameters
    ----------
    recorded
        ``networks.csv`` of the accuracy experiment.
    config
        The recipe of these trainings, with its learning rate.
    name
        Name of their data set; rows of others are skipped.
    """
    rows = recorded[(recorded.data == name) & recorded.network.isin(BASELINES)]
    for row in rows.to_dict("records"):
        known = {"data": name, "network": row["network"], "start": SCRATCH, "epochs": row["epochs"]}
        settings = config.override({"finetune__epochs": row["epochs"]}, "peers")
        key = {**known, "rate": settings.finetune.learning_rate, "seed": row["seed"]}
        records.check(setup=setup_of(settings), **known)
        if not records.has(**key):
            figures = {column: row[column] for column in ("held_out_nme", "test_auc8", "test_fr8", "test_nme")}
            records.add(**key, setup=setup_of(settings), **figures, supernet_seconds=0.0, blocks="")


def setup_of(config: Config) -> str:
    """Digest of the settings that a peer's results depend on, without the learning rate."""
    return digest(config.finetune.model_dump(mode="json", exclude={"learning_rate"}))


def of_network(trainings: pd.DataFrame, known: dict[str, object]) -> pd.DataFrame:
    """Select the rows of a table that have these values."""
    return trainings[(trainings[list(known)] == list(known.values())).all(axis=1)]


def best_rate(trainings: pd.DataFrame) -> float:
    """Rate with the lowest held-out NME among one network's trainings with seed 0."""
    return float(trainings[trainings.seed == 0].sort_values("held_out_nme").rate.iloc[0])


def train_and_test(
    config: Config, faces: FaceData, model: nn.Module, network: Architecture | str, seed: int
) -> dict[str, float]:
    """Train and test a network.

    Parameters
    ----------
    model
        The network with its initial weights; the training leaves it with the weights of its best epoch.
    network
        Its architecture, or its name.

    Returns
    -------
    dict
        ``held_out_nme``, ``test_nme``, ``test_fr8`` and ``test_auc8`` in percent, and ``cpu_seconds``. The held-out faces are
        the part of the training data that chose the epoch.
    """
    start = time.process_time()
    model = model.to(memory_format=torch.channels_last)  # same result, 0.6x the time on a CPU
    with tempfile.TemporaryDirectory() as folder:
        shown = TrainingProgress(network if isinstance(network, str) else f"{network.us:.0f} us")
        best = finetune(model, network, faces.train, config.finetune, folder, seed, [shown], eye_corners=config.eye_corners)
    load_weights(model, best.weights, best.where)
    figures = {f"test_{name}": round(value, 4) for name, value in evaluate(model, faces.test, config.eye_corners).items()}
    spent = round(time.process_time() - start, 1)
    return {"held_out_nme": round(best.metrics["val_nme"], 4), **figures, "cpu_seconds": spent}
