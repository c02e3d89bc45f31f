"""The whole way on a small synthetic data set: search, finetuning, export, and a figure of the result."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytorch_lightning as pl
from torch import Tensor

from ...evaluators import Checkpoint, LandmarkDataset, as_it_is, evaluate, layout_of, normalised_errors
from ...latency import LookupTable
from ...search_space import Architecture, SpaceSpec
from ...search_space.progress import Track, silent
from ..deploy.candidate import load_candidate
from ..deploy.comparison import Row, compare
from ..deploy.exporter import BASELINE, Exporter
from ..plots.demo_figure import demo_figure
from .config import Config
from .finetuning import finetune_network
from .supernet_search import search_supernet
from .workspace import HISTORY, Workspace

CONFIG = Path(__file__).parent / "demo.yaml"

TRAIN = 1600
"""Training faces."""

TEST = 200
"""Test faces."""

RANDOM_SUBNETS = 30
"""Subnets in the background of the scatter plot."""

FEW = 256
"""Training faces for their BatchNorm statistics."""


def run_demo(
    config: Config,
    data_root: Path,
    place: Workspace,
    out: Path,
    seed: int = 0,
    track: Track = silent,
    progress: Callable[[str], list[pl.Callback]] = lambda title: [],
) -> tuple[list[Row], Architecture, LookupTable]:
    """Search, finetune, export and compare; write ``subnet.onnx`` and ``demo.png`` into ``out``.

    Parameters
    ----------
    data_root
        A data set with 106 points.
    place
        Gets the checkpoints.
    track, progress
        Show the progress: of loops, and of the training with a title.
    """
    faces = config.faces(data_root)
    chosen = search_supernet(config, faces, place.search, seed, callbacks=progress("search"), track=track)
    finetune_network(config, faces, place.trained(), chosen, place.supernet, seed, callbacks=progress("finetune"))
    finetune_network(config, faces, place.trained(BASELINE), BASELINE, seed=seed, callbacks=progress(BASELINE))
    Exporter(faces, config.lut, track=track).export(place.checkpoint(), out / "subnet.onnx", place.checkpoint(BASELINE))

    table = LookupTable.load(config.lut)
    names = {BASELINE: place.checkpoint(BASELINE), "subnet": place.checkpoint(), "subnet.onnx": out / "subnet.onnx"}
    candidates = {name: load_candidate(path, config.points, config.input_size) for name, path in names.items()}
    rows, predicted = compare(candidates, faces.test, table)
    background = random_subnets(Checkpoint.load(place.supernet), faces.some("train", FEW), faces.test, table, seed)
    _draw(out / "demo.png", faces.test, predicted["subnet.onnx"], rows, background, table, pd.read_csv(place.search / HISTORY))
    return rows, chosen, table


def random_subnets(
    supernet: Checkpoint, train: LandmarkDataset, test: LandmarkDataset, table: LookupTable, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Modelled latency and NME of random subnets with the supernet's weights: the background of the scatter plot."""
    spec, rng = SpaceSpec.from_dict(supernet.network, str(supernet.path)), random.Random(seed)
    latencies, errors = [], []
    for _ in range(RANDOM_SUBNETS):
        architecture = Architecture(spec, supernet.num_points, supernet.input_size, spec.sample(rng))
        latencies.append(table.latency_us(architecture))
        errors.append(evaluate(as_it_is(architecture, supernet, train), test)["nme"])
    return np.array(latencies), np.array(errors)


def _draw(
    path: Path,
    test: LandmarkDataset,
    predicted: Tensor,
    rows: list[Row],
    background: tuple[np.ndarray, np.ndarray],
    table: LookupTable,
    history: pd.DataFrame,
) -> None:
    predicted, true = predicted[:16], test.points[:16]
    nme = 100 * normalised_errors(predicted, true, layout_of(true.shape[1]).eye_corners)
    groups: dict[str, Any] = {"random subnets, supernet's weights": background}
    groups |= {row.name: (np.array([row.table_us]), np.array([row.nme])) for row in rows if row.table_us is not None}
    demo_figure(
        path, test.images[:16], true.numpy(), predicted.numpy(), nme.numpy(), history, groups, f"{table.name}, {table.method}"
    )
