"""The Pareto front of accuracy and latency over the subnets of a trained supernet, with their NME without finetuning."""

import itertools
import math
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ...latency import LookupTable
from ...search_space import Architecture
from ...search_space.counting import count_parameters
from ...search_space.files import write_text
from ...search_space.progress import Track, silent
from ...strategies import Subnet, cost_of, evolve, pareto_front
from ..plots.pareto_figure import pareto_figure
from .scoring import Scorer
from .workspace import PARETO

ALL = 100_000
"""Maximum number of subnets of a space that ``pareto`` scores exhaustively."""

EVALUATIONS = 5_000
"""Number of subnets of a larger space that it scores, by evolutionary search."""


def best_within(front: pd.DataFrame, folder: Path, max_us: float) -> Architecture | None:
    """Return the most accurate subnet within ``max_us`` microseconds of the front in ``folder``, or None."""
    within = front[front["us"] <= max_us]
    # the front is sorted by latency, and its NME falls
    return None if within.empty else Architecture.load(folder / str(within["file"].iloc[-1]))


def find_front(
    scorer: Scorer,
    table: LookupTable,
    seed: int,
    folder: Path,
    evaluations: int | None = None,
    also: Sequence[Subnet] = (),
    track: Track = silent,
) -> pd.DataFrame:
    """Score subnets, rate those on the front, and write ``pareto.csv``, ``pareto.png`` and ``front/*.json``.

    Scores use some of the held-out faces. The subnets on their front are then rated as they would be exported: with BatchNorm
    statistics of training faces, on all held-out faces.

    Parameters
    ----------
    evaluations
        Number of subnets to score, by evolutionary search if the space has more; None for all of a small space, and for
        :data:`EVALUATIONS` of a large one.
    also
        Subnets that are always scored and rated.

    Returns
    -------
    DataFrame
        The front, a row per subnet, fastest first: ``us``, ``nme`` in percent, ``parameters``, a column per layer, ``file``.

    Raises
    ------
    InputError
        If the table lacks a block, or the folder cannot be written.
    """
    space = scorer.space
    cost = table.cost(space)
    size = math.prod(len(row) for row in cost.blocks_us.values())
    limit = (ALL if size <= ALL else EVALUATIONS) if evaluations is None else evaluations
    # score all subnets of a small space, or those that an evolutionary search visits in a large one
    if size <= limit:
        subnets = list(itertools.product(*cost.blocks_us.values()))
        scores = dict(zip(subnets, scorer(subnets), strict=True))
    else:
        scores = dict(zip(also, scorer(list(also)), strict=True)) | evolve(scorer, scorer.logits, cost, limit, seed)
    us = {subnet: cost_of(cost, subnet) for subnet in scores}
    subnets = list(scores)
    scored = [subnets[i] for i in pareto_front([us[subnet] for subnet in subnets], [scores[subnet] for subnet in subnets])]
    # rate the front of the scores as it would be exported; the front of these ratings is the result
    rated = {subnet: scorer.rate(subnet) for subnet in track(list(dict.fromkeys([*scored, *also])), "front")}
    on_front = list(rated)
    on_front = [on_front[i] for i in pareto_front([us[subnet] for subnet in on_front], list(rated.values()))]
    # write its subnets, and remove files of an earlier front with another table
    rows: list[dict[str, object]] = []
    files = set()
    for i, subnet in enumerate(on_front):
        file = folder / "front" / f"{i:03d}_{us[subnet]:.0f}us.json"
        choices = dict(zip(cost.blocks_us, subnet, strict=True))
        chosen = Architecture(
            space.spec, space.num_points, space.input_size, choices, metrics={"val_nme": round(rated[subnet], 3)}
        )
        table.annotate(chosen).save(file)
        files.add(file)
        rows.append(
            {
                "us": round(us[subnet], 1),
                "nme": round(rated[subnet], 3),
                "parameters": count_parameters(chosen.build()),
                **choices,
                "file": str(file.relative_to(folder)),
            }
        )
    front = pd.DataFrame(rows)
    for old in set((folder / "front").glob("*us.json")) - files:
        old.unlink()
    write_text(folder / PARETO, front.to_csv(index=False))
    pareto_figure(folder / "pareto.png", list(us.values()), list(scores.values()), front, f"{table.name}, {table.method}")
    return front
