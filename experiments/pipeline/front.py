"""The front of accuracy and latency over the subnets of a trained supernet, and the NME that each of them has as it is."""

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
"""Subnets up to which ``pareto`` scores a space as a whole."""

EVALUATIONS = 5_000
"""Subnets that it scores of a larger one, by an evolution."""


def best_within(front: pd.DataFrame, folder: Path, max_us: float) -> Architecture | None:
    """The most accurate subnet within ``max_us`` microseconds of the front in ``folder``; None if none is so fast."""
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

    Scores are of some held-out faces, to find the front. What is on it is then rated as it would be exported: BatchNorm
    statistics of training faces, all held-out faces.

    Parameters
    ----------
    evaluations
        Subnets to score, by an evolution if there are more; None for all of a small space, and :data:`EVALUATIONS` of a large.
    also
        Subnets to score and rate in any case.

    Returns
    -------
    DataFrame
        The front, a row per subnet, cheapest first: ``us``, ``nme`` in percent, ``parameters``, a column per layer, ``file``.

    Raises
    ------
    InputError
        If the table lacks a block, or the folder cannot be written.
    """
    space = scorer.space
    cost = table.cost(space)
    size = math.prod(len(row) for row in cost.blocks_us.values())
    limit = (ALL if size <= ALL else EVALUATIONS) if evaluations is None else evaluations
    # score all subnets of a small space, and those that an evolution comes by of a large one
    if size <= limit:
        subnets = list(itertools.product(*cost.blocks_us.values()))
        scores = dict(zip(subnets, scorer(subnets), strict=True))
    else:
        scores = dict(zip(also, scorer(list(also)), strict=True)) | evolve(scorer, scorer.logits, cost, limit, seed)
    us = {subnet: cost_of(cost, subnet) for subnet in scores}
    subnets = list(scores)
    scored = [subnets[i] for i in pareto_front([us[subnet] for subnet in subnets], [scores[subnet] for subnet in subnets])]
    # rate what is on the front by its score as it would be exported; what is on the front by that is the result
    rated = {subnet: scorer.rate(subnet) for subnet in track(list(dict.fromkeys([*scored, *also])), "front")}
    on_front = list(rated)
    on_front = [on_front[i] for i in pareto_front([us[subnet] for subnet in on_front], list(rated.values()))]
    # write each of its subnets, and remove those of a front with another table
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
