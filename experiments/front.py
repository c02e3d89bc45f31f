"""The front of accuracy and latency over the subnets of a trained supernet, and the NME that each of them has as it is."""

import itertools
import math
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ..latency import LookupTable
from ..search_space import Architecture
from ..search_space.count import count_parameters
from ..search_space.inputs import write_text
from ..strategies import Subnet, cost_of, evolve, pareto_front
from .architectures import with_latency
from .options import console
from .pictures import pareto_picture
from .progress import counted
from .scoring import Scorer

ALL = 100_000
"""Subnets up to which ``pareto`` scores a space as a whole."""

EVALUATIONS = 5_000
"""Subnets that it scores of a larger one, by an evolution."""

PARETO = "pareto.csv"


def find_front(scorer: Scorer, table: LookupTable, seed: int, folder: Path, evaluations: int | None = None,
               also: Sequence[Subnet] = ()) -> pd.DataFrame:
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
    if size <= limit:
        subnets = list(itertools.product(*cost.blocks_us.values()))
        scores = dict(zip(subnets, scorer(subnets), strict=True))
    else:
        scores = dict(zip(also, scorer(list(also)), strict=True)) | evolve(scorer, scorer.logits, cost, limit, seed)
    us = {subnet: cost_of(cost, subnet) for subnet in scores}
    subnets = list(scores)
    scored = [subnets[i] for i in pareto_front([us[subnet] for subnet in subnets], [scores[subnet] for subnet in subnets])]
    rated = {subnet: scorer.rate(subnet) for subnet in counted(list(dict.fromkeys([*scored, *also])), "front", console)}
    on_front = list(rated)
    on_front = [on_front[i] for i in pareto_front([us[subnet] for subnet in on_front], list(rated.values()))]
    rows = []
    for i, subnet in enumerate(on_front):
        file = folder / "front" / f"{i:03d}_{us[subnet]:.0f}us.json"
        choices = dict(zip(cost.blocks_us, subnet, strict=True))
        chosen = Architecture(space.spec, space.num_points, space.input_size, choices,
                              metrics={"val_nme": round(rated[subnet], 3)})
        with_latency(chosen, table).save(file)
        rows.append({"us": round(us[subnet], 1), "nme": round(rated[subnet], 3), "parameters": count_parameters(chosen.build()),
                     **choices, "file": str(file.relative_to(folder))})
    front = pd.DataFrame(rows)
    for old in set((folder / "front").glob("*us.json")) - {folder / row["file"] for row in rows}:
        old.unlink()  # of a front with another table
    write_text(folder / PARETO, front.to_csv(index=False))
    pareto_picture(folder / "pareto.png", list(us.values()), list(scores.values()), front, f"{table.name}, {table.method}")
    return front
