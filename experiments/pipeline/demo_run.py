"""The demo: from the pretrained supernet to a file for a device on a small synthetic data set, with a figure of the result."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytorch_lightning as pl

from ...evaluators import Checkpoint, as_it_is, layout_of, normalised_errors
from ...latency import LookupTable
from ...search_space import Architecture
from ...search_space.errors import InputError
from ...search_space.progress import Track, silent
from ...strategies import cost_of
from ..deploy.candidate import TrainedNetwork, load_candidate
from ..deploy.comparison import Row, compare
from ..deploy.exporter import Exporter
from ..plots.demo_figure import demo_figure
from .config import Config
from .finetuning import finetune_network
from .front import best_within, find_front
from .scoring import FACES, Scorer
from .workspace import Workspace

CONFIG = Path(__file__).parent / "demo.yaml"

TRAIN = 1600
"""Training faces."""

TEST = 200
"""Test faces."""

SCORED = 300
"""Subnets of the supernet that are scored for the front."""

SHOWN = 16
"""Test faces in the figure."""


@dataclass(frozen=True)
class DemoResult:
    """Metrics of the networks, the chosen subnet, and the table and front that it was chosen with."""

    rows: list[Row]
    chosen: Architecture
    table: LookupTable
    front: pd.DataFrame


def run_demo(
    config: Config,
    supernet: Path,
    max_us: float,
    data_root: Path,
    place: Workspace,
    out: Path,
    seed: int = 0,
    track: Track = silent,
    progress: Callable[[str], list[pl.Callback]] = lambda title: [],
) -> DemoResult:
    """Choose a subnet within a latency limit, finetune, export and run it; write ``subnet.onnx`` and ``demo.png`` into ``out``.

    Parameters
    ----------
    supernet
        Checkpoint of a trained supernet.
    max_us
        Maximum latency of the subnet in microseconds, by the config's table.
    data_root
        Data set with the supernet's points, whose faces the supernet has not seen.
    place
        Workspace for the checkpoints.
    track, progress
        Show the progress of loops, and of the training under a title.

    Raises
    ------
    InputError
        If no subnet is fast enough.
    """
    # check that a subnet is within the limit
    faces, table, trained = config.faces(data_root), LookupTable.load(config.lut), Checkpoint.load(supernet)
    cost = table.cost(trained.supernet())
    fastest = tuple(min(row, key=row.__getitem__) for row in cost.blocks_us.values())
    if cost_of(cost, fastest) > max_us:
        raise InputError(f"no subnet runs within {max_us:,.0f} us; the fastest takes {cost_of(cost, fastest):,.0f} us")
    # score subnets with the supernet's weights, and find the front, which always includes the fastest
    scorer = Scorer(trained, faces, config, seed, FACES, place.search, track)
    front = find_front(scorer, table, seed, place.search, SCORED, [fastest], track)
    chosen = best_within(front, place.search, max_us)
    assert chosen is not None  # the fastest is within the limit
    chosen.save(place.architecture)
    # finetune and export it
    finetune_network(config, faces, place.trained(), chosen, supernet, seed, callbacks=progress("finetune"))
    file = out / "subnet.onnx"
    Exporter(faces, config.lut, track=track).export(place.checkpoint(), file, None)
    # evaluate it before and after finetuning, and as a file
    candidates = {
        "subnet, as pretrained": TrainedNetwork(as_it_is(chosen, trained, faces.train), chosen),
        "subnet, finetuned": load_candidate(place.checkpoint(), config.points, config.input_size),
        file.name: load_candidate(file, config.points, config.input_size),
    }
    rows, predicted = compare(candidates, faces.test, table)
    # draw some test faces, and all scored subnets
    points, true = predicted[file.name][:SHOWN], faces.test.points[:SHOWN]
    nme = 100 * normalised_errors(points, true, layout_of(true.shape[1]).eye_corners)
    scored = pd.DataFrame([(cost_of(cost, subnet), value) for subnet, value in scorer.known.items()], columns=["us", "nme"])
    demo_figure(
        out / "demo.png",
        faces.test.images[:SHOWN],
        true.numpy(),
        points.numpy(),
        nme.numpy(),
        scored,
        front,
        max_us,
        f"{table.name}, {table.method}",
    )
    return DemoResult(rows, chosen, table, front)
