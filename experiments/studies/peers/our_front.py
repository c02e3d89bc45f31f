"""Our front: a supernet's choices within latency budgets, trained from the supernet's weights and from scratch."""

from collections.abc import Sequence
from pathlib import Path

import pytorch_lightning as pl

from ....evaluators import Checkpoint, FaceData, inherit
from ....latency import LookupTable
from ....search_space import Architecture, InputError
from ....search_space.files import read_json
from ....search_space.progress import Track, silent
from ...pipeline.config import Config
from ...pipeline.front import best_within, find_front
from ...pipeline.scoring import FACES, Scorer
from ..evidence.supernets import TIME
from ..results import Records, digest
from .peer_trainings import SCRATCH, SUPERNET, train_and_test

EVALUATIONS = 2_000
"""Number of subnets scored to find the front."""

OURS = "ours, at most"
"""Prefix of our subnets' names; the budget follows."""


def train_ours(
    config: Config,
    name: str,
    faces: FaceData,
    supernet: Path,
    seed: int,
    budgets: Sequence[float],
    records: Records,
    work: Path,
    track: Track = silent,
) -> None:
    """Train a supernet's choice within each budget, a row per training; resume where it was stopped.

    All subnets are first finetuned from the supernet's weights, and then trained from scratch for as many epochs. Each start
    has its default learning rate.

    Parameters
    ----------
    config
        The recipe, and the latency table of the budgets.
    name
        Name of the data set in the results.
    supernet
        Checkpoint of a search with this ``seed``. An optional file ``time.json`` beside it holds the duration of the search.
    budgets
        Latency budgets in microseconds, by the table.
    work
        Folder for the scores and the front.

    Raises
    ------
    InputError
        If a budget is too small for any subnet, or the records have rows of another recipe or table.
    """
    weights = Checkpoint.load(supernet)
    chosen = choose(config, faces, weights, seed, budgets, work, track)
    table = LookupTable.load(config.lut).cost(weights.supernet())
    setup = digest(config.finetune.model_dump(mode="json"), EVALUATIONS, FACES, table.blocks_us, table.fixed_us)
    starts = {SUPERNET: config.finetune.inheriting().learning_rate, SCRATCH: config.finetune.learning_rate}
    for start, rate in starts.items():
        for budget, architecture in chosen.items():
            known = {"data": name, "network": f"{OURS} {budget:,.0f} us", "start": start, "epochs": config.finetune.epochs}
            records.check(setup=setup, **known)
            if records.has(**known, rate=rate, seed=seed):
                continue
            pl.seed_everything(seed, verbose=False)
            model = architecture.build()
            if start == SUPERNET:
                inherit(model, architecture, weights)
            settings = config.override({"finetune__learning_rate": rate}, "peers")
            figures = train_and_test(settings, faces, model, architecture, seed)
            records.add(
                **known,
                rate=rate,
                seed=seed,
                setup=setup,
                **figures,
                supernet_seconds=_seconds(supernet) if start == SUPERNET else 0.0,
                blocks=" ".join(architecture.choices.values()),
            )


def choose(
    config: Config,
    faces: FaceData,
    supernet: Checkpoint,
    seed: int,
    budgets: Sequence[float],
    work: Path,
    track: Track = silent,
) -> dict[float, Architecture]:
    """Choose the most accurate subnet of a supernet's front within each budget; return budget -> subnet.

    Raises
    ------
    InputError
        If a budget is too small for any subnet.
    """
    table = LookupTable.load(config.lut)
    scorer = Scorer(supernet, faces, config, seed, FACES, work, track)
    front = find_front(scorer, table, seed, work, EVALUATIONS, track=track)
    chosen = {}
    for budget in budgets:
        best = best_within(front, work, budget)
        if best is None:
            raise InputError(f"budget {budget:g} us: the fastest subnet of the front takes {front.us.min():g} us; raise it")
        chosen[budget] = best
    return chosen


def _seconds(supernet: Path) -> float | None:
    """Duration of a supernet's search in seconds, or None if it is not recorded."""
    file = supernet.with_name(TIME)
    return float(read_json(file, "time of a training")["seconds"]) if file.is_file() else None
